"""The page's drawings."""

from __future__ import annotations

import re

from snac_eval.reports.html.plots import Point, plane


def test_a_plane_joins_the_points_of_a_codec() -> None:
    same = [Point("B", 0, "low", 1.0, 2.0), Point("C", 0, "high", 4.0, 3.0)]
    other = [Point("D", 1, "low", 1.0, 2.5), Point("E", 2, "high", 4.0, 3.5)]
    points = [*same, *other]
    bare = plane(points, [], "x", "y", "title")
    joined = plane(points, [], "x", "y", "title", lines=[same, other])
    strokes = [re.findall(r"stroke: var\((--\w+)\)", svg) for svg in (bare, joined)]
    # Of one colour, the line has it; else the text's.
    assert strokes[1].count("--s0") == strokes[0].count("--s0") + 1
    assert strokes[1].count("--text") == strokes[0].count("--text") + 1


def test_losses_lie_on_a_scale_that_begins_at_none() -> None:
    for scale, xs, said in (("plain", (0, 5, 20), "20"), ("shares", (0, 1e-3, 1e-2), "0.01")):
        points = [Point("B", 0, "", x, 3.0 - x) for x in xs]
        svg = plane(points, [], "x", "y", "title", [points], scale)  # type: ignore[arg-type]
        ticks = re.findall(r">([0-9.]+)</text>", svg)
        assert ticks[0].strip("0.") == ""
        assert said in ticks
