"""``run --shard`` and ``merge`` as one types them, and the recipe for SLURM."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from snac_eval import audio
from snac_eval.cli.main import main
from snac_eval.evaluation import executing
from tests.cli.helpers import repeatable, scores
from tests.trackers.conftest import Heard

RECIPE = Path(__file__).parents[2] / "docs" / "recipes" / "slurm_array.sh"
METRICS = "bitrate,si_sdr,encode_real_time_factor"


def _run(data: Path, output: Path, *more: str) -> int:
    base = ["run", "--model", "pcm_8bit", "--dataset", f"folder:{data}", "--metrics", METRICS]
    return main([*base, "--output", str(output), "--workers", "0", "--no-html", *more])


def test_shards_are_run_and_merged(
    audio_dir: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    heard = Heard()
    monkeypatch.setattr(executing, "open_tracker", {"board:here": heard}.__getitem__)
    folders = [tmp_path / f"shard{number}" for number in (1, 2)]
    for number, folder in enumerate(folders, start=1):
        assert _run(audio_dir, folder, "--shard", f"{number}/2") == 0
        said = capsys.readouterr().out
        assert f"note: this is a part of a run (shard {number}/2, " in said
        assert "snac-eval merge joins the parts" in said
    merged = tmp_path / "merged"
    merge = ["merge", *map(str, folders), "-o", str(merged), "--report-clips", "1"]
    assert main([*merge, "--track", "board:here"]) == 0
    said = capsys.readouterr().out
    assert [(one.state, one.record.finished) for one in heard.runs] == [("finished", True)]
    assert heard.runs[0].files[-1] == merged / "report.html"
    assert "pcm_8bit on" in said
    assert f"merged: 2 shards; files in {merged}/" in said
    names = {path.name for path in merged.iterdir()}
    assert names >= {"summary.csv", "summary.md", "summary.tex", "report.html", "scores.parquet"}
    assert (
        "<audio" in (merged / "report.html").read_text()
        or "audio/flac" in (merged / "report.html").read_text()
    )
    assert _run(audio_dir, tmp_path / "whole") == 0
    pd.testing.assert_frame_equal(
        repeatable(scores(merged)), repeatable(scores(tmp_path / "whole"))
    )
    assert main(merge) == 0
    assert "these shards were merged here before" in capsys.readouterr().out
    assert main(["merge", *map(str, folders), "-o", str(merged), "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")


def test_the_whole_runs_folder_is_no_place_for_a_shard(
    audio_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for first, second in (([], ["--shard", "1/2"]), (["--shard", "1/2"], ["--shard", "2/2"])):
        folder = tmp_path / "-".join([*first, "then", *second]).replace("/", "-")
        assert _run(audio_dir, folder, *first) == 0
        capsys.readouterr()
        assert _run(audio_dir, folder, *second) == 2
        assert "holds a run of shard" in capsys.readouterr().err


def test_failures_count_in_the_merged_run_too(
    audio_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (audio_dir / "music" / "c.wav").write_bytes(b"no audio")
    folders = [str(tmp_path / f"shard{number}") for number in (1, 2)]
    codes = {
        _run(audio_dir, Path(folder), "--shard", f"{number}/2")
        for number, folder in enumerate(folders, start=1)
    }
    assert codes == {0, 4}
    capsys.readouterr()
    assert main(["merge", *folders, "-o", str(tmp_path / "merged"), "--no-html"]) == 4
    assert "1 of 3 clips failed" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "--model", "pcm_8bit", "--dataset", "demo", "--shard", "0/3"], "--shard 0/3: "),
        (["run", "--model", "pcm_8bit", "--dataset", "demo", "--shard", "4/3"], "--shard 4/3: "),
        (
            ["run", "--model", "pcm_8bit", "--dataset", "demo", "--shard", "x"],
            "--shard x: give I/N",
        ),
        (["run", "--model", "pcm_8bit", "--dataset", "demo", "--shard", "1/99"], "10 different"),
        (["merge", "nowhere", "-o", "out"], "nowhere: no such folder"),
        (["merge", ".", "-o", "out"], "no run here"),
        (["merge", "a", "-o", "out", "--report-clips", "-1"], "--report-clips -1"),
    ],
)
def test_what_is_wrong_costs_one_line(
    arguments: list[str],
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_merge_needs_folders_and_a_place(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, words in ((["merge", "-o", "x"], "DIR"), (["merge", "x"], "-o/--output")):
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        assert ended.value.code == 2
        assert words in capsys.readouterr().err


@pytest.fixture
def cluster(tmp_path: Path) -> dict[str, str]:
    """An environment in which sbatch runs a job at once, each task of an array in its turn."""
    tools = tmp_path / "bin"
    tools.mkdir()
    programs = {
        "sbatch": f"""#!{sys.executable}
