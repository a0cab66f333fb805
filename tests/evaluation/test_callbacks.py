"""Who follows a run hears of each clip once and of each end; what he raises loses nothing."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import soundfile

import snac_eval
from snac_eval.cli.main import main
from snac_eval.errors import UnknownNameError
from snac_eval.run.sealed import read_manifest
from snac_eval.types import ClipDone, RunDone
from tests.conftest import tone
from tests.trackers.conftest import Heard


@pytest.fixture
def clips(tmp_path: Path) -> str:
    folder = tmp_path / "clips"
    folder.mkdir()
    for index in range(4):
        soundfile.write(folder / f"{index}.wav", tone(0.4 + 0.05 * index, seed=index), 16000)
    return f"folder:{folder}"


def _run(clips: str, folder: Path, *callbacks: Any, **options: Any) -> snac_eval.Evaluation:  # noqa: ANN401
    chosen = {"metrics": ["bitrate"], "workers": 0, "html": False, "model": "pcm_8bit"} | options
    return snac_eval.evaluate(dataset=clips, output=folder, callbacks=callbacks, **chosen)


def test_only_what_is_new_is_told_and_then_the_whole_run(clips: str, tmp_path: Path) -> None:
    first, second, third = Heard(), Heard(), Heard()
    _run(clips, tmp_path / "run", first, workers=2)
    assert sorted((one.number, one.clip.id) for one in first.clips) == list(enumerate("0123"))
    (done,) = first.runs
    assert (done.state, done.record.finished) == ("finished", True)
    assert [one.metric for one in done.means] == ["bitrate"]
    assert {"summary.csv", "scores.parquet"} <= {path.name for path in done.files}
    _run(clips, tmp_path / "run", second, metrics=["bitrate", "si_sdr_aligned", "codebook_usage"])
    assert [list(one.scores) for one in second.clips] == [["si_sdr_aligned"]] * 4
    assert [one.metric for one in second.runs[0].means] == [
        "bitrate",
        "si_sdr_aligned",
        "codebook_usage",
    ]
    _run(clips, tmp_path / "run", third)
    assert (third.clips, len(third.runs)) == ([], 1)


class _Faulty(Heard):
    def on_clip(self, done: ClipDone) -> None:
        super().on_clip(done)
        raise ValueError("no such\nboard")

    def on_run(self, done: RunDone) -> None:
        super().on_run(done)
        raise OSError("full")


def test_what_a_callback_raises_is_a_note_and_a_traceback(clips: str, tmp_path: Path) -> None:
    faulty, other = _Faulty(), Heard()
    with pytest.warns(RuntimeWarning, match="callback _Faulty raised ValueError: no such board"):
        found = _run(clips, tmp_path / "run", faulty, other)
    assert (len(faulty.clips), len(faulty.runs)) == (1, 1)
    assert (len(other.clips), len(other.runs)) == (4, 1)
    assert len(found.scores) == 4
    first, last, where = found.callback_notes
    place = r"\(test_callbacks.py, line \d+\)"
    assert re.search(rf"{place} at clip 3, and heard of no further clip$", first)
    assert re.fullmatch(
        rf"callback _Faulty raised OSError: full {place} at the end of the run", last
    )
    log = tmp_path / "run" / "log.txt"
    assert str(log) in where
    assert "ValueError: no such" in log.read_text()
    assert "OSError: full" in log.read_text()
    assert read_manifest(tmp_path / "run")["state"] == "finished"


def test_a_study_tells_of_each_run(clips: str, tmp_path: Path) -> None:
    heard = Heard()
    with pytest.warns(RuntimeWarning, match="pcm_8bit on folder:.*: callback _Faulty raised"):
        _run(clips, tmp_path, heard, _Faulty(), model=None, models=["pcm_8bit", "opus_6kbps"])
    assert [one.run.codec for one in heard.clips] == ["pcm_8bit"] * 4 + ["opus_6kbps"] * 4
    assert [one.run.codec for one in heard.runs] == ["pcm_8bit", "opus_6kbps"]


class _Stopping(Heard):
    def on_clip(self, done: ClipDone) -> None:
        super().on_clip(done)
        raise KeyboardInterrupt


def test_a_keyboard_interrupt_ends_the_run_which_goes_on_later(clips: str, tmp_path: Path) -> None:
    stopping, later = _Stopping(), Heard()
    with pytest.raises(KeyboardInterrupt):
        _run(clips, tmp_path / "run", stopping)
    assert len(stopping.clips) == 1
    assert [one.state for one in stopping.runs] == ["interrupted"]
    _run(clips, tmp_path / "run", later)
    told = {one.clip.id for one in [*stopping.clips, *later.clips]}
    assert (told, len(later.clips)) == (set("0123"), 3)


def test_trackers_are_named_and_a_wrong_name_is_refused_before_anything_runs(
    clips: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = ["run", "--model", "pcm_8bit", "--dataset", clips, "--metrics", "bitrate", "--quiet"]
    assert main([*run, "--output", str(tmp_path / "run"), "--track", "tensorbord"]) == 2
    assert "unknown tracker 'tensorbord': did you mean 'tensorboard'?" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
    with pytest.raises(UnknownNameError):
        _run(clips, tmp_path / "run", track=["none"])
    assert main(["list", "trackers"]) == 0
    listed = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in listed[2:]] == ["mlflow", "tensorboard", "trackio", "wandb"]


def test_a_missing_extra_is_named_with_what_installs_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from snac_eval.registry import extras

    monkeypatch.setattr(extras, "_missing", lambda *_: ("wandb",))
    run = ["run", "--model", "pcm_8bit", "--dataset", "demo", "--output", str(tmp_path / "run")]
    assert main([*run, "--track", "wandb"]) == 2
    said = capsys.readouterr().err
    assert said == "snac-eval: tracker 'wandb' needs wandb: pip install 'snac-eval[wandb]'\n"
    assert main(["show", "wandb"]) == 0
    assert "pip install 'snac-eval[wandb]'" in capsys.readouterr().out
