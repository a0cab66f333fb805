"""What names a codec of one's own: equal digests mean equal source, weights and settings.

The source is that of the object's class, of the classes of its parts, and of what their modules
take from files of the same person: what is installed as a package counts by its own file alone.
Where a class has no source (a notebook, a script from a pipe), its compiled code stands for it.
"""

from __future__ import annotations

import ast
import hashlib
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from importlib.util import resolve_name
from pathlib import Path
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

from snac_eval.errors import is_own

_LIBRARIES = ("torch", "numpy", "builtins", "abc", "typing", "collections")
_PLAIN = (str, bytes, int, float, complex, bool, type(None), range)
_DEEPEST = 8


def source_digest(made: object) -> str:
    """16 hex digits of the source of an object's class and of what it uses."""
    found = hashlib.sha256()
    texts = sorted({_source_of(kind) for kind in _classes(made)})
    files = sorted({path.read_bytes() for kind in _classes(made) for path in _files(kind)})
    for part in (*(text.encode() for text in texts), *files):
        found.update(hashlib.sha256(part).digest())
    return found.hexdigest()[:16]


def state_digest(made: object) -> str:
    """16 hex digits of an object's weights, buffers and plain settings."""
    found = hashlib.sha256()
    _feed(found, made, {}, 0)
    return found.hexdigest()[:16]


def torch_modules(made: object) -> tuple[Any, ...]:
    """The object where it is a torch module, else those among its attributes."""
    torch = sys.modules.get("torch")
    if torch is None:
        return ()
    values = (made, *getattr(made, "__dict__", {}).values())
    modules = [one for one in values if isinstance(one, torch.nn.Module)]
    return tuple(modules[:1] if modules[:1] == [made] else modules)


def _classes(made: object) -> Iterator[type]:
    """Of the object, of its attributes and of the modules in it, with what they inherit from."""
    parts = [made, *getattr(made, "__dict__", {}).values()]
    parts += [part for one in torch_modules(made) for part in one.modules()]
    for kind in {type(part) for part in parts}:
        yield from (one for one in kind.__mro__ if one.__module__.split(".")[0] not in _LIBRARIES)


def _source_of(kind: type) -> str:
    """Of a class without a file: its code, and that of the functions beside it that it calls."""
    module = sys.modules.get(kind.__module__)
    if getattr(module, "__file__", None):
        return ""
    seen: dict[str, str] = {}
    _read_code(kind, getattr(module, "__dict__", {}), seen)
    return "\n".join(f"{name}: {text}" for name, text in sorted(seen.items()))


def _read_code(value: object, others: Mapping[str, Any], seen: dict[str, str]) -> None:
    name = getattr(value, "__qualname__", "")
    if not name or name in seen:
        return
    seen[name] = ""
    if isinstance(value, type):
        parts = [getattr(one, "__func__", one) for one in vars(value).values()]
        seen[name] = repr([(key, one) for key, one in vars(value).items() if _is_plain(one)])
    else:
        parts = [value]
    codes = [one.__code__ for one in parts if isinstance(one, FunctionType)]
    seen[name] += "".join(map(_code_text, codes))
    for called in sorted({name for code in codes for name in _names(code)}):
        if isinstance(other := others.get(called), FunctionType | type):
            _read_code(other, others, seen)
        elif _is_plain(other):
            seen[called] = repr(other)


def _code_text(code: CodeType) -> str:
    parts = code.co_consts
    constants = [_code_text(one) if isinstance(one, CodeType) else repr(one) for one in parts]
    return f"{code.co_code.hex()} {constants} {code.co_names}"


def _names(code: CodeType) -> set[str]:
    inner = [one for one in code.co_consts if isinstance(one, CodeType)]
    return set(code.co_names).union(*map(_names, inner))


def _files(kind: type) -> Iterator[Path]:
    """Files of the class's module, and of the modules of the same person that it takes from."""
    waiting, seen = [sys.modules.get(kind.__module__)], set()
    while waiting:
        module = waiting.pop()
        file = getattr(module, "__file__", None)
        if module is None or not file or file in seen or not Path(file).is_file():
            continue
        seen.add(file)
        yield Path(file)
        if not is_own(file):
            continue
        waiting += [sys.modules.get(name) for name in _imports(module, Path(file))]


def _imports(module: ModuleType, file: Path) -> Iterator[str]:
    """Names of the modules that a file of Python may take from, those of packages among them."""
    with suppress(SyntaxError, ValueError, ImportError):  # Compiled, or run by other means.
        for node in ast.walk(ast.parse(file.read_bytes())):
            if isinstance(node, ast.Import):
                yield from (one.name for one in node.names)
            elif isinstance(node, ast.ImportFrom):
                within = f"{'.' * node.level}{node.module or ''}"
                whole = resolve_name(within, module.__package__) if node.level else within
                yield from (whole, *(f"{whole}.{one.name}" for one in node.names))


def _is_plain(value: object) -> bool:
    if isinstance(value, tuple | list | frozenset):
        return all(map(_is_plain, value))
    return isinstance(value, _PLAIN)


def _feed(found: Any, value: Any, seen: dict[int, object], depth: int) -> None:  # noqa: ANN401
    """Put a value into the digest."""
    torch = sys.modules.get("torch")
    if _is_plain(value):
        found.update(f"{type(value).__name__} {value!r};".encode())
        return
    if id(value) in seen or depth > _DEEPEST:
        found.update(b"again;")
        return
    seen[id(value)] = value  # Kept, lest another gets its number.
    if torch is not None and isinstance(value, torch.Tensor):
        _feed_tensor(found, value)
    elif isinstance(value, np.ndarray):
        found.update(f"array {value.dtype} {value.shape};".encode())
        found.update(np.ascontiguousarray(value).tobytes())
    elif torch is not None and isinstance(value, torch.nn.Module):
        _feed_module(found, value, seen, depth)
    elif isinstance(value, Mapping):
        for key in sorted(value, key=repr):
            found.update(f"key {key!r};".encode())
            _feed(found, value[key], seen, depth + 1)
    elif isinstance(value, list | tuple):
        found.update(f"{type(value).__name__} {len(value)};".encode())
        for one in value:
            _feed(found, one, seen, depth + 1)
    elif isinstance(value, FunctionType | MethodType | type):
        found.update(f"named {value.__module__}.{value.__qualname__};".encode())
    else:
        found.update(f"object {type(value).__qualname__};".encode())
        _feed(found, _settings(vars(value) if hasattr(value, "__dict__") else {}), seen, depth + 1)


def _feed_tensor(found: Any, tensor: Any) -> None:  # noqa: ANN401
    import torch

    found.update(f"tensor {tensor.dtype} {tuple(tensor.shape)};".encode())
    whole = tensor.detach().cpu().contiguous().reshape(-1)
    if whole.numel():
        found.update(whole.view(torch.uint8).numpy())


def _feed_module(found: Any, module: Any, seen: dict[int, object], depth: int) -> None:  # noqa: ANN401
    import torch

    torchs_own = set(vars(torch.nn.Module()))
    tensors = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    for name in sorted(tensors):
        found.update(f"weights {name};".encode())
        _feed_tensor(found, tensors[name])
    for name, part in module.named_modules():
        seen[id(part)] = part
        found.update(f"part {name} {type(part).__qualname__};".encode())
        own = {key: one for key, one in vars(part).items() if key not in torchs_own}
        _feed(found, _settings(own), seen, depth + 1)


def _settings(values: Mapping[str, Any]) -> dict[str, Any]:
    """Less what is private and no plain value: mostly kept work."""
    return {key: one for key, one in values.items() if not key.startswith("_") or _is_plain(one)}
