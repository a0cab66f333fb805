"""A codec that runs in another interpreter: the same adapter as any, which asks a worker there.

The worker is started when the codec is opened, and again when it has ended: the clip that it ended
with is lost, the next is coded by a fresh one. docs/environments.md describes what they say.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from snac_eval import hub
from snac_eval.codecs.sent import (
    audio_received,
    audio_sent,
    card_received,
    codes_received,
    codes_sent,
    request_sent,
)
from snac_eval.environments.guest import Answers, Guest, GuestLost, interpreter
from snac_eval.errors import CodecError, CodecLost, SnacEvalError, UsageError, one_line
from snac_eval.types import CodecRequest, Codes, Waveform

if TYPE_CHECKING:
    from snac_eval.codecs.losses import BoolArray
    from snac_eval.types import FloatArray

LIMIT_VARIABLE = "SNAC_EVAL_WORKER_TIMEOUT"
"""Environment variable: seconds that a worker may take to encode or decode clips, instead of two
minutes and sixty times their length."""
BLOCK = "block"
"""What a worker asks for while it encodes audio that comes in blocks."""
ABILITIES = ("encode_blocks", "decode_blocks", "decode_lossy", "frames_at")
"""What a codec need not have (:class:`snac_eval.codecs.abilities.OpenCodec`)."""
_SERVING = "snac_eval.codecs.serving"
_LIMIT_BASE_S, _LIMIT_PER_S = 120.0, 60.0
_LOAD_LIMIT_S = 3600.0
_BLOCK_S = 60.0
_LOWEST_RATE = 8000
_DOING = {
    "prepare": "loading",
    "encode": "encoding",
    "encode_blocks": "encoding",
    "decode": "decoding",
    "decoded_block": "decoding",
    "decode_lossy": "decoding",
}
_FIRST_CALL = 3.0
_MAX_STARTS = 3


def of_card(request: CodecRequest, entry: str) -> Elsewhere:
    """The codec of a request in the interpreter that it names; ``entry`` is what opens its family,
    ``module:function``, empty where only that interpreter knows it. Raises SnacEvalError."""
    what = {"entry": entry, "request": request_sent(request)}
    return Elsewhere(request.python, "open_card", what, request.card.name)


def of_ones_own(
    python: str, where: str, arguments: Mapping[str, Any], how: Mapping[str, Any]
) -> Elsewhere:
    """The codec that ``module:attribute`` or ``FILE.py:attribute`` names in that interpreter."""
    what = {"where": where, "arguments": dict(arguments), "how": dict(how)}
    return Elsewhere(python, "open_own", what, where)


class Elsewhere:
    """A codec in a worker of its own, which ends with it.

    ``opens`` is a function of :mod:`snac_eval.codecs.serving`, called with ``arguments``. Raises
    SnacEvalError where the interpreter or the codec cannot be had.
    """

    def __init__(self, python: str, opens: str, arguments: Mapping[str, Any], name: str) -> None:
        self._python, self._name = interpreter(python), name
        self._opens, self._arguments = opens, arguments
        self._is_prepared = False
        self._is_first = True
        self._lengths: dict[int, int | None] = {}
        self._guest, facts = self._started()
        self.card = card_received(facts["card"])
        self.device: str = facts["device"]
        self.can_drop_streams: bool = facts["drops_streams"]
        self.takes_one_clip: bool = facts["takes_one_clip"]
        self.whole_clip: str = facts["whole_clip"]
        self.conceals: str = facts["conceals"]
        self._abilities = frozenset(facts["abilities"])
        self._operations = 0.0

    @cached_property
    def fingerprint(self) -> str:
        """As the codec names itself there, with the versions of its libraries there."""
        return str(self._ask("fingerprint", limit_s=_LOAD_LIMIT_S))

    @property
    def weights_sha256(self) -> str:
        """As the codec says."""
        return str(self._told("weights_sha256"))

    @property
    def notes(self) -> tuple[str, ...]:
        """As the codec says."""
        return tuple(self._told("notes"))

    @property
    def delay_samples(self) -> float:
        """As the codec says."""
        return float(self._told("delay_samples"))

    def card_parameters(self) -> int | None:
        """As the codec says."""
        found: int | None = self._told("card_parameters")
        return found

    def prepare(self) -> None:
        """Have the codec loaded. Raises what it raises, and CodecError where its worker ends."""
        self._ask("prepare", limit_s=_LOAD_LIMIT_S)
        self._is_prepared = True

    def padded_length(self, num_samples: int) -> int | None:
        """As the codec pads."""
        if num_samples not in self._lengths:
            self._lengths[num_samples] = self._ask("padded_length", num_samples=num_samples)
        return self._lengths[num_samples]

    def encode(self, waveforms: Sequence[Waveform]) -> list[Codes]:
        """Codes of waveforms. Raises what the codec raises, and CodecError where its worker ends or
        takes too long."""
        audio_s = sum(one.num_samples / max(1, one.sample_rate) for one in waveforms)
        sent = [audio_sent(one) for one in waveforms]
        found = self._ask("encode", self._limit_s(audio_s), waveforms=sent)
        return [codes_received(one) for one in found]

    def decode(self, codes: Sequence[Codes], seeds: Sequence[int]) -> list[Waveform]:
        """Waveforms of codes; raises as :meth:`encode`."""
        sent = [codes_sent(one) for one in codes]
        limit_s = self._limit_s(self._audio_s(codes))
        found = self._ask("decode", limit_s, codes=sent, seeds=list(seeds))
        return [audio_received(one) for one in found]

    @property
    def encode_blocks(self) -> Callable[[Iterable[FloatArray]], Codes] | None:
        """What encodes audio as it comes in, where the codec has that."""
        return self._encode_blocks if "encode_blocks" in self._abilities else None

    @property
    def decode_blocks(self) -> Callable[[Codes, int], Iterator[FloatArray]] | None:
        """What gives audio as it gets ready, where the codec has that."""
        return self._decode_blocks if "decode_blocks" in self._abilities else None

    @property
    def decode_lossy(self) -> Callable[..., list[Waveform]] | None:
        """What decodes codes some of which are lost, where the codec has that."""
        return self._decode_lossy if "decode_lossy" in self._abilities else None

    @property
    def frames_at(self) -> Callable[[Codes], tuple[float, float]] | None:
        """What says when packets or frames sound, where the codec has that."""
        return self._frames_at if "frames_at" in self._abilities else None

    def whole_pass(self, waveform: Waveform) -> None:
        """Encode and decode for :meth:`counted`."""
        limit_s = self._limit_s(waveform.duration_s)
        self._operations += self._ask("operations", limit_s, waveform=audio_sent(waveform))

    @property
    def away(self) -> Elsewhere:
        """See :class:`snac_eval.codecs.abilities.Away`."""
        return self

    def interpreter(self) -> dict[str, Any]:
        """Its Python: version, path, versions of NumPy and torch."""
        return {"asked_for": self._python, **self._guest.hello.facts()}

    def num_parameters(self) -> int | None:
        """How many it runs with, once it is prepared."""
        found: int | None = self._ask("num_parameters", limit_s=_LOAD_LIMIT_S)
        return found

    def counted(self) -> float:
        """Operations of every :meth:`whole_pass` since this was last asked."""
        found, self._operations = self._operations, 0.0
        return found

    def memory_mib(self) -> tuple[float, float, float]:
        """The worker's peak and its size now, and what was allocated on a GPU at most."""
        peak, now, on_gpu = self._ask("memory_mib")
        return peak, now, on_gpu

    def _encode_blocks(self, blocks: Iterable[FloatArray]) -> Codes:
        following = iter(blocks)
        answers = {BLOCK: lambda: next(following, None)}
        return codes_received(self._ask("encode_blocks", self._limit_s(_BLOCK_S), answers))

    def _decode_blocks(self, codes: Codes, seed: int) -> Iterator[FloatArray]:
        self._ask("begin_decoding", codes=codes_sent(codes), seed=seed)
        while (block := self._ask("decoded_block", self._limit_s(_BLOCK_S))) is not None:
            yield block

    def _decode_lossy(
        self, codes: Sequence[Codes], lost: Sequence[BoolArray], seeds: Sequence[int]
    ) -> list[Waveform]:
        sent = [codes_sent(one) for one in codes]
        limit_s = self._limit_s(self._audio_s(codes))
        found = self._ask("decode_lossy", limit_s, codes=sent, lost=lost, seeds=list(seeds))
        return [audio_received(one) for one in found]

    def _frames_at(self, codes: Codes) -> tuple[float, float]:
        start_s, step_s = self._ask("frames_at", codes=codes_sent(codes))
        return start_s, step_s

    def _audio_s(self, codes: Sequence[Codes]) -> float:
        rate = self.card.sample_rate or _LOWEST_RATE
        return sum(one.num_samples / rate for one in codes)

    def _told(self, name: str) -> Any:  # noqa: ANN401
        return self._ask("told", limit_s=_LOAD_LIMIT_S, name=name)

    def _ask(
        self,
        question: str,
        limit_s: float = _LIMIT_BASE_S,
        answers: Answers | None = None,
        **said: Any,  # noqa: ANN401
    ) -> Any:  # noqa: ANN401
        self._revive()
        function, doing = f"{_SERVING}:{question}", _DOING.get(question, "answering")
        try:
            return self._guest.call(function, said, limit_s, doing, answers)
        except GuestLost as lost:
            raise CodecError(f"{self._name}: its worker, {self._python}, {lost}") from None

    def _revive(self) -> None:
        """Start the worker again where it has ended. Raises CodecLost where that fails each time;
        a copy of this in a forked process gets a worker of its own."""
        if self._guest.is_alive:
            return
        for left in reversed(range(_MAX_STARTS)):
            try:
                self._guest, _ = self._started()
            except SnacEvalError as error:
                if not left:
                    raise CodecLost(one_line(error)) from None
            else:
                return

    def _started(self) -> tuple[Guest, dict[str, Any]]:
        """A worker that has the codec open, and ready where it was before."""
        guest = Guest(self._python, {hub.QUESTION: hub.answer})
        self._is_first = True
        try:
            facts = guest.call(
                f"{_SERVING}:{self._opens}", self._arguments, _LOAD_LIMIT_S, "opening the codec"
            )
            if self._is_prepared:
                guest.call(f"{_SERVING}:prepare", {}, _LOAD_LIMIT_S, "loading")
            self._require_same(guest)
        except GuestLost as lost:
            raise CodecError(f"{self._name}: its worker, {self._python}, {lost}") from None
        except BaseException:
            guest.close()
            raise
        return guest, facts

    def _require_same(self, guest: Guest) -> None:
        """Raise CodecError where a codec of one's own is another one when it is made again."""
        known = self.__dict__.get("fingerprint")
        if known is None or not self.takes_one_clip:
            return
        if guest.call(f"{_SERVING}:fingerprint", {}, _LOAD_LIMIT_S, "answering") != known:
            raise CodecError(
                f"{self._name}: each process would have another one: what its constructor draws or"
                " reads is not the same twice"
            )

    def _limit_s(self, audio_s: float) -> float:
        factor, self._is_first = _FIRST_CALL if self._is_first else 1.0, False
        given = os.environ.get(LIMIT_VARIABLE, "")
        try:
            own_s = float(given or 0.0)
        except ValueError:
            raise UsageError(f"{LIMIT_VARIABLE}={given}: give seconds, such as 600") from None
        return own_s or factor * (_LIMIT_BASE_S + _LIMIT_PER_S * audio_s)
