"""How fast a codec was, and where."""

from __future__ import annotations

from pathlib import Path

from snac_eval.results.record import read_run
from snac_eval.site.speeds import speed_grid
from tests.runs import write_run
from tests.site.many import scored

SETTINGS = ["5s_batch1_threads1"] * 7 + ["5s_batch4_threads1"] * 7


def test_a_bench_has_a_row_for_each_setting_and_a_run_is_an_upper_bound(tmp_path: Path) -> None:
    bench = write_run(
        tmp_path / "bench",
        {
            f"bench_{side}_real_time_factor": [0.1] * 6 + [9.0] + [0.05] * 7
            for side in ("encode", "decode")
        },
        "codec",
        SETTINGS,
        kind="bench",
    )
    factors = {f"{side}_real_time_factor": [0.3, 0.5] * 6 for side in ("encode", "decode")}
    run = scored(tmp_path / "run", "codec", 3.0, 1.0, scores=factors)
    grid = speed_grid([read_run(run)], [read_run(bench)])
    assert grid is not None
    assert [[cell.text for cell in row[:3]] for row in grid.rows] == [
        ["alone, by bench", "5s, batch1, threads1", "0.100"],
        ["alone, by bench", "5s, batch4, threads1", "0.050"],
        ["in passing, upper bound", "data", "0.400"],
    ]
    assert grid.rows[0][4].text == "Test CPU, x86_64, 2 cores"
    assert speed_grid([], []) is None
