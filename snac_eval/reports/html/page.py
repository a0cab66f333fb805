"""``report.html``: one self-contained page of one run, or of several side by side.

It opens from disk without a network and reads without scripts. Nothing in it may load or send
anything: a Content-Security-Policy allows the page's own script by its hash and data URIs, and
nothing else. Everything that comes from cards, clips and paths is escaped by the template engine.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from snac_eval.reports.grid import Grid
from snac_eval.reports.html import plots, tables
from snac_eval.reports.html.sound import (
    DIFFERENCE_RANGE_DB,
    SPECTROGRAM_RANGE_DB,
    PlayableClip,
    ReportClip,
    fit,
)
from snac_eval.reports.html.tables import Common, ReportRun
from snac_eval.reports.text import format_value
from snac_eval.results.frames import RunFrames
from snac_eval.writing import write_text

if TYPE_CHECKING:
    from jinja2 import Template

MAX_BYTES = 15_000_000
_SPEED = ("encode_real_time_factor", "decode_real_time_factor")


@dataclass(frozen=True, slots=True)
class _Clip:
    """A clip as the template shows it: ``names`` are its versions' names with their letters."""

    clip: PlayableClip
    names: Sequence[tuple[str, str]]
    scores: Grid


def write_html(
    path: Path,
    runs: Sequence[ReportRun],
    clips: Sequence[ReportClip] = (),
    notes: Sequence[str] = (),
) -> None:
    """Write the page. Raises OutputError where ``path`` cannot be written.

    ``clips`` are shown in their order (:func:`clips_worth_hearing` gives it), as many as fit
    :data:`MAX_BYTES`; ``notes`` are lines that belong beside the numbers.
    """
    write_text(path, page(runs, clips, notes))


def make_runs(
    named: Sequence[tuple[str, RunFrames, Mapping[str, Any]]],
) -> list[ReportRun]:
    """Runs with letters and with labels that differ: the codec's name, with the folder's where
    two runs share it. Takes folder name, frames and manifest of each."""
    codecs = [frames.codec for _, frames, _ in named]
    runs: list[ReportRun] = []
    for index, (folder, frames, manifest) in enumerate(named):
        alone = codecs.count(frames.codec) == 1
        label = frames.codec if alone else f"{frames.codec} ({folder})"
        if label in {run.label for run in runs}:
            label = f"{label} {index + 1}"
        runs.append(ReportRun(label, letter(index + 1), index, frames, manifest))
    return runs


