"""Baselines and tolerances: every value in every place."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snac_eval.cli.main import main
from tests.fuzz.harness import call, few, odd, once, place, spoilt, toml, twisted, write_text
from tests.runs import noisy, write_run

_SCORES = {"pesq_wb": noisy(3.0, 0.3, 12), "encode_real_time_factor": noisy(0.5, 0.01, 12)}
_SPEAKERS = [f"s{index % 3}" for index in range(12)]
_TOLERANCES = {
    "alpha": 0.05,
    "metrics": {
        "pesq_wb": {"absolute": 0.1},
        "encode_real_time_factor": {"relative": 0.5, "better": "lower"},
    },
}
_VERDICTS = (0, 1, 2, 3)


@once
def _baseline() -> Any:  # noqa: ANN401 - JSON
    with tempfile.TemporaryDirectory() as folder:
        run = write_run(Path(folder) / "run", _SCORES, speakers=_SPEAKERS)
        file = Path(folder) / "baseline.json"
        assert main(["baseline", str(run), "-o", str(file)]) == 0
        return json.loads(file.read_text())


@given(data=st.data())
@few(25)
def test_any_baseline_is_a_verdict_or_one_line(data: st.DataObject) -> None:
    content = json.dumps(data.draw(twisted(_baseline()))).encode("utf-8", "surrogatepass")
    if data.draw(st.integers(0, 3)) == 0:
        content = data.draw(spoilt([content]))
    with place() as where:
        run = write_run(where.input / "run", _SCORES, speakers=_SPEAKERS)
        (where.input / "baseline.json").write_bytes(content)
        reports = ["--junit", where.output / "j.xml", "--markdown", where.output / "m.md"]
        call(
            where,
            *("check", run, "--baseline", where.input / "baseline.json", *reports),
            allowed=_VERDICTS,
        )


@given(value=odd(), at=st.integers(0, 11))
@few(15)
def test_any_score_is_a_verdict_or_one_line(value: Any, at: int) -> None:  # noqa: ANN401 - JSON
    content = json.loads(json.dumps(_baseline()))
    scores = content["metrics"]["pesq_wb"]["scores"]
    scores[list(scores)[at]] = value
    with place() as where:
        run = write_run(where.input / "run", _SCORES, speakers=_SPEAKERS)
        write_text(where.input / "baseline.json", json.dumps(content))
        call(where, "check", run, "--baseline", where.input / "baseline.json", allowed=_VERDICTS)


@given(data=st.data())
@few(15)
def test_any_tolerances_are_a_verdict_or_one_line(data: st.DataObject) -> None:
    content = toml(data.draw(twisted(_TOLERANCES))).encode("utf-8", "surrogatepass")
    if data.draw(st.booleans()):
        content = data.draw(spoilt([content]))
    flag = data.draw(
        st.sampled_from(
            ("pesq_wb=0.1", "pesq_wb=1e308", "pesq_wb=1e308%", "pesq_wb=5e-324%", "x=1", "=", "%")
        )
        | st.text(st.characters(exclude_characters="\0"), max_size=10)
    )
    with place() as where:
        run = write_run(where.input / "run", _SCORES, speakers=_SPEAKERS)
        write_text(where.input / "baseline.json", json.dumps(_baseline()))
        (where.input / "tolerances.toml").write_bytes(content)
        call(
            where,
            *("check", run, "--baseline", where.input / "baseline.json"),
            *("--tolerances", where.input / "tolerances.toml", f"--tolerance={flag}"),
            allowed=_VERDICTS,
        )


@pytest.mark.parametrize("name", ["--baseline", "--tolerances"])
def test_a_device_is_no_file(name: str) -> None:
    with place() as where:
        run = write_run(where.input / "run", _SCORES, speakers=_SPEAKERS)
        write_text(where.input / "b.json", json.dumps(_baseline()))
        given = {"--baseline": where.input / "b.json", name: "/dev/zero"}
        said = call(where, "check", run, *(part for flag in given.items() for part in flag))
        assert "/dev/zero" in said
