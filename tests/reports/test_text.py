"""How numbers are written, and that no name is markup."""

from __future__ import annotations

import math

import pytest

from snac_eval.reports.text import (
    format_value,
    latex_text,
    markdown_text,
    p_value,
    quantity,
    signed,
    span,
)
from tests.reports.hostile import HOSTILE


@pytest.mark.parametrize(
    ("written", "text"),
    [
        (format_value(0.12345), "0.123"),
        (format_value(-12.345), "-12.35"),
        (format_value(1234.5), "1234"),
        (format_value(math.nan), "–"),
        (signed(0.000123), "+0.000123"),
        (signed(-12.34), "-12.3"),
        (signed(1e-9), "0"),
        (signed(0.1234, relative=True), "+12.3 %"),
        (signed(math.nan), "–"),
        (span(1, 2), "1.000 to 2.000"),
        (span(-0.1, 0.1, signed), "-0.100 to +0.100"),
        (span(math.nan, math.nan), "–"),
        (p_value(0.0005), "< 0.001"),
        (p_value(0.0504), "0.050"),
        (p_value(math.nan), "–"),
        (quantity(3_623_161), "3.62 M"),
        (quantity(640), "640"),
    ],
)
def test_numbers(written: str, text: str) -> None:
    assert written == text


def test_latex_is_ascii_and_its_specials_are_letters() -> None:
    assert latex_text(r"a_b & 50% \x{}") == r"a\_b \& 50\% \textbackslash{}x\{\}"
    assert latex_text("é ñ Ł 日") == r"\'{e} \~{n} \L{} U+65E5"
    assert latex_text("a--b ''c''") == r"a-{}-b '{}'c'{}'"
    assert all(latex_text(name).isascii() for name in HOSTILE)


def test_markdown_opens_no_tag_and_leaves_a_p_value_legible() -> None:
    assert markdown_text("< 0.001") == "< 0.001"
    assert markdown_text("<b> & &lt; x <") == "&lt;b&gt; &amp; &amp;lt; x &lt;"
    assert markdown_text("two\nlines | a](b)") == r"two lines \| a]\(b)"
