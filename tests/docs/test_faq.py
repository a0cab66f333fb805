"""The table of the FAQ is what its command prints: all questions, and the numbers of some."""

from __future__ import annotations

import pytest

from benchmarks import faq
from tests.docs.reading import ROOT

TEXT = (ROOT / "docs" / "faq.md").read_text(encoding="utf-8")
ROWS = {
    row[0].strip(" `"): row[1:]
    for line in TEXT.splitlines()
    if line.startswith("| `") and (row := line.strip("|").split("|"))
}


def test_every_question_has_its_row() -> None:
    assert list(ROWS) == [one.__name__ for one in faq.QUESTIONS]
    for ask in faq.QUESTIONS:
        assert (
            " ".join((ask.__doc__ or "").split()).removesuffix(".") == ROWS[ask.__name__][0].strip()
        )


@pytest.mark.parametrize("ask", [faq.half_sample, faq.opus_delay, faq.spread])
def test_numbers_are_what_is_measured(ask: faq.Question) -> None:
    shown = [float(one) for one in ROWS[ask.__name__][1].split(",")]
    assert ask() == pytest.approx(shown, rel=2e-3)
