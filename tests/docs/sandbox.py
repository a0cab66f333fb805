"""The folder in which a document is tried, and stand-ins for what cannot be reached from here.

Clips are short, and runs take a few of them, in this process: a command is the reader's, what it
works on is small. Weights of a hub are random models in its cache, corpora a few clips in ours.
"""

from __future__ import annotations

import inspect
import re
import shutil
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from snac_eval.registry import cards, plugins
from snac_eval.run.config import RunConfig
from tests.docs.reading import ROOT
from tests.writable_hub import serve_writable_hub, use_hub

MAX_CLIPS = 4
CLIP_S = 1.2
RATE = 16000
_SPEECH = ("speech_en_female", "speech_en_male", "speech_de", "speech_fr")
RUNS = {"mine": "opus_12kbps", "theirs": "opus_6kbps", "more": "snac_16khz_mini"}
METRICS = ("bitrate", "mel_dac_paper", "si_sdr_aligned", "pesq_wb", "stoi", "visqol_speech")

_MY_CODEC = """name = "my_codec"
family = "pyav"
description = "a codec of the reader's own"
sample_rate = 24000
channels = 1
nominal_bitrate_bps = 12000
"""

# Where each corpus has its clips, below the cache; {n} is a number, {s} the split.
_CORPORA = {
    "librispeech": "LibriSpeech/{s}/{n}/1/{n}-1-0000.flac",
    "libritts": "LibriTTS/{s}/{n}/1/{n}_1_000001_000000.wav",
    "vctk": "VCTK-Corpus-0.92/wav48_silence_trimmed/p{n}/p{n}_001_{s}.flac",
    "ljspeech": "LJSpeech-1.1/wavs/LJ001-000{n}.wav",
    "daps": "daps/{s}/f{n}_script1_{s}.wav",
    "musdb18_hq": "musdb18hq/{s}/Song {n}/mixture.wav",
    "gtzan": "genres/{s}/{s}.0000{n}.wav",
    "fma_small": "fma/fma_small/000/00000{n}.mp3",
    "esc50": "ESC-50-master/audio/1-{n}-A-0.wav",
}
_SPLITS = {
    "librispeech": "test-clean",
    "libritts": "test-clean",
    "vctk": "mic1",
    "daps": "clean",
    "musdb18_hq": "test",
    "gtzan": "blues",
}


def sound(index: int = 0, kind: str = "speech") -> NDArray[np.float32]:
    """A bit of one of the bundled clips, ``[time]`` at 16 kHz: real speech, and ours to use."""
    name = _SPEECH[index % len(_SPEECH)] if kind == "speech" else "music_piano"
    samples, rate = soundfile.read(ROOT / "datasets" / "demo" / f"{name}.flac", dtype="float32")
    if samples.ndim > 1:
        samples = samples.mean(axis=1)
    step = max(1, round(rate / RATE))
    start = round(0.8 * rate)
    found: NDArray[np.float32] = samples[start : start + round(CLIP_S * rate) : step]
    return found


class Sandbox:
    """A folder with what documents take for given, and the surroundings of its commands."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self.template = root / "template"
        self.cache, self.hub, self.site = root / "cache", root / "hub", root / "site"

    def build(self) -> None:
        """Make the clips, the reader's own codec and card, and the runs; surroundings are set."""
        for index in range(MAX_CLIPS):
            self._clip(f"my/recordings/speech/{index}/{index}-0001.wav", index)
        for name, kind in (("speech", "speech"), ("original", "speech"), ("music", "music")):
            soundfile.write(self.template / f"{name}.wav", sound(0, kind), RATE)
        soundfile.write(self.template / "estimate.wav", 0.9 * sound(0), RATE)
        shutil.copytree(self.template / "my" / "recordings", self.template / "tests" / "audio")
        self._reconstructions()
        card = _MY_CODEC + _options("opus_12kbps")
        for folder in (self.template / "my_cards", self.site / "my_codec_cards"):
            (folder / "codecs").mkdir(parents=True)
            (folder / "codecs" / "my_codec.toml").write_text(card)
        _write_plugin(self.site)

    def make_runs(self) -> None:
        """Runs of three codecs on the reader's recordings, and a baseline; in the template."""
        import snac_eval
        from snac_eval.results.baseline import write_baseline
        from snac_eval.results.record import read_run

        for name, codec in RUNS.items():
            kept = {"output": f"runs/{name}", "html": False}
            snac_eval.evaluate(codec, "folder:my/recordings", list(METRICS), **kept)  # type: ignore[arg-type]
        shutil.copytree("runs/mine", "runs/new")
        for place in ("baseline.json", "tests/baseline.json"):
            write_baseline(read_run(Path("runs/new")), Path(place))

    def copy(self, name: str, text: str) -> Path:
        """A fresh copy of it, for one document; with the submitted results that its
        commands take, ``reports/results/DATASET/{CODEC,...}``."""
        folder = self._root / name
        shutil.copytree(self.template, folder)
        for place in set(re.findall(r"(reports/results/[\w.-]+)/\{", text)):
            shutil.copytree(ROOT / place, folder / place)
        return folder

    def stand_in(self, text: str) -> None:
        """Make what the text names and this machine lacks: weights, corpora."""
        for name, layout in _CORPORA.items():
            for found in re.finditer(rf"\b{name}(?::([\w-]+))?", text):
                split = found[1] or _SPLITS.get(name, "")
                for number in range(1, MAX_CLIPS + 1):
                    self._cached(layout.format(n=number, s=split), number, name)
        for name in re.findall(r"\bsnac_(?:24|32|44)khz\b", text):
            self._weights(name)

    def _cached(self, place: str, number: int, corpus: str) -> None:
        path = self.cache / place
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            kind = "music" if corpus in ("musdb18_hq", "gtzan", "fma_small") else "speech"
            soundfile.write(path, sound(number, kind) * (1 - 0.05 * number), RATE)

    def _weights(self, name: str) -> None:
        """A small random model, where the hub's client keeps what it has downloaded."""
        from snac_eval.codecs.snac.config import SNACConfig
        from tests.codecs.snac.test_checkpoint import save_model

        card = plugins.codec_card(name)
        place = self.hub / f"models--{card.weights.replace('/', '--')}" / "snapshots"
        if not (place / card.revision).exists():
            speech = card.sample_rate == 24000
            rates = (2, 4, 8, 8) if speech else (2, 3, 8, 8)
            config = SNACConfig(
                sampling_rate=card.sample_rate or 0,
                encoder_dim=8,
                encoder_rates=rates,
                decoder_dim=64,
                decoder_rates=rates[::-1],
                attn_window_size=None if speech else 32,
                vq_strides=(4, 2, 1) if speech else (8, 4, 2, 1),
            )
            save_model(place / card.revision, config)

    def _clip(self, place: str, index: int) -> None:
        path = self.template / place
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, sound(index), RATE)

    def _reconstructions(self) -> None:
        for path in sorted((self.template / "my" / "recordings").rglob("*.wav")):
            other = (
                self.template
                / "reconstructions"
                / path.relative_to(self.template / "my" / "recordings")
            )
            other.parent.mkdir(parents=True, exist_ok=True)
            samples, rate = soundfile.read(path, dtype="float32")
            soundfile.write(other, np.round(samples * 64) / 64, rate)


