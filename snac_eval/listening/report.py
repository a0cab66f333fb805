"""What listeners said as Markdown, CSV and LaTeX. All names from data are escaped."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Literal

from snac_eval.errors import readable
from snac_eval.listening.reading import AbxReading, Reading
from snac_eval.reports.grid import NONE, Cell, Column, Grid, count, interval, number, render
from snac_eval.reports.latex import latex_table
from snac_eval.reports.text import markdown_text, p_value, signed, span
from snac_eval.results.listeners.consistency import Consistency
from snac_eval.results.listeners.means import ALPHA, MeanRating, PairedRating
from snac_eval.results.listeners.ratings import Ratings
from snac_eval.results.listeners.roles import UNITS
from snac_eval.results.listeners.telling import Told
from snac_eval.results.stats import MIN_UNITS

ReadingFormat = Literal["md", "csv", "latex"]
FORMATS: tuple[ReadingFormat, ...] = ("md", "csv", "latex")
_INTERVALS = (
    "95 % intervals are for other listeners and other clips like these: both are samples (two-way"
    " clustered, Student's t)."
)


def reading_text(reading: Reading | AbxReading, form: ReadingFormat) -> str:
    """What was read, ending in a line break.

    LaTeX has the table of means; CSV a row a mean and a row a pair, whose second codec is
    ``against``; Markdown says everything.
    """
    if isinstance(reading, AbxReading):
        return _abx_text(reading, form)
    if form == "latex":
        return latex_table(means_grid(reading))
    if form == "csv":
        return render(_tidy(reading), "csv")
    parts = ["## Means", render(means_grid(reading), "md").rstrip("\n")]
    if reading.pairs:
        parts += ["## Differences", render(pairs_grid(reading), "md").rstrip("\n")]
    parts += ["## Listeners", *map(markdown_text, _listeners(reading))]
    return "\n\n".join(parts) + "\n"


def means_grid(reading: Reading) -> Grid:
    """A row a codec, the best mean first, then reference and anchors."""
    ratings = reading.screening.ratings
    name, unit = UNITS[ratings.scale]
    marks = _marks(reading)
    columns = [
        Column("codec", title="Codec"),
        Column(name, unit, True),
        Column("95 % interval"),
        Column("ratings", title="Ratings"),
        Column("clips", title="Clips"),
        Column("listeners", title="Listeners"),
    ]
    order = sorted(reading.means, key=lambda one: ratings.roles[one] != "codec")
    rows = [
        [
            Cell(codec, after=_role(codec, ratings)),
            _marked(reading.means[codec], codec in marks),
            interval(reading.means[codec].low, reading.means[codec].high),
            count(reading.means[codec].num_ratings),
            count(reading.means[codec].num_clips),
            count(reading.means[codec].num_listeners),
        ]
        for codec in order
    ]
    return Grid.of(columns, rows, " ".join(_caption(reading, marks)), _limits(reading))


def pairs_grid(reading: Reading) -> Grid:
    """A row a pair, in the words of ``compare``."""
    shown = ("better", "worse")
    rows = [
        [
            Cell(f"{one.first} against {one.second}"),
            Cell(signed(one.difference.mean), key=one.difference.mean),
            Cell(span(one.difference.low, one.difference.high, signed)),
            Cell(p_value(one.p_holm)),
            Cell(one.verdict, mark="strong" if one.verdict in shown else ""),
            Cell(f"{one.difference.num_clips} and {one.difference.num_listeners}"),
        ]
        for one in reading.pairs
    ]
    names = ("pair", "difference", "95 % interval", "p (Holm)", "verdict", "clips and listeners")
    tests = sum(not math.isnan(one.p_holm) for one in reading.pairs)
    said = (
        f"Paired by listener and clip; Holm-corrected over {_number(tests, 'test')}, significant"
        f" below {ALPHA:g}."
        if tests
        else "Paired by listener and clip; nothing could be tested."
    )
    return Grid.of(map(Column, names), rows, said, _untested(reading.pairs))


def _role(name: str, ratings: Ratings) -> str:
    """What the name stands for, where it does not say so itself."""
    role = ratings.roles[name]
    return "" if role == "codec" or role in name.casefold() else f"({role})"


def _marks(reading: Reading) -> set[str]:
    """The codecs that are not shown to be worse than the one with the best mean; none where not
    all could be tested against it."""
    best = next((one.first for one in reading.pairs), "")
    against = [one for one in reading.pairs if one.first == best]
    if any(one.verdict == "not tested" for one in against):
        return set()
    return {best, *(one.second for one in against if one.verdict != "better")} - {""}


def _marked(found: MeanRating, is_best: bool) -> Cell:
    cell = number(found.mean)
    return Cell(cell.text, mark="best" if is_best else "", key=cell.key)


def _caption(reading: Reading, marks: set[str]) -> Iterator[str]:
    ratings = reading.screening.ratings
    name, unit = UNITS[ratings.scale]
    scale = f"{name}, {unit}" if unit else "a scale of its own"
    yield (
        f"Mean ratings ({scale}) of {_number(len(ratings.clips), 'clip')} by"
        f" {_number(len(ratings.listeners), 'listener')}. {_INTERVALS}"
    )
    if marks:
        yield (
            "Bold: not shown to be worse than the best (paired by listener and clip,"
            f" Holm-corrected, significant below {ALPHA:g})."
        )


def _limits(reading: Reading) -> Iterator[str]:
    ratings = reading.screening.ratings
    few = [name for name, one in reading.means.items() if one.too_few]
    if few:
        which = "all" if len(few) == len(reading.means) else ", ".join(map(readable, few))
        yield (
            f"Too few for any verdict: {which}: fewer than {MIN_UNITS} clips, or than {MIN_UNITS}"
            " listeners."
        )
    yield from ratings.notes
    yield from reading.screening.notes


def _untested(pairs: Sequence[PairedRating]) -> Iterator[str]:
    if any(one.verdict == "not tested" for one in pairs):
        yield f"Not tested: fewer than {MIN_UNITS} clips or {MIN_UNITS} listeners rated both."


def _listeners(reading: Reading) -> Iterator[str]:
    for one in reading.screening.excluded:
        yield f"Left out: {readable(one.listener)}: {one.reason}."
    yield consistency_sentence(reading.consistency)


def consistency_sentence(found: Consistency) -> str:
    """How far listeners agree, in words."""
    if found.reason:
        return f"How far listeners agree cannot be said: {found.reason}."
    return (
        f"Agreement of {found.num_listeners} listeners on {found.num_stimuli} stimuli of codecs:"
        f" ICC(2,1) {found.single:.2f} ({_ends(found.single_interval)}) for one listener, ICC(2,k)"
        f" {found.average:.2f} ({_ends(found.average_interval)}) for the mean of {found.k:.3g}."
    )


def _ends(ends: tuple[float, float]) -> str:
    return f"95 % interval {ends[0]:.2f} to {ends[1]:.2f}"


def _number(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _tidy(reading: Reading) -> Grid:
    ratings = reading.screening.ratings
    rows = [
        _row(codec, ratings.roles[codec], "", found, math.nan, "")
        for codec, found in reading.means.items()
    ]
    rows += [
        _row(one.first, "codec", one.second, one.difference, one.p_holm, one.verdict)
        for one in reading.pairs
    ]
    return Grid.of([Column("row")], rows)


def _row(
    codec: str, role: str, against: str, found: MeanRating, p_holm: float, verdict: str
) -> list[Cell]:
    values: dict[str, object] = {
        "codec": codec,
        "role": role,
        "against": against,
        "mean": found.mean,
        "ci_low": found.low,
        "ci_high": found.high,
        "p_holm": p_holm,
        "verdict": verdict,
        "n_ratings": found.num_ratings,
        "n_clips": found.num_clips,
        "n_listeners": found.num_listeners,
    }
    return [Cell("", values=values)]


def ratings_csv(ratings: Ratings) -> str:
    """Single ratings as ``agreement``, ``table`` and ``plot`` take them."""
    rows = [
        {"clip_id": one.clip, "codec": one.codec, "listener": one.listener, "rating": one.value}
        for one in ratings.rows
    ]
    return render(Grid.of([Column("row")], ([Cell("", values=row)] for row in rows)), "csv")


def _abx_text(reading: AbxReading, form: ReadingFormat) -> str:
    if form == "csv":
        return render(Grid.of([Column("row")], map(_abx_row, reading.told)), "csv")
    grid = abx_grid(reading)
    return latex_table(grid) if form == "latex" else render(grid, "md")


def abx_grid(reading: AbxReading) -> Grid:
    """A row a codec: how often it was told from the reference."""
    rows = [
        [
            Cell(one.codec),
            Cell(f"{one.num_right} of {one.num_answers}"),
            Cell(f"{100 * one.share:.0f}", key=one.share),
            _shares(one),
            Cell(p_value(one.p_holm)),
            Cell(one.verdict, mark="strong" if one.verdict == "told apart" else ""),
            Cell(f"{one.num_alone} of {one.num_listeners}"),
        ]
        for one in reading.told
    ]
    columns = [
        Column("codec", title="Codec"),
        Column("right", title="Right"),
        Column("share", "%", title="Share"),
        Column("95 % interval"),
        Column("p (Holm)"),
        Column("verdict", title="Verdict"),
        Column("alone", title="Listeners who show it alone"),
    ]
    said = (
        "ABX: how often listeners told which of two sounds X was, where guesses are right in 50 %."
        " p: exact binomial test of all answers, for these listeners and clips, Holm-corrected over"
        f" {_number(len(rows), 'test')}, significant below {ALPHA:g}. 95 % intervals of the share"
        " are for other listeners, who are their units."
    )
    few = any(one.interval.claim == "too few" for one in reading.told)
    note = f"Fewer than {MIN_UNITS} listeners: what is shown holds for them alone."
    return Grid.of(columns, rows, said, [*reading.notes, *([note] if few else [])])


def _shares(one: Told) -> Cell:
    if math.isnan(one.interval.low):
        return NONE
    return Cell(f"{100 * one.interval.low:.0f} to {100 * one.interval.high:.0f} %")


def _abx_row(one: Told) -> list[Cell]:
    values: dict[str, object] = {
        "codec": one.codec,
        "share": one.share,
        "ci_low": one.interval.low,
        "ci_high": one.interval.high,
        "p_value": one.p_value,
        "p_holm": one.p_holm,
        "verdict": one.verdict,
        "n_right": one.num_right,
        "n_answers": one.num_answers,
        "n_listeners": one.num_listeners,
        "n_listeners_alone": one.num_alone,
    }
    return [Cell("", values=values)]
