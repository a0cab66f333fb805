"""Docstrings to Markdown: roles become code, simple tables of reStructuredText pipe tables."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from snac_eval.types import DOMAINS

_ROLE = re.compile(r":(?:class|mod|func|data|attr|meth|exc):`~?([^`]+)`")
_RULE = re.compile(r"=+( =+)+")
_TAG = re.compile(r"<(?=[A-Za-z/])")


def markdown(text: str) -> str:
    """The docstring's text as Markdown. What already is Markdown stays as it is."""
    return _without_tables(_ROLE.sub(lambda found: f"`{_short(found[1])}`", text))


def cell(text: str) -> str:
    """Text for a cell of a table: on one line, no bar in it ends the cell."""
    return " ".join(_TAG.sub("&lt;", text).split()).replace("|", "\\|")


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A pipe table; cells are Markdown."""
    lines = [header, ["---"] * len(header), *([cell(one) for one in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def domains_text(domains: Sequence[str]) -> str:
    """``speech``; ``anything`` for all of them."""
    return "anything" if set(domains) == set(DOMAINS) else ", ".join(domains)


def facts(rows: Sequence[tuple[str, str]]) -> str:
    """What is known of one thing, a fact a row."""
    return '<div class="facts" markdown>\n\n' + table(["", ""], rows) + "\n\n</div>"


def wide(header: Sequence[str], rows: Sequence[Sequence[str]], kind: str = "") -> str:
    """A table of more columns than a page holds, which is moved sideways."""
    name = f"wide {kind}".strip()
    # Whoever has no mouse moves it with the keyboard.
    opening = (
        f'<div class="{name}" tabindex="0" role="region" aria-label="by {header[0]}" markdown>'
    )
    return f"{opening}\n\n{table(header, rows)}\n\n</div>"


def fence(text: str, language: str = "text") -> str:
    """A block that shows the text as it is."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    ticks = "`" * max(3, longest + 1)
    return f"{ticks}{language}\n{text.rstrip()}\n{ticks}"


def _short(name: str) -> str:
    """``snac_eval.types.Clip`` as readers call it: a class by its name, a module by its path."""
    last = name.rpartition(".")[2]
    return last if last[:1].isupper() else name


def _without_tables(text: str) -> str:
    found: list[str] = []
    lines = iter(text.split("\n"))
    for line in lines:
        if _RULE.fullmatch(line.strip()):
            found += _table(line, lines)
        else:
            found.append(line)
    return "\n".join(found)


def _table(rule: str, lines: Iterator[str]) -> list[str]:
    """The table that a rule begins, up to its last one: a row has more lines where the first
    column is empty. Without a line between two rules, there is no header."""
    starts = [found.start() for found in re.finditer(r"=+", rule)]
    ends = [*starts[1:], None]
    rows: list[list[str]] = []
    header: list[str] = [""] * len(starts)
    rules = 1
    for line in lines:
        if line.strip() and not line.strip().strip("= "):
            rules += 1
            following = next(lines, "")
            if not following.strip():
                break
            header, rows = rows[0], []
            line = following
        cells = [line[start:end].strip() for start, end in zip(starts, ends, strict=True)]
        if cells[0] or not rows:
            rows.append(cells)
        else:
            rows[-1] = [" ".join(filter(None, pair)) for pair in zip(rows[-1], cells, strict=True)]
    return ["", table(header, rows), ""]
