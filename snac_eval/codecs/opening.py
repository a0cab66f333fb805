"""What ``--model`` names.

================================  ================================================================
``snac_24khz``                    the codec of a card
``files:DIR``                     the same, with an argument for its adapter
``snac_24khz@k=2``                its first two streams; the others are not sent
``snac_24khz@generation=3``       its own output encoded again, to the third generation
``opus@kbps=9.5``                 a codec at a rate of which there need be no card
``encodec_24khz@kbps=3``          a codec with as many streams as come to that rate
``encodec_24khz@k=4``             a codec that has a card for each of several rates, cut down
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
from decimal import Decimal
from inspect import getattr_static
from pathlib import Path
from typing import Any

from snac_eval.codecs.abilities import OpenCodec
from snac_eval.codecs.bitrates import card_at, refuse_rate
from snac_eval.codecs.generations import after_itself
from snac_eval.errors import SnacEvalError, UnknownNameError, UsageError, one_line
from snac_eval.registry import cards, plugins
from snac_eval.types import CodecCard, CodecRequest

_OPTIONS = ("k", "generation", "kbps")
_DECIMALS = ("kbps",)
_CODEC = ("card", "fingerprint", "device", "prepare", "padded_length", "encode", "decode")
_SOURCE = ("card", "fingerprint", "device", "prepare", "identity", "read")
_ABSENT = object()


@dataclass(frozen=True, slots=True)
class ModelName:
    """A model's name in its parts. ``num_streams`` 0: all; ``generation`` 1: encoded once; ``kbps``
    None: the card's rate."""

    name: str
    argument: str = ""
    num_streams: int = 0
    generation: int = 1
    kbps: Decimal | None = None

    @classmethod
    def parse(cls, model: str, card_names: Container[str]) -> ModelName:
        """Options stand after a card's name, or else after the attribute of a module.

        Raises UsageError for options that there are not.
        """
        head, _, argument = model.partition(":")
        name, options = plugins.split_numbers(head, _DECIMALS)
        if name not in card_names and not options:
            argument, options = plugins.split_numbers(argument, _DECIMALS)
        if unknown := sorted(set(options) - set(_OPTIONS)):
            there = ", ".join(_OPTIONS)
            raise UsageError(f"--model {model}: no option '{unknown[0]}'; there are {there}")
        for option, value in options.items():
            least = 0 if option in _DECIMALS else 1
            if value < least or not value:
                at_least = f"at least {least}" if least else "above 0"
                raise UsageError(f"--model {model}: {option}={value} must be {at_least}")
        count, generation = int(options.get("k", 0)), int(options.get("generation", 1))
        return cls(name, argument, count, generation, options.get("kbps"))


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
        card, num_streams = _card(name, card_dirs)
        request = CodecRequest(card, name.argument, weights, device, num_threads, num_streams)
        codec = opened(plugins.open_codec(request), f"codec family '{card.family}'")
        if num_streams and not codec.drops_streams:
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
        encode_blocks=getattr(made, "encode_blocks", None),
        decode_blocks=getattr(made, "decode_blocks", None),
        weights_sha256=_reader(made, "weights_sha256", str),
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
    """The card behind a name, at the rate and with the streams that the name says."""
    card, _ = _card(ModelName.parse(model, plugins.codec_names(card_dirs)), card_dirs)
    return card


def _card(name: ModelName, card_dirs: Sequence[Path]) -> tuple[CodecCard, int]:
    """The card, and how many streams it was cut down to; 0: none was cut off."""
    known = plugins.codec_names(card_dirs)
    if name.name not in known:
        if found := card_at(name.name, name.kbps, name.num_streams, card_dirs):
            return found
        names = [*known, *plugins.base_names(card_dirs)]
        raise UnknownNameError(plugins.unknown_name(name.name, names, "codec", "codecs"))
    card = plugins.codec_card(name.name, card_dirs, check_options=True)
    if name.kbps is not None:
        refuse_rate(name.name, card_dirs)
    if name.num_streams:
        card = cards.keep_streams(card, name.num_streams)
    return card, name.num_streams


def _names_module(name: str) -> bool:
    return all(part.isidentifier() for part in name.split("."))


def _from_module(name: ModelName, weights: str) -> OpenCodec:
    where = f"{name.name}:{name.argument}"
    if name.num_streams or name.kbps or weights:
        option = "@k" if name.num_streams else "@kbps" if name.kbps else "--weights"
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
