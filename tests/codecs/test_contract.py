"""The self-test says what holds of a good codec, and finds each fault of a bad one."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from snac_eval.cli.main import main
from snac_eval.codecs import contract as validate
from snac_eval.codecs.contract import CHECKS, Subject, examine, open_subject
from snac_eval.codecs.opening import opened
from snac_eval.errors import UsageError
from snac_eval.types import CodecCard, Codes, Waveform

_counter = itertools.count()


class Toy:
    """A lossless codec of 16-bit samples, two tokens a sample; tests break it on purpose."""

    card = CodecCard("toy", "toy", "a codec", 16000, 1, 256000, (256, 256), (16000, 16000))
    device = "cpu"
    fingerprint = "toy"

    def prepare(self) -> None:
        return

    def padded_length(self, num_samples: int) -> int | None:
        return num_samples

    def encode(self, waveforms: Sequence[Waveform]) -> list[Codes]:
        return [self._encode(one) for one in waveforms]

    def decode(self, codes: Sequence[Codes], seeds: Sequence[int]) -> list[Waveform]:
        return [self._decode(*one) for one in zip(codes, seeds, strict=True)]

    def _encode(self, waveform: Waveform) -> Codes:
        from snac_eval.codecs.checks import check_input

        check_input(self.card, waveform)
        levels = np.rint(waveform.samples[0] * 32000).astype(np.int32) + 32768
        return Codes(waveform.num_samples, (levels // 256, levels % 256), self.card.codebook_sizes)

    def _decode(self, codes: Codes, seed: int) -> Waveform:
        levels = codes.streams[0] * 256 + codes.streams[1] - 32768
        return Waveform((levels[None] / 32000).astype(np.float32), 16000)


def _broken(**methods: Callable[..., Any]) -> Subject:
    kind = type("Broken", (Toy,), methods)
    return Subject(kind(), lambda _: kind(), long_s=1.0)


def _state(subject: Subject, check: str) -> str:
    return examine(check, CHECKS[check], subject).state


def test_a_good_codec_passes_every_check() -> None:
    states = {name: _state(_broken(), name) for name in CHECKS}
    skipped = {name for name, state in states.items() if state == "skipped"}
    assert skipped >= {"stereo", "streams dropped"}
    assert set(states.values()) == {"ok", "skipped"}


def _short(self: Toy, codes: Codes, seed: int) -> Waveform:
    whole = Toy._decode(self, codes, seed)
    return replace(whole, samples=whole.samples[:, 1:])


def _restless(self: Toy, codes: Codes, seed: int) -> Waveform:
    whole = Toy._decode(self, codes, seed)
    return replace(whole, samples=whole.samples + np.float32(1e-3 * next(_counter)))


def _loud(self: Toy, codes: Codes, seed: int) -> Waveform:
    whole = Toy._decode(self, codes, seed)
    return whole if whole.samples.any() else replace(whole, samples=whole.samples + 1)


def _dead(self: Toy, codes: Codes, seed: int) -> Waveform:
    whole = Toy._decode(self, codes, seed)
    return replace(whole, samples=0 * whole.samples)


def _by_batch(self: Toy, waveforms: Sequence[Waveform]) -> list[Codes]:
    made = [self._encode(one) for one in waveforms]
    if len(made) > 1:
        made = [replace(one, streams=(one.streams[0], 0 * one.streams[1])) for one in made]
    return made


def _beyond(self: Toy, waveform: Waveform) -> Codes:
    codes = Toy._encode(self, waveform)
    return replace(codes, streams=(codes.streams[0] + 256, codes.streams[1]))


def _extra(self: Toy, waveform: Waveform) -> Codes:
    return replace(Toy._encode(self, waveform), side_info=bytes(10 * waveform.num_samples))


def _credulous(self: Toy, waveform: Waveform) -> Codes:
    samples = np.nan_to_num(waveform.samples[:1]).clip(-1, 1)
    return Toy._encode(self, Waveform(samples if samples.size else np.zeros((1, 1)), 16000))


def _late(self: Toy, codes: Codes, seed: int) -> Waveform:
    whole = Toy._decode(self, codes, seed)
    return replace(whole, samples=np.roll(whole.samples, 1, axis=1))


def _greedy(self: Toy, waveform: Waveform) -> Codes:
    codes = Toy._encode(self, waveform)
    waveform.samples[:] = 0
    return codes


@pytest.mark.parametrize(
    ("check", "method", "fault"),
    [
        ("length kept", "_decode", _short),
        ("seed repeats", "_decode", _restless),
        ("stored codes decode", "_decode", _restless),
        ("batch equals single", "encode", _by_batch),
        ("bits counted", "_encode", _beyond),
        ("bits counted", "_encode", _extra),
        ("silence", "_decode", _loud),
        ("silence", "_decode", _dead),
        ("bad input refused", "_encode", _credulous),
        ("input left alone", "_encode", _greedy),
        ("delay", "_decode", _late),
        ("long audio", "_decode", _short),
    ],
)
def test_each_fault_is_found(check: str, method: str, fault: Callable[..., Any]) -> None:
    assert _state(_broken(**{method: fault}), check) == "failed"


def test_memory_beyond_the_limit_is_found() -> None:
    subject = replace(_broken(), peak_memory_mib=lambda: 3000.0 * next(_counter))
    assert _state(subject, "long audio") == "failed"
    assert _state(replace(subject, whole_clip="its encoder"), "long audio") == "skipped"


def test_stereo_codec_keeps_its_channels_apart() -> None:
    card = replace(Toy.card, channels=2, codebook_sizes=(), frame_rates_hz=())

    class Stereo(Toy):
        def _encode(self, waveform: Waveform) -> Codes:
            return Codes(waveform.num_samples, packets=(waveform.samples.tobytes(),))

        def _decode(self, codes: Codes, seed: int) -> Waveform:
            samples = np.frombuffer(codes.packets[0], np.float32).reshape(2, -1)
            return Waveform(samples.copy(), 16000)

    Stereo.card = card
    subject = Subject(Stereo(), lambda _: Stereo())
    assert _state(subject, "stereo") == "ok"


def test_command_prints_findings_and_fails(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["validate", "pcm_16bit", "--long", "1s"]) == 0
    printed = capsys.readouterr().out
    assert "the contract holds" in printed
    assert "ok       length kept" in printed
    broken = type("Broken", (Toy,), {"_decode": _short})
    monkeypatch.setattr(validate, "open_model", lambda *_: opened(broken(), "a test"))
    assert main(["validate", "pcm_16bit", "--long", "1s"]) == 1
    assert "checks failed" in capsys.readouterr().out


def test_files_cannot_be_validated(tmp_path: pytest.TempPathFactory) -> None:
    with pytest.raises(UsageError, match="nothing to validate"):
        open_subject(f"files:{tmp_path}")


def test_a_subject_knows_whether_its_codec_drops_streams() -> None:
    subject = open_subject("snac_16khz_mini")
    assert _state(subject, "streams dropped") == "ok"
    assert _state(open_subject("pcm_8bit"), "streams dropped") == "skipped"
