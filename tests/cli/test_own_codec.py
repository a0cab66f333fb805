"""docs/own-codec.md as it is written: a module in an empty folder, a card, an object."""

from __future__ import annotations

import ast
import re
import shlex
import sys
from pathlib import Path

import pytest

from snac_eval.cli.main import main
from tests.cli.helpers import scores

TEXT = (Path(__file__).parents[2] / "docs" / "own-codec.md").read_text(encoding="utf-8")


def _blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder with the documented module and card in it."""
    model, _ = _blocks("python")
    (tmp_path / "vq.py").write_text(model)
    card = tmp_path / "cards" / "codecs" / "my_vq.toml"
    card.parent.mkdir(parents=True)
    card.write_text(_blocks("toml")[0])
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    sys.modules.pop("vq", None)
    return tmp_path


def test_the_module_has_at_most_25_lines_and_none_of_our_types() -> None:
    model, _ = _blocks("python")
    tree = ast.parse(model)
    assert "snac_eval" not in model
    assert len([line for line in model.splitlines() if line.strip()]) <= 25
    assert {type(node).__name__ for node in tree.body} == {"Import", "ImportFrom", "ClassDef"}


def test_every_command_works_as_written(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [line for block in _blocks("sh") for line in block.splitlines()]
    assert len(lines) == 5
    for line in lines:
        program, *arguments = shlex.split(line)
        assert program == "snac-eval"
        if arguments[0] == "run":  # As written, less the page and the metrics that take long.
            arguments += ["--no-html", "--workers", "0", "--metrics", "bitrate,mel_dac_paper"]
        arguments = [
            str(folder)
            for one in arguments
            for folder in (sorted(here.glob(one)) if "*" in one else [one])
        ]
        assert main(arguments) == 0, line
        said = capsys.readouterr().out
        if arguments[0] == "table":
            assert "vq:VQ" in said
            assert "vq.py:VQ" in said
        if arguments[0] == "validate":
            assert "the contract holds" in said
    assert "my_vq on demo" in said
    (folder,) = (here / "runs").glob("vq_VQ_demo*")
    first = scores(folder).set_index("metric")["value"]
    assert first["bitrate"].between(3.19, 3.21).all()


def test_an_object_travels_to_processes(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, script = _blocks("python")
    exec(compile(script, "script", "exec"), {"__name__": "a_script"})
    said = capsys.readouterr()
    assert re.search(r"bitrate +kbps +3\.2", said.out)
    assert "note:" not in said.err
