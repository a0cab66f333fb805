"""Which band a run falls into."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from snac_eval.results.record import read_run
from snac_eval.site.bands import band_of, rate_of
from tests.site.many import scored


@pytest.mark.parametrize(
    ("kbps", "key"),
    [
        (0.999, "below-1"),
        (1.0, "1-2"),
        (sum([0.1] * 10), "1-2"),  # just below 1 as floats add up
        (2.0, "1-2"),
        (2.001, "2-4"),
        (4.0, "2-4"),
        (8.0, "4-8"),
        (8.001, "above-8"),
        (math.nan, "none"),
    ],
)
def test_edges_are_where_the_words_say(kbps: float, key: str) -> None:
    assert band_of(kbps).key == key


def test_measured_rate_decides_and_not_what_the_card_states(tmp_path: Path) -> None:
    run = scored(tmp_path, "codec", 3.0, 2.3, card={"nominal_bitrate_bps": 1500.0})
    assert rate_of(read_run(run)).band.key == "2-4"


def test_codec_without_a_bitrate_says_why(tmp_path: Path) -> None:
    run = read_run(scored(tmp_path, "codec", 3.0, "undefined: its latents are continuous"))
    assert rate_of(run).band.key == "none"
    assert rate_of(run).problem == "its latents are continuous"


def test_declared_rate_is_said_to_be_declared(tmp_path: Path) -> None:
    prints = {"bitrate": "bitrate;v=1;bits=declared"}
    run = read_run(scored(tmp_path, "codec", 3.0, 3.0, fingerprints=prints))
    assert (rate_of(run).band.key, rate_of(run).declared) == ("2-4", "declared")
