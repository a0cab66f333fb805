"""What an object of one's own, or its card, says of itself: rate, channels, codebooks, shapes."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Real
from typing import Any, Literal

from snac_eval.audio import MAX_CHANNELS
from snac_eval.codecs.wrapping.objects import no_codec
from snac_eval.errors import CardError, UsageError, one_line
from snac_eval.types import CodebookSize, CodecCard

InputShape = Literal["", "BCT", "CT", "BT", "T"]
InputType = Literal["", "torch", "numpy"]
DecodeTakes = Literal["", "all", "codes"]

_RATE = ("sample_rate", "sampling_rate")
_CHANNELS = ("audio_channels", "num_channels", "channels")
_COUNT = ("num_codebooks", "n_codebooks", "num_quantizers", "n_quantizers", "n_q")
_SIZE = ("codebook_sizes", "codebook_size", "bins", "num_embeddings", "cardinality")
_SELF = ("", "config", "cfg", "hparams")
_PARTS = (*_SELF, "quantizer", "quantiser", "rvq", "vq", "model", "codec")


@dataclass(frozen=True, slots=True)
class Options:
    """Options of a card of the family ``module``."""

    object: str
    """``my_module:MyModel``, or ``FILE.py:MyModel`` from the current folder."""
    args: Mapping[str, Any] = field(default_factory=dict)
    """What the object is called with."""
    input_shape: InputShape = ""
    """How encode gets its audio, B batch (1), C channels, T time; empty: as the object says, else
    BCT."""
    input_type: InputType = ""
    """A tensor or a NumPy array; empty: as the object says, else a tensor for what has torch
    modules."""
    codes_shape: str = ""
    """Axes of the codes: BKT, KBT, BT, KT, T and so on; K are codebooks."""
    decode_takes: DecodeTakes = ""
    """All that encode gave, or the codes in it alone; empty: what works, all first."""
    can_drop_streams: bool = False
    """Whether decode takes the first k codebooks alone."""
    codebook_sizes: tuple[CodebookSize, ...] = ()
    """Where the card states no frame rates, and so has no codebook_sizes itself."""
    delay_samples: float = 0.0
    """By how much decode's audio is late, at its rate; 0: what the object says."""


@dataclass(frozen=True, slots=True)
class Declared:
    """The same, gathered: what the card says goes before what the object says."""

    sample_rate: int
    channels: int
    num_codebooks: int
    """0: unknown."""
    sizes: tuple[int, ...]
    """One that all codebooks share, or one each; none: unknown."""
    input_shape: InputShape
    input_type: InputType
    codes_shape: str
    decode_takes: DecodeTakes
    can_drop_streams: bool

    def sizes_of(self, count: int, who: str) -> tuple[int, ...]:
        """Codebook sizes of so many streams, 0 each where they are unknown. Raises UsageError where
        another number of them is declared."""
        if len(self.sizes) <= 1:
            return (self.sizes or (0,)) * count
        if len(self.sizes) != count:
            raise UsageError(
                f"{who}: {len(self.sizes)} codebook sizes are declared, but encode gives {count}"
                " streams"
            )
        return self.sizes


