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
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from snac_eval.errors import UsageError
from snac_eval.reports.grid import Grid
from snac_eval.reports.html import plots, tables
from snac_eval.reports.html.playback import play
from snac_eval.reports.html.sound import (
    DIFFERENCE_RANGE_DB,
    SPECTROGRAM_RANGE_DB,
    PlayableClip,
    ReportClip,
    fit,
)
from snac_eval.reports.html.tables import Shown
from snac_eval.reports.text import format_value, lost_lines
from snac_eval.results.pairing import lost_by_metric, shared
from snac_eval.results.ranking import (
    Frontier,
    contest,
    frontiers,
    quality_metrics,
    worst_clips,
)
from snac_eval.results.record import Run, first_info, metric_names, named_apart
from snac_eval.results.stats import MIN_UNITS
from snac_eval.writing import write_text

if TYPE_CHECKING:
    from jinja2 import Template

    from snac_eval.run.plan import Material

FILE_NAME = "report.html"
MAX_BYTES = 15_000_000
DEFAULT_CLIPS = 20
# Enough to find the digest, which stands in the page's head.
_HEAD_BYTES = 4096
_DIGEST = re.compile(r'<meta name="snac-eval-record" content="([0-9a-f]{64})">')
_MOMENTS = {"argv", "started", "finished", "num_clips_computed_now"}
_COSTS = {"bitrate": "bitrate [kbps]", "speed": "compute s per s of audio, enc + dec"}


@dataclass(frozen=True, slots=True)
class _Clip:
    """A clip as the template shows it: ``names`` are its versions' names with their letters."""

    clip: PlayableClip
    names: Sequence[tuple[str, str]]
    scores: Grid


def page_path(folders: Sequence[Path]) -> Path:
    """Where the page goes unless told: beside the run; of several runs, into this folder."""
    return folders[0] / FILE_NAME if len(folders) == 1 else Path(FILE_NAME)


def write_page(
    runs: Sequence[Run],
    path: Path,
    num_clips: int = DEFAULT_CLIPS,
    material: Material | None = None,
) -> None:
    """Write the page of one run, or of several side by side.

    ``num_clips`` is how many of the worst clips can be played; ``material`` is that of the only
    run, where it has just ended. Raises UsageError without runs or for a negative number,
    OutputError where the page cannot be written.
    """
    if not runs:
        raise UsageError("no runs given; name at least one run folder")
    if num_clips < 0:
        raise UsageError(f"--report-clips {num_clips}: must be at least 0")
    named = named_apart(runs)
    digest = _page_digest(named, num_clips)
    clips, notes = play(named, worst_clips(named)[:num_clips], material)
    write_text(path, page(show(named), clips, notes, digest))


def shows(path: Path, run: Run, num_clips: int) -> bool:
    """Whether the page there is of this very run: writing it again would change nothing."""
    return _digest_of(path) == _page_digest(named_apart([run]), num_clips)


def _page_digest(runs: Sequence[Run], num_clips: int) -> str:
    """Identity of what a page shows: the runs' records, and how it is drawn."""
    from pandas.util import hash_pandas_object

    said = hashlib.sha256(f"{version('snac-eval')} {num_clips}".encode())
    for name in ("report.html.j2", "table.html.j2", "report.js", "report.css"):
        said.update(_read(name).encode())
    for run in runs:
        # What changes when the same run is merely asked for again is not part of it.
        kept = {key: one for key, one in run.manifest.items() if key not in _MOMENTS}
        said.update(json.dumps([run.name, kept], sort_keys=True).encode())
        if "files" not in kept:  # else the digest of the rows is among what is kept
            said.update(hash_pandas_object(run.rows, index=False).to_numpy().tobytes())
    return said.hexdigest()


def _digest_of(path: Path) -> str:
    """What :func:`_page_digest` was when this page was written; empty where there is no page."""
    if not path.is_file():
        return ""
    with path.open(encoding="utf-8", errors="replace") as file:
        found = _DIGEST.search(file.read(_HEAD_BYTES))
    return found[1] if found else ""


