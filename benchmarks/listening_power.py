"""How far ratings of a listening test spread, from the ratings of one that was held.

``python -m benchmarks.listening_power RATINGS.csv`` reads single ratings (``clip_id, codec,
listener, rating``) and prints the standard deviations of one version's rating that
:data:`snac_eval.listening.power.MUSHRA` holds: from clip to clip, from listener to listener, and
the rest, beside what a clip and a listener do to all versions alike.

Of every two codecs, the differences by clip and listener are parted by Henderson's method 3; half
of the variances is one codec's share. The mean is over all pairs; ``--left-out CODEC`` leaves one
out. It prints that of each pair as well, for they differ much: a codec that fails on some clips
spreads more than all others.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from pathlib import Path

import numpy as np

from snac_eval.results.listeners.crossed import Crossed, squares
from snac_eval.results.listeners.formats import read_ratings
from snac_eval.results.listeners.ratings import Ratings

Parts = tuple[float, float, float]
"""Variances: of clips, of listeners, of the rest."""


def variances(data: Crossed) -> Parts:
    """Of rows, of columns and of the rest, each what it would be with endless data."""
    found = squares(data)
    number = len(data.values)
    by_row = found.rows - (data.num_rows - 1) * found.error
    by_column = found.columns - (data.num_columns - 1) * found.error
    return (
        by_row / (number - data.num_columns),
        by_column / (number - data.num_rows),
        found.error,
    )


def of_pairs(
    by_codec: Mapping[str, Mapping[tuple[str, str], float]],
) -> Iterator[tuple[str, str, Parts]]:
    """Every two codecs, and the variances of their difference."""
    for first, second in combinations(by_codec, 2):
        both = [place for place in by_codec[first] if place in by_codec[second]]
        values = [by_codec[first][place] - by_codec[second][place] for place in both]
        clips, listeners = ([place[side] for place in both] for side in (0, 1))
        yield first, second, variances(Crossed.of(clips, listeners, values))


def print_parts(name: str, parts: Sequence[float]) -> None:
    """Standard deviations of one version's rating; a variance below zero counts as none."""
    found = [math.sqrt(max(0.0, part) / 2) for part in parts]
    print(f"{name:34}" + "".join(f"{one:12.1f}" for one in found))


def alike(ratings: Ratings, left_out: Sequence[str]) -> Parts:
    """Variances of what a clip and a listener do to all codecs alike, from means over codecs."""
    cells: dict[tuple[str, str], list[float]] = {}
    for row in ratings.of_role("codec"):
        if row.codec not in left_out:
            cells.setdefault((row.clip, row.listener), []).append(row.value)
    means = [float(np.mean(one)) for one in cells.values()]
    return variances(Crossed.of([clip for clip, _ in cells], [who for _, who in cells], means))


def main() -> None:
    """Print the spread of one file of ratings."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("ratings", type=Path)
    parser.add_argument("--left-out", action="append", default=[], metavar="CODEC")
    options = parser.parse_args()
    ratings = read_ratings(options.ratings)
    by_codec: dict[str, dict[tuple[str, str], float]] = {}
    for row in ratings.of_role("codec"):
        if row.codec not in options.left_out:
            by_codec.setdefault(row.codec, {})[row.clip, row.listener] = row.value
    print(f"{'standard deviation, points':34}{'clip':>12}{'listener':>12}{'rest':>12}")
    found = list(of_pairs(by_codec))
    for first, second, parts in found:
        print_parts(f"{first} - {second}", parts)
    print_parts("mean of all pairs", np.mean([parts for _, _, parts in found], axis=0))
    print_parts("all versions alike", [2 * part for part in alike(ratings, options.left_out)])


if __name__ == "__main__":
    main()
