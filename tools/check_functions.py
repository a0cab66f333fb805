"""Refuse functions of more than 50 lines, and Python in the data-only root folders.

python tools/check_functions.py snac_eval training
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

MAX_LINES = 50
DATA_ONLY = ("codecs", "datasets", "reports")


def long_functions(path: Path) -> Iterator[str]:
    """One line for each function of this file that is too long."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > MAX_LINES:
                yield f"{path}:{node.lineno}: {node.name} has {length} lines, more than {MAX_LINES}"


def main(folders: list[str]) -> int:
    """Print every finding; 1 if there is one."""
    files = [file for folder in folders for file in sorted(Path(folder).rglob("*.py"))]
    findings = [finding for file in files for finding in long_functions(file)]
    for folder in DATA_ONLY:
        findings += [f"{file}: no Python in {folder}/" for file in Path(folder).rglob("*.py")]
    print("\n".join(findings) or f"{len(files)} files: no function over {MAX_LINES} lines")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
