"""What ``--model`` names.

================================  ================================================================
``snac_24khz``                    the codec of a card
``files:DIR``                     the same, with an argument for its adapter
``snac_24khz@k=2``                its first two streams; the others are not sent
``snac_24khz@generation=3``       its own output encoded again, to the third generation
``my_package.my_module:MyCodec``  an object of one's own, or what calling it gives: an adapter, or
                                  anything with ``encode``, ``decode`` and ``sample_rate``
``FILE.py:MyCodec``               the same, in a file
================================  ================================================================

Options follow one another: ``snac_24khz@k=2@generation=3``.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, replace
from inspect import getattr_static
from pathlib import Path
from typing import Any

from snac_eval.codecs.abilities import OpenCodec
from snac_eval.codecs.generations import after_itself
from snac_eval.codecs.wrapping.adapter import How, without_card
from snac_eval.codecs.wrapping.objects import (
    find,
    is_maker,
    make,
    names_object,
    read_arguments,
    takes_weights,
)
from snac_eval.errors import UsageError
from snac_eval.registry import cards, plugins
from snac_eval.types import CodecCard, CodecRequest

_OPTIONS = ("k", "generation")
_OWN = "module"
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
    model_args: Sequence[str] = (),
) -> OpenCodec:
    """The codec that a name stands for, not yet prepared; the rest as in CodecRequest.

    ``model_args`` are ``key=value`` each, for the constructor of a codec of one's own. Raises
    UnknownNameError, or UsageError where the codec cannot do what the options ask.
    """
    known = plugins.codec_names(card_dirs)
    name = ModelName.parse(model, known)
    arguments = read_arguments(model_args)
    if name.argument and name.name not in known and names_object(name.name):
        where = f"{name.name}:{name.argument}"
        how = How(device, num_threads, weights, name.num_streams)
        codec = _own(find(where), where, arguments, how)
    else:
        how = How(device, num_threads, weights, name.num_streams)
        codec = _of_card(model_card(model, card_dirs), name.argument, arguments, how)
    return _generation(codec, model, name.generation)


def open_instance(
    instance: object,
    name: str,
    weights: str = "",
    device: str = "cpu",
    num_threads: int = 0,
    model_args: Sequence[str] = (),
) -> OpenCodec:
    """The codec that is this object, or its card, or that calling it gives, not yet prepared.

    ``name`` is what it is called, options among it. Raises UsageError.
    """
    parsed = ModelName.parse(name, ())
    where = ":".join(filter(None, (parsed.name, parsed.argument)))
    how = How(device, num_threads, weights, parsed.num_streams)
    arguments = read_arguments(model_args)
    if isinstance(instance, CodecCard):
        codec = _of_card(_cut(instance, parsed.num_streams), "", arguments, how)
    else:
        codec = _own(instance, where, arguments, how)
    return _generation(codec, name, parsed.generation)


def _generation(codec: OpenCodec, model: str, generation: int) -> OpenCodec:
    if generation == 1:
        return codec
    if codec.coder is None:
        raise UsageError(f"{model}: reconstructions from elsewhere cannot be encoded again")
    return after_itself(codec, generation)


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
        card_parameters=getattr(made, "card_parameters", lambda: None),
        notes=_reader(made, "notes", tuple),
        torch_modules=_reader(made, "torch_modules", lambda: _torch_modules(made)),
        whole_pass=getattr(made, "whole_pass", None),
        weights_sha256=_reader(made, "weights_sha256", str),
        takes_one_clip=bool(getattr(made, "takes_one_clip", False)),
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
    return _cut(card, name.num_streams)


def _cut(card: CodecCard, num_streams: int) -> CodecCard:
    if num_streams and card.family == _OWN and not card.codebook_sizes:
        return replace(card, name=f"{card.name}@k={num_streams}")
    return cards.keep_streams(card, num_streams) if num_streams else card


def _of_card(card: CodecCard, argument: str, arguments: Mapping[str, Any], how: How) -> OpenCodec:
    """The codec of a card that has the streams that are kept."""
    card = _with_arguments(card, arguments)
    asked = (how.weights, how.device, how.num_threads, how.num_streams)
    codec = opened(
        plugins.open_codec(CodecRequest(card, argument, *asked)), f"codec family '{card.family}'"
    )
    if how.num_streams and not codec.drops_streams:
        raise UsageError(f"{card.name}: the codec family '{card.family}' cannot drop streams")
    return codec


def _with_arguments(card: CodecCard, arguments: Mapping[str, Any]) -> CodecCard:
    if not arguments:
        return card
    if card.family != _OWN:
        raise UsageError(f"--model {card.name}: --model-args is for codecs of one's own")
    given = {**card.options.get("args", {}), **arguments}
    return replace(card, options={**card.options, "args": given})


def _own(found: object, where: str, arguments: Mapping[str, Any], how: How) -> OpenCodec:
    """An adapter as it is, any other object wrapped."""
    made = make(found, where, arguments, how.weights)
    has_them = is_maker(found) and takes_weights(found)
    if not (_has(made, "card") or (_has(made, "read") and not _has(made, "encode"))):
        weights = "" if has_them else how.weights
        made = without_card(made, where, replace(how, weights=weights, arguments=arguments))
    elif how.num_streams or (how.weights and not has_them):
        option = "@k" if how.num_streams else "--weights"
        raise UsageError(f"--model {where}: {option} is for codecs that have a card")
    return opened(made, f"--model {where}")
