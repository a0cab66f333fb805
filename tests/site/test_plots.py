"""Quality over bitrate: who is drawn, how, and what stands beside it."""

from __future__ import annotations

from pathlib import Path

from snac_eval.results.record import read_run
from snac_eval.site.boards import make_boards, named
from snac_eval.site.plots import Look, rate_plots
from tests.site.many import scored

OPUS = {"series": "Opus"}


def test_rates_of_one_codec_are_one_line_and_what_does_not_compare_is_named(
    tmp_path: Path,
) -> None:
    folders = [
        scored(tmp_path / "a", "opus@kbps=6", 2.0, 6.0, 0, card=OPUS),
        scored(tmp_path / "b", "opus@kbps=12", 3.0, 12.0, 1, card=OPUS),
        scored(tmp_path / "c", "worse", 1.5, 20.0, 2),
        scored(tmp_path / "d", "other", 4.0, 9.0, 3, fingerprints={"pesq_wb": "pesq_wb;v=2"}),
        scored(tmp_path / "e", "without", 4.0, "undefined: no bits", 4),
    ]
    runs = named(read_run(folder) for folder in folders)
    look = Look.of(runs)
    assert look.series["opus@kbps=6"] == look.series["opus@kbps=12"] == "Opus"
    assert len(set(look.letters.values())) == 5
    (board,) = make_boards(runs)
    (plot,) = rate_plots(board, look, "../", ["pesq_wb"])
    rows = [[cell.text for cell in row] for row in plot.table.rows]
    assert [row[1] for row in rows] == ["opus@kbps=6", "opus@kbps=12", "worse"]
    assert [row[-1] for row in rows] == ["yes", "yes", ""]
    assert plot.table.rows[0][1].href.startswith("../codecs/opus-kbps-6-")
    assert [note.partition(": ")[2].partition(":")[0] for note in plot.notes] == [
        "other",
        "without",
    ]
    assert 'role="img"' in plot.svg
    assert "3 codecs; opus@kbps=6 at 6.000 kbps has" in plot.svg
    assert plot.svg.count("stroke: var(--s") >= 4
