"""Run folders as their readers find them: manifest, scores and store, spoilt one by one."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from snac_eval.cli.main import main
from tests.conftest import tone
from tests.fuzz.harness import ODD, call, few, once, place, spoilt, twisted

_FILES = ("manifest.json", "scores.parquet", "store.sqlite")


@once
def _finished() -> dict[str, bytes]:
    """Every file of a run of three clips."""
    with tempfile.TemporaryDirectory() as folder:
        clips = Path(folder) / "clips"
        clips.mkdir()
        for index in range(3):
            soundfile.write(clips / f"{index}.wav", tone(0.4, seed=index), 16000)
        run = Path(folder) / "run"
        words = ["run", "--model", "opus_12kbps", "--dataset", f"folder:{clips}", "--quiet"]
        words += ["--metrics", "bitrate,si_sdr,codebook_usage", "--workers", "0", "--no-html"]
        assert main([*words, "--output", str(run)]) == 3  # Opus has no codebook
        return {path.name: path.read_bytes() for path in run.iterdir() if path.is_file()}


def _scores(data: st.DataObject, content: bytes, folder: Path) -> None:
    """The table with odd values, or a column too few or of another type."""
    (folder / "scores.parquet").write_bytes(content)
    frame = pd.read_parquet(folder / "scores.parquet")
    column = data.draw(st.sampled_from(list(frame.columns)))
    kind = data.draw(st.sampled_from(("value", "type", "drop", "twice", "none")))
    value = data.draw(st.sampled_from([one for one in ODD if isinstance(one, float | str)]))
    if kind == "value":
        fits = isinstance(value, float) == (column == "value")
        frame.loc[0, column] = value if fits else frame.loc[1, column]
    elif kind == "type":
        frame[column] = range(len(frame))
    elif kind == "drop":
        frame = frame.drop(columns=column)
    elif kind == "twice":
        frame = pd.concat([frame, frame.head(1)])
    else:
        frame = frame.head(0)
    try:
        frame.to_parquet(folder / "scores.parquet", index=False)
    except (UnicodeError, ValueError):  # half characters are not in any Parquet file
        (folder / "scores.parquet").write_bytes(content)


def _commands(first: Path, second: Path, output: Path) -> list[Callable[[], list[str | Path]]]:
    return [
        lambda: ["table", first, second],
        lambda: ["table", first, "--format", "csv"],
        lambda: ["plot", second, first, "--y", "si_sdr", "-o", output / "plot.svg"],
        lambda: ["plot", second, "--y", "bitrate", "--x", "step", "-o", output / "plot.svg"],
        lambda: ["compare", first, second],
        lambda: ["compare", first, second, "--format", "csv"],
        lambda: ["baseline", first, "-o", output / "b.json"],
        lambda: ["check", second, "--baseline", output / "good.json"],
        lambda: ["report", output / "copy", "--html"],
    ]


@given(data=st.data())
@few(15)
def test_any_run_folder_is_read_or_one_line(data: st.DataObject) -> None:
    files: dict[str, Any] = _finished()
    spoils = data.draw(st.sampled_from((*_FILES, "manifest tree", "manifest tree", "score values")))
    with place() as where:
        good, bad = where.input / "good", where.input / "bad"
        for folder in (good, bad):
            folder.mkdir()
            for name, content in files.items():
                (folder / name).write_bytes(content)
        if spoils in _FILES:
            (bad / spoils).write_bytes(data.draw(spoilt([files[spoils]])))
        elif spoils == "score values":
            _scores(data, files["scores.parquet"], bad)
        else:
            tree = json.dumps(data.draw(twisted(json.loads(files["manifest.json"]))))
            (bad / "manifest.json").write_bytes(tree.encode("utf-8", "surrogatepass"))
        shutil.copytree(bad, where.output / "copy")
        assert main(["baseline", str(good), "-o", str(where.output / "good.json")]) == 0
        command = data.draw(st.sampled_from(_commands(good, bad, where.output)))()
        call(where, *command, allowed=(0, 1, 2, 3))


@given(data=st.data())
@few(10)
def test_any_store_is_continued_or_one_line(data: st.DataObject) -> None:
    files: dict[str, Any] = _finished()
    with place() as where:
        clips, run = where.input / "clips", where.output / "run"
        for folder in (clips, run):
            folder.mkdir()
        for index in range(3):
            soundfile.write(clips / f"{index}.wav", tone(0.4, seed=index), 16000)
        for name, content in files.items():
            (run / name).write_bytes(content)
        name = data.draw(st.sampled_from(_FILES))
        (run / name).write_bytes(data.draw(spoilt([files[name]])))
        call(
            where,
            *("run", "--model", "opus_12kbps", "--dataset", f"folder:{clips}", "--quiet"),
            *("--metrics", "bitrate,si_sdr,codebook_usage", "--workers", "0", "--no-html"),
            *("--output", run),
            allowed=(2, 3, 4),  # 3 where it is whole: Opus has no codebook
        )
