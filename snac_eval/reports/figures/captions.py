"""What a reader of a figure must know beside it: for a paper's caption, and for its writer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from snac_eval.codecs.losses import BIT_ERRORS, PACKET_LOSS
from snac_eval.reports.claims import INTERVALS, narrowed
from snac_eval.reports.figures.content import Content
from snac_eval.reports.figures.style import one_line, shown
from snac_eval.reports.text import lost_lines, metric_title
from snac_eval.results.curves import SPEED, STEP, Axis, Panel
from snac_eval.results.pairing import Loss


def caption(made: Content) -> tuple[str, ...]:
    """Sentences: what is drawn, of how many clips, for whom the intervals hold; then who lost
    clips, and what is not in the figure."""
    names = dict.fromkeys(metric_title(panel.info) for panel in made.panels)
    listed = " and ".join(names)
    if made.kind == "box":
        first = (
            f"{listed} of each clip: median, quartiles, 5th and 95th percentile; dots are clips."
        )
    else:
        over = f" over {_over(made.over)}" if made.over is not None else ""
        first = f"Mean {listed}{over}. {INTERVALS}"
    left_out = [*_left_out(made.panels), *made.notes, *_unknown_letters(made)]
    return (first, *_datasets(made), *_lost(made.panels), *left_out)


def _over(axis: Axis) -> str:
    words = {
        SPEED: "the time of encoding and decoding",
        STEP: "the step of training",
        PACKET_LOSS: "packet loss",
        BIT_ERRORS: "the share of bit errors",
    }
    said = words.get(axis.name) or (metric_title(axis.info) if axis.info else axis.name)
    return said[0].lower() + said[1:] if axis.is_ratio else said


def _datasets(made: Content) -> Iterator[str]:
    for dataset in dict.fromkeys(panel.dataset for panel in made.panels):
        panels = [panel for panel in made.panels if panel.dataset == dataset]
        sizes = {panel.num_clips for panel in panels}
        if len(sizes) == 1:
            yield f"{dataset}: over the {min(sizes)} clips that every run drawn has a score of."
        else:
            counts = ", ".join(f"{panel.num_clips} by {panel.info.name}" for panel in panels)
            yield f"{dataset}: over the clips that every run drawn has a score of ({counts})."
        if made.kind == "line":
            yield from (f"{dataset}: {said}" for said in _limits(panels))
        yield from (f"{dataset}: {said}" for said in _caveats(panels))


def _limits(panels: Sequence[Panel]) -> Iterator[str]:
    """For whom the intervals hold, where not for other speakers too."""
    found = [
        (panel.info.name, point.interval)
        for panel in panels
        for point in panel.points
        if point.interval is not None
    ]
    yield from narrowed((name, one.claim, one.num_units, one.unit) for name, one in found)
    if any(one.claim == "too few" for _, one in found):
        yield "No interval is drawn of so few."


def _caveats(panels: Sequence[Panel]) -> Iterator[str]:
    metrics = {panel.info.name for panel in panels}
    for run in dict.fromkeys(point.run for panel in panels for point in panel.points):
        if run.unfinished:
            yield f"{run.name}: {run.unfinished}."
        yield from (f"{run.name}: {said}." for said in run.caveats(metrics))


def _lost(panels: Sequence[Panel]) -> Iterator[str]:
    """A line for each loss; the figure marks the runs that have a point all the same."""
    for dataset in dict.fromkeys(panel.dataset for panel in panels):
        here = [panel for panel in panels if panel.dataset == dataset]
        found: dict[Loss, list[str]] = {}
        for panel in here:
            for loss in panel.lost:
                found.setdefault(loss, []).append(panel.info.name)
        drawn = {point.run.name for panel in here for point in panel.points}
        for loss, line in zip(found, lost_lines(found), strict=True):
            yield f"{'† ' if loss.run in drawn else ''}{dataset}: {line}"


def _left_out(panels: Sequence[Panel]) -> Iterator[str]:
    """A line for each reason, with the runs that share it."""
    for panel in panels:
        grouped: dict[str, list[str]] = {}
        for one in panel.left_out:
            run, _, reason = one.partition(": ")
            grouped.setdefault(reason, []).append(run)
        for reason, runs in grouped.items():
            place = f"{panel.dataset}, {panel.info.name}"
            yield f"Not in the panel of {place}: {'; '.join(runs)}: {reason}."


def _unknown_letters(made: Content) -> Iterator[str]:
    """The names that cannot be drawn as they are."""
    found = [one for text in made.texts if shown(one := one_line(text)) != one]
    if found:
        yield f"No font here has all letters of {'; '.join(found)}: a ? stands for the others."
