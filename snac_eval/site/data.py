"""Everything that boards show, as JSON and as CSV; docs/leaderboard.md explains every key."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Iterator, Sequence
from importlib.metadata import version
from typing import Any

from snac_eval.reports.text import metric_title
from snac_eval.site.boards import Board, Measure, Row, Standing
from snac_eval.site.pages import Asset, board_address, codec_address, slug
from snac_eval.site.traits import traits
from snac_eval.types import MetricInfo
from snac_eval.writing import spreadsheet_text

SCHEMA = 1
"""Of the JSON; goes up when a key changes its meaning or goes."""
JSON_FILE = "data/leaderboard.json"
CSV_FILE = "data/leaderboard.csv"


def data_address(board: Board, suffix: str) -> str:
    """Of one board's data: ``data/demo-1a2b3c4d-speech.csv``."""
    return f"data/{slug(board.dataset)}-{board.domain}{suffix}"


def data_assets(boards: Sequence[Board]) -> Iterator[Asset]:
    """The files of all boards together and of each."""
    yield Asset.of_json(JSON_FILE, _content(boards))
    yield Asset(CSV_FILE, _csv(boards))
    for board in boards:
        yield Asset.of_json(data_address(board, ".json"), _content([board]))
        yield Asset(data_address(board, ".csv"), _csv([board]))


def _content(boards: Iterable[Board]) -> dict[str, Any]:
    return {
        "schema": "snac-eval leaderboard",
        "schema_version": SCHEMA,
        "snac_eval": version("snac-eval"),
        "boards": [_board(board) for board in boards],
    }


def _csv(boards: Iterable[Board]) -> bytes:
    rows = [row for board in boards for row in tidy_rows(board)]
    file = io.StringIO()
    names = list(rows[0]) if rows else ["dataset"]
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(names)
    for row in rows:
        cells = (row[name] for name in names)
        writer.writerow("" if _is_nan(cell) else spreadsheet_text(cell) for cell in cells)
    return file.getvalue().encode()


def _is_nan(value: object) -> bool:
    return isinstance(value, float) and math.isnan(value)


def tidy_rows(board: Board) -> Iterator[dict[str, object]]:
    """One row for each codec and metric of a board."""
    where = {"dataset": board.dataset, "domain": board.domain}
    for band, rows in board.bands():
        for row in rows:
            about = where | {"band": band.key} | _about(row)
            scored = (row.standings[name] for name in board.infos if name in row.standings)
            yield from (about | _metric_facts(one) | _standing(one) for one in scored)


def _metric_facts(one: Standing) -> dict[str, object]:
    info = one.result.info
    return {
        "metric": info.name,
        "unit": info.unit,
        "higher_is_better": {True: "yes", False: "no", None: ""}[info.higher_is_better],
        "fingerprint": str(info.fingerprint),
        "clips_sha256": one.measure.clips,
    }


def _about(row: Row) -> dict[str, Any]:
    run, known = row.run, traits(row.run)
    return {
        "name": run.name,
        "codec": run.codec,
        "kind": known.kind,
        "family": known.family,
        "licence": known.licence,
        "bitrate_kbps": row.rate.kbps,
        "bitrate_problem": row.rate.problem,
        "bitrate_declared": row.rate.declared,
        "run_id": run.run_id,
        "codec_fingerprint": run.codec_fingerprint,
        "snac_eval": run.versions.get("snac-eval", ""),
        "finished": run.finished,
    }


def _standing(one: Standing) -> dict[str, Any]:
    result, interval = one.result, one.interval
    return {
        "mean": one.mean,
        "ci_low": interval.low if interval else math.nan,
        "ci_high": interval.high if interval else math.nan,
        "ci_units": interval.num_units if interval else 0,
        "ci_claim": interval.claim if interval else "",
        "n": one.n,
        "n_undefined": result.counts[1],
        "n_failed": result.counts[2],
        "n_catastrophic": math.nan if result.num_catastrophic is None else result.num_catastrophic,
        "mark": one.mark,
        "rank_low": one.rank[0] if one.rank else math.nan,
        "rank_high": one.rank[1] if one.rank else math.nan,
        "rank_problem": one.unranked,
        "measure": one.measure.name,
        "lost": one.measure.lost,
    }


def _board(board: Board) -> dict[str, Any]:
    return {
        "dataset": board.dataset,
        "domain": board.domain,
        "page": board_address(board.dataset, board.domain),
        "num_clips": len(board.clips),
        "num_speakers": board.num_speakers,
        "main_metric": board.main,
        "num_tests": dict(board.num_tests),
        "notes": board.notes,
        "metrics": {name: _metric(board, info) for name, info in board.infos.items()},
        "rows": [_row(row, band.key) for band, rows in board.bands() for row in rows],
    }


def _metric(board: Board, info: MetricInfo) -> dict[str, Any]:
    return {
        "title": metric_title(info),
        "description": info.description,
        "unit": info.unit,
        "higher_is_better": info.higher_is_better,
        "ranked": info.name in board.ranked,
        "measures": [_measure(one, info.name) for one in board.measures[info.name]],
    }


def _measure(measure: Measure, metric: str) -> dict[str, Any]:
    return {
        "measure": measure.name,
        "fingerprint": str(measure.runs[0].info(metric).fingerprint),
        "clips_sha256": measure.clips,
        "num_clips": measure.num_clips,
        "names": [run.name for run in measure.runs],
        "lost": measure.lost,
        "unlike_m1": measure.other,
    }


def _row(row: Row, band: str) -> dict[str, Any]:
    scores = {name: _standing(one) for name, one in row.standings.items()}
    return {**_about(row), "band": band, "page": codec_address(row.run), "scores": scores}
