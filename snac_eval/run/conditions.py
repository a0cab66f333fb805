"""Which losses every codec of a study meets: ``--packet-loss 0,0.05,0.1`` and its like."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from itertools import product

from snac_eval.codecs.losses import BIT_ERRORS, DEFAULTS, OPTIONS, PACKET_LOSS, Channel
from snac_eval.codecs.opening import with_options
from snac_eval.errors import UsageError


@dataclass(frozen=True, slots=True)
class Conditions:
    """Values of the options of a model's name that say what it loses of what it sends."""

    values: Mapping[str, tuple[Decimal, ...]]
    """By option; several shares of losses, or of bits, are several conditions."""

    @classmethod
    def of(cls, said: Mapping[str, object]) -> Conditions:
        """The values, said as numbers, tuples of them, or text with commas; None: not said. Raises
        UsageError for what is no value of its option."""
        found = {name: said[name] for name in OPTIONS if said.get(name) is not None}
        made = cls({name: _numbers(name, value) for name, value in found.items()})
        list(made.channels())
        return made

    def over(self, other: Conditions) -> Conditions:
        """These, and of what they do not say, what ``other`` says."""
        return Conditions({**other.values, **self.values})

    def channels(self) -> Iterator[Channel | None]:
        """A channel for each condition; None where nothing gets lost. Raises UsageError."""
        zero = (Decimal(),)
        losses, errors = (self.values.get(name, zero) for name in (PACKET_LOSS, BIT_ERRORS))
        own = {name: self.values[name][-1] for name in DEFAULTS if name in self.values}
        if own and not any(losses):
            raise UsageError(f"{next(iter(own))} is of losses; give packet_loss as well, as 0.05")
        for loss, error in product(losses, errors):
            made = Channel(loss, **(own if loss else {}), bit_errors=error)
            yield made if loss or error else None


NO_CONDITIONS = Conditions({})


def behind(model: str, channel: Channel | None, card_names: Sequence[str]) -> str:
    """The model's name with the options of the channel; its own name for None."""
    return model if channel is None else with_options(model, channel.options, card_names)


def _numbers(name: str, value: object) -> tuple[Decimal, ...]:
    parts = value.split(",") if isinstance(value, str) else value
    several = parts if isinstance(parts, list | tuple) else [parts]
    if len(several) > 1 and name in DEFAULTS:
        raise UsageError(f"{name}={value}: give one number")
    return tuple(_number(name, str(one).strip()) for one in several)


def _number(name: str, text: str) -> Decimal:
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = Decimal("nan")
    if not value.is_finite():
        raise UsageError(f"{name}={text}: is no number, such as 0.05")
    return value
