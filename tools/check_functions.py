"""Refuse functions over 50 lines, modules over 400, crowded packages, Python in the data folders.

python tools/check_functions.py snac_eval training tools
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

MAX_FUNCTION_LINES = 50
MAX_MODULE_LINES = 400
MAX_ROOT_FILES = 14
DATA_ONLY = ("codecs", "datasets", "reports")


def long_parts(path: Path) -> Iterator[str]:
    """One line if this file is too long, and one for each function of it that is."""
    text = path.read_text(encoding="utf-8")
    if (length := len(text.splitlines())) > MAX_MODULE_LINES:
        yield f"{path}: has {length} lines, more than {MAX_MODULE_LINES}"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > MAX_FUNCTION_LINES:
                where = f"{path}:{node.lineno}: {node.name}"
                yield f"{where} has {length} lines, more than {MAX_FUNCTION_LINES}"


def crowded_root(folder: Path) -> Iterator[str]:
    """One line if more files than allowed stand in this folder itself."""
    count = sum(path.is_file() for path in folder.iterdir())
    if count > MAX_ROOT_FILES:
        yield f"{folder}: holds {count} files itself, more than {MAX_ROOT_FILES}"


def main(folders: list[str]) -> int:
    """Print every finding; 1 if there is one."""
    files = [file for folder in folders for file in sorted(Path(folder).rglob("*.py"))]
    findings = [finding for file in files for finding in long_parts(file)]
    findings += [finding for folder in folders for finding in crowded_root(Path(folder))]
    for folder in DATA_ONLY:
        findings += [f"{file}: no Python in {folder}/" for file in Path(folder).rglob("*.py")]
    print("\n".join(findings) or f"{len(files)} files: none too long, none out of place")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
