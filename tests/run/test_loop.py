"""In which order a run takes its clips, and how far ahead it reads them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from snac_eval.codecs.opening import opened
from snac_eval.run import loop as run_module
from snac_eval.run.keys import ReconstructionKey
from snac_eval.run.loop import _batches, _Loaded, _Made, _read_ahead, _reconstructions
from snac_eval.run.plan import Job, Plan, RunConfig, make_plan
from snac_eval.run.store import Settled, Store, StoredCodes
from snac_eval.types import Clip, Codec, Codes, Reconstruction, Score, Waveform
from tests.conftest import tone


def _plan(tmp_path: Path, model: str, **options: object) -> tuple[Plan, list[Job]]:
    audio = tmp_path / "audio"
    audio.mkdir()
    for index, duration_s in enumerate((0.3, 0.5, 0.46, 0.5, 0.45)):
        soundfile.write(audio / f"{index}.wav", tone(duration_s, seed=index), 16000)
    plan = make_plan(RunConfig(model, f"folder:{audio}", tmp_path / "run", **options))  # type: ignore[arg-type]
    return plan, plan.pending([Settled(frozenset(), False)] * len(plan.clips))


def test_longest_clip_comes_first(tmp_path: Path) -> None:
    plan, jobs = _plan(tmp_path, "opus_6kbps")
    batches = list(_batches(plan, jobs))
    assert [item.job.clip.id for (item,) in batches if isinstance(item, _Loaded)] == list("13240")


def test_batches_hold_clips_that_pad_to_one_length(tmp_path: Path) -> None:
    plan, jobs = _plan(tmp_path, "snac_16khz_mini", batch_size=2)
    ids = [
        "".join(item.job.clip.id for item in batch if isinstance(item, _Loaded))
        for batch in _batches(plan, jobs)
    ]
    assert ids == ["13", "24", "0"]


def test_unreadable_clip_stands_alone(tmp_path: Path) -> None:
    plan, jobs = _plan(tmp_path, "snac_16khz_mini", batch_size=4)
    (tmp_path / "audio" / "3.wav").write_text("no audio")
    batches = list(_batches(plan, jobs))
    failed = [item for batch in batches for item in batch if isinstance(item, _Made)]
    assert [one.job.clip.id for one in failed] == ["3"]
    assert isinstance(failed[0].outcome, Score)
    assert sum(len(batch) for batch in batches) == 5


def test_reader_stays_a_bounded_distance_ahead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, jobs = _plan(tmp_path, "opus_6kbps")
    read: list[Clip] = []

    def load(_: Plan, job: Job) -> _Made:
        read.append(job.clip)
        return _Made(job, Score.error("not read"))

    monkeypatch.setattr(run_module, "_load", load)
    items = _read_ahead(plan, jobs, 2)
    next(items)
    time.sleep(0.05)
    assert len(read) == 3
    items.close()  # type: ignore[attr-defined]
    assert len(read) == 3


class _Counting:
    """A codec that counts, and fails on one clip."""

    def __init__(self, codec: Codec) -> None:
        self.card, self.device, self.fingerprint = codec.card, codec.device, codec.fingerprint
        self.prepare, self.padded_length = codec.prepare, lambda _: 0
        self.encoded: list[int] = []
        self.codec = codec

    def encode(self, waveforms: Sequence[Waveform]) -> list[Codes]:
        self.encoded.append(len(waveforms))
        if any(one.num_samples == 4800 for one in waveforms):
            raise RuntimeError("no\nluck")
        return [code for one in waveforms for code in self.codec.encode([one])]

    def decode(self, codes: Sequence[Codes], seeds: Sequence[int]) -> list[Waveform]:
        return self.codec.decode(codes, seeds)


def test_one_bad_clip_of_a_batch_costs_itself_and_stored_codes_are_not_made_again(
    tmp_path: Path,
) -> None:
    plan, jobs = _plan(tmp_path, "pcm_16bit", batch_size=8)
    assert plan.codec.coder is not None
    codec = _Counting(plan.codec.coder)
    plan = replace(plan, codec=opened(codec, "a test"))
    with Store.create(tmp_path / "run", overwrite=False) as store:
        made = {one.job.clip.id: one for one in _reconstructions(plan, jobs, store)}
        assert codec.encoded == [5, 1, 1, 1, 1, 1]
        assert made["0"].outcome == Score.error("RuntimeError: no luck")
        for one in made.values():
            if one.new_codes is not None:
                store.put(one.job.key, {}, one.new_codes)
        again = {one.job.clip.id: one for one in _reconstructions(plan, jobs[1:], store)}
        assert len(codec.encoded) == 6
    for clip_id, one in again.items():
        before = made[clip_id].outcome
        assert one.new_codes is None
        assert isinstance(one.outcome, Reconstruction)
        assert isinstance(before, Reconstruction)
        assert one.outcome.timing == before.timing
        assert np.array_equal(one.outcome.estimate.samples, before.estimate.samples)


class _Dead(_Counting):
    """A codec that answers every clip longer than 0.48 s with silence."""

    def encode(self, waveforms: Sequence[Waveform]) -> list[Codes]:
        return self.codec.encode(waveforms)

    def decode(self, codes: Sequence[Codes], seeds: Sequence[int]) -> list[Waveform]:
        made = self.codec.decode(codes, seeds)
        return [
            replace(one, samples=0 * one.samples) if one.duration_s > 0.48 else one for one in made
        ]


def test_silence_for_an_audible_clip_is_an_error_of_the_codec(tmp_path: Path) -> None:
    plan, jobs = _plan(tmp_path, "pcm_16bit")
    assert plan.codec.coder is not None
    plan = replace(plan, codec=opened(_Dead(plan.codec.coder), "a test"))
    with Store.create(tmp_path / "run", overwrite=False) as store:
        made = {one.job.clip.id: one.outcome for one in _reconstructions(plan, jobs, store)}
    dead = Score.error("the codec answered an audible clip with silence")
    assert {clip for clip, one in made.items() if one == dead} == {"1", "3"}
    assert {clip for clip, one in made.items() if isinstance(one, Reconstruction)} == set("024")


def test_a_dead_file_is_an_error_of_the_codec_behind_it(tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    plan, jobs = _plan(tmp_path, f"files:{theirs}")
    for index, duration_s in enumerate((0.3, 0.5, 0.3, 0.5, 0.45)):
        loud = tone(duration_s, seed=index) * (index != 1)
        soundfile.write(theirs / f"{index}.wav", loud, 16000)
    with Store.create(tmp_path / "run", overwrite=False) as store:
        made = {one.job.clip.id: one.outcome for one in _reconstructions(plan, jobs, store)}
    who = "the codec behind the file answered"
    assert made["1"] == Score.error(f"{who} an audible clip with silence")
    assert made["2"] == Score.error(f"{who} 0.46 s of audio with 0.30 s")
    assert {clip for clip, one in made.items() if isinstance(one, Reconstruction)} == set("034")


def test_codes_and_the_scores_that_are_known_at_once_are_one_transaction(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    puts: list[tuple[int, bool]] = []
    real = Store.put

    def put(
        store: Store, key: ReconstructionKey, scores: dict[str, Score], codes: StoredCodes | None
    ) -> None:
        puts.append((len(scores), codes is not None))
        real(store, key, scores, codes)

    monkeypatch.setattr(Store, "put", put)
    plan, _ = _plan(tmp_path, "pcm_16bit", metrics=("bitrate", "bitrate_nominal"), workers=0)
    run_module.run(plan.config)
    assert puts == [(2, True)] * 5
    puts.clear()
    run_module.run(replace(plan.config, metrics=("bitrate", "si_sdr")))
    assert puts == [(0, False), (1, False)] * 5
