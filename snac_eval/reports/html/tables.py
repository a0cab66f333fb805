"""The tables of the HTML report as grids, whose cells say what they sort by."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from snac_eval.registry import plugins
from snac_eval.reports.grid import NONE, Cell, Column, Grid, count, number
from snac_eval.reports.summary import STATISTICS, direction, statistics, summary_column
from snac_eval.reports.text import format_value, percent
from snac_eval.results.frames import RunFrames
from snac_eval.results.stats import MIN_CLUSTERS, mean_interval

MAX_ROWS = 300
NO_COMMON_CLIP = "no clip has this score in every run"


@dataclass(frozen=True, slots=True)
class ReportRun:
    """One run of the report.

    ``label`` is its name there, different for every run; ``letter`` marks it in plots and players
    (A is the reference); ``manifest`` is its ``manifest.json``, empty where that is missing.
    """

    label: str
    letter: str
    colour: int
    frames: RunFrames
    manifest: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Common:
    """One metric over the clips that every run scored: ``values`` has a row per clip and a column
    per run's label, ``speakers`` one name per row. ``problem`` says why the runs cannot be
    compared; then there are no rows."""

    metric: str
    unit: str
    higher_is_better: bool | None
    values: pd.DataFrame
    speakers: Sequence[str]
    problem: str = ""

    @property
    def heading(self) -> str:
        return self.column.heading

    @property
    def column(self) -> Column:
        return Column(self.metric, self.unit, self.higher_is_better)

    def interval(self, label: str) -> tuple[float, float, float]:
        """Mean and the ends of its 95 % interval over these clips."""
        interval = mean_interval(self.values[label].tolist(), self.speakers)
        return float(self.values[label].mean()), interval.low, interval.high


def metric_rows(runs: Sequence[ReportRun]) -> dict[str, dict[str, Any]]:
    """The first summary row of each metric, in the order of the runs."""
    rows: dict[str, dict[str, Any]] = {}
    for run in runs:
        for row in run.frames.summary.to_dict("records"):
            rows.setdefault(str(row["metric"]), {str(key): one for key, one in row.items()})
    return rows


def metric_columns(runs: Sequence[ReportRun]) -> dict[str, Column]:
    """Each metric's column, in the order of the runs."""
    return {name: summary_column(row) for name, row in metric_rows(runs).items()}


def quality_metrics(runs: Sequence[ReportRun]) -> list[str]:
    """Metrics that hear the audio and know which side is better."""
    return [
        name
        for name, row in metric_rows(runs).items()
        if direction(row) is not None and hasattr(plugins.metric(name), "score")
    ]


def common(runs: Sequence[ReportRun], metric: str) -> Common:
    """The metric over the clips that all runs scored, or why there are none."""
    row = metric_rows(runs)[metric]
    tidy = {run.label: run.frames.scores for run in runs}
    chosen = {label: scores[scores["metric"] == metric] for label, scores in tidy.items()}
    values = pd.DataFrame(
        {
            label: scores[scores["status"] == "ok"].set_index("clip_id")["value"]
            for label, scores in chosen.items()
        }
    ).dropna()
    problem = ""
    if len({run.frames.dataset for run in runs}) > 1:
        problem = "the runs are on different datasets"
    elif len({one for scores in chosen.values() for one in scores["fingerprint"]}) > 1:
        problem = "computed in different ways (fingerprints differ)"
    elif values.empty:
        problem = NO_COMMON_CLIP
    kept = values.iloc[:0] if problem else values
    clips = runs[0].frames.scores.drop_duplicates("clip_id").set_index("clip_id")
    speakers = clips["speaker"].loc[kept.index].tolist()
    return Common(metric, str(row["unit"]), direction(row), kept, speakers, problem)


def clip_order(runs: Sequence[ReportRun]) -> list[str]:
    """Clips with a score, worst first: by the mean over quality metrics and runs of the clip's
    rank among all clips, 0..1. Without a quality metric, in the order of the dataset."""
    scores = pd.concat([run.frames.scores.assign(run=run.label) for run in runs])
    scored = scores[scores["status"] == "ok"]
    names = quality_metrics(runs)
    judged = scored[scored["metric"].isin(names)]
    if judged.empty:
        return list(dict.fromkeys(scored["clip_id"]))
    rows = metric_rows(runs)
    sign = judged["metric"].map({name: 1.0 if direction(rows[name]) else -1.0 for name in names})
    signed = judged.assign(signed=judged["value"] * sign)
    ranks = signed.groupby(["run", "metric"])["signed"].rank(pct=True)
    mean = ranks.groupby(signed["clip_id"]).mean()
    return [str(clip) for clip in mean.sort_values(kind="stable").index]


