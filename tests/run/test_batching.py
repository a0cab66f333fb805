"""A run in batches asks first whether they change what the codec makes of a clip."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from snac_eval.cli.main import main
from snac_eval.codecs.repeats import Repeat, batched, mixed_clips
from snac_eval.run import batching
from snac_eval.run.coding import fit_together
from tests.cli.helpers import scores
from tests.conftest import tone

CODEC = """
import numpy as np
from snac_eval.types import CodecCard, Codes, Waveform

class Codec:
    "Eight bits a sample; the last sample of a clip tells how many are in its batch."

    card = CodecCard("crowd", "crowd", "a codec", 16000, 1, 128000, (256,), (16000.0,))
    device = "cpu"
    fingerprint = "crowd/1"

    def prepare(self):
        pass

    def padded_length(self, num_samples):
        return num_samples

    def encode(self, waveforms):
        made = []
        for one in waveforms:
            stream = np.rint(one.samples[0] * 100 + 128).astype(np.int32)
            if {sees}:
                stream[-1] = len(waveforms)
            made.append(Codes(one.num_samples, (stream,), (256,)))
        return made

    def decode(self, codes, seeds):
        samples = [((one.streams[0] - 128) / 100)[None].astype(np.float32) for one in codes]
        return [Waveform(one, 16000) for one in samples]
"""


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of clips; the cache is a new one, and modules are found beside it."""
    monkeypatch.setenv("SNAC_EVAL_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    folder = tmp_path / "audio"
    folder.mkdir()
    for index, duration_s in enumerate((0.5, 0.52, 0.48, 0.3)):
        soundfile.write(folder / f"{index}.wav", tone(duration_s, seed=index), 16000)
    return folder


def _run(data: Path, module: str, batch_size: int) -> dict[str, Any]:
    folder = data.parent / f"{module}{batch_size}"
    command = ["run", "--model", f"{module}:Codec", "--dataset", f"folder:{data}", "--quiet"]
    command += ["--metrics", "bitrate", "--workers", "0", "--batch-size", str(batch_size)]
    assert main([*command, "--output", str(folder)]) == 0
    assert set(scores(folder)["status"]) == {"ok"}
    return json.loads((folder / "manifest.json").read_text())  # type: ignore[no-any-return]


def _keys(manifest: dict[str, Any]) -> set[str]:
    return {facts["key"] for facts in manifest["clips"].values()}


def test_where_batches_change_codes_their_size_names_the_results(data: Path) -> None:
    (data.parent / "crowded.py").write_text(CODEC.replace("{sees}", "True"))
    runs = [_run(data, "crowded", size) for size in (1, 2, 3)]
    assert len(set.union(*map(_keys, runs))) == 3 * 4
    said = [[note for note in run["notes"] if "batches of" in note] for run in runs]
    assert said[0] == []
    assert "in batches of 2 on this device and single clips differ in 2 of" in said[1][0]
    assert "apart from those of other batch sizes" in said[2][0]
    facts = runs[2]["batches"]
    assert facts["size"] == 3
    assert facts["against_single_clips"]["num_changed"] == 3


def test_where_they_do_not_results_are_shared_and_nothing_is_asked_twice(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (data.parent / "alike.py").write_text(CODEC.replace("{sees}", "False"))
    one, three = _run(data, "alike", 1), _run(data, "alike", 3)
    assert _keys(one) == _keys(three)
    assert "batches" in three
    assert not [note for note in three["notes"] if "batches of" in note]
    monkeypatch.setattr(batching, "_asked", lambda _: pytest.fail("asked again"))
    (data.parent / "alike3" / "manifest.json").unlink()
    assert _keys(_run(data, "alike", 3)) == _keys(three)


def test_a_comparison_that_cannot_be_made_keeps_batches_apart(data: Path) -> None:
    broken = CODEC.replace("{sees}", "len(waveforms) > 2 and 1 // 0")
    (data.parent / "broken.py").write_text(broken)
    run = _run(data, "broken", 3)
    (note,) = [note for note in run["notes"] if "batches of" in note]
    assert "could not be compared with single clips: ZeroDivisionError" in note
    assert not list((data.parent / "cache").rglob("*.json"))
    assert len(_keys(run)) == 4


def test_what_is_compared() -> None:
    class Rounded:
        """PCM whose audio, in a batch, is off by so much."""

        def __init__(self, off: float) -> None:
            self.off = off

        def __getattr__(self, name: str) -> object:
            return getattr(_pcm, name)

        def padded_length(self, num_samples: int) -> int | None:
            return num_samples

        def decode(self, codes: list[object], seeds: object) -> list[object]:
            made = _pcm.decode(codes, seeds)
            for one in made:
                one.samples[:] *= 1 + self.off * (len(codes) > 1)
            return made

    from snac_eval.codecs.opening import open_model

    _pcm = open_model("pcm_16bit").coder
    assert _pcm is not None
    clips = mixed_clips(_pcm.card, 4)
    assert len({clip.num_samples for clip in clips}) == 4
    assert batched(_pcm, 4) == Repeat()
    same, rounded, off = (batched(Rounded(by), 4) for by in (0.0, 1e-5, 1e-3))  # type: ignore[arg-type]
    assert same == Repeat(same.num_codes)
    assert same.num_codes > 0
    assert rounded.is_close
    assert not rounded.is_same
    assert not off.is_close
    assert off.audio_db == pytest.approx(-60, abs=0.5)
    assert not Repeat(audio_db=math.inf).is_close


def test_clips_fit_together_while_they_are_few_short_and_alike() -> None:
    assert fit_together([10.0] * 8, 8)
    assert not fit_together([10.0] * 9, 8)
    assert fit_together([10.0, 9.0, 8.5], 8)
    assert not fit_together([10.0, 9.0, 5.0], 8)
    assert fit_together([500.0], 8)
    assert not fit_together([35.0] * 5, 8)
    assert fit_together([35.0] * 4, 8)


def test_sorted_speech_fills_batches_with_hardly_any_padding() -> None:
    # As many clips as LibriSpeech's test-clean has, as long on the whole and as unlike.
    spread = np.sqrt(np.log(1 + (5.1 / 7.42) ** 2))
    drawn = np.random.default_rng(0).lognormal(np.log(7.42) - spread**2 / 2, spread, 2620)
    frame = 2048 / 24000
    batches: list[list[float]] = [[]]
    for length in sorted(np.ceil(drawn.clip(1.3, 35) / frame) * frame, reverse=True):
        if not fit_together([*batches[-1], length], 8):
            batches.append([])
        batches[-1].append(length)
    padded = sum(len(batch) * max(batch) for batch in batches)
    assert len(drawn) / len(batches) > 7.8
    assert padded < 1.01 * sum(map(sum, batches))


def test_facts_are_json() -> None:
    assert Repeat.from_facts(json.loads(json.dumps(Repeat(3, 1, -90.0).facts()))).num_changed == 1
