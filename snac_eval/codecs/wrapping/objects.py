"""From a name to an object of one's own: found, and called where it makes the codec.

``my_module:MyModel`` is in a module that Python finds, from the current folder too;
``FILE.py:MyModel`` is in a file, wherever that is.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import inspect
import json
import os
import sys
import tomllib
from collections.abc import Iterable, Mapping
from contextlib import suppress
from difflib import get_close_matches
from pathlib import Path
from types import ModuleType
from typing import Any

from snac_eval.codecs.wrapping.quiet import seeded
from snac_eval.errors import SnacEvalError, UnknownNameError, UsageError, one_line, place
from snac_eval.reading.names import user_path
from snac_eval.registry import plugins

EXAMPLE = """The smallest codec is a class in a file of your own, my_codec.py:

    class MyCodec:                        # or a torch.nn.Module
        sample_rate = 16000
        codebook_size = 256               # for the bitrate
        def encode(self, audio): ...      # float [1, 1, time] -> integers [1, time]
        def decode(self, codes): ...      # the same codes -> float [1, 1, time]

    snac-eval run --model my_codec:MyCodec --dataset demo"""
"""What whoever wrote an object that is no codec is shown."""
_FILE = ".py"


def names_object(name: str) -> bool:
    """Whether what stands before the colon of a model's name is a module or a file of Python."""
    return name.endswith(_FILE) or all(part.isidentifier() for part in name.split("."))


def find(where: str) -> object:
    """The object that ``module:attribute`` or ``FILE.py:attribute`` names.

    Raises UnknownNameError where there is no such module, UsageError where it cannot be imported or
    has no such attribute.
    """
    name, _, attribute = where.rpartition(":")
    found: object = _from_file(name) if name.endswith(_FILE) else _from_path(name)
    try:
        for part in attribute.split("."):
            found = getattr(found, part)
    except AttributeError as error:
        owner = f"'{name}'" if _is_module(found) else _kind(found)
        names = [one for one in vars(found) if not one.startswith("_")] if _is_module(found) else []
        close = get_close_matches(attribute, names, n=1, cutoff=0.5)
        meant = f"; did you mean '{close[0]}'?" if close else ""
        raise UsageError(f"--model {where}: {owner} has no attribute '{part}'{meant}") from error
    return found


def make(found: object, where: str, arguments: Mapping[str, Any], weights: str) -> object:
    """The codec itself: the object, or what calling it with these arguments gives.

    A constructor that has an argument ``weights`` gets ``weights``, where that is not empty. Random
    weights are the same in every process: generators of random numbers are seeded meanwhile.
    """
    if not is_maker(found):
        if arguments:
            raise UsageError(f"--model {where}: is an object already and takes no --model-args")
        return found
    if not callable(found):
        raise no_codec(where, found, ("encode", "decode"))
    given = dict(arguments)
    if weights and takes_weights(found):
        given.setdefault("weights", weights)
    _check_arguments(found, where, given)
    try:
        with seeded(0):
            made: object = found(**given)
            return made
    except SnacEvalError:
        raise
    except Exception as error:
        said = f"{one_line(error)}{place(error)}"
        raise UsageError(f"--model {where}: calling it failed: {said}") from error


def is_maker(found: object) -> bool:
    """Whether it is a class or a function that makes the codec, and not the codec."""
    return isinstance(found, type) or not (hasattr(found, "encode") or hasattr(found, "read"))


def takes_weights(found: object) -> bool:
    """Whether calling it takes an argument ``weights``."""
    signature = _signature(found)
    return signature is not None and "weights" in signature.parameters


def no_codec(where: str, found: object, missing: Iterable[str]) -> UsageError:
    """What to raise for an object that lacks these; it shows the smallest codec as well."""
    lacks = " and no ".join(f"'{name}'" for name in missing)
    error = UsageError(f"{where}: gives no codec: {_kind(found)} has no {lacks}")
    error.add_note(EXAMPLE)
    return error


def read_arguments(pairs: Iterable[str]) -> dict[str, Any]:
    """``key=value`` each, as ``--model-args`` gets them.

    A value is read as TOML or JSON (``8``, ``0.5``, ``true``, ``[2, 4]``, ``"8"``), and is text
    where it is neither. Raises UsageError for what has no key, and for a key given twice.
    """
    found: dict[str, Any] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key.isidentifier():
            raise UsageError(f"--model-args {pair}: write key=value, such as bits=8")
        if key in found:
            raise UsageError(f"--model-args {pair}: '{key}' is given twice")
        found[key] = _literal(value)
    return found


def _literal(text: str) -> Any:  # noqa: ANN401 - whatever it says
    with suppress(ValueError, RecursionError):
        found = tomllib.loads(f"value = {text}")
        if list(found) == ["value"]:
            return found["value"]
    with suppress(ValueError, RecursionError):
        return json.loads(text)
    return text


def _check_arguments(found: object, where: str, given: Mapping[str, Any]) -> None:
    signature = _signature(found)
    if signature is None:
        return
    try:
        signature.bind(**given)
    except TypeError as error:
        known = ", ".join(map(str, signature.parameters.values())) or "nothing"
        raise UsageError(f"--model {where}: {error}; it takes {known} (--model-args)") from error


def _signature(found: object) -> inspect.Signature | None:
    try:
        return inspect.signature(found)  # type: ignore[arg-type]
    except (TypeError, ValueError):  # Some that are written in C have none.
        return None


def _kind(found: object) -> str:
    return f"class {found.__name__}" if isinstance(found, type) else f"a {type(found).__name__}"


def _is_module(found: object) -> bool:
    return isinstance(found, ModuleType)


def _from_path(name: str) -> object:
    # As python -m does, so that a file in the current folder needs no installation.
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise _not_imported(name, error) from error
        unknown = plugins.unknown_name(name, plugins.codec_names(), "codec", "codecs")
        raise UnknownNameError(f"{unknown}; nor is there such a module here") from error
    except (Exception, SystemExit) as error:
        raise _not_imported(name, error) from error


def _from_file(name: str) -> object:
    path = Path(os.path.abspath(user_path(name)))
    if not path.is_file():
        raise UnknownNameError(f"--model {name}: there is no such file")
    known = f"_own_{hashlib.sha256(str(path).encode()).hexdigest()[:12]}_{path.stem}"
    if known in sys.modules:
        return sys.modules[known]
    # What lies beside it is found, as for python FILE.py.
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))
    spec = importlib.util.spec_from_file_location(known, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[known] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[known]
        raise _not_imported(name, error) from error
    return module


def _not_imported(name: str, error: BaseException) -> UsageError:
    return UsageError(f"module '{name}' cannot be imported: {one_line(error)}{place(error)}")