def show(runs: Sequence[Run]) -> list[Shown]:
    """The runs with a letter and a colour each."""
    return [Shown(run, letter(index + 1), index) for index, run in enumerate(runs)]


def letter(index: int) -> str:
    """0 is A, 25 is Z, 26 is AA."""
    return (letter(index // 26 - 1) if index > 25 else "") + chr(ord("A") + index % 26)


def page(
    shown: Sequence[Shown],
    clips: Sequence[ReportClip] = (),
    notes: Sequence[str] = (),
    digest: str = "",
) -> str:
    """The page's HTML, at most :data:`MAX_BYTES` long unless its tables alone are longer."""
    context = _context(shown, notes) | {"digest": digest}
    bare = len(_render(context | {"clips": [], "clip_notes": []}).encode())
    markup = (4_000 + 5_000 * len(shown)) * (len(clips) + 1)
    playable = fit(clips, MAX_BYTES - bare - markup)
    context["clips"] = [_shown_clip(shown, clip) for clip in playable]
    context["clip_notes"] = list(_clip_notes(clips, playable))
    return _render(context)


def _context(shown: Sequence[Shown], notes: Sequence[str]) -> dict[str, Any]:
    runs = [one.run for one in shown]
    breakdowns = [_told(tables.breakdown_table(shown, by), shown) for by in ("domain", "speaker")]
    return {
        "title": " · ".join(dict.fromkeys(run.name for run in runs)),
        "datasets": list(dict.fromkeys(run.dataset for run in runs)),
        "runs": shown,
        "notes": [*_lost_notes(runs), *notes, *dict.fromkeys(_run_notes(runs))],
        "summary": _told(tables.summary_table(shown), shown),
        **_side_by_side(shown),
        "distributions": list(_distributions(shown)),
        "breakdowns": [table for table in breakdowns if table is not None],
        "streams": _told(tables.stream_table(shown), shown),
        "failures": _told(tables.failure_table(shown), shown),
        "every_clip": _told(tables.clip_table(shown, worst_clips(runs)), shown),
        "ranked_by": quality_metrics(runs),
        "facts": [(one, list(_facts(one.run)), _json(one.run.manifest)) for one in shown],
        "level_db": SPECTROGRAM_RANGE_DB,
        "difference_db": DIFFERENCE_RANGE_DB,
    }


def _side_by_side(shown: Sequence[Shown]) -> dict[str, Any]:
    """What compares several runs: a table, planes, and what cannot be compared."""
    runs = [one.run for one in shown]
    if len(runs) == 1:
        return {"comparison": None, "problems": [], "planes": []}
    found = {name: shared(runs, name) for name in _per_clip(runs)}
    usable = [contest(runs, name) for name, one in found.items() if not one.problem]
    return {
        "comparison": tables.comparison_table(shown, usable),
        "problems": list(_left_out({name: one.problem for name, one in found.items()})),
        "planes": list(_planes(shown)),
        "min_units": MIN_UNITS,
    }


def _told(table: Grid | None, shown: Sequence[Shown]) -> Grid | None:
    """The table; of one run, without the column that says which."""
    return table.without("codec") if table is not None and len(shown) == 1 else table


def _per_clip(runs: Sequence[Run]) -> list[str]:
    return [name for name in metric_names(*runs) if first_info(runs, name).kind != "corpus"]


def _lost_notes(runs: Sequence[Run]) -> list[str]:
    """What runs lost, before all else that is said."""
    return [f"Clips were lost. {one}" for one in lost_lines(lost_by_metric(runs, _per_clip(runs)))]


def _run_notes(runs: Sequence[Run]) -> Iterable[str]:
    for run in runs:
        yield from (f"{run.name}: {note}" for note in run.manifest.get("notes", ()))
        if run.unfinished:
            yield f"{run.name}: {run.unfinished}"
        yield from (f"{run.name}: {caveat}" for caveat in run.caveats())
    if len({json.dumps(run.manifest.get("hardware"), sort_keys=True) for run in runs}) > 1:
        yield "The runs were made on different machines: their speeds do not compare."


def _left_out(problems: Mapping[str, str]) -> Iterable[str]:
    """A line per reason, with the metrics that share it."""
    for problem in dict.fromkeys(filter(None, problems.values())):
        names = [name for name, one in problems.items() if one == problem]
        which = "Nothing can be compared" if len(names) == len(problems) else ", ".join(names)
        yield f"{which}: {problem}"


def _distributions(shown: Sequence[Shown]) -> Iterable[Markup]:
    columns = tables.metric_columns(shown)
    for name in _per_clip([one.run for one in shown]):
        series = [
            plots.Series(one.letter, one.colour, _dots(one.run, name))
            for one in shown
            if name in one.run.metrics
        ]
        if len({dot.value for one in series for dot in one.dots}) > 1:
            # The SVG is our own drawing; its texts were escaped when it was written as XML.
            yield Markup(plots.distribution(series, columns[name].heading))


def _dots(run: Run, metric: str) -> list[plots.Dot]:
    values = run.metrics[metric].values.items()
    return [plots.Dot(one, f"{run.name}, {clip}: {format_value(one)}") for clip, one in values]


def _planes(shown: Sequence[Shown]) -> Iterable[tuple[str, Markup]]:
    runs = [one.run for one in shown]
    for one in frontiers(runs, quality_metrics(runs))[0]:
        heading = first_info(runs, one.metric).heading
        yield one.cost, _plane(shown, one, heading, _COSTS[one.cost])


def _plane(shown: Sequence[Shown], frontier: Frontier, heading: str, x_label: str) -> Markup:
    points, front = [], []
    for one, found in zip(shown, frontier.points, strict=True):
        if found.cost <= 0:
            continue
        title = f"{found.run}: {format_value(found.quality)} at {found.cost:.3g} {x_label}"
        # The interval of two or three speakers can be ten times as long as the plot is high.
        few = found.interval.claim == "too few"
        ends = (math.nan, math.nan) if few else (found.interval.low, found.interval.high)
        point = plots.Point(one.letter, one.colour, title, found.cost, found.quality, *ends)
        points.append(point)
        front += [point] if found.on_frontier else []
    return Markup(plots.plane(points, front, x_label, heading, f"{heading} over {x_label}"))


def _shown_clip(shown: Sequence[Shown], clip: PlayableClip) -> _Clip:
    letters = {"": ("A", "reference")} | {one.run.name: (one.letter, one.run.name) for one in shown}
    names = [letters[version.label] for version in clip.versions]
    return _Clip(clip, names, tables.score_table(shown, clip.clip_id))


def _clip_notes(clips: Sequence[ReportClip], shown: Sequence[PlayableClip]) -> Iterable[str]:
    if left := len(clips) - len(shown):
        yield (
            f"{left} more clips were left out to keep this file below {MAX_BYTES / 1e6:.0f} MB;"
            " a smaller --report-clips leaves longer excerpts"
        )
    if any(clip.length_s < clip.total_s - 0.01 for clip in shown):
        seconds = max(clip.length_s for clip in shown)
        yield (
            f"The players have the first {seconds:g} s of longer clips; the scores are of the whole"
            " clip."
        )


def _facts(run: Run) -> Iterable[tuple[str, str]]:
    """What a reader asks first of a manifest."""
    manifest = run.manifest
    codec, dataset = manifest["codec"], manifest["dataset"]
    card, data_card = codec.get("card", {}), dataset.get("card", {})
    hardware, config = manifest["hardware"], manifest.get("config", {})
    found = {
        "command": " ".join(["snac-eval", *map(str, manifest.get("argv", ()))]),
        "codec": card.get("description"),
        "codec licence": card.get("licence"),
        "codec citation": card.get("citation"),
        "dataset": run.dataset,
        "dataset licence": data_card.get("licence"),
        "dataset citation": data_card.get("citation"),
        "seed": config.get("seed"),
        "machine": ", ".join(str(hardware[key]) for key in ("gpu", "cpu") if hardware.get(key)),
        "device": codec.get("device"),
        "snac-eval": f"{manifest['snac_eval']} {manifest.get('commit', '')}".strip(),
        "finished": manifest.get("finished"),
    }
    return [(key, str(value)) for key, value in found.items() if value not in (None, "")]


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
