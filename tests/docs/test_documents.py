"""Every command, every block of Python and every flag of README, CONTRIBUTING and docs, as written.

A document is tried from top to bottom in a fresh folder. What cannot be run here is parsed by the
real parser, and stands in PARSED or EXCLUDED with the reason; an entry that no document needs any
more fails.
"""

from __future__ import annotations

import argparse
import doctest
import importlib
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import redirect_stdout
from glob import glob
from importlib.metadata import metadata
from pathlib import Path
from typing import Any

import pytest

from snac_eval.cli import main as cli
from tests.docs.reading import DOCUMENTS, ROOT, Step, commands, simple_parts, steps
from tests.docs.sandbox import Sandbox, forget_plugins, sound, stand_in_hub, surround

# Of packages that our benchmarks compare with.
pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")

EXCLUDED = {
    "python3": "makes an environment; tests/environments/venvs.py does so",
    "old/bin/pip": "no package index here",
    "pip": "no package index here; the extras that it names must be declared",
    "make": "sets up an environment and runs for minutes; its target must be there",
    "apt-get": "needs root",
    "sbatch": "needs SLURM",
    "kubectl": "needs Kubernetes",
    "ray": "starts a cluster; tests/run/engines has one",
    "git": "needs a remote",
    "docker": "needs a daemon; what it hands to our program is parsed",
    "source": "changes a reader's shell",
}
"""Programs that are not run, by name."""

PARSED = {
    "--engine ray": "needs a Ray cluster",
    "--python": "needs another interpreter; tests/codecs/test_elsewhere.py makes one",
    "opusenc_12kbps": "needs opus-tools; tests/codecs/command has it where it is",
    "amr_wb_12.65kbps": "needs FFmpeg's program",
    "validate upper": "starts a hundred programs; tests/codecs/command makes the same checks",
    "--track mlflow": "needs a server; tests/trackers logs into files",
    "--track wandb": "needs an account; tests/trackers logs offline",
    "--track trackio": "is not in every environment; tests/trackers logs where it is",
    "snac-eval doctor": "imports and scores for a minute; tests/doctor does so",
    "listen serve": "serves until it is stopped; tests/listening/test_serving.py does",
    "snac-eval bench": "measures for minutes; tests/bench runs it small",
    "table --models": "builds every ready model; tests/cli/test_models_table.py does",
    "python -m benchmarks": "measures for minutes to hours",
    "snac-eval env create": "downloads packages; tests/environments/test_venvs.py does so",
    "snac-eval env remove": "needs what was made",
    "--metrics warpq": "needs an environment",
    "python -m training": "trains; tests/test_training.py does so for a moment",
}
"""Commands of ours that are only parsed, by a part of their text."""

GIVEN = {"plugins.md": "its files are those of tests/plugin: see tests/docs/test_plugins_page.py"}
"""Documents whose files and Python another test holds against the files that it runs."""

ELSEWHERE = {"own-codec.md": "tests/cli/test_own_codec.py follows it, in an empty folder"}
"""Documents that another test follows."""

