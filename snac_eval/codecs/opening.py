"""What ``--model`` names.

================================  ================================================================
``snac_24khz``                    the codec of a card
``files:DIR``                     the same, with an argument for its adapter
``snac_24khz@k=2``                its first two streams; the others are not sent
``snac_24khz@generation=3``       its own output encoded again, to the third generation
``my_package.my_module:MyCodec``  what calling this object of the current environment gives
================================  ================================================================

Options follow one another: ``snac_24khz@k=2@generation=3``.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from inspect import getattr_static
from pathlib import Path
from typing import Any

from snac_eval.codecs.abilities import OpenCodec
from snac_eval.codecs.generations import after_itself
from snac_eval.errors import SnacEvalError, UnknownNameError, UsageError, one_line
from snac_eval.registry import cards, plugins
from snac_eval.types import CodecCard, CodecRequest

_OPTIONS = ("k", "generation")
_CODEC = ("card", "fingerprint", "device", "prepare", "padded_length", "encode", "decode")
_SOURCE = ("card", "fingerprint", "device", "prepare", "identity", "read")
_ABSENT = object()


@dataclass(frozen=True, slots=True)
class ModelName:
    """A model's name in its parts. ``num_streams`` 0: all; ``generation`` 1: encoded once."""

    name: str
    argument: str = ""
    num_streams: int = 0
    generation: int = 1

    @classmethod
    def parse(cls, model: str, card_names: Container[str]) -> ModelName:
        """Options stand after a card's name, or else after the attribute of a module.

        Raises UsageError for options that there are not.
        """
        head, _, argument = model.partition(":")
        name, options = plugins.split_options(head)
        if name not in card_names and not options:
            argument, options = plugins.split_options(argument)
        if unknown := sorted(set(options) - set(_OPTIONS)):
            there = ", ".join(_OPTIONS)
            raise UsageError(f"--model {model}: no option '{unknown[0]}'; there are {there}")
        for option, value in options.items():
            if value < 1:
                raise UsageError(f"--model {model}: {option}={value} must be at least 1")
        return cls(name, argument, options.get("k", 0), options.get("generation", 1))


def open_model(
    model: str,
    card_dirs: Sequence[Path] = (),
    weights: str = "",
    device: str = "cpu",
    num_threads: int = 0,
) -> OpenCodec:
    """The codec that a name stands for, not yet prepared; the rest as in CodecRequest.

    Raises UnknownNameError, or UsageError where the codec cannot do what the options ask.
    """
    known = plugins.codec_names(card_dirs)
    name = ModelName.parse(model, known)
    if name.argument and name.name not in known and _names_module(name.name):
        codec = _from_module(name, weights)
    else:
        card = model_card(model, card_dirs)
        request = CodecRequest(card, name.argument, weights, device, num_threads, name.num_streams)
        codec = opened(plugins.open_codec(request), f"codec family '{card.family}'")
        if name.num_streams and not codec.drops_streams:
            raise UsageError(f"{model}: the codec family '{card.family}' cannot drop streams")
    if name.generation == 1:
        return codec
    if codec.coder is None:
        raise UsageError(f"{model}: reconstructions from elsewhere cannot be encoded again")
    return after_itself(codec, name.generation)


def opened(adapter: object, who: str) -> OpenCodec:
    """The adapter with its abilities, each looked for once, here; ``who`` made it.

    Raises UsageError for what is neither a codec nor a source of reconstructions.
    """
    made: Any = adapter
    is_source = _has(made, "read") and not _has(made, "encode")
    if missing := [one for one in (_SOURCE if is_source else _CODEC) if not _has(made, one)]:
        raise UsageError(f"{who}: gives no codec: it has no '{missing[0]}'")
    if not isinstance(made.card, CodecCard):
        raise UsageError(f"{who}: its 'card' is no snac_eval.types.CodecCard")
    return OpenCodec(
        coder=None if is_source else made,
        source=made if is_source else None,
        drops_streams=bool(getattr(made, "can_drop_streams", False)),
        imports=(type(made).__module__, *getattr(made, "imports", ())),
        notes=_reader(made, "notes", tuple),
        torch_modules=_reader(made, "torch_modules", lambda: _torch_modules(made)),
        whole_pass=getattr(made, "whole_pass", None),
        weights_sha256=_reader(made, "weights_sha256", str),
        sent=getattr(made, "sent", None) if is_source else None,
        sent_by=str(getattr(made, "sent_by", "")) if is_source else "",
        matched=_reader(made, "matched", dict),
    )


def _has(adapter: object, name: str) -> bool:
    # Statically: asking for a fingerprint may hash weights, or ask a hub for them.
    return getattr_static(adapter, name, _ABSENT) is not _ABSENT


def _reader(adapter: object, name: str, default: Callable[[], Any]) -> Callable[[], Any]:
    """What gives the attribute when it is asked, for it may only be known once the codec is
    prepared; ``default`` where there is no such attribute."""
    return (lambda: getattr(adapter, name)) if _has(adapter, name) else default


def _torch_modules(adapter: object) -> tuple[Any, ...]:
    """Those that lie among the adapter's own attributes, or the adapter itself where it is one."""
    torch = sys.modules.get("torch")
    if torch is None:
        return ()
    values = (adapter, *getattr(adapter, "__dict__", {}).values())
    return tuple(value for value in values if isinstance(value, torch.nn.Module))


def model_card(model: str, card_dirs: Sequence[Path] = ()) -> CodecCard:
    """The card behind a name, with the streams that it keeps."""
    name = ModelName.parse(model, plugins.codec_names(card_dirs))
    card = plugins.codec_card(name.name, card_dirs, check_options=True)
    return cards.keep_streams(card, name.num_streams) if name.num_streams else card


def _names_module(name: str) -> bool:
    return all(part.isidentifier() for part in name.split("."))


def _from_module(name: ModelName, weights: str) -> OpenCodec:
    where = f"{name.name}:{name.argument}"
    if name.num_streams or weights:
        option = "@k" if name.num_streams else "--weights"
        raise UsageError(f"--model {where}: {option} is for codecs that have a card")
    return opened(_call(where, _find(name)), f"--model {where}")


def _find(name: ModelName) -> object:
    # As python -m does, so that a file in the current folder needs no installation.
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
    try:
        found: object = importlib.import_module(name.name)
        for part in name.argument.split("."):
            found = getattr(found, part)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name.name}.".startswith(f"{error.name}."):
            raise UsageError(f"module '{name.name}' cannot be imported: {error}") from error
        unknown = plugins.unknown_name(name.name, plugins.codec_names(), "codec", "codecs")
        raise UnknownNameError(f"{unknown}; nor is there such a module here") from error
    except AttributeError as error:
        raise UsageError(f"--model {name.name}:{name.argument}: {error}") from error
    except Exception as error:
        raise UsageError(f"module '{name.name}' cannot be imported: {one_line(error)}") from error
    return found


def _call(where: str, found: object) -> object:
    if not callable(found):
        raise UsageError(f"--model {where}: is no class and no function; it must make the codec")
    try:
        return found()
    except SnacEvalError:
        raise
    except Exception as error:
        raise UsageError(f"--model {where}: calling it failed: {one_line(error)}") from error
