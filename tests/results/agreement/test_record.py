"""agreement.json: the same facts when it is read again, and one line where it is broken."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from snac_eval.errors import StoreError
from snac_eval.results.agreement.record import (
    FILE_NAME,
    agreement_json,
    read_agreement,
    read_agreements,
    shipped_agreements,
    write_agreement,
)
from tests.reports.agreement.made import agreement


def test_what_is_written_is_read(tmp_path: Path) -> None:
    made = agreement()
    write_agreement(made, tmp_path / FILE_NAME)
    read = read_agreement(tmp_path)  # the folder will do
    assert agreement_json(read) == agreement_json(made)
    assert read.metrics[0].points["clips"] == made.metrics[0].points["clips"]
    assert read.metrics[2].spearman("clips").value != read.metrics[2].spearman("clips").value
    assert read.metrics[1].verdict == "contradicts"


def test_a_record_without_points_knows_how_many_there_were(tmp_path: Path) -> None:
    write_agreement(agreement(), tmp_path / "a.json", with_points=False)
    assert '"points"' not in (tmp_path / "a.json").read_text()
    (read,) = read_agreements([str(tmp_path / "a.json")])
    assert [one.num_points("clips") for one in read.metrics] == [12, 12, 0]


def _set(content: dict[str, Any], value: object, *path: str | int) -> None:
    place: Any = content
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value


@pytest.mark.parametrize(
    ("value", "path", "said"),
    [
        ("many", ("num_clips",), "num_clips is 'many'; it should be a whole number"),
        (2.0, ("metrics", 0, "coefficients", "clips", "spearman", "value"), "no coefficient"),
        ({}, ("metrics", 0, "coefficients", "clips"), "KeyError"),
        (None, ("metrics",), "metrics is None; it should be a list"),
        ([["one"]], ("metrics", 0, "pairs", "wrong_pairs"), "ValueError"),
        (1e300, ("metrics", 0, "points", "clips", 0, "score"), "should be a number"),
        (7, ("agreement",), "no agreement of this version"),
    ],
)
def test_a_broken_record_is_one_line(
    tmp_path: Path, value: object, path: tuple[str | int, ...], said: str
) -> None:
    content = json.loads(json.dumps(agreement_json(agreement())))
    _set(content, value, *path)
    (tmp_path / "a.json").write_text(json.dumps(content))
    with pytest.raises(StoreError, match=said) as caught:
        read_agreement(tmp_path / "a.json")
    assert "\n" not in str(caught.value)


def test_the_records_that_ship_can_be_read_and_hold_no_ratings() -> None:
    found = shipped_agreements()
    assert [one.data for one in found] == ["Stahl et al. 2024 (12 of 16 clips)"]
    assert not any(points for one in found[0].metrics for points in one.points.values())
    assert "10.1109/ACCESS.2024.3482359" in found[0].source
    assert "CC BY 4.0" in found[0].source