def summary_table(runs: Sequence[ReportRun]) -> Grid:
    """One row per metric and run, each with its own clips."""
    rows = []
    for name, column in metric_columns(runs).items():
        for run in runs:
            found = run.frames.summary[run.frames.summary["metric"] == name]
            head = [Cell(column.heading), Cell(name_of(run))]
            rows += [[*head, *statistics(row)] for row in found.to_dict("records")]
    note = (
        "An interval is a 95 % bootstrap interval of the mean; it resamples speakers where the"
        f" scored clips have {MIN_CLUSTERS} or more, else clips. A value for the data as a whole,"
        " as codebook use, has none."
    )
    columns = [Column("metric"), Column("codec"), *STATISTICS]
    return Grid.of(columns, rows, "Every metric, over the clips of each run", [note], "summary")


def comparison_table(runs: Sequence[ReportRun], shared: Sequence[Common]) -> Grid:
    """One row per run, one column per metric, over the clips that all runs scored."""
    usable = [one for one in shared if not one.problem]
    rows = [[Cell(name_of(run)), *(_mean_cell(one, run.label) for one in usable)] for run in runs]
    counts = ", ".join(f"{one.metric} {len(one.values)}" for one in usable)
    return Grid.of(
        [Column("codec"), *(one.column for one in usable)],
        rows,
        "The same clips: mean ± half of its 95 % interval",
        [f"Clips scored by every run: {counts or 'none'}."],
        "comparison",
    )


def _mean_cell(one: Common, label: str) -> Cell:
    mean, low, high = one.interval(label)
    spread = "" if math.isnan(low) else f"± {format_value((high - low) / 2)}"
    return Cell(format_value(mean), spread, key=mean)


def breakdown_table(runs: Sequence[ReportRun], by: str) -> Grid | None:
    """Means per ``speaker`` or ``domain`` and run; None where that is known of no clip."""
    columns = metric_columns(runs)
    rows = []
    for run in runs:
        scores = run.frames.scores[run.frames.scores[by] != ""]
        for group, part in scores.groupby(by):
            ok = part[part["status"] == "ok"]
            means = ok.groupby("metric")["value"].mean()
            head = [Cell(str(group)), Cell(name_of(run)), count(part["clip_id"].nunique())]
            rows.append([*head, *(number(means.get(name, math.nan)) for name in columns)])
    if not rows:
        return None
    grid = Grid.of(
        [Column(by), Column("codec"), Column("clips"), *columns.values()],
        rows[:MAX_ROWS],
        f"Mean per {by}",
        _cut_notes(len(rows), f"scores.parquet has every {by}"),
        by,
    )
    empty = [name for name, numeric in zip(columns, grid.numeric[3:], strict=True) if not numeric]
    return grid.without(*empty)


def stream_table(runs: Sequence[ReportRun]) -> Grid | None:
    """Codebook use per code stream; None where no run has streams."""
    rows = [
        [Cell(name_of(run)), *_stream_cells(row)]
        for run in runs
        for row in run.frames.streams.to_dict("records")
    ]
    if not rows:
        return None
    names = ("codec", "stream", "entries", "tokens", "tokens/s", "used", "perplexity")
    return Grid.of(
        [*map(Column, names), Column("entropy", "bits")],
        rows,
        "Codebook use per stream, coarse to fine",
        [
            "Few tokens cannot use a large codebook: with fewer tokens than entries the share has a"
            " ceiling."
        ],
        "streams",
    )


def _stream_cells(row: Mapping[Any, Any]) -> list[Cell]:
    bits = math.log2(row["codebook_size"])
    return [
        count(row["stream"]),
        count(row["codebook_size"]),
        count(row["num_tokens"]),
        number(row["tokens_per_second"]),
        Cell(percent(row["usage"]), key=row["usage"], share=row["usage"] / 100),
        number(row["perplexity"]),
        Cell(f"{row['entropy_bits']:.2f} of {bits:.2f}", key=row["entropy_bits"]),
    ]


