"""How far a metric agreed with listeners stands beside it, if it is that very metric."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from pathlib import Path

from snac_eval.registry import plugins
from snac_eval.reports import agreed
from snac_eval.reports.compact import compact_grid
from snac_eval.reports.grid import render
from snac_eval.reports.html.groups import show
from snac_eval.reports.html.tables import summary_table
from snac_eval.reports.paper import paper_grid
from snac_eval.results.record import read_run
from snac_eval.types import Fingerprint
from tests.reports.agreement.made import agreement, metric
from tests.runs import noisy, write_run

_SCORES = {"pesq_wb": noisy(3.0, 0.3, 8), "mel_dac_paper": noisy(1.0, 0.1, 8)}


def test_a_table_says_it_towards_better_and_only_for_the_same_fingerprint(tmp_path: Path) -> None:
    run = read_run(write_run(tmp_path / "run", _SCORES))
    made = agreement(
        metric("pesq_wb", -0.4, fingerprint="pesq_wb;v=2"), metric("mel_dac_paper", -0.5, False)
    )
    grid = paper_grid([run], agreements=[made])
    (row,) = grid.blocks[-1].rows
    cells = dict(zip([one.name for one in grid.columns], row, strict=True))
    assert (cells["mel_dac_paper"].text, cells["mel_dac_paper"].after) == (
        "+0.50",
        "(+0.30 to +0.70)",
    )
    assert cells["pesq_wb"].text == "≠"
    assert any("pesq_wb: v=1 against v=2" in note for note in grid.notes)
    assert any("9 listeners of 6 clips by 2 codecs" in note for note in grid.notes)
    told = list(csv.DictReader(io.StringIO(render(grid, "csv"))))[-1]
    assert (told["mel_dac_paper_agreement"], told["mel_dac_paper"]) == ("0.5", "")
    assert r"$\rho$" in render(grid, "latex")
    assert compact_grid([run], agreements=[made]).blocks[-1].title == agreed.BLOCK_TITLE


def test_a_page_says_it_beside_the_name(tmp_path: Path) -> None:
    ours = plugins.metric("stft_distance").info
    one = agreed.shipped()[0].metric("stft_distance")
    assert one is not None
    told = replace(ours, fingerprint=Fingerprint(tuple(one.fingerprint.split(";"))))
    value = f"{one.spearman('clips').value:+.2f}"
    assert agreed.short(told, agreed.shipped()) == f"ρ {value}"
    assert "Stahl et al. 2024" in agreed.long(told, agreed.shipped())[0]
    assert agreed.short(replace(ours, fingerprint=Fingerprint(("other",))), agreed.shipped()) == ""
    runs = [
        read_run(
            write_run(
                tmp_path / "run",
                {"stft_distance": noisy(1.0, 0.1, 8)},
                fingerprints={"stft_distance": one.fingerprint},
            )
        )
    ]
    grid = summary_table(show(runs))
    assert grid.rows[0][0].after == f"(ρ {value})"
    assert any("docs/which-metric.md" in note for note in grid.notes)
