"""Options in names: ``token_agreement@n=2``, ``opus@kbps=9.5``."""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Mapping
from decimal import Decimal
from inspect import signature
from typing import Any

from snac_eval.errors import UsageError

_WHOLE, _DECIMAL = re.compile(r"\d{1,18}"), re.compile(r"\d{1,9}(\.\d{1,9})?")


def split_options(name: str) -> tuple[str, dict[str, str]]:
    """``token_agreement@n=2`` as ``token_agreement`` and ``{"n": "2"}``. Raises UsageError for what
    is no option with a value."""
    base, *parts = name.split("@")
    options = {}
    for part in parts:
        key, _, value = part.partition("=")
        if not (key.isidentifier() and value):
            raise UsageError(f"'@{part}' in '{name}': give an option and its value, such as @n=2")
        options[key] = value
    return base, options


def split_numbers(name: str, decimals: Container[str] = ()) -> tuple[str, dict[str, Decimal]]:
    """``opus@kbps=9.5`` as ``opus`` and ``{"kbps": 9.5}``. Raises UsageError for what is no option
    with a number, and unless its option is one of ``decimals`` for a number that is not whole."""
    base, *parts = name.split("@")
    options = {}
    for part in parts:
        key, _, value = part.partition("=")
        kind = _DECIMAL if key in decimals else _WHOLE
        if not (key.isidentifier() and kind.fullmatch(value)):
            raise UsageError(f"'@{part}' in '{name}': give an option and a number, such as @k=2")
        if key in options:
            raise UsageError(f"'{name}' says @{key} twice; say it once")
        options[key] = Decimal(value)
    return base, options


def read_values(
    make: Callable[..., Any], name: str, options: Mapping[str, str]
) -> dict[str, int | str]:
    """Options as the metric that ``make`` makes takes them: text where its parameter is text, else
    whole numbers. Raises UsageError."""
    known = signature(make).parameters if options else {}
    if unknown := sorted(set(options) - set(known)):
        there = f"there is {', '.join(known)}" if known else "there are none"
        base = name.partition("@")[0]
        raise UsageError(f"metric '{base}' has no option '{unknown[0]}'; {there}")
    read: dict[str, int | str] = {}
    for key, value in options.items():
        if known[key].annotation in ("str", str):
            read[key] = value
        elif _WHOLE.fullmatch(value):
            read[key] = int(value)
        else:
            raise UsageError(f"'@{key}={value}' in '{name}': give a number, such as @k=2")
    return read
