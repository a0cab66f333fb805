"""The doctor starts a worker in every environment, and knows what they spare this interpreter."""

from __future__ import annotations

from pathlib import Path

import pytest

from snac_eval.doctor.environments import by_extra, environment_findings
from snac_eval.doctor.packages import Imports, Wanted, extra_findings
from snac_eval.environments.venvs import MAKING
from snac_eval.registry.environments import FOLDER_VARIABLE
from tests.environments.made import hand_made


def test_environments_are_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    absent = Wanted("snac-eval-no-such-package", "", "snac-eval-no-such-package", "warpq")
    assert by_extra()["warpq"] == "warpq"
    (missing,) = extra_findings([absent], Imports(), by_extra())
    assert (missing.status, missing.remedy) == ("absent", "snac-eval env create warpq")

    hand_made(tmp_path, "warpq")
    (tmp_path / "half").mkdir()
    (tmp_path / "half" / MAKING).touch()
    (there,) = extra_findings([absent], Imports(), by_extra())
    assert (there.status, there.value) == ("ok", "in environment warpq")
    half, warpq = environment_findings()
    assert (half.status, half.value, half.fails) == ("broken", "unfinished", False)
    assert warpq.status == "ok"
    assert warpq.value.startswith("Python 3.")
    assert warpq.value.endswith("(outdated)")
