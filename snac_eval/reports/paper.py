"""The table that papers print: codecs as rows, metrics as columns, grouped by dataset.

:mod:`snac_eval.results.ranking` decides who is marked; here it is put into cells and sentences.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

from snac_eval.reports.agreed import agreement_block, agreement_notes
from snac_eval.reports.claims import INTERVALS, narrowed
from snac_eval.reports.grid import NONE, Block, Cell, Column, Grid, count, metric_column
from snac_eval.reports.naming import AS_GIVEN, Rows
from snac_eval.reports.published import (
    Published,
    PublishedRow,
    listener_values,
    published_cells,
)
from snac_eval.reports.standings import Standings, metric_cells, standings
from snac_eval.reports.text import lost_lines, pooled_notes, worst_notes
from snac_eval.results.agreement.shapes import Agreement
from snac_eval.results.ranking import ALPHA, Contest
from snac_eval.results.record import Run, first_info

_VERSIONS = ("snac-eval", "python", "torch", "av", "soxr", "pesq", "pystoi", "visqol-python")
_LOST = "Clips were lost: the notes say whose, and what is therefore not ranked."
"""What a caption begins with then."""
_CLIPS = Column("clips")


def paper_grid(
    runs: Sequence[Run],
    metrics: Sequence[str] = (),
    published: Published | None = None,
    rows: Rows = AS_GIVEN,
    agreements: Sequence[Agreement] = (),
) -> Grid:
    """The table of these runs, a block per dataset; ``rows`` names and orders them.

    ``metrics`` chooses the columns; none: bitrate, quality and speed. ``published`` figures become
    a block below them, ``agreements`` with listeners the last. As CSV it has a row per run:
    ``<metric>``, ``<metric>_ci_low``, ``<metric>_ci_high``, ``<metric>_ci_units``,
    ``<metric>_ci_claim``, ``<metric>_n``, ``<metric>_undefined``, ``<metric>_failed``,
    ``<metric>_catastrophic`` and ``<metric>_mark``;
    published figures follow with ``<metric>``, ``<metric>_definition``, ``read`` and what listeners
    said, agreements with ``<metric>_agreement``, ``_low``, ``_high`` and ``_n``.

    Raises UsageError without runs, for a metric that none has, and for a codec, a label or an order
    that there is not.
    """
    found = standings(runs, metrics, rows)
    blocks = [_block(found, dataset) for dataset in found.groups]
    against = found.against_note(rows.against)
    notes = [*lost_notes(found), *([against] if against else []), *_notes(found)]
    notes += pooled_notes(first_info(runs, name) for name in found.names)
    notes += worst_notes(runs, found.names)
    if published is not None:
        shown = published.of(found.names)
        blocks.append(published_block(shown, found.names))
        notes += shown.notes()
    infos = [first_info(runs, name) for name in found.names]
    if agreements:
        blocks.append(agreement_block(agreements, infos))
        notes += agreement_notes(agreements, infos)
    columns = map(metric_column, infos)
    return Grid(
        columns=(Column("codec", title="Codec"), _CLIPS, *columns),
        blocks=tuple(blocks),
        caption=" ".join([*([_LOST] if any(found.lost.values()) else []), *_caption(found)]),
        notes=tuple(notes),
    )


def without_even_clips(grid: Grid) -> Grid:
    """The grid less the column of clips, where all rows of each block have as many: the block's
    title says it."""
    index = [column.name for column in grid.columns].index(_CLIPS.name)
    uneven = any(len({row[index].text for row in block.rows}) > 1 for block in grid.blocks)
    return grid if uneven else grid.without(_CLIPS.name)


def published_block(published: Published, names: Sequence[str]) -> Block:
    """What papers report by these metrics."""
    rows = tuple(_published_row(published, row, names) for row in published.rows)
    return Block("Published, on other data, not ranked", rows)


def _block(found: Standings, dataset: str) -> Block:
    runs = found.groups[dataset]
    columns = {one.info.name: metric_cells(runs, one) for one in found.contests[dataset]}
    rows = []
    for index, run in enumerate(runs):
        values = {"codec": run.codec, "dataset": run.dataset, "label": run.name}
        clips = replace(count(len(run.clips)), values={"clips": len(run.clips)})
        cells = (columns[name][index] if name in columns else NONE for name in found.names)
        rows.append((Cell(run.name, values=values), clips, *cells))
    return Block(f"{dataset} ({found.size(dataset)})", tuple(rows))


def _published_row(
    published: Published, row: PublishedRow, names: Sequence[str]
) -> tuple[Cell, ...]:
    label = published.label(row)
    values = {
        "codec": row.card or row.codec,
        "dataset": row.data,
        "label": label,
        "nominal_bps": row.nominal_bps,
        "exact_bps": row.exact_bps,
        "source": " ".join(row.source),
        "read": row.read,
        **listener_values(row),
    }
    return Cell(label, values=values), NONE, *published_cells(row, names)


def lost_notes(found: Standings) -> Iterator[str]:
    """What runs lost, a sentence per dataset and loss."""
    for dataset, lost in found.lost.items():
        yield from (f"{dataset}: {line}" for line in lost_lines(lost))


def contest_limits(contests: Sequence[Contest]) -> list[str]:
    """For whom the intervals of these contests hold, where not for other speakers too."""
    found = ((one.info.name, one.interval(run)) for one in contests for run in one.runs)
    return narrowed((name, one.claim, one.num_units, one.unit) for name, one in found)


def _caption(found: Standings) -> Iterator[str]:
    runs = found.runs
    yield f"Mean over clips ± half of its 95 % interval. {INTERVALS}"
    datasets = dict.fromkeys(run.dataset for run in runs)
    yield "Data: " + "; ".join(_data(name, runs) for name in datasets) + "."
    if found.num_tests:
        yield (
            "Bold: not shown to be worse than the best of its data; underlined: the best of the"
            " rest (paired t-test of the mean, Holm-corrected over the table's"
            f" {found.num_tests} tests, significant below {ALPHA:g})."
            " Rates and speeds are not ranked."
        )
    else:
        yield "Nothing is ranked."
    for dataset, several in found.contests.items():
        yield from (f"{dataset}: {said}" for said in contest_limits(several))
    scored = (run.manifest.get("scoring", {}).get("reference_rate") for run in runs)
    if rates := sorted({rate for rate in scored if rate}):
        yield f"Scored at the sample rate of the {' or of the '.join(rates)}."
    yield "Versions: " + ", ".join(_versions(runs)) + "."


def _data(name: str, runs: Sequence[Run]) -> str:
    chosen = [run for run in runs if run.dataset == name]
    clips = {clip for run in chosen for clip in run.clips}
    speakers = {clip.speaker for run in chosen for clip in run.clips.values() if clip.speaker}
    return f"{name}, {len(clips)} clips" + (f" of {len(speakers)} speakers" if speakers else "")


def _versions(runs: Sequence[Run]) -> Iterator[str]:
    for name in _VERSIONS:
        found = dict.fromkeys(run.versions.get(name, "") for run in runs)
        known = [one for one in found if one and one != "not installed"]
        if known:
            yield f"{name} {' and '.join(known)}"


def _notes(found: Standings) -> Iterator[str]:
    for dataset, runs in found.groups.items():
        contests = found.contests[dataset]
        yield from contest_notes(dataset, contests)
        for run in runs:
            if run.unfinished:
                yield f"{run.name} on {dataset}: {run.unfinished}."
            shown = {one.info.name for one in contests}
            yield from (f"{run.name} on {dataset}: {caveat}." for caveat in run.caveats(shown))
            yield from _missing_notes(f"{run.name} on {dataset}", run, contests)


def contest_notes(dataset: str, contests: Sequence[Contest]) -> Iterator[str]:
    """A line per reason and per number of shared clips, with the metrics that share it."""
    grouped: dict[str, list[str]] = {}
    for one in contests:
        if note := _contest_note(one):
            grouped.setdefault(note, []).append(one.info.name)
    for note, names in grouped.items():
        yield f"{dataset}: {note}: {', '.join(names)}."


def _contest_note(one: Contest) -> str:
    several, clips = len(one.runs) > 1, one.shared.clips
    if one.problem:
        return f"not comparable across rows ({one.problem})"
    most = max((len(run.clips) for run in one.runs), default=0)
    which = "that all rows scored" if several else "that were scored"
    unmarked = several and one.info.is_quality and not one.marks and not one.lost
    few = "; too few to rank" if unmarked else ""
    if len(clips) == most and not few:
        return ""
    return f"over the {len(clips)} clips {which}{few}" if one.runs else ""


def _missing_notes(label: str, run: Run, contests: Sequence[Contest]) -> Iterator[str]:
    grouped: dict[str, list[str]] = {}
    for name in (one.info.name for one in contests if one.info.name in run.metrics):
        missing = run.metrics[name].missing.values()
        states = Counter("undefined" if one.status == "undefined" else "failed" for one in missing)
        if states:
            counts = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
            grouped.setdefault(counts, []).append(name)
    for counts, names in grouped.items():
        yield f"{label}: {counts}: {', '.join(names)}."
