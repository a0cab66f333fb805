"""Names that would break a table if they were not escaped."""

from __future__ import annotations

HOSTILE = [
    r"\input{/etc/passwd}",
    r"\end{tabular}}\undefined",
    "100% & $x_1^2$ #~",
    "[2ex] --- ''quoted'' `` ?`",
    "<script>alert(1)</script>",
    "two\nlines | and\ttab",
    "Zoë Łódź naïve 日本語 😀 \x1b[31m",
    "a|b](javascript:x)",
]
