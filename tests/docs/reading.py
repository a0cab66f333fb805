"""What a document tells its reader to do: commands, files to write, Python to run.

CONTRIBUTING.md ("Documents") says how documents are written so that this finds it.
"""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from markdown_it import MarkdownIt

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *ROOT.glob("docs/*.md")])

_SHELL = ("sh", "bash", "shell", "console")
_NAMED = re.compile(r"`([\w./+-]+)`:\s*$")
_EXIT_CODE = re.compile(r"#.*\bexit code (\d+)")
_OPERATORS = set("|&;<>()")


@dataclass(frozen=True)
class Step:
    """One thing to do."""

    kind: Literal["command", "file", "python", "inline"]
    text: str
    """The command, or the content of the file or the block."""
    line: int
    """Where it stands in the document, counted from 1."""
    name: str = ""
    """Of a file."""
    exit_code: int = 0
    """With which a command is to end."""
    fresh: bool = False
    """Whether it begins in a folder as a reader of a new checkout has it: the first of a block of
    YAML, which is another session."""


def steps(document: Path) -> list[Step]:
    """Everything that this document tells its reader to do, in order."""
    tokens = MarkdownIt("commonmark").enable("table").parse(document.read_text(encoding="utf-8"))
    found: list[Step] = []
    said = ""
    for token in tokens:
        if token.type == "inline":
            said = token.content
            found += _inline(token)
        elif token.type in ("fence", "code_block"):
            found += _block(token, said)
            said = ""
    return found


def _inline(token: Any) -> Iterator[Step]:  # noqa: ANN401 - markdown-it's
    line = token.map[0] + 1
    for child in token.children or ():
        if child.type == "code_inline" and child.content.startswith(("snac-eval ", "python -m ")):
            yield Step("inline", child.content, line)


def _block(token: Any, said: str) -> Iterator[Step]:  # noqa: ANN401 - markdown-it's
    language = token.info.strip().split(" ")[0].lower()
    line = token.map[0] + 1 + (token.type == "fence")
    named = _NAMED.search(said)
    if token.type == "code_block" or language in _SHELL:
        yield from commands(token.content, line)
    elif named:
        yield Step("file", token.content, line, name=named[1])
    elif language == "python":
        yield Step("python", token.content, line)
    elif language in ("yaml", "yml"):
        yield from _of_yaml(token.content, line)


def _of_yaml(text: str, line: int) -> Iterator[Step]:
    """The commands of a workflow or a hook: what stands under ``run`` and ``entry``."""
    import yaml

    def values(node: Any) -> Iterator[str]:  # noqa: ANN401 - whatever YAML holds
        if isinstance(node, dict):
            for key, value in node.items():
                if key in ("run", "entry") and isinstance(value, str):
                    yield value
                else:
                    yield from values(value)
        elif isinstance(node, list):
            for one in node:
                yield from values(one)

    first = True
    for value in values(yaml.safe_load(text)):
        for step in commands(value, line):
            yield Step("command", step.text, line, exit_code=step.exit_code, fresh=first)
            first = False


def commands(text: str, line: int) -> Iterator[Step]:
    """The commands of a shell block: a line each, or as many lines as make one."""
    held: list[str] = []
    for number, one in enumerate(text.splitlines(), start=line):
        held.append(one)
        whole = "\n".join(held)
        if not whole.strip() or whole.strip().startswith("#"):
            held.clear()
        elif _is_whole(whole):
            code = _EXIT_CODE.search(whole)
            start = number - len(held) + 1
            yield Step("command", whole, start, exit_code=int(code[1]) if code else 0)
            held.clear()
    if held:
        raise ValueError(f"line {line}: a command without its end: {held[0]}")


def _is_whole(text: str) -> bool:
    if text.rstrip().endswith("\\"):
        return False
    if "<<" not in text and not re.search(r"['\"({|&]|\bdo\b|\bthen\b", text):
        return True
    done = subprocess.run(["bash", "-n"], input=text, capture_output=True, text=True, check=False)
    return done.returncode == 0 and "here-document" not in done.stderr


def simple_parts(text: str) -> list[list[str]] | None:
    """The words of a command, and of several where ``&&`` or ``;`` stands between; None where only
    a shell can run it: pipes, redirections, variables that it sets, loops, braces."""
    try:
        lexer = shlex.shlex(text.replace("\\\n", " "), posix=True, punctuation_chars="|&;<>()")
        lexer.whitespace_split, lexer.commenters = True, "#"
        words = list(lexer)
    except ValueError:
        return None
    parts: list[list[str]] = [[]]
    for word in words:
        if word in ("&&", ";"):
            parts.append([])
        elif set(word) <= _OPERATORS:
            return None
        else:
            parts[-1].append(word)
    if len(parts) == 1 and parts[0][:2] == ["sh", "-c"] and len(parts[0]) == 3:
        return simple_parts(parts[0][2])
    plain = all(part and re.fullmatch(r"[\w./-]+", part[0]) for part in parts)
    return parts if plain and not re.search(r"[$`]|\{\S*,\S*\}", text) else None
