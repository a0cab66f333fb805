"""A codec at a rate that its user chose: ``opus@kbps=9``, ``encodec_24khz@kbps=3``.

``opus`` is no card but what the cards of one codec at several rates have in common: their base. A
family whose encoder takes other rates too makes a card of them (``at_bitrate``, see
:mod:`snac_eval.registry.plugins`). A codec of tokens has the rates of its first streams.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path

from snac_eval.errors import UsageError
from snac_eval.registry import plugins
from snac_eval.registry.cards import base_of, keep_streams
from snac_eval.types import CodecCard

# A rate of streams is rounded where people write it, 2.6 for 2.584, and no further.
_ROUNDED = 0.02
_MOST_NAMED = 16


def with_bit_rate(card: CodecCard, bit_rate: int, rates: Sequence[int]) -> CodecCard:
    """The card with this ``bit_rate`` among its options. Raises UsageError for one that is not
    among ``rates``, all in bits a second."""
    if bit_rate not in rates:
        there = f"{_kbps(min(rates))} to {_kbps(max(rates))}"
        if not isinstance(rates, range):
            there = _list(map(_kbps, rates))
        raise UsageError(f"no rate of {_kbps(bit_rate)} kbps; there is {there}")
    options = {**card.options, "bit_rate": bit_rate}
    return replace(card, nominal_bitrate_bps=float(bit_rate), options=options)


def card_at(
    base: str, kbps: Decimal | None, num_streams: int, card_dirs: Sequence[Path] = ()
) -> tuple[CodecCard, int] | None:
    """The card of ``BASE@kbps=`` or ``BASE@k=``, and how many streams it was cut down to (0:
    none); None where no cards have this base.

    Raises UsageError where neither is given, or both, and for a rate that there is not.
    """
    there = plugins.rated_cards(base, card_dirs)
    if not there:
        return None
    if (kbps is None) == (num_streams == 0):
        few = "give a rate" if kbps is None else "give a rate or streams, not both"
        raise UsageError(f"{base}: {few}, such as {_example(base, there)}")
    most = max(there, key=lambda card: len(card.codebook_sizes))
    if kbps is None:
        return _of_streams(base, there, most, num_streams), num_streams
    name = f"{base}@kbps={kbps.normalize():f}"
    if not most.codebook_sizes:
        return _at(name, there, kbps), 0
    count = streams_at(name, most, kbps)
    return replace(_of_streams(base, there, most, count), name=name), count


def refuse_rate(name: str, card_dirs: Sequence[Path] = ()) -> None:
    """Raise UsageError for ``@kbps`` on a card, which has its rate."""
    card = plugins.codec_card(name, card_dirs)
    base = base_of(card.name)
    other = f"; write {base}@kbps=" if base else "; leave out @kbps"
    other = "; write @k= for fewer streams" if card.codebook_sizes and not base else other
    raise UsageError(f"{name}@kbps: the card '{name}' has a rate of its own{other}")


def _of_streams(base: str, there: Iterable[CodecCard], most: CodecCard, count: int) -> CodecCard:
    """The card among them that sends so many streams, or what is left of the largest."""
    name = f"{base}@k={count}"
    for card in there:
        if len(card.codebook_sizes) == count:
            return replace(card, name=name)
    return replace(keep_streams(replace(most, name=base), count), name=name)


def streams_at(name: str, card: CodecCard, kbps: Decimal) -> int:
    """How many streams come to this rate, which may be rounded as it is written.

    Raises UsageError where no number does.
    """
    if not card.codebook_sizes:
        raise UsageError(f"{name}: {card.name} emits no streams of tokens")
    rates = [
        keep_streams(card, count).nominal_bitrate_bps / 1000
        for count in range(1, len(card.codebook_sizes) + 1)
    ]
    for count, rate in enumerate(rates, 1):
        written = Decimal(rate).quantize(kbps, ROUND_HALF_EVEN)
        if written == kbps and abs(rate / float(kbps) - 1) <= _ROUNDED:
            return count
    near = min(range(len(rates)), key=lambda index: abs(rates[index] - float(kbps)))
    shown = range(max(0, near - 2), min(len(rates), near + 3))
    said = _list(f"{rates[index]:.4g} (@k={index + 1})" for index in shown)
    raise UsageError(f"{name}: no number of streams comes to that; the nearest are {said} kbps")


def _at(name: str, there: Sequence[CodecCard], kbps: Decimal) -> CodecCard:
    """The card among them at this rate, else the next lower one, or the lowest, with this rate
    put in."""
    bits = kbps * 1000
    for card in there:
        if card.nominal_bitrate_bps == bits:
            return replace(card, name=name)
    if bits != int(bits):
        raise UsageError(f"{name}: give a rate in whole bits a second")
    below = max(
        (one for one in there if one.nominal_bitrate_bps < bits), default=there[0], key=_rate
    )
    try:
        card = plugins.card_at_bitrate(below, int(bits)) or with_bit_rate(
            below, int(bits), [round(one.nominal_bitrate_bps) for one in there]
        )
    except UsageError as error:
        raise UsageError(f"{name}: {error}") from error
    old, new = _kbps(_rate(below)), _kbps(int(bits))
    return replace(
        card,
        name=name,
        description=_rewritten(below.description, old, new),
        label=_rewritten(below.label, old, new),
    )


def _rewritten(text: str, old: str, new: str) -> str:
    """A card's text at another rate: with the number in it replaced, or with the rate behind it."""
    changed, count = re.subn(rf"(?<![\d.]){re.escape(old)}(?= ?k(bit/s|bps))", new, text)
    return changed if count or not text else f"{text}, {new} kbps"


def _example(base: str, there: Sequence[CodecCard]) -> str:
    if streams := len(there[-1].codebook_sizes):
        return f"{base}@k={streams} or {there[0].name}"
    return f"{base}@kbps={_kbps(_rate(there[-1]))} or {there[0].name}"


def _rate(card: CodecCard) -> float:
    return card.nominal_bitrate_bps


def _kbps(bits_per_second: float) -> str:
    return f"{bits_per_second / 1000:g}"


def _list(texts: Iterable[str]) -> str:
    return ", ".join(list(texts)[:_MOST_NAMED])