def letter(index: int) -> str:
    """0 is A, 25 is Z, 26 is AA."""
    return (letter(index // 26 - 1) if index > 25 else "") + chr(ord("A") + index % 26)


def clips_worth_hearing(runs: Sequence[ReportRun], limit: int) -> list[str]:
    """Ids of the ``limit`` clips that went worst, worst first."""
    return tables.clip_order(runs)[:limit]


def page(
    runs: Sequence[ReportRun], clips: Sequence[ReportClip] = (), notes: Sequence[str] = ()
) -> str:
    """The page's HTML, at most :data:`MAX_BYTES` long unless its tables alone are longer."""
    context = _context(runs, notes)
    bare = len(_render(context | {"clips": [], "clip_notes": []}).encode())
    markup = (4_000 + 5_000 * len(runs)) * (len(clips) + 1)
    playable = fit(clips, MAX_BYTES - bare - markup)
    context["clips"] = [_shown(runs, clip) for clip in playable]
    context["clip_notes"] = list(_clip_notes(clips, playable))
    return _render(context)


def _context(runs: Sequence[ReportRun], notes: Sequence[str]) -> dict[str, Any]:
    several = len(runs) > 1
    shared = [tables.common(runs, name) for name in _per_clip(runs)] if several else []
    breakdowns = [_told(runs, tables.breakdown_table(runs, by)) for by in ("domain", "speaker")]
    return {
        "title": " · ".join(dict.fromkeys(run.label for run in runs)),
        "datasets": list(dict.fromkeys(run.frames.dataset for run in runs)),
        "runs": runs,
        "notes": [*notes, *dict.fromkeys(_run_notes(runs))],
        "summary": _told(runs, tables.summary_table(runs)),
        "comparison": tables.comparison_table(runs, shared) if several else None,
        "problems": list(_left_out(shared)),
        "planes": list(_planes(runs, shared)) if several else [],
        "distributions": list(_distributions(runs)),
        "breakdowns": [table for table in breakdowns if table is not None],
        "streams": _told(runs, tables.stream_table(runs)),
        "failures": _told(runs, tables.failure_table(runs)),
        "every_clip": _told(runs, tables.clip_table(runs, tables.clip_order(runs))),
        "ranked_by": tables.quality_metrics(runs),
        "facts": [(run, list(_facts(run)), _json(run.manifest)) for run in runs],
        "level_db": SPECTROGRAM_RANGE_DB,
        "difference_db": DIFFERENCE_RANGE_DB,
    }


def _told(runs: Sequence[ReportRun], table: Grid | None) -> Grid | None:
    """Of one run, no row need say which."""
    return table.without("codec") if table is not None and len(runs) == 1 else table


def _per_clip(runs: Sequence[ReportRun]) -> list[str]:
    scored = {name for run in runs for name in run.frames.scores["metric"]}
    return [name for name in tables.metric_rows(runs) if name in scored]


def _run_notes(runs: Sequence[ReportRun]) -> Iterable[str]:
    for run in runs:
        yield from (f"{run.label}: {note}" for note in run.manifest.get("notes", ()))
        scored = run.frames.scores["clip_id"].nunique()
        if left := run.frames.num_clips - scored:
            yield f"{run.label}: {left} of {run.frames.num_clips} clips are not scored yet"
        if not run.manifest:
            yield f"{run.label}: its manifest.json is missing or damaged"
    if len({json.dumps(run.manifest.get("hardware"), sort_keys=True) for run in runs}) > 1:
        yield "The runs were made on different machines: their speeds do not compare."


def _left_out(shared: Sequence[Common]) -> Iterable[str]:
    for problem in dict.fromkeys(one.problem for one in shared if one.problem):
        names = [one.metric for one in shared if one.problem == problem]
        which = "Nothing can be compared" if len(names) == len(shared) else ", ".join(names)
        yield f"{which}: {problem}"


def _distributions(runs: Sequence[ReportRun]) -> Iterable[Markup]:
    columns = tables.metric_columns(runs)
    for name in _per_clip(runs):
        series = []
        for run in runs:
            scores = run.frames.scores
            ok = scores[(scores["metric"] == name) & (scores["status"] == "ok")]
            dots = [
                plots.Dot(value, f"{run.label}, {clip}: {format_value(value)}")
                for clip, value in zip(ok["clip_id"], ok["value"], strict=True)
            ]
            series.append(plots.Series(run.letter, run.colour, dots))
        if len({dot.value for one in series for dot in one.dots}) > 1:
            # The SVG is our own drawing; its texts were escaped when it was written as XML.
            yield Markup(plots.distribution(series, columns[name].heading))


def _planes(runs: Sequence[ReportRun], shared: Sequence[Common]) -> Iterable[tuple[str, Markup]]:
    by_name = {one.metric: one for one in shared if not one.problem}
    bitrate = by_name.get("bitrate")
    speeds = [by_name[name] for name in _SPEED if name in by_name]
    for name in tables.quality_metrics(runs):
        quality = by_name.get(name)
        if quality is None:
            continue
        if bitrate is not None:
            x = {run.label: bitrate.interval(run.label)[0] for run in runs}
            yield "bitrate", _plane(runs, quality, x, "bitrate [kbps]")
        if len(speeds) == len(_SPEED):
            x = {run.label: sum(one.interval(run.label)[0] for one in speeds) for run in runs}
            yield "speed", _plane(runs, quality, x, "compute s per s of audio, enc + dec")


def _plane(
    runs: Sequence[ReportRun], quality: Common, x: Mapping[str, float], x_label: str
) -> Markup:
    points = []
    for run in runs:
        mean, low, high = quality.interval(run.label)
        where = x[run.label]
        title = f"{run.label}: {format_value(mean)} at {where:.3g} {x_label}"
        points.append(plots.Point(run.letter, run.colour, title, where, mean, low, high))
    usable = [point for point in points if point.x > 0]
    front = pareto(usable, bool(quality.higher_is_better))
    title = f"{quality.heading} over {x_label}"
    return Markup(plots.plane(usable, front, x_label, quality.heading, title))


def pareto(points: Sequence[plots.Point], higher_is_better: bool) -> list[plots.Point]:
    """Points that no other beats: none is at most as far right and at least as good, and better in
    one of both."""

    def beats(one: plots.Point, other: plots.Point) -> bool:
        gain = (one.y - other.y) if higher_is_better else (other.y - one.y)
        return one.x <= other.x and gain >= 0 and (one.x < other.x or gain > 0)

    return [point for point in points if not any(beats(other, point) for other in points)]


def _shown(runs: Sequence[ReportRun], clip: PlayableClip) -> _Clip:
    letters = {"": ("A", "reference")} | {run.label: (run.letter, run.label) for run in runs}
    names = [letters[version.label] for version in clip.versions]
    return _Clip(clip, names, tables.score_table(runs, clip.clip_id))


def _clip_notes(clips: Sequence[ReportClip], shown: Sequence[PlayableClip]) -> Iterable[str]:
    if left := len(clips) - len(shown):
        yield (
            f"{left} more clips were left out to keep this file below {MAX_BYTES / 1e6:.0f} MB;"
            " a smaller --report-clips leaves longer excerpts"
        )
    if any(clip.length_s < clip.total_s - 0.01 for clip in shown):
        yield "Of longer clips, the beginning is played; the scores are of the whole clip."


def _facts(run: ReportRun) -> Iterable[tuple[str, str]]:
    """What a reader asks first of a manifest."""
    manifest = run.manifest
    codec, data = _part(manifest, "codec"), _part(manifest, "dataset")
    card, data_card = _part(codec, "card"), _part(data, "card")
    hardware, config = _part(manifest, "hardware"), _part(manifest, "config")
    found = {
        "command": " ".join(["snac-eval", *map(str, manifest.get("argv", ()))]),
        "codec": card.get("description"),
        "codec licence": card.get("licence"),
        "codec citation": card.get("citation"),
        "dataset": run.frames.dataset,
        "dataset licence": data_card.get("licence"),
        "dataset citation": data_card.get("citation"),
        "seed": config.get("seed"),
        "machine": ", ".join(str(hardware[key]) for key in ("gpu", "cpu") if hardware.get(key)),
        "device": codec.get("device"),
        "snac-eval": f"{manifest.get('snac_eval', '')} {manifest.get('commit', '')}".strip(),
        "finished": manifest.get("finished"),
    }
    return [(key, str(value)) for key, value in found.items() if value not in (None, "")]


def _part(table: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    part = table.get(key)
    return part if isinstance(part, Mapping) else {}


def _json(manifest: Mapping[str, Any]) -> str:
    return json.dumps(manifest, indent=2, ensure_ascii=False)


def _render(context: Mapping[str, Any]) -> str:
    script = _read("report.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
    return _template("report.html.j2").render(
        **context, script=Markup(script), script_hash=digest, style=Markup(_read("report.css"))
    )


@cache
def _template(name: str) -> Template:
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    environment = Environment(
        loader=FunctionLoader(_read),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["seconds"] = _seconds
    return environment.get_template(name)


@cache
def _read(name: str) -> str:
    return files("snac_eval.reports.html").joinpath("templates", name).read_text(encoding="utf-8")


def _seconds(seconds: float) -> str:
    return "–" if math.isnan(seconds) else f"{seconds:.1f} s"
