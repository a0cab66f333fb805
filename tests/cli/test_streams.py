"""Standard output and error: closed, full, gone, narrow, and fed by names that would steer them."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from snac_eval.cli.main import main
from snac_eval.cli.streams import Guarded
from snac_eval.errors import UsageError
from tests.cli.helpers import command
from tests.runs import noisy, shifted, write_run

PESQ = noisy(3.0, 0.3)
STEERING = "\x1b[2J\x1b]0;title\x07\x9b31m\u202e\rname"
SHOWN = r"\x1b[2J\x1b]0;title\x07\x9b31m\u202e\rname"


@pytest.fixture
def runs(tmp_path: Path) -> tuple[Path, Path]:
    """A run that has dropped, and the baseline against which it did."""
    write_run(tmp_path / "good", {"pesq_wb": PESQ})
    bad = write_run(tmp_path / "bad", {"pesq_wb": shifted(PESQ, -0.5, 0.01)})
    baseline = tmp_path / "baseline.json"
    assert main(["baseline", str(tmp_path / "good"), "-o", str(baseline)]) == 0
    return bad, baseline


def _shell(redirection: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """snac-eval with its streams redirected by a shell; standard error comes back."""
    words = ["bash", "-c", f'set -o pipefail; "$@" {redirection}', "bash", *command(*arguments)]
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=120)


@pytest.mark.parametrize("redirection", ["2>/dev/full"])
def test_a_verdict_stands_whether_or_not_it_can_be_shown(
    runs: tuple[Path, Path], redirection: str
) -> None:
    bad, baseline = runs
    done = _shell(redirection, "check", bad, "--baseline", baseline)
    assert done.returncode == 1
    assert done.stderr == ""


def test_a_full_disk_is_one_line_and_no_pass(runs: tuple[Path, Path]) -> None:
    bad, baseline = runs
    line = "snac-eval: standard output cannot be written: No space left on device\n"
    for arguments, code in (
        (["check", bad, "--baseline", baseline], 1),
        (["check", bad.with_name("good"), "--baseline", baseline], 2),
        (["--help"], 2),
    ):
        done = _shell("> /dev/full", *arguments)
        assert (done.returncode, done.stderr) == (code, line)


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_signs_that_a_stream_cannot_carry_are_replaced(
    runs: tuple[Path, Path], encoding: str
) -> None:
    bad, _ = runs
    done = subprocess.run(
        command("table", bad),
        env={**os.environ, "PYTHONIOENCODING": f"{encoding}:strict", "PYTHONUTF8": "0"},
        capture_output=True,
        check=False,
        timeout=120,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    printed = done.stdout.decode(encoding)
    assert "pesq_wb [MOS] ^" in printed
    assert ("+/-" if encoding == "ascii" else "±") in printed


def test_a_name_in_another_script_is_spelled_in_ascii() -> None:
    raw = io.BytesIO()
    stream = Guarded(io.TextIOWrapper(raw, encoding="ascii", errors="strict"), True)
    print("声 ± \udcff é –", file=stream)
    stream.flush()
    assert raw.getvalue() == rb"\u58f0 +/- \udcff \xe9 -" + b"\n"


def test_names_cannot_steer_a_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = write_run(tmp_path / "run", {"pesq_wb": PESQ}, codec=STEERING, clips=[])
    for arguments in (["table", str(run)], ["table", str(run), "--format", "csv"]):
        assert main(arguments) == 0
        printed = capsys.readouterr().out
        assert printed.isascii() or not set(printed) & set("\x1b\x07\x9b\u202e\r")
    assert SHOWN in printed
    assert main(["table", str(tmp_path / STEERING)]) == 2
    said = capsys.readouterr().err
    assert not set(said) & set("\x1b\x07\x9b\u202e\r")
    assert said.count("\n") == 1


def test_a_spreadsheet_runs_no_cell(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    formula = "=HYPERLINK(1)"
    low = [-1.5, *noisy(-1.0, 0.1, 20)]
    runs = [
        str(write_run(tmp_path / name, {"si_sdr_aligned": low}, codec=codec))
        for name, codec in (("a", formula), ("b", "@b"))
    ]
    for arguments in (["table", *runs, "--format", "csv"], ["compare", *runs, "--format", "csv"]):
        assert main(arguments) == 0
        frame = pd.read_csv(io.StringIO(capsys.readouterr().out))
        texts = frame.select_dtypes(exclude="number").to_numpy().ravel()
        assert f"'{formula}" in texts
        assert "'@b" in texts
        assert not [text for text in texts if str(text).startswith(("=", "@", "+", "-"))]
        assert frame.select_dtypes("number").min().min() < 0
    assert main(["report", runs[0]]) == 0
    summary = pd.read_csv(Path(runs[0]) / "summary.csv")
    assert summary["codec"].tolist() == [f"'{formula}"]
    assert summary["mean"][0] < 0
    assert pd.read_parquet(Path(runs[0]) / "scores.parquet")["codec"][0] == formula


def _raises(error: BaseException) -> Callable[..., None]:
    def command(*_: object) -> None:
        raise error

    return command


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ValueError("two\nlines"), 70),
        (MemoryError(), 70),
        (RecursionError("deep"), 70),
        (SystemExit(0), 70),
        (BrokenPipeError(32, "Broken pipe"), 70),
        (UsageError("two\nlines"), 2),
        (PermissionError(13, "Permission denied", "a file"), 2),
        (KeyboardInterrupt(), 130),
    ],
)
@pytest.mark.parametrize("name", ["check", "run", "table"])
def test_whatever_goes_wrong_is_one_line_and_never_a_regression(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
    error: BaseException,
    code: int,
) -> None:
    words = {
        "check": ["check", "run", "--baseline", "b"],
        "run": ["run", "--model", "m", "--dataset", "d"],
        "table": ["table"],
    }[name]
    module = sys.modules[f"snac_eval.cli.{name}"]
    monkeypatch.setattr(module, f"_{name}", _raises(error))
    assert main(words) == code
    plain = capsys.readouterr()
    assert plain.err.count("\n") == 1
    assert plain.err.startswith("snac-eval: ")
    if code != 70:
        return
    assert "--debug" in plain.err
    for debug in ([*words, "--debug"], ["--debug", *words]):
        assert main(debug) == code
        assert "Traceback" in capsys.readouterr().err
    monkeypatch.setenv("SNAC_EVAL_DEBUG", "1")
    assert main(words) == code
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words", [[], ["nothing"], ["table", "-o"], ["list", "nothing"], ["run", "--x"]]
)
def test_wrong_flags_are_one_line(capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_user_without_a_name_or_a_home_folder(runs: tuple[Path, Path]) -> None:
    bad, baseline = runs
    script = (
        "import pwd, sys\n"
        "def unknown(*_): raise KeyError('uid not found')\n"
        "pwd.getpwuid = pwd.getpwnam = unknown\n"
        "from snac_eval.cli.main import main\n"
        f"assert main(['check', {str(bad)!r}, '--baseline', {str(baseline)!r}]) == 1\n"
        "assert main(['list']) == 0\n"
        "run = ['run', '--model', 'pcm_8bit', '--metrics', 'si_sdr', '--workers', '0']\n"
        f"run += ['--limit', '1', '--quiet', '--output', {str(bad.with_name('run'))!r}]\n"
        "assert main([*run, '--dataset', 'demo']) == 0\n"
        "assert main([*run, '--dataset', 'folder:~nobody/x']) == 2\n"
        "sys.exit(main([*run, '--dataset', 'vctk']))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        cwd=bad.parent,
    )
    assert done.returncode == 2, done.stderr
    assert done.stderr.count("\n") == 3
    assert "SNAC_EVAL_CACHE" in done.stderr.splitlines()[-1]
    assert not (bad.parent / "~").exists()
