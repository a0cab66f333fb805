"""In which order a run takes its clips, how far ahead it reads them, and what it stores when."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from snac_eval.codecs.opening import opened
from snac_eval.errors import Interrupted
from snac_eval.run import coding, loop
from snac_eval.run.coding import Coded, Coder, CodingTask, Loaded, batches, code, read_ahead
from snac_eval.run.config import RunConfig
from snac_eval.run.plan import Plan, make_plan
from snac_eval.run.rows import PackedCodes, Row, Settled
from snac_eval.run.store import Store
from snac_eval.types import Clip, Codec, Codes, Score, Timing, Waveform
from tests.conftest import tone


def _plan(tmp_path: Path, model: str, **options: object) -> tuple[Plan, list[CodingTask]]:
    audio = tmp_path / "audio"
    audio.mkdir()
    for index, duration_s in enumerate((0.3, 0.5, 0.46, 0.5, 0.45)):
        soundfile.write(audio / f"{index}.wav", tone(duration_s, seed=index), 16000)
    plan = make_plan(RunConfig(model, f"folder:{audio}", tmp_path / "run", **options))  # type: ignore[arg-type]
    pending = plan.pending([Settled(frozenset(), False)] * len(plan.clips))
    jobs = sorted(pending, key=lambda job: -job.clip.duration_s)
    return plan, [CodingTask(number, job) for number, job in enumerate(jobs)]


def _coder(plan: Plan) -> Coder:
    return Coder(plan.config, plan.codec, plan.metrics)


def test_longest_clip_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    whole = coding.load

    def load(coder: Coder, task: CodingTask) -> Loaded | Coded:
        read.append(task.job.clip.id)
        return whole(coder, task)

    monkeypatch.setattr(coding, "load", load)
    plan, _ = _plan(tmp_path, "pcm_8bit", metrics=("bitrate",), workers=0)
    loop.run(plan.config)
    assert read[:5] == list("13240")


def test_batches_hold_clips_of_about_one_length(tmp_path: Path) -> None:
    plan, tasks = _plan(tmp_path, "snac_16khz_mini", batch_size=2)
    ids = [
        "".join(item.task.job.clip.id for item in batch if isinstance(item, Loaded))
        for batch in batches(_coder(plan), tasks)
    ]
    assert ids == ["13", "24", "0"]


def test_what_is_to_be_alone_waits_for_nothing(tmp_path: Path) -> None:
    plan, tasks = _plan(tmp_path, "snac_16khz_mini", batch_size=4)
    taken: list[int] = []

    def given() -> object:
        for task in tasks:
            taken.append(task.number)
            yield replace(task, is_alone=True)

    for count, batch in enumerate(batches(_coder(plan), given()), start=1):  # type: ignore[arg-type]
        assert (len(batch), len(taken)) == (1, count)


def test_unreadable_clip_stands_alone(tmp_path: Path) -> None:
    plan, tasks = _plan(tmp_path, "snac_16khz_mini", batch_size=4)
    (tmp_path / "audio" / "3.wav").write_text("no audio")
    found = list(batches(_coder(plan), tasks))
    (failed,) = [item for batch in found for item in batch if isinstance(item, Coded)]
    assert tasks[failed.number].job.clip.id == "3"
    assert {score.status for score in failed.scores.values()} == {"error"}
    assert sum(len(batch) for batch in found) == 5


def test_reader_stays_a_bounded_distance_ahead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, tasks = _plan(tmp_path, "opus_6kbps")
    read: list[Clip] = []

    def load(_: Coder, task: CodingTask) -> Coded:
        read.append(task.job.clip)
        return coding.failure(task, "not read")

    monkeypatch.setattr(coding, "load", load)
    items = read_ahead(_coder(plan), tasks, 2)
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
    plan, tasks = _plan(tmp_path, "pcm_16bit", batch_size=8)
    assert plan.codec.coder is not None
    codec = _Counting(plan.codec.coder)
    coder = replace(_coder(plan), codec=opened(codec, "a test"))
    made = {one.number: one for one in code(coder, tasks)}
    assert codec.encoded == [5, 1, 1, 1, 1, 1]
    assert set(made[4].scores.values()) == {Score.error("RuntimeError: no luck")}
    known = [replace(task, stored=_packed(made[task.number])) for task in tasks[:4]]
    for one in code(coder, known):
        before, now = made[one.number].reconstruction, one.reconstruction
        assert one.new_codes is None
        assert before is not None
        assert now is not None
        assert now.timing == before.timing
        assert np.array_equal(now.estimate.samples, before.estimate.samples)
    assert len(codec.encoded) == 6


def test_codes_that_cannot_be_read_are_made_anew(tmp_path: Path) -> None:
    plan, tasks = _plan(tmp_path, "pcm_16bit")
    (whole,) = code(_coder(plan), tasks[:1])
    damaged = replace(tasks[0], stored=PackedCodes(b"no archive", Timing()))
    (again,) = code(_coder(plan), [damaged])
    assert again.new_codes is not None
    assert whole.new_codes is not None
    assert again.new_codes.packed().blob == whole.new_codes.packed().blob


def test_stored_codes_are_decoded_in_the_workers(tmp_path: Path) -> None:
    """They are larger than what a socket holds for a busy process."""
    plan, _ = _plan(tmp_path, "pcm_16bit", metrics=("bitrate",), workers=2)
    for index in range(5):
        samples = np.random.default_rng(index).normal(0, 0.1, 48000 * 3)
        soundfile.write(tmp_path / "audio" / f"long{index}.wav", samples, 48000)
    loop.run(plan.config)
    outcome = loop.run(replace(plan.config, metrics=("bitrate", "si_sdr")))
    assert (outcome.num_computed, outcome.notes) == (10, ())
    with Store.open_run(plan.config.output) as store:
        scores = dict(store.scores(outcome.plan.ids))
    assert {score.status for found in scores.values() for score in found.values()} == {"ok"}
    assert sum(map(len, scores.values())) == 20


def _packed(coded: Coded) -> PackedCodes:
    assert coded.new_codes is not None
    return coded.new_codes.packed()


def test_signal_is_not_taken_for_a_clips_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, tasks = _plan(tmp_path, "pcm_16bit")

    def interrupted(*_: object) -> None:
        raise Interrupted(15)

    for what in ("encode", "decode", "padded_length"):
        with monkeypatch.context() as patched:
            patched.setattr(type(plan.codec.coder), what, interrupted)
            with pytest.raises(Interrupted):
                list(code(_coder(plan), tasks))


class _Dead(_Counting):
    """A codec that answers every clip longer than 0.48 s with silence."""

    def encode(self, waveforms: Sequence[Waveform]) -> list[Codes]:
        return self.codec.encode(waveforms)

    def decode(self, codes: Sequence[Codes], seeds: Sequence[int]) -> list[Waveform]:
        made = self.codec.decode(codes, seeds)
        return [
            replace(one, samples=0 * one.samples) if one.duration_s > 0.48 else one for one in made
        ]


def _outcomes(plan: Plan, tasks: list[CodingTask]) -> tuple[set[str], dict[str, set[Score]]]:
    """The clips that came through, and the scores of those that did not."""
    made = {tasks[one.number].job.clip.id: one for one in code(_coder(plan), tasks)}
    sound = {clip for clip, one in made.items() if one.reconstruction is not None}
    return sound, {clip: set(made[clip].scores.values()) for clip in made.keys() - sound}


def test_silence_for_an_audible_clip_is_an_error_of_the_codec(tmp_path: Path) -> None:
    plan, tasks = _plan(tmp_path, "pcm_16bit")
    assert plan.codec.coder is not None
    plan = replace(plan, codec=opened(_Dead(plan.codec.coder), "a test"))
    dead = {Score.error("the codec answered an audible clip with silence")}
    assert _outcomes(plan, tasks) == (set("024"), {"1": dead, "3": dead})


def test_a_dead_file_is_an_error_of_the_codec_behind_it(tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    plan, tasks = _plan(tmp_path, f"files:{theirs}")
    for index, duration_s in enumerate((0.3, 0.5, 0.3, 0.5, 0.45)):
        loud = tone(duration_s, seed=index) * (index != 1)
        soundfile.write(theirs / f"{index}.wav", loud, 16000)
    who = "the codec behind the file answered"
    silence = {Score.error(f"{who} an audible clip with silence")}
    short = {Score.error(f"{who} 0.46 s of audio with 0.30 s")}
    assert _outcomes(plan, tasks) == (set("034"), {"1": silence, "2": short})


def test_codes_and_all_scores_of_a_clip_are_one_transaction(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    puts: list[tuple[int, bool]] = []
    real = Store.put_all

    def put_all(store: Store, rows: Sequence[Row]) -> None:
        puts.extend((len(row.scores), row.codes is not None) for row in rows)
        real(store, rows)

    monkeypatch.setattr(Store, "put_all", put_all)
    plan, _ = _plan(tmp_path, "pcm_16bit", metrics=("bitrate", "delay"), workers=0)
    loop.run(plan.config)
    assert puts == [(2, True)] * 5
    puts.clear()
    loop.run(replace(plan.config, metrics=("bitrate", "si_sdr")))
    assert puts == [(1, False)] * 5


def test_audio_that_was_met_before_is_not_coded_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, _ = _plan(tmp_path, "pcm_16bit", metrics=("bitrate", "si_sdr"), workers=0)
    for index in (1, 3):
        shutil.copy(tmp_path / "audio" / f"{index}.wav", tmp_path / "audio" / f"again{index}.wav")
    encoded: list[int] = []
    encode = type(plan.codec.coder).encode  # type: ignore[union-attr]

    def counting(codec: Codec, waveforms: Sequence[Waveform]) -> list[Codes]:
        encoded.extend(one.num_samples for one in waveforms)
        return encode(codec, waveforms)  # type: ignore[arg-type]

    monkeypatch.setattr(type(plan.codec.coder), "encode", counting)
    outcome = loop.run(plan.config)
    assert outcome.num_computed == 7
    # The longest clip is coded twice more, to see whether it comes out the same.
    assert encoded == [8000, 8000, 7360, 7200, 4800, 8000, 8000]
