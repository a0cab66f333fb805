"""What a worker in another interpreter does for :mod:`snac_eval.codecs.elsewhere`: it has one codec
and answers for it. Arguments and answers are as :mod:`snac_eval.codecs.sent` writes them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from importlib import import_module
from typing import TYPE_CHECKING, Any

from snac_eval.codecs.abilities import OpenCodec
from snac_eval.codecs.counting import operations_of
from snac_eval.codecs.elsewhere import ABILITIES, BLOCK
from snac_eval.codecs.opening import opened, own_codec
from snac_eval.codecs.sent import (
    audio_received,
    audio_sent,
    codes_received,
    codes_sent,
    request_received,
)
from snac_eval.codecs.wrapping.adapter import How
from snac_eval.errors import CodecError, UsageError
from snac_eval.machine import (
    gpu_peak_memory_mib,
    peak_memory_mib,
    resident_memory_mib,
    resolve_device,
)
from snac_eval.registry import plugins
from snac_eval.registry.asking import ask
from snac_eval.types import Codec, CodecRequest, Codes

if TYPE_CHECKING:
    from snac_eval.types import FloatArray

_OPEN: list[OpenCodec] = []
_DECODING: list[Iterator[FloatArray]] = []
_TOLD: Mapping[str, Callable[[OpenCodec], Any]] = {
    "delay_samples": lambda codec: codec.delay_samples(),
    "notes": lambda codec: codec.notes(),
    "weights_sha256": lambda codec: codec.weights_sha256(),
    "card_parameters": lambda codec: codec.card_parameters(),
}


def open_card(entry: str, request: Mapping[str, Any]) -> dict[str, Any]:
    """Open the codec of a card by its family's entry point, ``module:function``; empty: this
    installation's own of that name. What it is, and what it can do."""
    asked = request_received(request)
    asked = replace(asked, device=resolve_device(asked.device))
    adapter = _by_entry(entry, asked) if entry else plugins.open_codec(asked)
    return _kept(opened(adapter, f"codec family '{asked.card.family}'"))


def open_own(where: str, arguments: Mapping[str, Any], how: Mapping[str, Any]) -> dict[str, Any]:
    """Open a codec of one's own, as :func:`open_card`."""
    asked = How(**how)
    return _kept(own_codec(where, arguments, replace(asked, device=resolve_device(asked.device))))


def fingerprint() -> str:
    """The codec's own."""
    return _codec().fingerprint


def prepare() -> None:
    """Load what it needs."""
    _codec().prepare()


def padded_length(num_samples: int) -> int | None:
    """As the codec pads."""
    return _coder().padded_length(num_samples)


def encode(waveforms: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Codes of each waveform."""
    coder = _coder()
    found: list[Any] = coder.encode([audio_received(one) for one in waveforms])
    for one in found:
        if not isinstance(one, Codes):
            kind = type(one).__name__
            raise CodecError(f"{coder.card.name}: encode returned {kind}, no snac_eval.types.Codes")
    return [codes_sent(one) for one in found]


def decode(codes: Sequence[Mapping[str, Any]], seeds: Sequence[int]) -> list[dict[str, Any]]:
    """Audio of each of these."""
    found = _coder().decode([codes_received(one) for one in codes], seeds)
    return [audio_sent(one) for one in found]


def encode_blocks() -> dict[str, Any]:
    """Codes of the audio whose blocks are asked for one after the other, until there is none."""
    found = _codec().encode_blocks
    assert found is not None
    return codes_sent(found(_blocks()))


def begin_decoding(codes: Mapping[str, Any], seed: int) -> None:
    """Have :func:`decoded_block` give the audio of these codes from now on."""
    found = _codec().decode_blocks
    assert found is not None
    _DECODING[:] = [found(codes_received(codes), seed)]


def decoded_block() -> FloatArray | None:
    """The next piece of audio; None after the last."""
    return next(_DECODING[0], None)


def decode_lossy(
    codes: Sequence[Mapping[str, Any]], lost: Sequence[Any], seeds: Sequence[int]
) -> list[dict[str, Any]]:
    """Audio of each of these, of whose packets or frames some are lost."""
    found = _codec().decode_lossy
    assert found is not None
    return [audio_sent(one) for one in found([codes_received(one) for one in codes], lost, seeds)]


def frames_at(codes: Mapping[str, Any]) -> list[float]:
    """When the first packet's or frame's audio begins, and how long each is, in seconds."""
    found = _codec().frames_at
    assert found is not None
    return list(found(codes_received(codes)))


def told(name: str) -> Any:  # noqa: ANN401 - text, a number or texts
    """What the codec says of itself under one of these names."""
    if name not in _TOLD:
        raise ValueError(f"nothing is told of '{name}'")
    return _TOLD[name](_codec())


def num_parameters() -> int | None:
    """How many it runs with, once it is prepared."""
    return _codec().num_parameters


def operations(waveform: Mapping[str, Any]) -> float:
    """Of encoding and decoding this waveform."""
    return operations_of(_codec(), audio_received(waveform))


def memory_mib() -> list[float]:
    """The worker's peak and its size now, and what was allocated on a GPU at most."""
    return [
        peak_memory_mib(),
        resident_memory_mib(),
        gpu_peak_memory_mib(_codec().device),
    ]


def _blocks() -> Iterator[FloatArray]:
    while (block := ask(BLOCK)) is not None:
        yield block


def _by_entry(entry: str, request: CodecRequest) -> object:
    module, _, name = entry.partition(":")
    try:
        load = getattr(import_module(module), name)
        made: object = load(request)
    except ImportError as error:
        raise UsageError(
            f"codec '{request.card.name}' cannot be loaded in {sys.executable}: {error}; install"
            " what it needs there"
        ) from error
    return made


def _kept(codec: OpenCodec) -> dict[str, Any]:
    if codec.coder is None:
        raise UsageError(
            f"{codec.card.name}: reads what another program made; it needs no other interpreter"
        )
    _OPEN[:] = [codec]
    return {
        "card": asdict(codec.card),
        "device": codec.device,
        "drops_streams": codec.drops_streams,
        "takes_one_clip": codec.takes_one_clip,
        "whole_clip": codec.whole_clip,
        "conceals": codec.conceals,
        "abilities": [name for name in ABILITIES if getattr(codec, name) is not None],
    }


def _codec() -> OpenCodec:
    return _OPEN[0]


def _coder() -> Codec:
    coder = _codec().coder
    assert coder is not None
    return coder
