"""Submissions as a pull request brings them: spoilt, twisted, sealed again as a forger would."""

from __future__ import annotations

import json
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from snac_eval.run.sealed import write_manifest
from tests.fuzz.harness import call, few, once, place, spoilt, twisted
from tests.submissions.tampering import SNAC, reseal


@once
def _committed() -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in SNAC.iterdir()}


@given(data=st.data())
@few(8)
def test_any_submission_is_checked_and_a_spoilt_one_refused(data: st.DataObject) -> None:
    files = _committed()
    with place() as where:
        folder = where.input / SNAC.parent.name / SNAC.name
        folder.mkdir(parents=True)
        for name, content in files.items():
            (folder / name).write_bytes(content)
        name = data.draw(st.sampled_from((*files, "twisted", "twisted", "sealed")))
        if name in files:
            (folder / name).write_bytes(data.draw(spoilt([files[name]])))
        elif name == "sealed":
            (folder / "scores.csv").write_bytes(data.draw(spoilt([files["scores.csv"]])))
            _sealed(folder)
        else:
            _twist(folder, data, files["manifest.json"])
        same = all((folder / one).read_bytes() == content for one, content in files.items())
        # Under a seal that holds, who wrote another CPU's name is not found out.
        codes = (0,) if same else (1,) if name in files else (0, 1)
        call(where, "export", "--check", where.input, allowed=codes)
        call(where, "table", folder, allowed=(0, 2))


def _sealed(folder: Path) -> None:
    try:
        reseal(folder)
    except UnicodeDecodeError:
        return


def _twist(folder: Path, data: st.DataObject, content: bytes) -> None:
    """A manifest with something odd in it, under a seal that holds where it can."""
    tree = json.loads(content)
    del tree["sha256"]
    tree = data.draw(twisted(tree))
    try:
        write_manifest(folder, tree)
    except (ValueError, TypeError, AttributeError):
        text = json.dumps(tree).encode("utf-8", "surrogatepass")
        (folder / "manifest.json").write_bytes(text)
