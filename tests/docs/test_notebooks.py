"""Every notebook runs from top to bottom in an empty folder, and is kept without its outputs."""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.docs.reading import ROOT

NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))
# Each in an empty namespace and folder, but in one process, for imports take longer than all else;
# and what they run is in that process too, as documents are tried.
_FIRST = """%reset -f
import os
from snac_eval.run.config import RunConfig
RunConfig.num_workers = property(lambda _: 0)
os.makedirs({0!r})
os.chdir({0!r})
"""
_LINK = re.compile(r"\]\(([^)#]+)[^)]*\)")


def _read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def test_there_are_three() -> None:
    assert len(NOTEBOOKS) == 3


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_kept_without_outputs_and_its_links_lead_somewhere(path: Path) -> None:
    cells = _read(path)["cells"]
    assert cells[0]["cell_type"] == "markdown"
    assert cells[0]["source"][0].startswith("# ")
    for cell in cells:
        assert not cell.get("outputs"), "clear the outputs"
        assert cell.get("execution_count") is None, "clear the outputs"
        for link in _LINK.findall("".join(cell["source"])):
            assert "://" in link or (path.parent / link).is_file(), link


# Of the packages between us and the kernel.
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_the_notebooks_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nbformat = pytest.importorskip("nbformat", reason="needs the extra dev")
    nbclient = pytest.importorskip("nbclient", reason="needs the extra dev")
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    books = [nbformat.read(path, as_version=4) for path in NOTEBOOKS]
    cells = []
    for path, book in zip(NOTEBOOKS, books, strict=True):
        first = _FIRST.format(str(tmp_path / path.stem))
        cells += [nbformat.v4.new_code_cell(first), *book.cells]
    whole = nbformat.v4.new_notebook(cells=cells)
    nbclient.NotebookClient(whole, timeout=300, kernel_name="python3").execute()
    for path, book in zip(NOTEBOOKS, books, strict=True):
        outputs = [one for cell in book.cells for one in cell.get("outputs", ())]
        said = "\n".join(output.get("text", "") for output in outputs)
        assert "Warning" not in said
        shown = [output.data for output in outputs if output.output_type == "execute_result"]
        assert any("<table" in data.get("text/html", "") for data in shown)
        _CHECKS[path.stem](said, shown)


def _first(_: str, shown: list[Any]) -> None:
    assert any("image/png" in data for data in shown)
    assert sum(data.get("text/html", "").count("<audio") for data in shown) == 4


def _own(said: str, shown: list[Any]) -> None:
    assert re.findall(r"exit code (\d)", said) == ["1"]
    assert any("regression" in data.get("text/markdown", "") for data in shown)
    assert any(data.get("text/html", "").count("<audio") == 2 for data in shown)


def _verdicts(_: str, shown: list[Any]) -> None:
    first, few = (data["text/markdown"] for data in shown if "text/markdown" in data)
    assert re.search(r"pesq_wb .*\*\*better\*\*", first)
    assert re.search(r"mel_audiotools .*\*\*worse\*\*", first)
    assert "better on these clips" in few
    assert any("image/png" in data for data in shown)


_CHECKS = {"first-evaluation": _first, "own-codec": _own, "verdicts": _verdicts}
