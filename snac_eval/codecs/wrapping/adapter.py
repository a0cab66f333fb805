"""Any object with ``encode``, ``decode`` and ``sample_rate`` as a codec of the harness.

It is asked for one clip at a time, and gets back from the store what it gave. What it declares, and
what its card declares, is in :mod:`snac_eval.codecs.wrapping.declared`; what it does not declare is
measured on synthetic speech when it is prepared, or refused: nothing is guessed from tokens seen.
"""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any

from snac_eval.audio import Fitted, file_sha256, fit_length, speech_like
from snac_eval.codecs.checks import check_input
from snac_eval.codecs.wrapping.declared import Declared, Options, declared, delay_of
from snac_eval.codecs.wrapping.identity import source_digest, state_digest, torch_modules
from snac_eval.codecs.wrapping.objects import find, make, takes_weights
from snac_eval.codecs.wrapping.quiet import computing, seeded
from snac_eval.codecs.wrapping.shapes import Form, Shape, Unclear, form_of
from snac_eval.codecs.wrapping.structure import (
    Named,
    Parts,
    arrays_in,
    codes_in,
    decodable,
    put_together,
    samples_of,
    taken_apart,
)
from snac_eval.codecs.wrapping.weights import load_weights, weights_file
from snac_eval.errors import CardError, CodecError, SnacEvalError, UsageError, one_line, place
from snac_eval.registry.validation import read_options
from snac_eval.types import CodecCard, CodecRequest, Codes, Waveform

# Raised whenever this adapter could give other codes or audio for the same object.
_IMPLEMENTATION = "1"
_PROBES_S = (1.0, 4.0)
_LONGER = 1.7


def load(request: CodecRequest) -> Wrapped:
    """Entry point of the codec family ``module``."""
    card = request.card
    options = read_options(card, Options)
    where, weights = options.object, request.weights or card.weights
    found = find(where)
    made = make(found, where, options.args, weights)
    if hasattr(made, "card"):
        raise CardError(
            f"codec card '{card.name}': {where} has a card of its own; name it by --model {where}"
        )
    who = f"codec '{card.name}' ({where})"
    said = declared(made, who, options, card, is_cut=bool(request.num_streams))
    card = replace(card, sample_rate=said.sample_rate)
    had = "" if takes_weights(found) else weights
    how = How(request.device, request.num_threads, had, request.num_streams, options.args)
    return Wrapped(made, who, card, said, how)


def state(card: CodecCard) -> str:
    """What ``snac-eval list`` shows of it: the object itself is not imported for that."""
    return f"needs {card.weights}" if card.weights and not weights_file(card.weights) else ""


@dataclass(frozen=True, slots=True)
class How:
    """How a codec of one's own is run."""

    device: str = "cpu"
    num_threads: int = 0
    weights: str = ""
    """What is yet to be loaded into it."""
    num_streams: int = 0
    """How many streams are sent; 0: all."""
    arguments: Mapping[str, Any] | None = None
    """What its constructor was called with."""


def without_card(made: object, where: str, how: How) -> Wrapped:
    """The object behind a card that says what it says itself."""
    options = Options(where, how.arguments or {})
    said = declared(made, where, options)
    card = CodecCard(
        name=f"{where}@k={how.num_streams}" if how.num_streams else where,
        family="module",
        description=f"{type(made).__qualname__}, an object without a card",
        sample_rate=said.sample_rate,
        channels=said.channels,
        options={"object": where, "args": dict(options.args)},
    )
    return Wrapped(made, where, card, said, how)


