"""A score is kept under all that it depends on: what changes gets a new answer in the same run."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pytest
import soundfile

from snac_eval.errors import StoreError
from snac_eval.results.record import Run, read_run
from snac_eval.run import loop
from snac_eval.run.config import RunConfig
from snac_eval.run.rows import Row
from snac_eval.run.store import Store
from tests.conftest import tone

CARD = """
name = "{name}"
family = "pcm"
description = "{description}"
sample_rate = 16000
channels = 1
nominal_bitrate_bps = {bps}

[options]
bits = 8
"""


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The reconstructions of which the store got codes, in turn."""
    ids: list[str] = []
    put_all = Store.put_all

    def counting(store: Store, rows: Sequence[Row]) -> None:
        ids.extend(row.key.id for row in rows if row.codes is not None)
        put_all(store, rows)

    monkeypatch.setattr(Store, "put_all", counting)
    return ids


def _run(folder: Path, model: str, dataset: str, *metrics: str, **options: object) -> Run:
    config = RunConfig(model, dataset, folder, metrics=metrics, workers=0, **options)  # type: ignore[arg-type]
    loop.run(config)
    return read_run(folder)


def _states(run: Run, metric: str) -> dict[str, str]:
    rows = run.rows
    return dict(rows.loc[rows["metric"] == metric, ["clip_id", "status"]].itertuples(index=False))


def test_one_file_as_speech_and_as_music_gets_both_answers_and_is_encoded_once(
    tmp_path: Path, encoded: list[str]
) -> None:
    data = tmp_path / "data"
    for domain in ("music", "speech"):
        (data / domain).mkdir(parents=True)
        soundfile.write(data / domain / "a.wav", tone(1.0), 16000)
    run = _run(tmp_path / "run", "pcm_8bit", f"folder:{data}", "stoi", "si_sdr")
    assert _states(run, "stoi") == {"music/a": "undefined", "speech/a": "ok"}
    assert set(_states(run, "si_sdr").values()) == {"ok"}
    assert len(encoded) == 1


def test_a_file_that_moves_into_speech_is_scored_as_speech(
    tmp_path: Path, encoded: list[str]
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    soundfile.write(data / "a.wav", tone(1.0), 16000)
    run = _run(tmp_path / "run", "pcm_8bit", f"folder:{data}", "stoi")
    assert _states(run, "stoi") == {"a": "undefined"}
    (data / "speech").mkdir()
    shutil.move(data / "a.wav", data / "speech" / "a.wav")
    run = _run(tmp_path / "run", "pcm_8bit", f"folder:{data}", "stoi")
    assert _states(run, "stoi") == {"speech/a": "ok"}
    assert len(encoded) == 1


def test_a_transcript_that_goes_or_comes_is_heard_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("jiwer")
    recogniser = "snac_eval.metrics.recognition.Recogniser"
    monkeypatch.setattr(f"{recogniser}.transcribe", lambda *_: "two words")
    monkeypatch.setattr(f"{recogniser}.text", "letters")
    monkeypatch.setattr("snac_eval.metrics.asr.WordErrorRate.prepare", lambda _: None)
    soundfile.write(tmp_path / "a.wav", tone(1.0), 16000)
    said = {}
    for transcript in ("two words", "", "two others", "two words"):
        (tmp_path / "list.csv").write_text(f"path,domain,transcript\na.wav,speech,{transcript}\n")
        dataset = f"manifest:{tmp_path / 'list.csv'}"
        run = _run(tmp_path / "run", "pcm_8bit", dataset, "word_error_rate")
        result = run.metrics["word_error_rate"]
        said[transcript] = [
            *result.values.values(),
            *(one.status for one in result.missing.values()),
        ]
    assert said == {"two words": [0.0], "": ["undefined"], "two others": [50.0]}


def test_a_corrected_card_gives_new_answers_and_no_new_codes(
    tmp_path: Path, audio_dir: Path, encoded: list[str]
) -> None:
    cards = tmp_path / "cards"
    (cards / "codecs").mkdir(parents=True)

    def nominal(bps: float, description: str = "it") -> tuple[float, int]:
        card = CARD.format(name="mine", bps=bps, description=description)
        (cards / "codecs" / "mine.toml").write_text(card)
        output = tmp_path / "run"
        config = RunConfig(
            "mine", f"folder:{audio_dir}", output, ("bitrate_nominal",), workers=0,
            card_dirs=(cards,),
        )  # fmt: skip
        done = loop.run(config)
        (value,) = set(read_run(output).metrics["bitrate_nominal"].values.values())
        return value, done.num_computed

    assert nominal(64000.0) == (64.0, 3)
    assert nominal(128000.0) == (128.0, 3)
    assert nominal(128000.0, "other words") == (128.0, 0)
    assert len(encoded) == 3


def test_a_run_with_nothing_to_do_touches_nothing(tmp_path: Path, audio_dir: Path) -> None:
    for _ in range(2):
        run = _run(tmp_path / "run", "pcm_8bit", f"folder:{audio_dir}", "si_sdr")
        before = {path: path.stat().st_mtime_ns for path in (tmp_path / "run").glob("*.[jp]*")}
    run = _run(tmp_path / "run", "pcm_8bit", f"folder:{audio_dir}", "si_sdr")
    assert before == {path: path.stat().st_mtime_ns for path in before}
    assert run.finished
    # What is gone or damaged is made again from the store, and nothing is computed.
    frame = run.rows
    scores = tmp_path / "run" / "scores.parquet"
    for damage in (scores.unlink, lambda: scores.write_bytes(b"PAR1")):
        damage()
        again = _run(tmp_path / "run", "pcm_8bit", f"folder:{audio_dir}", "si_sdr")
        assert again.manifest["num_clips_computed_now"] == 0
        pd.testing.assert_frame_equal(pd.read_parquet(scores), frame)


def test_damaged_rows_are_made_anew_and_said(
    tmp_path: Path, audio_dir: Path, encoded: list[str]
) -> None:
    import sqlite3
    from contextlib import closing

    output, dataset = tmp_path / "run", f"folder:{audio_dir}"
    whole = _run(output, "pcm_8bit", dataset, "si_sdr").rows
    with closing(sqlite3.connect(output / "store.sqlite")) as db:
        db.execute("UPDATE scores SET value = value + 1 WHERE reconstruction = 2")
        db.execute("UPDATE reconstructions SET codes = x'00' WHERE number = 1")
        db.commit()
    (output / "scores.parquet").unlink()
    # Until it is run again, the readers say what is amiss instead of a wrong or missing number.
    with pytest.raises(StoreError, match=r"scores\.parquet: no such file"):
        read_run(output)
    again = _run(output, "pcm_8bit", dataset, "si_sdr")
    pd.testing.assert_frame_equal(again.rows, whole)
    assert "1 entries of store.sqlite were damaged" in again.manifest["notes"][-1]
    # With one metric more, codes are needed: those that are damaged are made anew.
    assert len(encoded) == 3
    _run(output, "pcm_8bit", dataset, "si_sdr", "bitrate")
    assert len(encoded) == 4
