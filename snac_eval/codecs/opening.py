"""What ``--model`` names.

================================  ================================================================
``snac_24khz``                    the codec of a card
``files:DIR``                     the same, with an argument for its adapter
``snac_24khz@k=2``                its first two streams; the others are not sent
``snac_24khz@generation=3``       its own output encoded again, to the third generation
``snac_24khz@compile=1``          compiled by torch.compile: faster once a minute or two is spent
``my_package.my_module:MyCodec``  what calling this object of the current environment gives
================================  ================================================================

Options follow one another: ``snac_24khz@k=2@generation=3``.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Container, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from snac_eval.codecs.generations import Generations
from snac_eval.errors import SnacEvalError, UnknownNameError, UsageError
from snac_eval.registry import cards, plugins
from snac_eval.types import Codec, CodecCard, CodecRequest, ReconstructionSource

_OPTIONS = ("k", "generation", "compile")
_MEMBERS = ("card", "fingerprint", "device", "prepare", "padded_length", "encode", "decode")


@dataclass(frozen=True, slots=True)
class ModelName:
    """A model's name in its parts. ``num_streams`` 0: all; ``generation`` 1: encoded once."""

    name: str
    argument: str = ""
    num_streams: int = 0
    generation: int = 1
    compiled: bool = False

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
        if options.get("compile", 1) != 1:
            raise UsageError(f"--model {model}: compile={options['compile']}: write @compile=1")
        k, generation = options.get("k", 0), options.get("generation", 1)
        return cls(name, argument, k, generation, "compile" in options)


def open_model(
    model: str,
    card_dirs: Sequence[Path] = (),
    weights: str = "",
    device: str = "cpu",
    num_threads: int = 0,
) -> Codec | ReconstructionSource:
    """The codec that a name stands for, not yet prepared; the rest as in CodecRequest.

    Raises UnknownNameError, or UsageError where the codec cannot do what the options ask.
    """
    known = plugins.codec_names(card_dirs)
    name = ModelName.parse(model, known)
    if name.argument and name.name not in known and _names_module(name.name):
        codec = _from_module(name, weights)
    else:
        card = model_card(model, card_dirs)
        request = CodecRequest(
            card, name.argument, weights, device, num_threads, name.num_streams, name.compiled
        )
        codec = plugins.open_codec(request)
        if name.num_streams and not getattr(codec, "can_drop_streams", False):
            raise UsageError(f"{model}: the codec family '{card.family}' cannot drop streams")
        if name.compiled and not getattr(codec, "can_compile", False):
            raise UsageError(f"{model}: the codec family '{card.family}' cannot be compiled")
    if name.generation == 1:
        return codec
    if isinstance(codec, ReconstructionSource):
        raise UsageError(f"{model}: reconstructions from elsewhere cannot be encoded again")
    return Generations(codec, name.generation)


def model_card(model: str, card_dirs: Sequence[Path] = ()) -> CodecCard:
    """The card behind a name, with the streams that it keeps."""
    name = ModelName.parse(model, plugins.codec_names(card_dirs))
    card = plugins.codec_card(name.name, card_dirs)
    return cards.keep_streams(card, name.num_streams) if name.num_streams else card


def _names_module(name: str) -> bool:
    return all(part.isidentifier() for part in name.split("."))


def _from_module(name: ModelName, weights: str) -> Codec | ReconstructionSource:
    where = f"{name.name}:{name.argument}"
    if name.num_streams or name.compiled or weights:
        option = "@k" if name.num_streams else "@compile" if name.compiled else "--weights"
        raise UsageError(f"--model {where}: {option} is for codecs that have a card")
    made = _call(where, _find(name))
    if isinstance(made, ReconstructionSource):
        return made
    if missing := [member for member in _MEMBERS if not hasattr(made, member)]:
        raise UsageError(f"--model {where}: gives no codec: it has no '{missing[0]}'")
    if not isinstance(made.card, CodecCard):  # type: ignore[attr-defined]
        raise UsageError(f"--model {where}: its 'card' is no snac_eval.types.CodecCard")
    return cast(Codec, made)


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
        raise UsageError(f"module '{name.name}' cannot be imported: {_reason(error)}") from error
    return found


def _call(where: str, found: object) -> object:
    if not callable(found):
        raise UsageError(f"--model {where}: is no class and no function; it must make the codec")
    try:
        return found()
    except SnacEvalError:
        raise
    except Exception as error:
        raise UsageError(f"--model {where}: calling it failed: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"
