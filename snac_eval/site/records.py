"""The record of each run, to be taken along: what it was and its summary as JSON, the scores of
single clips as CSV."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd

from snac_eval.results.frames import streams_frame, summary_frame
from snac_eval.results.record import Run
from snac_eval.site.pages import Asset, slug
from snac_eval.writing import spreadsheet_text

_COLUMNS = ("clip_id", "speaker", "domain", "metric", "value", "status", "reason", "fingerprint")
_KEPT = (
    *("snac_eval", "commit", "kind", "state", "started", "finished"),
    *("codec", "dataset", "hardware", "versions", "notes", "determinism", "corpus_scores"),
)
"""Of a manifest: what says what was run, and nothing of where."""


def record_address(run: Run, suffix: str) -> str:
    """Of a run's record, ``.json`` or ``.csv``. Runs of one name in one dataset do not share it."""
    return f"data/runs/{slug(f'{run.dataset} {run.name} {run.run_id}')}{suffix}"


def record_assets(runs: Sequence[Run]) -> Iterator[Asset]:
    """Two files for each run, whose names differ within a dataset."""
    for run in runs:
        yield Asset.of_json(record_address(run, ".json"), _content(run))
        yield Asset(record_address(run, ".csv"), _csv(run))


def _content(run: Run) -> dict[str, Any]:
    return {
        "schema": "snac-eval run record",
        "schema_version": 1,
        "run_id": run.run_id,
        "name": run.name,
        "codec_label": run.codec,
        **{key: run.manifest[key] for key in _KEPT if key in run.manifest},
        "num_clips": len(run.clips),
        "fingerprints": {name: str(one.info.fingerprint) for name, one in run.metrics.items()},
        "summary": _rows(summary_frame(run)),
        "streams": _rows(streams_frame(run)),
        "caveats": list(run.caveats()),
    }


def _rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    known = frame.astype(object).where(frame.notna(), None)
    return [{str(key): one for key, one in row.items()} for row in known.to_dict("records")]


def _csv(run: Run) -> bytes:
    frame = run.rows[list(_COLUMNS)]
    texts = [name for name in _COLUMNS if name != "value"]
    safe = frame.assign(**{name: frame[name].map(spreadsheet_text) for name in texts})
    return safe.to_csv(index=False, lineterminator="\n").encode()
