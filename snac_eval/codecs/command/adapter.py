"""A codec whose encoder and decoder are programs.

Each clip gets a folder of its own, in which the encoder turns one file into another and the decoder
turns that into audio. Codes hold what the encoder wrote, so that they decode elsewhere, without it.
"""

from __future__ import annotations

import json
import math
import os
import struct
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from snac_eval import audio
from snac_eval.codecs.bitrates import with_bit_rate
from snac_eval.codecs.checks import check_input, short_by
from snac_eval.codecs.command.bitstreams import (
    CONCEALED,
    Malformed,
    put_together,
    taken_apart,
    with_losses,
)
from snac_eval.codecs.command.options import Command, Options, filled, split
from snac_eval.codecs.command.programs import (
    digests,
    lacking,
    own_files,
    run,
    version_of,
)
from snac_eval.codecs.command.sounds import read_sound, write_sound
from snac_eval.errors import CardError, CodecError
from snac_eval.registry.validation import read_options
from snac_eval.types import CodecCard, CodecRequest, Codes, Waveform

if TYPE_CHECKING:
    from snac_eval.codecs.losses import BoolArray

__all__ = ["Options", "at_bitrate", "load", "remedy", "state"]

# Raised whenever this adapter could give other codes or audio with the same programs.
_IMPLEMENTATION = "1"
_RATE = struct.Struct("<I")
_MOST_REFUSED = 100
_COUNTED = {
    "file": "bits are those of the whole bit-stream file, its container's among them",
    "declared": "bits are the card's bit_rate times the clip's length, whatever the file holds",
    "ogg": "bits are those of the packets; Ogg's pages, set-up data and tags do not count",
    "g192": "",
}


def load(request: CodecRequest) -> CommandCodec:
    """Entry point of the codec family ``command``. Raises CardError where the card is wrong."""
    return CommandCodec(request)


def state(card: CodecCard) -> str:
    """What ``snac-eval list`` shows of it."""
    return lacking(_programs(read_options(card, Options)))


def remedy(card: CodecCard) -> tuple[str, ...]:
    """How to get its programs where one is missing."""
    install = read_options(card, Options).install
    return (install,) if install and state(card) else ()


def at_bitrate(card: CodecCard, bit_rate: int) -> CodecCard | None:
    """The card at another rate in bits a second; None where it names no others. Raises UsageError
    for a rate that its encoder does not have."""
    rates = read_options(card, Options).other_rates
    return with_bit_rate(card, bit_rate, rates) if rates else None