class Wrapped:
    """A codec of one's own. It computes on the CPU where it has no torch modules."""

    takes_one_clip = True

    def __init__(self, made: object, who: str, card: CodecCard, said: Declared, how: How) -> None:
        self._made: Any = made
        self._who, self._said, self._how = who, said, how
        self.card = card
        self.torch_modules = torch_modules(made)
        self.can_drop_streams = said.can_drop_streams
        self.device = how.device if self.torch_modules else "cpu"
        self._is_ready = False
        self._form: Form | None = None
        self._sizes: tuple[int, ...] = ()
        self._takes_codes = said.decode_takes == "codes"
        self._notes: tuple[str, ...] = ()
        if how.num_streams and not said.can_drop_streams:
            raise UsageError(
                f"{who}: @k={how.num_streams}: it does not say that it can drop streams; set"
                " can_drop_streams = True if decode takes the first k codebooks alone"
            )
        if said.channels > 1 and said.input_shape in ("BT", "T"):
            raise UsageError(f"{who}: input_shape {said.input_shape} has no channels; use BCT")

    @property
    def imports(self) -> tuple[str, ...]:
        """What using it imports: torch, and the object's own module."""
        torch = ("torch",) if self.torch_modules else ()
        return (*torch, type(self._made).__module__)

    @property
    def delay_samples(self) -> float:
        """What is declared of it. Raises UsageError where that is no number."""
        return delay_of(self._made, self._who, read_options(self.card, Options))

    @property
    def notes(self) -> tuple[str, ...]:
        """What is measured of it once it is prepared and a reader must know."""
        return self._notes

    @cached_property
    def fingerprint(self) -> str:
        """Class, source, weights and settings, arguments, and what is declared."""
        self._loaded  # noqa: B018 - weights that were handed over are in the digest
        kept = f";streams={self._how.num_streams}" if self._how.num_streams else ""
        file = weights_file(self._how.weights) if self._how.weights else None
        digest = f";file={file_sha256(file)[:16]}" if file is not None else ""
        arguments = json.dumps(dict(self._how.arguments or {}), sort_keys=True, default=str)
        said = json.dumps(asdict(self._said), sort_keys=True).encode()
        return (
            f"module/{_IMPLEMENTATION};class={type(self._made).__qualname__}"
            f";source={source_digest(self._made)};state={state_digest(self._made)}{digest}"
            f";args={arguments};declared={hashlib.sha256(said).hexdigest()[:16]}{kept}"
        )

    def prepare(self) -> None:
        """Load its weights, move it to its device, and code a second of synthetic speech, once.

        Raises SnacEvalError where that cannot be done, UsageError where it does not say which axis
        of its codes is which.
        """
        self._loaded  # noqa: B018 - it is loaded when it is first asked for
        for one in self.torch_modules:
            one.to(self.device)
        if self._is_ready:
            return
        for seconds in _PROBES_S:  # It may be for longer clips alone.
            try:
                self._try(seconds)
            except SnacEvalError as error:
                said = one_line(error)
                known = said.startswith(self._who)
                raise CodecError(said if known else f"{self._who}: {said}") from error.__cause__
            except Exception as error:
                if seconds == _PROBES_S[-1]:
                    said = f"{one_line(error)}{place(error)}"
                    raise CodecError(f"{self._who}: cannot code a clip: {said}") from error
            else:
                break
        self._is_ready = True

    def padded_length(self, num_samples: int) -> int | None:
        """None: one clip at a time."""
        return None

    def encode(self, waveforms: Sequence[Waveform]) -> list[Codes]:
        """Codes of waveforms at the card's rate and channels. Whatever encode raises is raised."""
        return [self._encode(one) for one in waveforms]

    def decode(self, codes: Sequence[Codes], seeds: Sequence[int]) -> list[Waveform]:
        """Waveforms of ``num_samples`` each, which say how much decode gave. What it draws, in
        Python, NumPy or torch, is seeded. Whatever decode raises is raised."""
        return [self._decode(*each) for each in zip(codes, seeds, strict=True)]

    def _encode(self, waveform: Waveform) -> Codes:
        check_input(self.card, waveform)
        self.prepare()
        parts = taken_apart(self._given(self._asked(waveform)), self._form, self._how.num_streams)
        sizes = self._sizes if self._form is not None else ()
        return Codes(
            waveform.num_samples,
            parts.streams,
            sizes,
            parts.packets,
            side_info=parts.side_info,
            header=parts.header,
        )

    def _decode(self, codes: Codes, seed: int) -> Waveform:
        parts = Parts(codes.streams, codes.packets, codes.side_info, codes.header, ())
        given = put_together(parts, self.device)
        with computing(self.torch_modules, self.device, self._how.num_threads):
            with seeded(seed, self.device):
                named = isinstance(given, Named)
                answer = self._made.decode(**given.fields) if named else self._made.decode(given)
            samples = samples_of(answer, self.card.channels)
        whole = Waveform(samples, self.card.sample_rate)
        fitted = fit_length(whole, codes.num_samples)
        return Fitted(fitted.samples, fitted.sample_rate, whole.num_samples - codes.num_samples)

    def _asked(self, waveform: Waveform) -> Any:  # noqa: ANN401
        """What encode gives."""
        with (
            computing(self.torch_modules, self.device, self._how.num_threads),
            seeded(0, self.device),
        ):
            return self._made.encode(self._input(waveform))

    def _input(self, waveform: Waveform) -> Any:  # noqa: ANN401
        samples, shape = waveform.samples.copy(), self._said.input_shape
        shaped = samples[None] if shape in ("", "BCT") else samples[0] if shape == "T" else samples
        kind = self._said.input_type or ("torch" if self.torch_modules else "numpy")
        if kind == "numpy":
            return shaped
        import torch

        return torch.from_numpy(shaped).to(self.device)

    def _given(self, answer: Any) -> Any:  # noqa: ANN401
        """What decode is given of encode's answer. Raises CodecError where it has no codes."""
        codes = codes_in(answer)
        if codes is None:
            raise CodecError(
                f"{self._who}: encode gave {_described(answer)}: codes must be of an integer type,"
                " as .long() and .astype(int) make them"
            )
        return codes if self._takes_codes else decodable(answer, self._decodes)

    @cached_property
    def _decodes(self) -> dict[str, bool]:
        """The names of decode's arguments, and whether each must be given."""
        try:
            parameters = inspect.signature(self._made.decode).parameters.values()
        except (TypeError, ValueError):
            return {}
        return {one.name: one.default is one.empty for one in parameters}

    @cached_property
    def _loaded(self) -> bool:
        if self._how.weights:
            load_weights(self._made, self._how.weights, self._who)
        return True

    def _try(self, seconds: float) -> None:
        """Find out how it gives its codes, and what decode takes of them."""
        self._notes = ()
        answer = self._asked(self._speech(seconds))
        self._given(answer)
        self._form = self._measured(_shapes(answer), seconds)
        count = self._form.num_streams if self._form else 1
        if (wanted := self._how.num_streams) > count:
            raise UsageError(f"{self._who}: @k={wanted}: it has {count} streams, give 1 to {count}")
        kept = self._how.num_streams or count
        is_cut = len(self._said.sizes) == kept  # A card that keeps the first streams alone.
        sizes = self._said.sizes_of(kept if is_cut else count, self._who)
        self._decoded(answer, round(seconds * self.card.sample_rate))
        self._sizes = sizes[:kept]
        if self._form is not None and 0 in self._sizes:
            self._notes += (
                f"{self.card.name} does not say how large its codebooks are: its bitrate is"
                " undefined; declare codebook_size, or write a card",
            )

    def _measured(self, shapes: Sequence[Shape], seconds: float) -> Form | None:
        if not shapes:
            return None
        count, axes = self._said.num_codebooks, self._said.codes_shape
        try:
            try:
                return form_of(shapes, count, axes)
            except Unclear:
                longer = _shapes(self._asked(self._speech(_LONGER * seconds)))
                return form_of(shapes, count, axes, longer)
        except Unclear:
            raise UsageError(
                f"{self._who}: encode gave codes of shape {list(shapes[0])}, which may be codebooks"
                " by time or the other way round; declare num_codebooks, or codes_shape = 'BKT'"
                " (batch, codebooks, time)"
            ) from None
        except UsageError as error:
            raise UsageError(f"{self._who}: encode gave {error}") from error

    def _decoded(self, answer: Any, num_samples: int) -> None:  # noqa: ANN401
        """Have decode take all that encode gave or, where it does not take that, the codes."""
        try:
            beside = self._pass(answer, num_samples)
        except Exception as first:
            if self._takes_codes or self._said.decode_takes or codes_in(answer) is answer:
                raise
            self._takes_codes = True
            try:
                beside = self._pass(answer, num_samples)
            except Exception:  # noqa: BLE001 - what it says of all that encode gave says more
                self._takes_codes = False
                raise first from None
        if beside:
            self._notes += (
                f"{self.card.name}: decode is given {', '.join(beside)} beside the codes, which"
                " count as bits; declare decode_takes = 'codes' if they are not sent",
            )

    def _pass(self, answer: Any, num_samples: int) -> tuple[str, ...]:  # noqa: ANN401
        parts = taken_apart(self._given(answer), self._form, self._how.num_streams)
        self._decode(
            Codes(
                num_samples,
                parts.streams,
                (0,) * len(parts.streams),
                parts.packets,
                side_info=parts.side_info,
                header=parts.header,
            ),
            0,
        )
        return parts.beside

    def _speech(self, seconds: float) -> Waveform:
        rate = self.card.sample_rate
        return speech_like(round(seconds * rate), rate, self.card.channels)


def _shapes(answer: Any) -> list[Shape]:  # noqa: ANN401
    """Of the arrays of codes; none where they are packets of bytes."""
    arrays = arrays_in(codes_in(answer))
    return [] if isinstance(arrays[0], bytes) else [tuple(one.shape) for one in arrays]


def _described(answer: Any) -> str:  # noqa: ANN401
    if hasattr(answer, "dtype"):
        kind = str(answer.dtype).removeprefix("torch.")
        return f"{kind} {list(answer.shape)}"
    return f"a {type(answer).__name__}"