_KEPT = re.compile(r"([^|&;<>]+) > ([\w./-]+)")
"""A command whose output goes into a file."""
_PLACEHOLDER = re.compile(r"\.\.\.|\[|…|(?<![\w./=:-])[A-Z]{2,}\b|\b[A-Z]{3,}$")


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    made = Sandbox(tmp_path_factory.mktemp("documents"))
    made.build()
    with pytest.MonkeyPatch.context() as patch:
        surround(patch, made)
        patch.chdir(made.template)
        for _ in forget_plugins():
            made.make_runs()
            yield made


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_a_document_can_be_followed(
    document: Path,
    sandbox: Sandbox,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    if document.name in ELSEWHERE:
        pytest.skip(ELSEWHERE[document.name])
    if not (todo := [one for one in steps(document) if one.kind != "inline"]):
        pytest.skip("says nothing to do")
    text = document.read_text(encoding="utf-8")
    sandbox.stand_in(text)
    reader = _Reader(document, sandbox, monkeypatch, request)
    with stand_in_hub(text, monkeypatch, tmp_path):
        for step in todo:
            reader.follow(step)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_commands_in_running_text_are_right(
    document: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for step in steps(document):
        if step.kind == "inline" and not _PLACEHOLDER.search(step.text):
            for words in simple_parts(step.text) or ():
                _parse(words, monkeypatch, _where(document, step))


def test_every_exclusion_is_needed() -> None:
    texts = [one.text for path in DOCUMENTS for one in steps(path)
             if one.kind in ("command", "inline")]  # fmt: skip
    assert [part for part in PARSED if not any(part in text for text in texts)] == []


class _Reader:
    """Does what a document says, in a folder of its own."""

    def __init__(
        self,
        document: Path,
        sandbox: Sandbox,
        monkeypatch: pytest.MonkeyPatch,
        request: pytest.FixtureRequest,
    ) -> None:
        self._document, self._sandbox = document, sandbox
        self._monkeypatch, self._request = monkeypatch, request
        self._names: dict[str, Any] = {}
        self._sessions = 0
        self._begin()
        for step in steps(document):
            if step.kind == "file" and document.name not in GIVEN:
                self._write(step, again=False)

    def follow(self, step: Step) -> None:
        """Do one thing. Raises AssertionError, with the place, where it does not work."""
        if step.fresh:
            self._begin()
        if self._document.name in GIVEN and step.kind in ("file", "python"):
            return
        where = _where(self._document, step)
        if step.kind == "file":
            self._write(step, again=True)
        elif step.kind == "python":
            self._run_python(step)
        else:
            code = self._run_command(step.text, where)
            assert code == step.exit_code, f"{where}\nexit code {code}, not {step.exit_code}"

    def _begin(self) -> None:
        self._sessions += 1
        name = f"{self._document.stem}-{self._sessions}"
        text = self._document.read_text(encoding="utf-8")
        self._monkeypatch.chdir(self._sandbox.copy(name, text))
        self._monkeypatch.syspath_prepend(os.getcwd())

    def _write(self, step: Step, again: bool) -> None:
        path = Path(step.name)
        if again or not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(step.text, encoding="utf-8")

    def _run_python(self, step: Step) -> None:
        names = {**_given_names(), **self._names, "__name__": "document"}
        before = set(names)
        if step.text.lstrip().startswith(">>> "):
            _run_doctest(step, names, str(self._document))
            return
        code = compile("\n" * (step.line - 1) + step.text, str(self._document), "exec")
        exec(code, names)
        self._names = names
        for name in [one for one in names if one.startswith("test_") and one not in before]:
            test = names[name]
            wanted = test.__code__.co_varnames[: test.__code__.co_argcount]
            test(**{one: self._request.getfixturevalue(one) for one in wanted})

    def _run_command(self, text: str, where: str) -> int:
        if kept := _KEPT.fullmatch(text):
            with Path(kept[2]).open("w", encoding="utf-8") as file, redirect_stdout(file):
                return self._run_command(kept[1], where)
        parts = simple_parts(text)
        if parts is None and text.startswith("docker "):
            parts = [shlex.split(text)]
        if parts is None:
            return _shell(text, where)
        for words in parts:
            if code := self._run_words(words, text, where):
                return code
        return 0

    def _run_words(self, words: Sequence[str], text: str, where: str) -> int:
        if words[0] in EXCLUDED:
            _check_excluded(words, where)
            return 0
        if words[0] == "cd":
            self._monkeypatch.chdir(words[1])
            return 0
        if any(part in " ".join(words) for part in PARSED):
            _parse(words, self._monkeypatch, where)
            return 0
        if words[0] != "snac-eval":
            return _shell(text, where)
        return max(_snac_eval(arguments) for arguments in _each_shard(_expanded(words[1:]), text))


def _run_doctest(step: Step, names: dict[str, Any], document: str) -> None:
    """Run a session at Python's prompt. Raises AssertionError where it answers otherwise."""
    told: list[str] = []
    session = doctest.DocTestParser().get_doctest(step.text, names, document, document, step.line)
    doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(session, out=told.append)
    assert not told, "".join(told)


def _snac_eval(arguments: Sequence[str]) -> int:
    try:
        return cli.main(arguments)
    except SystemExit as end:
        return int(end.code or 0)


def _expanded(words: Sequence[str]) -> list[str]:
    """The words, each pattern with the files that it matches."""
    found = [sorted(glob(word)) or [word] if re.search(r"[*?]", word) else [word] for word in words]
    return [word for group in found for word in group]


def _each_shard(arguments: list[str], text: str) -> list[list[str]]:
    """The command, and where its remark says so ("and 2/8 ... 8/8") those of the other shards."""
    if not (rest := re.search(r"# and 2/(\d+) \.\.\. \1/\1", text)):
        return [arguments]
    at, count = arguments.index("--shard") + 1, int(rest[1])
    numbers = range(1, count + 1)
    return [[*arguments[:at], f"{one}/{count}", *arguments[at + 1 :]] for one in numbers]


def _shell(text: str, where: str) -> int:
    """Run it as a reader's shell does, in processes of its own."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", text],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        env={**os.environ, "PATH": path},
    )
    print(where, done.stdout, done.stderr, sep="\n")
    return done.returncode


def _parse(words: Sequence[str], monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    """Have the real parser read the command, and do nothing."""
    if words[:3] == ["python", "-m", "snac_eval"]:
        words = ["snac-eval", *words[3:]]
    try:
        if words[0] == "snac-eval":
            if not any(word.startswith("-") for word in words):
                # The name of a command, which is no call of it.
                words = [*words[:2], "--help"]
            cli._parser().parse_args(list(words[1:]))
        else:
            _parse_module(words[2], words[3:], monkeypatch)
    except SystemExit as end:
        if end.code:
            pytest.fail(f"{where}\nis refused by its parser (exit code {end.code})")


class _ParsedError(Exception):
    """The command line was understood."""


def _parse_module(name: str, arguments: Sequence[str], monkeypatch: pytest.MonkeyPatch) -> None:
    understood = argparse.ArgumentParser.parse_args

    def stop(parser: argparse.ArgumentParser, *_: object, **__: object) -> None:
        understood(parser, list(arguments))
        raise _ParsedError

    module = importlib.import_module(name)
    with monkeypatch.context() as patch:
        patch.setattr(argparse.ArgumentParser, "parse_args", stop)
        patch.setattr(sys, "argv", [name, *arguments])
        with pytest.raises(_ParsedError):
            module.main()


def _check_excluded(words: Sequence[str], where: str) -> None:
    if words[0] == "make":
        targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
        asked = [word for word in words[1:] if "=" not in word]
        assert set(asked) <= set(targets), f"{where}\nno such target"
    if words[:2] == ["docker", "run"]:
        cli._parser().parse_args(words[words.index("snac-eval") + 1 :])
    if words[0] == "pip":
        extras = {one for word in words for found in re.findall(r"snac-eval\[(.+?)\]", word)
                  for one in found.split(",")}  # fmt: skip
        declared = set(metadata("snac-eval").get_all("Provides-Extra") or ())
        assert extras <= declared, f"{where}\nno such extra"


def _given_names() -> dict[str, Any]:
    """What documents' Python takes for given: audio at 16 kHz."""
    import torch

    speech = sound()
    audio = torch.from_numpy(speech)[None, None]
    blocks = list(torch.split(audio, 4000, dim=-1))  # type: ignore[no-untyped-call]
    return {"reference": speech, "estimate": 0.9 * speech, "audio": audio, "blocks": blocks}


def _where(document: Path, step: Step) -> str:
    return f"{document.relative_to(ROOT)}:{step.line}: {step.text}"


# What finds the commands.


def test_commands_are_lines_or_as_many_as_make_one() -> None:
    text = (
        "# a remark\nsnac-eval list  # exit code 2: no\n\nsnac-eval run \\\n  --model x\n"
        "for a in 1 2; do\n  echo $a\ndone\ncat > f <<EOF\nx 'y\nEOF\nsh -c 'a\n&& b'\n"
    )
    found = list(commands(text, 10))
    assert [(one.line, one.exit_code) for one in found] == [
        (11, 2),
        (13, 0),
        (15, 0),
        (18, 0),
        (21, 0),
    ]
    assert simple_parts(found[1].text) == [["snac-eval", "run", "--model", "x"]]
    assert simple_parts(found[2].text) is None
    assert simple_parts(found[4].text) == [["a"], ["b"]]
    with pytest.raises(ValueError, match="a command without its end"):
        list(commands("echo 'a", 1))


def test_blocks_are_told_apart(tmp_path: Path) -> None:
    document = tmp_path / "d.md"
    document.write_text(
        "Text with `snac-eval list --x`.\n\n    snac-eval list\n\nPut this into `a/b.toml`:\n\n"
        "```toml\nx = 1\n```\n\n```toml\ny = 1\n```\n\n```python\nz = 1\n```\n\n```text\nout\n```\n"
        "\n```yaml\nsteps:\n  - run: pip install x\n  - run: snac-eval list\n```\n"
    )
    found = [(one.kind, one.text.strip(), one.name, one.fresh) for one in steps(document)]
    assert found == [
        ("inline", "snac-eval list --x", "", False),
        ("command", "snac-eval list", "", False),
        ("file", "x = 1", "a/b.toml", False),
        ("python", "z = 1", "", False),
        ("command", "pip install x", "", True),
        ("command", "snac-eval list", "", False),
    ]


def test_what_a_document_has_wrong_is_found(
    sandbox: Sandbox,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    with pytest.raises(pytest.fail.Exception, match="is refused by its parser"):
        _parse(["snac-eval", "run", "--no-such"], monkeypatch, "here")
    with pytest.raises(pytest.fail.Exception, match="is refused by its parser"):
        _parse(["python", "-m", "benchmarks.snac_speed", "--no-such"], monkeypatch, "here")
    with pytest.raises(AssertionError, match="no such target"):
        _check_excluded(["make", "nothing"], "here")
    with pytest.raises(AssertionError, match="no such extra"):
        _check_excluded(["pip", "install", "snac-eval[nothing]"], "here")
    document = tmp_path / "wrong.md"
    document.write_text("`a.txt`:\n\n```text\nx\n```\n\n    cat a.txt\n    cat b.txt\n")
    monkeypatch.setattr(f"{__name__}.ROOT", tmp_path)
    reader = _Reader(document, sandbox, monkeypatch, request)
    written, there, lacking = steps(document)
    reader.follow(written)
    reader.follow(there)
    with pytest.raises(AssertionError, match=r"wrong.md:8: cat b.txt\n *exit code 1, not 0"):
        reader.follow(lacking)
