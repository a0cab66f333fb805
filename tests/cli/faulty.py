"""A codec and metrics that fail at clips of certain names, in every way that ends a process or not.

The codec is named as ``--model tests.cli.faulty:codec``, metrics by the entry points of
:func:`install`.
"""

from __future__ import annotations

import os
import resource
import signal
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import soundfile

from snac_eval import audio
from snac_eval.codecs.opening import open_model
from snac_eval.metrics.base import fingerprint
from snac_eval.metrics.bitrate import Bitrate
from snac_eval.metrics.waveform import SiSdr
from snac_eval.types import (
    Clip,
    Codec,
    CodecCard,
    Codes,
    MetricInfo,
    Reconstruction,
    Score,
    Timing,
    Waveform,
)
from tests.conftest import tone

FAULTS = ("exit", "kill", "hang", "raise", "leave", "interrupt", "eat")
REASONS = {
    "hang": "and was stopped",
    "exit": "ended by itself with exit code 3",
    "kill": "was killed by SIGKILL (out of memory?)",
    "raise": "UnicodeDecodeError: 'utf-8' codec can't decode byte 0xff",
    "leave": "SystemExit: 0",
    "interrupt": "KeyboardInterrupt: from a plugin",
    "eat": "MemoryError",
}
"""What the reason says, by the fault."""
_LENGTHS = {name: 8000 + 100 * index for index, name in enumerate(("ok_1", "ok_2", *FAULTS))}


def write_clips(folder: Path, faults: Sequence[str] = FAULTS) -> Path:
    """A clip for each fault, and two sound ones."""
    folder.mkdir()
    for name in ("ok_1", "ok_2", *faults):
        seconds = _LENGTHS[name] / 16000
        soundfile.write(folder / f"{name}.wav", tone(seconds, seed=_LENGTHS[name]), 16000)
    return folder


def install(site: Path) -> Path:
    """A folder for PYTHONPATH whose entry points name the metrics here."""
    metadata = site / "faulty-0.1.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: faulty\nVersion: 0.1\n")
    names = {"faulty_audio": FaultyAudio, "faulty_codes": FaultyCodes}
    lines = [f"{name} = {kind.__module__}:{kind.__name__}" for name, kind in names.items()]
    (metadata / "entry_points.txt").write_text("\n".join(["[snac_eval.metrics]", *lines, ""]))
    return site


def fail(fault: str) -> None:
    """Fail in that way; any other name is none."""
    match fault:
        case "hang":
            threading.Event().wait()
        case "exit":
            os._exit(3)
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "raise":
            b"\xff".decode()
        case "leave":
            raise SystemExit(0)
        case "interrupt":
            raise KeyboardInterrupt("from a plugin")
        case "eat":
            _eat()


def _eat() -> None:
    old = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (1 << 32, old[1]))
    try:
        bytearray(1 << 34)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, old)


def _fault(num_samples: int) -> str:
    return next((name for name, length in _LENGTHS.items() if length == num_samples), "")


def codec() -> Codec:
    """Fails at what ``FAULTY`` in the environment says: read, prepare, pad, encode, decode."""
    return _Faulty()


class _Faulty:
    device = "cpu"

    def __init__(self) -> None:
        inner = open_model("pcm_16bit").coder
        assert inner is not None
        self.where, _, self.how = os.environ.get("FAULTY", "").partition(":")
        self.inner = inner
        self.card = replace(inner.card, name="faulty", sample_rate=16000)
        self.fingerprint = "faulty/1"

    def prepare(self) -> None:
        if self.where == "prepare":
            fail(self.how)
        if self.where == "read":
            _break_reader()

    def padded_length(self, num_samples: int) -> int | None:
        if self.where == "pad":
            fail(_fault(num_samples))
        return 1 if self.where == "batch" else None

    def encode(self, waveforms: Sequence[Waveform]) -> list[Codes]:
        _log("encode")
        if self.where in ("encode", "batch"):
            for one in waveforms:
                fail(_fault(one.num_samples))
        return self.inner.encode(waveforms)

    def decode(self, codes: Sequence[Codes], seeds: Sequence[int]) -> list[Waveform]:
        _log("decode")
        if self.where == "decode":
            for one in codes:
                fail(_fault(one.num_samples))
        return self.inner.decode(codes, seeds)


def _log(what: str) -> None:
    """Note a call where every process can."""
    if path := os.environ.get("FAULTY_LOG"):
        with open(path, "a") as file:
            file.write(f"{what}\n")


def _break_reader() -> None:
    whole = audio.read_clip

    def read_clip(clip: Clip, max_duration_s: float) -> Waveform:
        fail(clip.id)
        return whole(clip, max_duration_s)

    audio.read_clip = read_clip


class FaultyAudio:
    """Scores audio."""

    info: MetricInfo = replace(
        SiSdr().info, name="faulty_audio", fingerprint=fingerprint("faulty_audio", v=1)
    )

    def score(self, reconstruction: Reconstruction) -> Score:
        fail(reconstruction.clip.id)
        return Score.ok(1.0)


class FaultyCodes:
    """Scores codes, where the codec runs."""

    info: MetricInfo = replace(
        Bitrate().info, name="faulty_codes", fingerprint=fingerprint("faulty_codes", v=1)
    )

    def score_codes(
        self, codes: Codes | None, card: CodecCard, timing: Timing, duration_s: float
    ) -> Score:
        assert codes is not None
        fail(_fault(codes.num_samples))
        return Score.ok(1.0)
