"""What ``--model`` names.

================================  ================================================================
``snac_24khz``                    the codec of a card
``files:DIR``                     the same, with an argument for its adapter
``transformers:OWNER/NAME@k=2``   a model of the hub, or of a folder, by its configuration
``snac_24khz@k=2``                its first two streams; the others are not sent
``snac_24khz@generation=3``       its own output encoded again, to the third generation
``snac_24khz@noise_db=20``        the codec that hears white noise 20 dB below each clip
``opus_6kbps@packet_loss=0.05``   5 % of its packets lost; ``@burst=3`` in bursts of 3 times the
                                  length of independent ones, ``@packet_ms=60`` of 60 ms
``opus_6kbps@bit_errors=0.001``   one in a thousand of the bits that it sends flipped
``opus@kbps=9.5``                 a codec at a rate of which there need be no card
``encodec_24khz@kbps=3``          a codec with as many streams as come to that rate
``encodec_24khz@k=4``             a codec that has a card for each of several rates, cut down
``my_package.my_module:MyCodec``  an object of one's own, or what calling it gives: an adapter, or
                                  anything with ``encode``, ``decode`` and ``sample_rate``
``FILE.py:MyCodec``               the same, in a file
================================  ================================================================

Options follow one another: ``snac_24khz@k=2@generation=3``.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Container, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from decimal import Decimal
from inspect import getattr_static
from pathlib import Path
from typing import Any

from snac_eval.codecs import elsewhere
from snac_eval.codecs.abilities import OpenCodec
from snac_eval.codecs.bitrates import card_at, refuse_rate, streams_at
from snac_eval.codecs.generations import after_itself
from snac_eval.codecs.losses import OPTIONS as _CHANNEL
from snac_eval.codecs.losses import Channel
from snac_eval.codecs.lossy import over_channel
from snac_eval.codecs.noisy import in_noise
from snac_eval.codecs.wrapping.adapter import How, without_card
from snac_eval.codecs.wrapping.objects import (
    find,
    is_maker,
    make,
    names_object,
    read_arguments,
    takes_weights,
)
from snac_eval.errors import UnknownNameError, UsageError
from snac_eval.registry import cards, plugins
from snac_eval.registry.environments import interpreter_of
from snac_eval.registry.naming import split_numbers
from snac_eval.types import CodecCard, CodecRequest

_OPTIONS = ("k", "generation", "kbps", "noise_db", *_CHANNEL)
_DECIMALS = ("kbps", *_CHANNEL)
_OWN = "module"
_CODEC = ("card", "fingerprint", "device", "prepare", "padded_length", "encode", "decode")
_SOURCE = ("card", "fingerprint", "device", "prepare", "identity", "read")
_ABSENT = object()
# Cards whose argument names a model: options stand after that.
_OF_ARGUMENT = ("transformers",)
_TRAILING = re.compile(
    rf"(?P<argument>.*?)(?P<options>(@({'|'.join(_OPTIONS)})=[^@/]*)*)", re.DOTALL
)


@dataclass(frozen=True, slots=True)
class ModelName:
    """A model's name in its parts. ``num_streams`` 0: all; ``generation`` 1: encoded once; ``kbps``
    None: the card's rate; ``noise_db`` None: no noise is added to what it hears; ``channel`` None:
    all that it sends arrives."""

    name: str
    argument: str = ""
    num_streams: int = 0
    generation: int = 1
    kbps: Decimal | None = None
    noise_db: int | None = None
    channel: Channel | None = None

    @classmethod
    def parse(cls, model: str, card_names: Container[str]) -> ModelName:
        """Options stand after a card's name, or else after the attribute of a module.

        Raises UsageError for options that there are not.
        """
        head, _, argument = model.partition(":")
        name, options = split_numbers(head, _DECIMALS)
        if name in _OF_ARGUMENT and name in card_names and not options:
            found = _TRAILING.fullmatch(argument)
            assert found is not None
            argument = found["argument"]
            _, options = split_numbers(f"{name}{found['options']}", _DECIMALS)
        elif name not in card_names and not options:
            argument, options = split_numbers(argument, _DECIMALS)
        if unknown := sorted(set(options) - set(_OPTIONS)):
            there = ", ".join(_OPTIONS)
            raise UsageError(f"--model {model}: no option '{unknown[0]}'; there are {there}")
        for option, value in options.items():
            if not value and option not in ("noise_db", *_CHANNEL):
                at_least = "above 0" if option in _DECIMALS else "at least 1"
                raise UsageError(f"--model {model}: {option}={value} must be {at_least}")
        count, generation = int(options.get("k", 0)), int(options.get("generation", 1))
        noise = int(options["noise_db"]) if "noise_db" in options else None
        try:
            channel = Channel.of(options)
        except UsageError as error:
            raise UsageError(f"--model {model}: {error}") from error
        return cls(name, argument, count, generation, options.get("kbps"), noise, channel)


def with_options(model: str, options: str, card_names: Container[str]) -> str:
    """The name with more options, where :meth:`ModelName.parse` finds them.

    >>> with_options("files:DIR", "@k=2", {"files"})
    'files@k=2:DIR'
    """
    head, colon, argument = model.partition(":")
    if argument and (head in _OF_ARGUMENT or head.partition("@")[0] not in card_names):
        return f"{model}{options}"
    return f"{head}{options}{colon}{argument}"


def open_model(
    model: str,
    card_dirs: Sequence[Path] = (),
    weights: str = "",
    device: str = "cpu",
    num_threads: int = 0,
    model_args: Sequence[str] = (),
    python: str = "",
) -> OpenCodec:
    """The codec that a name stands for, not yet prepared; the rest as in CodecRequest.

    ``device`` may be ``auto`` where ``python`` names an interpreter, which then finds out.
    ``model_args`` are ``key=value`` each, for the constructor of a codec of one's own. Raises
    UnknownNameError, or UsageError where the codec cannot do what the options ask.
    """
    known = plugins.codec_names(card_dirs)
    name = ModelName.parse(model, known)
    arguments = read_arguments(model_args)
    if name.argument and name.name not in known and names_object(name.name):
        where = f"{name.name}:{name.argument}"
        _refuse_rate_of_ones_own(name, where)
        how = How(device, num_threads, weights, name.num_streams)
        if python:
            there = elsewhere.of_ones_own(python, where, arguments, asdict(how))
            codec = opened(there, f"--model {where}")
        else:
            codec = own_codec(where, arguments, how)
    else:
        card, num_streams = _card(name, card_dirs)
        how = How(device, num_threads, weights, num_streams)
        codec = _of_card(card, name.argument, arguments, how, python)
    return _heard(codec, model, name)


def open_instance(
    instance: object,
    name: str,
    weights: str = "",
    device: str = "cpu",
    num_threads: int = 0,
    model_args: Sequence[str] = (),
    python: str = "",
) -> OpenCodec:
    """The codec that is this object, or its card, or that calling it gives, not yet prepared.

    ``name`` is what it is called, options among it. Raises UsageError.
    """
    parsed = ModelName.parse(name, ())
    where = ":".join(filter(None, (parsed.name, parsed.argument)))
    _refuse_rate_of_ones_own(parsed, where)
    how = How(device, num_threads, weights, parsed.num_streams)
    arguments = read_arguments(model_args)
    if isinstance(instance, CodecCard):
        codec = _of_card(_cut(instance, parsed.num_streams), "", arguments, how, python)
    elif python:
        raise UsageError(
            f"{where}: is an object of this interpreter; name it MODULE:NAME or FILE.py:NAME for"
            f" {python} to make"
        )
    else:
        codec = _own(instance, where, arguments, how)
    return _heard(codec, name, parsed)


def _refuse_rate_of_ones_own(name: ModelName, where: str) -> None:
    if name.kbps is not None:
        raise UsageError(f"--model {where}: @kbps is for codecs that have a card")


def _heard(codec: OpenCodec, model: str, name: ModelName) -> OpenCodec:
    """The codec with what its name says of how it hears a clip, in noise or after itself, and of
    what arrives of its codes."""
    if codec.coder is None and (name.generation > 1 or name.noise_db is not None):
        raise UsageError(f"{model}: reconstructions from elsewhere cannot be encoded again")
    if codec.coder is None and name.channel is not None:
        raise UsageError(f"{model}: reconstructions from elsewhere are not sent; nothing gets lost")
    if name.generation > 1:
        codec = after_itself(codec, name.generation)
    if name.noise_db is not None:
        codec = in_noise(codec, name.noise_db)
    return codec if name.channel is None else over_channel(codec, name.channel)


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
        delay_samples=_reader(made, "delay_samples", float),
        delay_remedy=getattr(made, "delay_remedy", None),
        notes=_reader(made, "notes", tuple),
        torch_modules=_reader(made, "torch_modules", lambda: _torch_modules(made)),
        whole_pass=getattr(made, "whole_pass", None),
        encode_blocks=getattr(made, "encode_blocks", None),
        decode_blocks=getattr(made, "decode_blocks", None),
        weights_sha256=_reader(made, "weights_sha256", str),
        decode_lossy=getattr(made, "decode_lossy", None),
        conceals=str(getattr(made, "conceals", "")),
        frames_at=getattr(made, "frames_at", None),
        takes_one_clip=bool(getattr(made, "takes_one_clip", False)),
        whole_clip=str(getattr(made, "whole_clip", "")),
        sent=getattr(made, "sent", None) if is_source else None,
        sent_by=str(getattr(made, "sent_by", "")) if is_source else "",
        matched=_reader(made, "matched", dict),
        away=getattr(made, "away", None),
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
        with suppress(UnknownNameError):  # A file of another name may hold the card: that is told.
            plugins.codec_file(name.name, card_dirs)
        names = [*known, *plugins.base_names(card_dirs)]
        raise UnknownNameError(plugins.unknown_name(name.name, names, "codec", "codecs"))
    card = plugins.codec_card(name.name, card_dirs, check_options=True)
    card, num_streams = plugins.card_of(card, name.argument), name.num_streams
    if name.kbps is not None and name.name in _OF_ARGUMENT:
        if num_streams:
            raise UsageError(f"{card.name}: give a rate or streams, not both")
        num_streams = streams_at(f"{card.name}@kbps={name.kbps}", card, name.kbps)
    elif name.kbps is not None:
        refuse_rate(name.name, card_dirs)
    return _cut(card, num_streams), num_streams


def _cut(card: CodecCard, num_streams: int) -> CodecCard:
    if num_streams and card.family == _OWN and not card.codebook_sizes:
        return replace(card, name=f"{card.name}@k={num_streams}")
    return cards.keep_streams(card, num_streams) if num_streams else card


def _of_card(
    card: CodecCard, argument: str, arguments: Mapping[str, Any], how: How, python: str
) -> OpenCodec:
    """The codec of a card that has the streams that are kept."""
    card = _with_arguments(card, arguments)
    python = python or interpreter_of(card)
    asked = (how.weights, how.device, how.num_threads, how.num_streams, python)
    request = CodecRequest(card, argument, *asked)
    if python:
        adapter: object = elsewhere.of_card(request, plugins.codec_source(card.family))
    else:
        adapter = plugins.open_codec(request)
    codec = opened(adapter, f"codec family '{card.family}'")
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


def own_codec(where: str, arguments: Mapping[str, Any], how: How) -> OpenCodec:
    """The codec of one's own that ``module:attribute`` or ``FILE.py:attribute`` names."""
    return _own(find(where), where, arguments, how)


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
