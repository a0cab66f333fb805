"""Tables of TOML files become dataclasses; what does not fit is told in one line.

pydantic checks strictly: text counts as no number, true as no 1, and an unknown key is refused. It
is imported when the first table is read, not before: the command line starts without it.
"""

from __future__ import annotations

import json
import reprlib
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from types import UnionType
from typing import (
    TYPE_CHECKING,
    Any,
    Never,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from snac_eval.errors import CardError, SnacEvalError, detail
from snac_eval.registry.asking import is_worker
from snac_eval.types import CodecCard, DatasetCard
from snac_eval.writing import read_text

if TYPE_CHECKING:
    from _typeshed import DataclassInstance
    from pydantic import TypeAdapter
    from pydantic_core import ErrorDetails

_T = TypeVar("_T", bound="DataclassInstance")
_Path = tuple[int | str, ...]

_NAMED = 3
"""How many problems of one table are named; the others are counted."""
_WORDS = {
    "string_type": "text",
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "dict_type": "a table",
    "dataclass_type": "a table",
    "pattern_regex": "a regular expression",
    "too_short": "longer",
}


@dataclass(frozen=True, slots=True)
class NoOptions:
    """Options of a family or a loader that takes none."""


def read_toml(path: Path, error: type[SnacEvalError] = CardError) -> dict[str, Any]:
    """The tables of a file. Raises ``error`` where it cannot be read or is no TOML."""
    try:
        return tomllib.loads(read_text(path))
    except OSError as problem:
        raise error(f"{path}: cannot be read: {problem.strerror}") from problem
    except ValueError as problem:
        raise error(f"{path}: is not valid TOML: {detail(problem)}") from problem


def read_options(card: CodecCard | DatasetCard, kind: type[_T], file: Path | None = None) -> _T:
    """A card's options as the adapter's dataclass. Raises CardError where they do not fit.

    ``file``: where the card was read from, to be named.
    """
    what = "codec" if isinstance(card, CodecCard) else "dataset"
    where = f"{what} card '{card.name}'" if file is None else str(file)
    return validated(kind, card.options, f"{where}, options")


def validated(
    kind: type[_T], table: Mapping[str, Any], where: str, error: type[SnacEvalError] = CardError
) -> _T:
    """The table as a ``kind``: a dataclass whose annotations say what is allowed.

    Lists become tuples, tables become the dataclasses or mappings that the annotations name.
    Raises ``error`` with one line that starts with ``where`` and names the first problems.
    """
    if is_worker():  # Whoever sent the table has checked it; pydantic need not be there.
        return _filled(kind, table)
    from pydantic import ValidationError

    try:
        text = json.dumps(table, default=_refuse)
    except ValueError as problem:
        raise error(f"{where}: {detail(problem)}") from problem
    try:
        # Read as JSON, because strict Python input would have to be tuples and instances already.
        valid: _T = _adapter(kind).validate_json(text, strict=True, extra="forbid")
    except ValidationError as refused:
        problems = _problems(kind, table, refused.errors(include_url=False))
        raise error(f"{where}: {_sentences(problems)}") from refused
    return valid


def _filled(kind: type[_T], table: Mapping[str, Any]) -> _T:
    """The table, which is valid, as a ``kind``."""
    hints = get_type_hints(kind)
    return kind(**{name: _converted(hints.get(name), value) for name, value in table.items()})


def _converted(hint: Any, value: Any) -> Any:  # noqa: ANN401 - whatever an annotation says
    if isinstance(hint, type) and is_dataclass(hint):
        return _filled(hint, value) if isinstance(value, Mapping) else value
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        fitting = [one for one in inner if _suits(one, value)]
        return _converted(fitting[0], value) if fitting else value
    if isinstance(value, list) and origin is tuple:
        kinds = inner[:1] * len(value) if inner[1:] == (...,) else inner
        return tuple(map(_converted, kinds, value))
    if isinstance(value, list) and inner:
        return [_converted(inner[0], one) for one in value]
    if isinstance(value, Mapping) and len(inner) == 2:
        return {key: _converted(inner[1], one) for key, one in value.items()}
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    return Path(value) if hint is Path else value


def _suits(hint: Any, value: Any) -> bool:  # noqa: ANN401
    """Whether a value that has no type but JSON's is meant by this part of a union."""
    if isinstance(value, Mapping):
        return is_dataclass(hint) or get_origin(hint) not in (None, tuple, list)
    if isinstance(value, list):
        return get_origin(hint) is not None and not isinstance(hint, type)
    return isinstance(hint, type) and isinstance(value, hint)


@cache
def _adapter(kind: type[Any]) -> TypeAdapter[Any]:
    from pydantic import TypeAdapter

    return TypeAdapter(kind)


def _refuse(value: object) -> Never:
    raise ValueError(f"{value} is a {type(value).__name__}; put it in quotes to make it text")


# What pydantic found, in our words.


def _problems(kind: type, table: Mapping[str, Any], found: Iterable[ErrorDetails]) -> list[str]:
    """Unknown keys come first: what is missing may be what one of them was meant to be."""
    unknown: dict[_Path, list[str]] = {}
    missing: list[_Path] = []
    wrong: dict[_Path, list[ErrorDetails]] = {}
    for one in found:
        path = _path(table, one["loc"])
        if one["type"] == "missing":
            missing.append((*path, one["loc"][-1]))
        elif one["type"] == "unexpected_keyword_argument":
            unknown.setdefault(path[:-1], []).append(str(path[-1]))
        else:
            wrong.setdefault(path, []).append(one)
    problems: list[str] = []
    for place, names in unknown.items():
        known = [field.name for field in fields(_dataclass_at(kind, place))]
        close = {name: get_close_matches(name, known, n=1) for name in names}
        problems += _unknown(place, known, close)
        meant = {(*place, *match) for match in close.values()}
        missing = [path for path in missing if path not in meant]
    return [*problems, *(f"'{_spelled(path)}' is missing" for path in missing), *_wrong(wrong)]


def _path(table: Mapping[str, Any], loc: Sequence[int | str]) -> _Path:
    """The part of a location that the table has; pydantic names a union's branches in it too."""
    value: Any = table
    path: list[int | str] = []
    for part in loc:
        try:
            value = value[part]
        except (KeyError, IndexError, TypeError):
            continue
        path.append(part)
    return tuple(path)


def _dataclass_at(kind: type, place: _Path) -> type:
    """The dataclass whose keys stand at a place."""
    for part in place:
        annotation = get_type_hints(kind).get(str(part))
        kind = _dataclass_in(annotation) or kind
    return kind


def _dataclass_in(annotation: object) -> type | None:
    if isinstance(annotation, type) and is_dataclass(annotation):
        return annotation
    return next(filter(None, map(_dataclass_in, get_args(annotation))), None)


def _unknown(
    place: _Path, known: Sequence[str], close: Mapping[str, Sequence[str]]
) -> Iterator[str]:
    where = f" in {_spelled(place)}" if place else ""
    for name, meant in close.items():
        if meant:
            yield f"unknown key '{name}'{where}; did you mean '{meant[0]}'?"
    if strange := [f"'{name}'" for name, meant in close.items() if not meant]:
        keys = "key" if len(strange) == 1 else "keys"
        yield f"unknown {keys} {', '.join(strange)}{where}; known: {', '.join(known) or 'none'}"


def _wrong(found: Mapping[_Path, Sequence[ErrorDetails]]) -> list[str]:
    """One text a value. A value is left out where another, inside it, is what is wrong."""
    return [
        _wrong_one(path, errors)
        for path, errors in found.items()
        if not any(len(other) > len(path) and other[: len(path)] == path for other in found)
    ]


def _wrong_one(path: _Path, errors: Sequence[ErrorDetails]) -> str:
    if errors[0]["type"] == "value_error":  # what a dataclass says of its fields together
        return errors[0]["msg"].removeprefix("Value error, ")
    wanted = " or ".join(map(_wanted, errors))
    return f"'{_spelled(path)}' is {reprlib.repr(errors[0]['input'])}; it should be {wanted}"


def _wanted(one: ErrorDetails) -> str:
    said = one["msg"].removeprefix("Input should be ").replace("less than inf", "finite")
    return _WORDS.get(one["type"], said)


def _spelled(path: _Path) -> str:
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return "".join(parts).removeprefix(".")


def _sentences(problems: Sequence[str]) -> str:
    more = len(problems) - _NAMED
    told = [*problems[:_NAMED], *([f"And {more} more"] if more > 0 else [])]
    ended = (one if one.endswith("?") else f"{one}." for one in told)
    return " ".join(ended).removesuffix(".")
