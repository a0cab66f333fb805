"""What is typed wrongly costs one line that says what was probably meant, for every command."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from snac_eval.cli.main import _parser, main
from snac_eval.errors import UnknownNameError
from snac_eval.registry import plugins

RUN = ["run", "--model", "pcm_8bit", "--dataset", "demo"]


def _said(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    return captured.err


def _commands() -> dict[str, argparse.ArgumentParser]:
    [found] = [one for one in _parser()._actions if isinstance(one, argparse._SubParsersAction)]
    return dict(found.choices)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["rum"], "snac-eval: no command 'rum'; did you mean 'run'? See snac-eval --help"),
        (["xyzzy"], "no command 'xyzzy'; there are run, merge"),
        (["--vershun"], "no flag '--vershun'; did you mean '--version'?"),
        ([*RUN, "--limt", "3"], "snac-eval run: no flag '--limt'; did you mean '--limit'? See"),
        ([*RUN, "--limt=3"], "no flag '--limt'; did you mean '--limit'?"),
        (["run", "--modell", "x"], "no flag '--modell'; did you mean '--model'?"),
        ([*RUN, "--out", "x"], "no flag '--out'; did you mean '--output'?"),
        ([*RUN, "-x"], "no flag '-x'"),
        ([*RUN, "x y"], "'x y' is one argument too many"),
        ([*RUN, "--limit", "abc"], "--limit: 'abc' is no whole number, such as 8; see"),
        ([*RUN, "--seed", "9" * 5000], "...' is no whole number"),
        ([*RUN, "--max-error-rate", "1,2"], "--max-error-rate: '1,2' is no number, such as 0.5"),
        ([*RUN, "--excerpt", "10min"], "--excerpt: '10min' is no time, such as 10s"),
        ([*RUN, "--domain", "speach"], "--domain: not 'speach'; did you mean 'speech'?"),
        (["list", "codec"], "not 'codec'; did you mean 'codecs'?"),
        ([*RUN, "--limit", "3", "--limit=4"], "--limit given twice; it takes one value"),
        (["bench", "--model", "a", "-o", "b", "--output", "c"], "--output given twice"),
        (["check", "r", "--baseline", "a", "--baseline", "b"], "--baseline given twice"),
    ],
)
def test_what_was_meant_is_said(
    capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    assert said in _said(capsys, *words)


def test_the_same_holds_for_every_flag_of_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    for name, parser in _commands().items():
        for action in parser._actions:
            flags = action.option_strings
            if action.dest == "output":
                assert "-o" in flags, name
            if not flags or action.nargs == 0 or isinstance(action, argparse._AppendAction):
                continue
            value = str(next(iter(action.choices))) if action.choices else "1"
            with pytest.raises(SystemExit):
                parser.parse_args([flags[-1], value, flags[0], value])
            error = capsys.readouterr().err
            assert f"{flags[-1]} given twice" in error, (name, flags)


def test_flags_that_are_made_to_be_repeated_are(tmp_path: Path) -> None:
    parser = _commands()["check"]
    options = parser.parse_args(["r", "--baseline", "b", "--tolerance", "a=1", "--tolerance=b=2"])
    assert options.tolerance == ["a=1", "b=2"]
    # What one call was given is none of the next one's business.
    assert parser.parse_args(["r", "--baseline", "b"]).baseline == Path("b")


def test_what_stands_after_two_dashes_is_no_flag(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "--", "--limt"]) == 2
    assert "--limt: no such run folder" in capsys.readouterr().err


def test_limit_0_says_what_it_does(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["run", "--model", "nothing", "--dataset", "demo", "--output", str(tmp_path)]
    for limit, said in (["--limit", "0"], True), ([], False), (["--limit", "0", "--quiet"], False):
        assert main([*words, *limit]) == 2
        assert ("note: --limit 0 takes every clip" in capsys.readouterr().err) == said


@pytest.mark.parametrize(
    ("name", "what", "said"),
    [
        ("wavs", "dataset", "did you mean 'folder:wavs'?"),
        ("./wavs", "dataset", "did you mean 'folder:./wavs'?"),
        ("list.csv", "dataset", "did you mean 'manifest:list.csv'?"),
        ("wavs/a.wav", "dataset", "a dataset is a folder: did you mean 'folder:wavs'?"),
        ("/no/where", "dataset", "there is no such file; a folder of audio is folder:/no/where"),
        ("s3", "dataset", "audio at an address is folder:s3://..."),
        ("./mine.py", "codec", "a codec of your own is './mine.py:CLASS'"),
        ("wavs", "codec", "reconstructions in a folder are 'files:wavs'; a folder of weights goes"),
        ("~/nothing", "codec", "a folder of reconstructions is files:DIR"),
        ("snac_24kz", "codec", "did you mean 'snac_24khz'?"),
    ],
)
def test_a_path_where_a_name_belongs_is_understood(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, what: str, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "wavs").mkdir()
    for file in ("list.csv", "mine.py", "wavs/a.wav"):
        (tmp_path / file).write_text("")
    find = {"dataset": plugins.dataset_card, "codec": plugins.codec_card}[what]
    with pytest.raises(UnknownNameError) as caught:
        find(name)
    assert str(caught.value).startswith(f"unknown {what} '{name}': {said}")