def declared(
    made: object, who: str, options: Options, card: CodecCard | None = None, is_cut: bool = False
) -> Declared:
    """What is declared; ``is_cut`` says that the card has but the first of the streams.

    Raises UsageError for what is no codec, and for what makes no sense; CardError where card and
    object disagree.
    """
    missing = [one for one in ("encode", "decode") if not callable(getattr(made, one, None))]
    rate = _number(made, who, _RATE, _SELF)
    if card is None and not rate:
        missing.append("sample_rate")
    if missing:
        raise no_codec(who, made, missing)
    channels = _channels(made, who)
    if card is not None:
        _refuse_unlike(card, who, {"sample_rate": rate}, {"sample_rate": card.sample_rate})
        rate, channels = card.sample_rate or rate, card.channels
    sizes = card.codebook_sizes if card is not None else ()
    sizes = sizes or options.codebook_sizes or _sizes(made, who)
    is_counted = len(sizes) > 1 and not is_cut
    count = len(sizes) if is_counted else _number(made, who, _COUNT, _PARTS)
    said = {
        "input_shape": ("BCT", "CT", "BT", "T"),
        "input_type": ("torch", "numpy"),
        "decode_takes": ("all", "codes"),
    }
    texts: dict[str, Any] = {
        name: getattr(options, name) or _text(made, who, name, allowed)
        for name, allowed in said.items()
    }
    shape = options.codes_shape or _text(made, who, "codes_shape")
    if shape and (set(shape) - set("BKT") or shape.count("T") != 1 or shape.count("K") > 1):
        raise UsageError(f"{who}: codes_shape is '{shape}'; use the letters B, K and T, as in BKT")
    drops = options.can_drop_streams or bool(getattr(made, "can_drop_streams", False))
    if not 1 <= rate <= 1 << 31 or channels < 1:
        raise UsageError(f"{who}: a sample rate of {rate} Hz with {channels} channels; mend that")
    return Declared(
        rate, channels, count, sizes, codes_shape=shape, can_drop_streams=drops, **texts
    )


def delay_of(made: object, who: str, options: Options) -> float:
    """Samples by which what comes out is late: the card's word, else the object's, else 0.

    Raises UsageError where the object says something else than a number.
    """
    value: Any = options.delay_samples or _attribute(made, "delay_samples", who) or 0.0
    if isinstance(value, bool) or not isinstance(value, Real) or not math.isfinite(value):
        raise UsageError(f"{who}: delay_samples is {value!r}; make it a number of samples")
    return float(value)


def _refuse_unlike(
    card: CodecCard, who: str, there: Mapping[str, int], wanted: Mapping[str, int]
) -> None:
    for name, value in there.items():
        if value and wanted[name] not in (0, value):
            raise CardError(
                f"codec card '{card.name}': {name} is {wanted[name]}, but {who} says {value}"
            )


def _channels(made: object, who: str) -> int:
    """Those of audio: what has more than the harness scores is the width of a layer."""
    own, within = _CHANNELS, [name for name in _CHANNELS if name != "channels"]
    values = (*_values(made, who, own, [""]), *_values(made, who, within, _SELF))
    return next((one for value in values if 1 <= (one := _whole(value)) <= MAX_CHANNELS), 1)


def _sizes(made: object, who: str) -> tuple[int, ...]:
    for value in _values(made, who, _SIZE, _PARTS):
        one = _whole(value)
        many = [one] if one else [_whole(part) for part in _listed(value)]
        if many and all(size > 1 for size in many):
            return tuple(many)
    return ()


def _listed(value: object) -> Sequence[object]:
    if hasattr(value, "tolist"):
        value = value.tolist()
    return value if isinstance(value, list | tuple) else ()


def _number(made: object, who: str, names: Iterable[str], parts: Iterable[str]) -> int:
    """The first of these attributes that is a whole number above 0; else 0."""
    return next((one for value in _values(made, who, names, parts) if (one := _whole(value))), 0)


def _whole(value: object) -> int:
    if isinstance(value, bool):
        return 0
    if isinstance(value, float) and value.is_integer():
        return int(value)
    try:
        return max(0, operator.index(value))  # type: ignore[arg-type]
    except TypeError:
        return 0


def _text(made: object, who: str, name: str, allowed: Sequence[str] = ()) -> str:
    value = _attribute(made, name, who) or ""
    if value and (not isinstance(value, str) or (allowed and value not in allowed)):
        use = f"use {', '.join(allowed)}" if allowed else "make it text"
        raise UsageError(f"{who}: {name} is {value!r}; {use}")
    return str(value)


def _values(made: object, who: str, names: Iterable[str], parts: Iterable[str]) -> Iterator[object]:
    for part in parts:
        owner = _attribute(made, part, who) if part else made
        for name in names if owner is not None else ():
            value = _attribute(owner, name, who)
            if value is not None and not callable(value):
                yield value


def _attribute(owner: object, name: str, who: str) -> object:
    """None where it is not there."""
    try:
        return getattr(owner, name, None)
    except Exception as error:
        raise UsageError(f"{who}: its '{name}' cannot be read: {one_line(error)}") from error