class CommandCodec:
    """The programs of one card."""

    def __init__(self, request: CodecRequest) -> None:
        card = request.card
        self._options = read_options(card, Options)
        if card.channels < 1:
            raise CardError(f"codec card '{card.name}': channels must be at least 1")
        self.card = card
        self.device = "cpu"
        self._num_threads = request.num_threads
        self._late = round(self._options.delay_samples)
        self.delay_samples = self._options.delay_samples - self._late

    @cached_property
    def fingerprint(self) -> str:
        """The commands, what they read and write, and which programs they are."""
        card, given = self.card, asdict(self._options)
        for name in ("time_limit_s", "version", "install", "bit_rates", "bit_rate_range"):
            del given[name]
        facts = json.dumps(given, separators=(",", ":"))
        rates = f"rate={card.sample_rate}:out={card.output_sample_rate}:channels={card.channels}"
        who = ":".join(dict.fromkeys(self._identities()))
        return f"command:v={_IMPLEMENTATION}:{facts}:{rates}:resampler={audio.RESAMPLER}:{who}"

    @property
    def notes(self) -> tuple[str, ...]:
        """What counts as sent, and what the times are of."""
        times = "encode and decode times include the start of a program for each clip"
        return tuple(filter(None, (_COUNTED[self._options.bits], times)))

    def delay_remedy(self, delay_samples: float) -> str:
        """What its card should say, where it is late by so many samples."""
        whole = self._late + delay_samples
        return f"write delay_samples = {whole:g} among the options of its card"

    def prepare(self) -> None:
        """Raises CodecError where a program is missing or prints no version."""
        self.fingerprint  # noqa: B018 - looks for the programs

    def padded_length(self, num_samples: int) -> int | None:
        """None: a program takes one clip at a time."""
        return None

    def encode(self, waveforms: Sequence[Waveform]) -> list[Codes]:
        """Raises CodecError for audio that is empty, not finite or of another shape or rate, and
        where the encoder fails, takes too long or writes nothing."""
        return [self._encode(waveform) for waveform in waveforms]

    def decode(self, codes: Sequence[Codes], seeds: Sequence[int]) -> list[Waveform]:
        """Delay taken out. Seeds change nothing. Raises CodecError as encoding does, and for audio
        that is too short."""
        return [self._decode(one) for one in codes]

    @property
    def decode_lossy(self) -> Callable[..., list[Waveform]] | None:
        """As :meth:`decode`, of codes of which some packets did not arrive; None where the decoder
        cannot be told which."""
        return self._decode_lossy if self._options.bits in CONCEALED else None

    @property
    def conceals(self) -> str:
        """What the decoder is told of a lost packet."""
        return CONCEALED.get(self._options.bits, "")

    def _decode_lossy(
        self, codes: Sequence[Codes], lost: Sequence[BoolArray], seeds: Sequence[int]
    ) -> list[Waveform]:
        return [self._conceal(*one) for one in zip(codes, lost, strict=True)]

    def _conceal(self, codes: Codes, lost: BoolArray) -> Waveform:
        """Audio of what arrives. A decoder that stops at a damaged packet is not given that one."""
        lost = lost.copy()
        for _ in range(_MOST_REFUSED):
            decoded = self._decoded(self._arrived(codes, lost))
            if not short_by(_seconds(codes), decoded.duration_s):
                break
            stopped = int(decoded.duration_s / _seconds(codes) * len(lost))
            if (left := np.flatnonzero(~lost[stopped:])).size == 0:
                break
            lost[stopped + left[0]] = True
        return self._whole(codes, decoded)

    def _arrived(self, codes: Codes, lost: BoolArray) -> Codes:
        rate, header = codes.header[: _RATE.size], codes.header[_RATE.size :]
        try:
            packets, header = with_losses(self._options.bits, codes.packets, header, lost)
        except Malformed as problem:
            raise CodecError(f"{self.card.name}: its bit stream {problem}") from problem
        return replace(codes, packets=packets, header=rate + header)

    def _encode(self, waveform: Waveform) -> Codes:
        check_input(self.card, waveform)
        options = self._options
        with self._folder() as folder:
            files = {
                "input": folder / f"input{_suffix(options.input_format)}",
                "bitstream": folder / f"clip{options.bitstream_suffix}",
            }
            write_sound(files["input"], self._padded(waveform), options.input_format)
            self._run(options.encode, folder, files, waveform.sample_rate, waveform.duration_s)
            content = self._content(files["bitstream"], options.encode)
        bits = max(1, math.ceil(options.bit_rate * waveform.duration_s))
        try:
            taken = taken_apart(options.bits, content, bits if options.bits == "declared" else 0)
        except Malformed as problem:
            raise CodecError(f"{self.card.name}: its bit stream {problem}") from problem
        return Codes(
            waveform.num_samples,
            packets=taken.packets,
            packet_bits=taken.packet_bits,
            header=_RATE.pack(waveform.sample_rate) + taken.header,
        )

    def _decode(self, codes: Codes) -> Waveform:
        return self._whole(codes, self._decoded(codes))

    def _whole(self, codes: Codes, decoded: Waveform) -> Waveform:
        """What was decoded, as long as the clip."""
        duration_s = _seconds(codes)
        if missing := short_by(duration_s, decoded.duration_s):
            raise CodecError(f"{self.card.name}: its decoder {missing}")
        num_samples = math.ceil(round(duration_s * decoded.sample_rate, 6))
        return audio.fit_length(decoded, num_samples)

    def _decoded(self, codes: Codes) -> Waveform:
        """What the decoder makes of the codes, less its delay."""
        options, content = self._options, self._bitstream(codes)
        (rate,) = _RATE.unpack_from(codes.header)
        out = self.card.output_sample_rate or rate
        with self._folder() as folder:
            files = {
                "bitstream": folder / f"clip{options.bitstream_suffix}",
                "output": folder / f"output{_suffix(options.output_format)}",
            }
            files["bitstream"].write_bytes(content)
            self._run(options.decode, folder, files, rate, _seconds(codes))
            self._content(files["output"], options.decode)
            shape = out, self.card.channels
            decoded = read_sound(self.card.name, files["output"], options.output_format, *shape)
        return _moved(audio.resample(decoded, out), self._late)

    def _bitstream(self, codes: Codes) -> bytes:
        try:
            if len(codes.header) < _RATE.size or not _RATE.unpack_from(codes.header)[0]:
                raise Malformed("no header")
            header = codes.header[_RATE.size :]
            return put_together(self._options.bits, codes.packets, header)
        except Malformed as problem:
            raise CodecError(
                f"{self.card.name}: these are not its codes ({problem}); encode the clip again"
            ) from problem

    def _padded(self, waveform: Waveform) -> Waveform:
        """With silence after it, so that its end leaves the decoder, in whole frames."""
        out = self.card.output_sample_rate or waveform.sample_rate
        late = max(0, math.ceil(self._late * waveform.sample_rate / out))
        reach = waveform.num_samples + late
        return audio.fit_length(waveform, reach + -reach % (self._options.frame_samples or 1))

    def _run(
        self,
        command: Command,
        folder: Path,
        files: Mapping[str, Path],
        rate: int,
        duration_s: float,
    ) -> None:
        options = self._options
        values: dict[str, Any] = {
            **files,
            "rate": rate,
            "output_rate": self.card.output_sample_rate or rate,
            "channels": self.card.channels,
            "bit_rate": options.bit_rate,
            "kbps": f"{options.bit_rate / 1000:.10g}",
            "here": os.getcwd(),
        }
        words = own_files(filled(command, {name: str(value) for name, value in values.items()}))
        limit_s = options.time_limit_s * max(1.0, duration_s / 60)
        run(self.card.name, words, folder, limit_s, self._num_threads)

    def _content(self, file: Path, command: Command) -> bytes:
        program = os.path.basename(split(command)[0])
        try:
            content = file.read_bytes()
        except OSError as error:
            raise CodecError(
                f"{self.card.name}: {program} ended well but wrote no {file.name}"
            ) from error
        if not content:
            raise CodecError(f"{self.card.name}: {program} ended well but wrote an empty file")
        return content

    def _identities(self) -> Iterator[str]:
        options, name = self._options, self.card.name
        if missing := lacking(_programs(options)):
            way = f"; {options.install}" if options.install else ""
            raise CodecError(f"{name}: {missing}{way}")
        told = set()
        with self._folder() as folder:
            for words in map(split, options.version_commands):
                told.add(words[0])
                yield f"{os.path.basename(words[0])}={version_of(name, words, folder)}"
        for words in map(split, (options.encode, options.decode)):
            yield from digests(words, told)

    @contextmanager
    def _folder(self) -> Iterator[Path]:
        with tempfile.TemporaryDirectory(prefix="snac-eval-", ignore_cleanup_errors=True) as made:
            yield Path(made)


def _programs(options: Options) -> list[str]:
    commands = (options.encode, options.decode, *options.version_commands)
    return list(dict.fromkeys(split(one)[0] for one in commands))


def _seconds(codes: Codes) -> float:
    return codes.num_samples / int(_RATE.unpack_from(codes.header)[0])


def _suffix(name: str) -> str:
    return ".wav" if name.startswith("wav") else ".raw"


def _moved(waveform: Waveform, late: int) -> Waveform:
    """Without what is late, or with as much silence in front."""
    samples = waveform.samples
    moved = samples[:, late:] if late >= 0 else np.pad(samples, ((0, 0), (-late, 0)))
    return Waveform(np.ascontiguousarray(moved), waveform.sample_rate)
