"""Limits, balance and excerpts: chosen by content and seed, recorded, repeatable."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile

from snac_eval import audio
from snac_eval.datasets.opening import Sampling, open_dataset
from snac_eval.datasets.sampling import ACTIVE, choose_clips, excerpt
from snac_eval.errors import DatasetError, UsageError
from snac_eval.results.record import read_run
from snac_eval.run.config import RunConfig
from snac_eval.run.loop import run
from snac_eval.types import Clip
from tests.conftest import tone


def _clips(**speakers: int) -> list[Clip]:
    """So many clips of each speaker."""
    return [
        Clip(f"{who}-{index}", Path(), "", speaker=who, domain="music" if who == "m" else "speech")
        for who, count in speakers.items()
        for index in range(count)
    ]


@pytest.mark.parametrize("seed", [0, 1])
def test_balance_takes_as_many_of_each_as_each_has(seed: int) -> None:
    clips = _clips(a=50, b=20, m=3)
    counts = Counter(clip.speaker for clip in choose_clips(clips, 15, "speaker", seed))
    assert counts == {"a": 6, "b": 6, "m": 3}
    domains = Counter(clip.domain for clip in choose_clips(clips, 6, "domain", seed))
    assert domains == {"speech": 3, "music": 3}


def test_choices_nest_keep_their_order_and_hang_on_the_seed() -> None:
    clips = _clips(a=50, b=20, m=3)
    for balance in ("", "speaker"):
        few, more = (choose_clips(clips, limit, balance) for limit in (5, 12))
        assert set(few) < set(more)
        assert list(more) == [clip for clip in clips if clip in more]
        assert choose_clips(clips[::-1], 5, balance)[::-1] == few
        assert choose_clips(clips, 5, balance, seed=1) != few


def test_balance_needs_names_to_balance_by(audio_dir: Path) -> None:
    with pytest.raises(DatasetError, match="no clip of this dataset names its speaker"):
        open_dataset(f"folder:{audio_dir}", limit=2, sampling=Sampling(balance="speaker"))


@pytest.fixture
def burst(tmp_path: Path) -> Clip:
    """Twenty seconds of near silence with sound from 6 s to 9 s."""
    samples = np.full(20 * 16000, 1e-4, dtype=np.float32)
    samples[6 * 16000 : 9 * 16000] = tone(3.0)
    soundfile.write(tmp_path / "burst.wav", samples, 16000, subtype="FLOAT")
    return audio.inspect(audio.make_clip(tmp_path / "burst.wav", tmp_path))


def _heard(samples: np.ndarray, floor: float = 1e-3) -> float:
    """Share of the tenths of a second at 16 kHz that are louder than ``floor``."""
    tenths = samples[0][: samples.shape[1] // 1600 * 1600].reshape(-1, 1600)
    return float((np.sqrt(np.square(tenths).mean(axis=1)) > floor).mean())


def test_excerpts_are_salient(burst: Clip) -> None:
    starts = set()
    for seed in range(40):
        cut = excerpt(burst, 2.0, seed)
        samples = audio.read_clip(cut, 60).samples
        assert samples.shape == (1, 32000)
        assert _heard(samples) >= 0.9 * ACTIVE
        starts.add(cut.start_s)
    assert len(starts) > 10
    assert min(starts) < 6 < max(starts)


@pytest.mark.parametrize(("seconds", "gain"), [(1 / 16000, 1.0), (0.05, 0.9), (0.5, 0.9)])
def test_neither_a_click_nor_a_bang_makes_an_excerpt(
    tmp_path: Path, seconds: float, gain: float
) -> None:
    samples = np.full(60 * 16000, 1e-5, dtype=np.float32)
    samples[20 * 16000 : 40 * 16000] = 0.05 * tone(20.0)
    bang = slice(50 * 16000, 50 * 16000 + round(seconds * 16000))
    samples[bang] = gain * np.sign(np.random.default_rng(0).standard_normal(bang.stop - bang.start))
    soundfile.write(tmp_path / "a.wav", samples, 16000, subtype="FLOAT")
    clip = audio.inspect(audio.make_clip(tmp_path / "a.wav", tmp_path))
    for seed in range(20):
        cut = excerpt(clip, 5.0, seed)
        assert 18 <= cut.start_s <= 37
        assert _heard(audio.read_clip(cut, 60).samples, 1e-4) > 0.6


def test_soft_and_steady_clips_give_any_part(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).standard_normal(20 * 16000).astype(np.float32)
    soundfile.write(tmp_path / "a.wav", 1e-5 * noise, 16000, subtype="FLOAT")
    clip = audio.inspect(audio.make_clip(tmp_path / "a.wav", tmp_path))
    starts = [excerpt(clip, 2.0, seed).start_s for seed in range(60)]
    assert min(starts) < 3
    assert max(starts) > 15


def test_an_excerpt_is_recorded_and_repeats(burst: Clip) -> None:
    cut = excerpt(burst, 2.0)
    assert cut == excerpt(burst, 2.0)
    assert any(cut != excerpt(burst, 2.0, seed) for seed in range(1, 20))
    assert cut.id == f"burst@{cut.start_s:g}+2"
    assert cut.sha256 not in (burst.sha256, excerpt(burst, 2.5).sha256)
    assert (cut.duration_s, cut.length_s) == (2.0, 2.0)


def test_an_excerpt_of_an_excerpt_stays_within_it(burst: Clip) -> None:
    row = audio.inspect(audio.make_clip(burst.path, burst.path.parent, start_s=5.55, length_s=2.0))
    for seed in range(20):
        cut = excerpt(row, 1.5, seed)
        assert 5.55 <= cut.start_s <= 6.05 + 1e-9


@pytest.mark.parametrize("length_s", [20.0, 25.0])
def test_clips_that_are_no_longer_stay_whole(burst: Clip, length_s: float) -> None:
    assert excerpt(burst, length_s) is burst


def test_silence_has_an_excerpt_and_nan_a_reason(tmp_path: Path) -> None:
    for name, value in (("silent", 0.0), ("broken", np.nan)):
        soundfile.write(tmp_path / f"{name}.wav", np.full(32000, value), 16000, subtype="FLOAT")
    broken, silent = open_dataset(f"folder:{tmp_path}", sampling=Sampling(excerpt_s=1.0)).clips
    assert (silent.duration_s, silent.problem) == (1.0, "")
    assert "NaN" in broken.problem


def test_compressed_audio_is_cut_too(tmp_path: Path) -> None:
    for name in ("a.mp3", "b.flac"):
        soundfile.write(tmp_path / name, tone(3.0), 16000)
    sampling = Sampling(excerpt_s=1.0)
    for clip in open_dataset(f"folder:{tmp_path}", sampling=sampling).clips:
        assert audio.read_clip(clip, 60).num_samples == 16000


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"excerpt_s": 0.01}, "--excerpt 0.01: give at least 0.1 s"),
        ({"excerpt_s": -1.0}, "--excerpt -1.0"),
        ({"excerpt_s": float("nan")}, "--excerpt nan"),
        ({"balance": "age", "limit": 1}, "--balance age: use speaker or domain"),
        ({"balance": "speaker"}, "needs --limit"),
    ],
)
def test_choices_that_make_no_sense_are_refused(
    tmp_path: Path, options: dict[str, object], words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        RunConfig("pcm_8bit", "demo", tmp_path, **options)


def test_a_run_records_its_excerpts(tmp_path: Path) -> None:
    config = RunConfig(
        "pcm_16bit",
        "demo",
        tmp_path / "run",
        metrics=("si_sdr",),
        limit=4,
        balance="domain",
        excerpt_s=5.0,
        sample_seed=2,
        workers=0,
    )
    result = run(config)
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    assert manifest["config"]["excerpt_s"] == 5.0
    assert (manifest["config"]["balance"], manifest["config"]["sample_seed"]) == ("domain", 2)
    assert len(manifest["dataset"]["clip_list_sha256"]) == 64
    cuts = {clip: facts for clip, facts in manifest["clips"].items() if "start_s" in facts}
    assert cuts
    for clip_id, cut in cuts.items():
        assert clip_id.endswith(f"@{cut['start_s']:g}+5")
        assert cut["length_s"] == 5.0
    record = read_run(result.folder)
    assert set(record.rows["clip_id"]) == set(record.clips)
    assert Counter(record.rows["domain"]) == {"speech": 2, "music": 2}
    assert any("shorter than the excerpt" in note for note in manifest["notes"])
    again = run(config)
    assert again.num_computed == 0
