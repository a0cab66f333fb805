"""Writes a package that works and is tested, from the templates beside this file.

A template's path and text have the package's name in them: ``[[ name ]]`` in text, ``NAME`` in
paths.
"""

from __future__ import annotations

import keyword
import os
import re
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, get_args

from snac_eval.errors import OutputError, UsageError
from snac_eval.registry import plugins
from snac_eval.writing import write_text

Kind = Literal["codec", "metric", "dataset"]
KINDS: tuple[Kind, ...] = get_args(Kind)
_TEMPLATES = Path(__file__).parent / "templates"
_SUFFIX = ".template"


def make_package(kind: Kind, name: str, folder: Path) -> tuple[Path, ...]:
    """Write the package into this folder, which must not be there or be empty.

    ``name`` names the package, and what is in it. Gives the files. Raises UsageError for a name
    that is none or is taken, OutputError where the folder cannot be written.
    """
    try:
        if folder.is_symlink() or (folder.exists() and (not folder.is_dir() or os.listdir(folder))):
            raise UsageError(f"{folder}: is there already; choose another name, or another -o")
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written: {error.strerror}") from error
    _check_name(kind, name)
    made = []
    for path, text in _rendered(kind, name):
        write_text(folder / path, text)
        made.append(folder / path)
    return tuple(made)


def _check_name(kind: Kind, name: str) -> None:
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,29}", name) or keyword.iskeyword(name):
        raise UsageError(
            f"'{name}' is no name for a package: use up to 30 lower-case letters, digits and _, a"
            f" letter first, such as my_{kind}"
        )
    if name in sys.stdlib_module_names or find_spec(name) is not None:
        raise UsageError(f"'{name}' is the name of a package that is installed; choose another")
    known = {
        "codec": plugins.codec_names,
        "metric": plugins.metric_names,
        "dataset": plugins.dataset_names,
    }[kind]()
    if name in known:
        raise UsageError(f"there is a {kind} '{name}' already; choose another name")


def _rendered(kind: Kind, name: str) -> Iterator[tuple[Path, str]]:
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        variable_start_string="[[",
        variable_end_string="]]",
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,  # Python and TOML, and the name is letters, digits and _.
    )
    values = {
        "name": name,
        "title": name.title().replace("_", ""),
        "project": name.replace("_", "-"),
    }
    root = _TEMPLATES / kind
    for path in sorted(root.rglob(f"*{_SUFFIX}")):
        relative = str(path.relative_to(root)).removesuffix(_SUFFIX).replace("NAME", name)
        yield (
            Path(relative),
            environment.from_string(path.read_text(encoding="utf-8")).render(values),
        )