def failure_table(runs: Sequence[ReportRun]) -> Grid | None:
    """What has no value and why: metrics and clips of one reason share a row, errors first."""
    rows = []
    for run in runs:
        missing = run.frames.scores[run.frames.scores["status"] != "ok"]
        total = run.frames.scores["clip_id"].nunique()
        for status, reason, metrics, clips in _grouped(missing):
            who = f"all {total} clips" if len(clips) == total > 1 else _some(clips)
            row = [name_of(run), status, reason, ", ".join(metrics), who]
            rows.append([*map(Cell, row), count(len(clips))])
    rows.sort(key=lambda row: row[1].text != "failed")
    if not rows:
        return None
    return Grid.of(
        map(Column, ("codec", "status", "reason", "metrics", "clips", "n")),
        rows[:MAX_ROWS],
        "Scores that do not exist, and why",
        _cut_notes(len(rows), "scores.parquet has every row"),
        "failures",
    )


def _grouped(missing: pd.DataFrame) -> Iterable[tuple[str, str, list[str], tuple[str, ...]]]:
    words = {"error": "failed", "undefined": "undefined"}
    merged: dict[tuple[str, str, tuple[str, ...]], list[str]] = {}
    for found, part in missing.groupby(["status", "reason", "metric"]):
        status, reason, metric = map(str, found)
        clips = tuple(map(str, part["clip_id"]))
        merged.setdefault((words[status], reason, clips), []).append(metric)
    return [(status, reason, names, clips) for (status, reason, clips), names in merged.items()]


def _some(clips: Sequence[str], limit: int = 5) -> str:
    more = f" and {len(clips) - limit} more" if len(clips) > limit else ""
    return ", ".join(clips[:limit]) + more


def clip_table(runs: Sequence[ReportRun], order: Sequence[str]) -> Grid:
    """Every clip's scores, worst first; one row per clip and run."""
    per_clip = {name for run in runs for name in run.frames.scores["metric"]}
    columns = {
        row["metric"]: summary_column(row)
        for row in metric_rows(runs).values()
        if row["metric"] in per_clip and (row["n_ok"] or row["n_error"])
    }
    tables = {run.label: _pivot(run.frames.scores, list(columns)) for run in runs}
    rows = [
        [
            Cell(clip),
            Cell(name_of(run)),
            *map(number, tables[run.label].loc[[clip]].to_numpy()[0].tolist()),
        ]
        for clip in order[: MAX_ROWS // len(runs)]
        for run in runs
        if clip in tables[run.label].index
    ]
    return Grid.of(
        [Column("clip"), Column("codec"), *columns.values()],
        rows,
        "Every clip, worst first",
        _cut_notes(len(order) * len(runs), "scores.parquet has every clip"),
        "every-clip",
    )


def _pivot(scores: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    ok = scores[scores["status"] == "ok"]
    return ok.pivot(index="clip_id", columns="metric", values="value").reindex(columns=list(names))


def score_table(runs: Sequence[ReportRun], clip_id: str) -> Grid:
    """The scores of one clip: metrics as rows, runs as columns; what has none says why."""
    rows = []
    for name, column in metric_columns(runs).items():
        cells = [_score_cell(run.frames.scores, clip_id, name) for run in runs]
        if any(cell is not NONE for cell in cells):
            rows.append([Cell(column.heading), *cells])
    columns = [Column("metric"), *(Column(name_of(run)) for run in runs)]
    return Grid.of(columns, rows, f"Scores of {clip_id}")


def _score_cell(scores: pd.DataFrame, clip_id: str, metric: str) -> Cell:
    found = scores[(scores["clip_id"] == clip_id) & (scores["metric"] == metric)]
    for row in found.to_dict("records"):
        if row["status"] == "ok":
            return number(row["value"])
        return Cell("undefined" if row["status"] == "undefined" else "failed")
    return NONE


def name_of(run: ReportRun) -> str:
    """The run as tables call it."""
    return f"{run.letter} · {run.label}"


def _cut_notes(total: int, where: str) -> list[str]:
    return [f"{MAX_ROWS} of {total} rows; {where}."] if total > MAX_ROWS else []