def _options(name: str) -> str:
    """The options of one of our cards, as its file has them."""
    text = (cards.data_dir("codecs") / f"{name}.toml").read_text(encoding="utf-8")
    return text[text.index("[options]") :]


def _write_plugin(site: Path) -> None:
    """A package of cards, as an installed one looks."""
    (site / "my_codec_cards" / "__init__.py").write_text("")
    folder = site / "my_codec_cards-0.1.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: my_codec_cards\nVersion: 0.1\n")
    (folder / "entry_points.txt").write_text("[snac_eval.cards]\nmine = my_codec_cards\n")


def surround(monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox) -> None:
    """Have commands of this process find the stand-ins, and do little work."""
    from huggingface_hub import constants

    for name, value in (
        ("SNAC_EVAL_CACHE", str(sandbox.cache)),
        ("HF_HUB_CACHE", str(sandbox.hub)),
        ("COLUMNS", "120"),
        ("MPLBACKEND", "agg"),
        ("PYTHONPATH", str(sandbox.site)),
    ):
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(sandbox.hub))
    monkeypatch.syspath_prepend(str(sandbox.site))
    # No process but this one, which starts in no time and has what is patched here.
    monkeypatch.setattr(RunConfig, "num_workers", property(lambda _: 0))
    _cut_datasets(monkeypatch)
    _write_one_page(monkeypatch)


def _write_one_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the first run write its page, and no other: each takes as long as its scores do.
    ``snac-eval report --html`` writes whatever it is asked for."""
    from snac_eval.evaluation import executing

    whole, written = executing.write_page, []

    def once(*args: Any, **options: Any) -> None:  # noqa: ANN401 - handed through
        if not written:
            written.append(whole(*args, **options))

    monkeypatch.setattr(executing, "write_page", once)


def _cut_datasets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have every dataset give a few clips, and the bundled one a part of each."""
    from snac_eval.datasets import opening

    whole = opening.open_dataset

    form = inspect.signature(whole)

    def cut(*args: Any, **options: Any) -> Any:  # noqa: ANN401 - handed through
        given = form.bind(*args, **options)
        given.apply_defaults()
        asked = given.arguments
        asked["limit"] = min(asked["limit"] or MAX_CLIPS, MAX_CLIPS)
        if asked["name"] == "demo" and not asked["sampling"].excerpt_s:
            asked["sampling"] = replace(asked["sampling"], excerpt_s=CLIP_S)
        return whole(*given.args, **given.kwargs)

    for module in list(sys.modules.values()):
        if getattr(module, "__name__", "").startswith("snac_eval."):
            for attribute in [key for key, value in vars(module).items() if value is whole]:
                monkeypatch.setattr(module, attribute, cut)


@contextmanager
def stand_in_hub(text: str, monkeypatch: pytest.MonkeyPatch, folder: Path) -> Iterator[None]:
    """Where the text pushes anything, a hub on this machine, which its reader may write to."""
    if "snac-eval push" not in text:
        yield
        return
    with monkeypatch.context() as patch, serve_writable_hub() as hub:
        use_hub(patch, hub.endpoint, str(folder / "hub"), "hf_me")
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Use 'content=", DeprecationWarning)
            yield


def forget_plugins() -> Iterator[None]:
    """Have plugins looked for anew, before and after."""
    caches = [one for one in vars(plugins).values() if hasattr(one, "cache_clear")]
    for one in caches:
        one.cache_clear()
    yield
    for one in caches:
        one.cache_clear()