import os, pathlib, subprocess, sys
place = next(at for at, one in enumerate(sys.argv) if one.endswith(".sh"))
flags, script = sys.argv[1:place], sys.argv[place:]
said = dict(flag.removeprefix("--").partition("=")[::2] for flag in flags)
first, _, last = said.get("array", "0-0").partition("-")
job = {{"plan": 41, "shard": 42, "merge": 43}}[script[1]]
needed = {{41: None, 42: "afterok:41", 43: "afterany:42"}}[job]
assert said.get("dependency") == needed
for number in range(int(first), int(last) + 1):
    task = {{"SLURM_ARRAY_TASK_ID": str(number)}} if "array" in said else {{}}
    with open(f"slurm-{{job}}-{{number}}.out", "w") as log:
        subprocess.run(["bash", *script], stdout=log, stderr=log,
                       env=os.environ | task | {{"SLURM_CPUS_PER_TASK": "1"}})
print(f"{{job}};cluster")
""",
        "srun": '#!/bin/bash\nexec "$@"\n',
        "snac-eval": f'#!/bin/bash\nexec {sys.executable} -m snac_eval "$@"\n',
    }
    for name, text in programs.items():
        (tools / name).write_text(text)
        (tools / name).chmod(0o755)
    return {**os.environ, "PATH": f"{tools}:{os.environ['PATH']}"}


def _submit(cluster: dict[str, str], folder: Path, data: Path) -> str:
    flags = ["--model", "pcm_8bit", "--dataset", f"folder:{data}", "--metrics", "si_sdr"]
    done = subprocess.run(
        ["bash", RECIPE, "submit", "runs/all of it", "2", *flags],
        **{"cwd": folder, "env": cluster, "capture_output": True, "text": True, "check": True},
    )
    return done.stdout


@pytest.mark.skipif(shutil.which("bash") is None, reason="the recipe is for bash")
def test_the_recipe_for_slurm_runs_shards_and_then_merges(
    audio_dir: Path, tmp_path: Path, cluster: dict[str, str]
) -> None:
    assert _submit(cluster, tmp_path, audio_dir) == (
        "plan 41;cluster, then array 42;cluster, then merge 43;cluster\n"
    )
    frame = scores(tmp_path / "runs" / "all of it")
    assert set(frame["status"]) == {"ok"}
    assert len(frame) == 3
    assert (tmp_path / "runs" / "all of it+shard-2-of-2" / "scores.parquet").is_file()
    assert "merged: 2 shards" in (tmp_path / "slurm-43-0.out").read_text()


def test_shards_need_not_look_again_at_what_was_looked_at(
    audio_dir: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for path in audio_dir.rglob("*.wav"):
        os.utime(path, (1, 1))
    time.sleep(2.1)  # a file that was written just now may be written again in the same tick
    plan = tmp_path / "whole"
    assert _run(audio_dir, plan, "--plan-only") == 0
    assert "3 clips, 0.00 hours, looked at" in capsys.readouterr().out
    assert main(["report", str(plan)]) == 0  # a run that has begun
    looked_at: list[Path] = []
    inspect = audio.inspect
    monkeypatch.setattr(
        audio,
        "inspect",
        lambda clip, longest_s: looked_at.append(clip.path) or inspect(clip, longest_s),
    )
    shards = [tmp_path / f"shard{number}" for number in (1, 2)]
    for number, folder in enumerate(shards, start=1):
        assert _run(audio_dir, folder, "--shard", f"{number}/2", "--plan", str(plan)) == 0
    assert main(["merge", *map(str, shards), "-o", str(plan), "--no-html"]) == 0
    assert _run(audio_dir, plan) == 0
    assert "0 clips computed now" in capsys.readouterr().out
    assert looked_at == []
    assert _run(audio_dir, tmp_path / "no", "--plan", str(tmp_path / "nowhere")) == 2
    assert "nowhere: no run here; write it with --plan-only" in capsys.readouterr().err
