"""What every codec owes the harness, checked on any codec: ``snac-eval validate NAME``.

The harness's own contract tests call the same checks. Each gives the facts that it measured, says
where they break the contract, or says why it could not look.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from snac_eval.audio import speech_like
from snac_eval.codecs.abilities import OpenCodec
from snac_eval.codecs.checks import check_output
from snac_eval.codecs.delays import agrees, measured_delay, stated_from
from snac_eval.codecs.opening import open_model
from snac_eval.codecs.packing import pack, unpack
from snac_eval.codecs.repeats import Repeat, batched, mixed_clips
from snac_eval.errors import CodecError, UsageError, one_line
from snac_eval.machine import peak_memory_mib
from snac_eval.types import Codec, Codes, Waveform

State = Literal["ok", "failed", "skipped"]

_LENGTHS_S = {"one sample": 0.0, "50 ms": 0.05, "3 s": 3.0}
_MEMORY_LIMIT_MB = 2000.0
_BATCH = 8
_DEFAULT_RATE = 16000


class Broken(Exception):  # noqa: N818 - a finding, not a failure of ours
    """The contract does not hold; the message says how."""


class Skipped(Exception):  # noqa: N818 - a finding, not a failure of ours
    """The check cannot be made here; the message says why."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the outcome: which check, whether it held, and what was measured."""

    check: str
    state: State
    detail: str


@dataclass(frozen=True, slots=True)
class Subject:
    """The codec under test."""

    codec: Codec
    reopen: Callable[[str], Codec]
    """Gives a fresh one, on the device that is named, or on the same one for ""."""
    long_s: float = 60.0
    """Length in seconds of the long clip."""
    drops_streams: bool = False
    """Whether the codec says that it can leave streams out."""
    peak_memory_mib: Callable[[], float] = peak_memory_mib
    """Of the process that the codec is in."""
    delay_samples: Callable[[], float] = float
    """By how much it says that it is late, in samples at the rate that comes out."""
    delay_remedy: Callable[[float], str] | None = None
    """What is to be done where that should have been so much; None: what is for any codec."""
    whole_clip: str = ""
    """What of it sees a clip as a whole, as it says."""

    def speech(self, duration_s: float = 1.0, seed: int = 0) -> Waveform:
        """Synthetic speech as this codec takes its audio."""
        rate = self.codec.card.sample_rate or _DEFAULT_RATE
        return speech_like(max(1, round(duration_s * rate)), rate, self.codec.card.channels, seed)

    def round_trip(self, waveform: Waveform, seed: int = 0) -> tuple[Codes, Waveform]:
        """Codes and audio of one clip."""
        (codes,) = self.codec.encode([waveform])
        (estimate,) = self.codec.decode([codes], [seed])
        return codes, estimate


def open_subject(
    model: str,
    card_dirs: Sequence[Path] = (),
    weights: str = "",
    device: str = "cpu",
    num_threads: int = 0,
    long_s: float = 60.0,
    model_args: Sequence[str] = (),
    python: str = "",
) -> Subject:
    """The codec of a name, prepared. Raises SnacEvalError where it cannot be, UsageError for
    reconstructions that are read from files."""

    def reopen(other: str) -> Codec:
        where = other or device
        again = open_model(model, card_dirs, weights, where, num_threads, model_args, python)
        return _prepared(model, again)

    opened = open_model(model, card_dirs, weights, device, num_threads, model_args, python)
    away = opened.away
    memory = peak_memory_mib if away is None else lambda: away.memory_mib()[0]
    return Subject(
        _prepared(model, opened),
        reopen,
        long_s,
        drops_streams=opened.drops_streams,
        peak_memory_mib=memory,
        delay_samples=opened.delay_samples,
        delay_remedy=opened.delay_remedy,
        whole_clip=opened.whole_clip,
    )


def _prepared(model: str, opened: OpenCodec) -> Codec:
    if opened.coder is None:
        raise UsageError(f"{model}: reads files and codes nothing; there is nothing to validate")
    opened.prepare()
    return opened.coder


def validate(subject: Subject) -> Iterator[Finding]:
    """Make every check, one after the other. A check that raises anything else has failed."""
    for name, check in CHECKS.items():
        yield examine(name, check, subject)


def examine(name: str, check: Callable[[Subject], str], subject: Subject) -> Finding:
    """Make one check."""
    try:
        return Finding(name, "ok", check(subject))
    except Skipped as skipped:
        return Finding(name, "skipped", str(skipped))
    except Broken as broken:
        return Finding(name, "failed", str(broken))
    except Exception as error:  # noqa: BLE001 - whatever a codec raises is what is reported
        return Finding(name, "failed", one_line(error))


def lengths(subject: Subject) -> str:
    """Out comes as much audio as went in, of the same rate and type."""
    for name, duration_s in _LENGTHS_S.items():
        waveform = subject.speech(duration_s)
        codes, estimate = subject.round_trip(waveform)
        if codes.num_samples != waveform.num_samples:
            raise Broken(f"{name}: the codes say {codes.num_samples} of {waveform.num_samples}")
        _check_like(subject, name, estimate, waveform)
    rate = subject.codec.card.output_sample_rate
    kept = f"duration kept, {rate} Hz comes out" if rate else "shape and rate kept"
    return f"{', '.join(_LENGTHS_S)}: {kept}, float32, finite"


def batches(subject: Subject) -> str:
    """Codes of a batch of clips of different length equal those of single clips."""
    codec, size = subject.codec, _BATCH
    clips = mixed_clips(codec.card, size)
    if codec.padded_length(clips[0].num_samples) is None:
        raise Skipped("this codec takes one clip at a time")
    found = batched(codec, size)
    if not found.is_close:
        raise Broken(found.batch_sentence(codec.card.name, size).partition(";")[0])
    shortest, longest = clips[-1].duration_s, clips[0].duration_s
    return (
        f"{size} clips of {shortest:.1f} to {longest:.1f} s: {found.num_codes} codes the same,"
        f" {_audio(found)}"
    )


def _audio(found: Repeat) -> str:
    if found.audio_db is None:
        return "audio the same to the bit"
    return f"audio the same within {found.audio_db:.0f} dB"


def repeats(subject: Subject) -> str:
    """The same clip and seed give the same codes and audio, in a codec opened anew as well."""
    waveform = subject.speech()
    codes, estimate = subject.round_trip(waveform, seed=1)
    again = Subject(subject.reopen(""), subject.reopen)
    if again.codec.fingerprint != subject.codec.fingerprint:
        raise Broken("opened anew, it has another fingerprint")
    other, repeated = again.round_trip(waveform, seed=1)
    if not same_codes(codes, other):
        raise Broken("opened anew, it gives other codes")
    if not np.array_equal(estimate.samples, repeated.samples):
        raise Broken("opened anew, it decodes to other audio with the same seed")
    return "same codes and audio to the bit"


def bits(subject: Subject) -> str:
    """The bits counted are those of the streams or packets, and near the card's bitrate."""
    waveform = subject.speech(10.0)
    (codes,) = subject.codec.encode([waveform])
    card = subject.codec.card
    for index, (stream, size) in enumerate(zip(codes.streams, codes.codebook_sizes, strict=True)):
        if stream.size == 0 or stream.min() < 0 or 0 < size <= stream.max():
            raise Broken(f"stream {index} is empty or leaves 0..{size - 1}")
    if card.codebook_sizes and tuple(codes.codebook_sizes) != tuple(card.codebook_sizes):
        raise Broken(f"codebooks of {codes.codebook_sizes}, the card says {card.codebook_sizes}")
    if codes.is_continuous:
        frames = len(codes.packets) / waveform.duration_s
        raise Skipped(f"its latents are continuous: {frames:.4g} frames a second, no bits")
    if codes.num_bits != codes.num_bits:
        raise Skipped("it does not say how large its codebooks are: declare codebook_size")
    if not codes.num_bits > 0:
        raise Broken("no bits at all")
    rate = codes.num_bits / waveform.duration_s
    nominal = card.nominal_bitrate_bps
    if nominal > 0 and not 0.5 < rate / nominal < 1.5:
        raise Broken(f"{rate:.0f} bit/s over 10 s; the card says {nominal:.0f}")
    where = f"{codes.num_tokens} tokens" if codes.streams else f"{len(codes.packets)} packets"
    stated = f"nominal {nominal:.0f}" if nominal > 0 else "no nominal bitrate"
    return f"{rate:.0f} bit/s over 10 s in {where}, {stated}"


def stored_codes(subject: Subject) -> str:
    """Codes that went through the store decode, in a codec opened anew, to the first audio."""
    codes, estimate = subject.round_trip(subject.speech(), seed=2)
    kept = unpack(pack(codes))
    if not same_codes(kept, codes):
        raise Broken("the store gives other codes back")
    (later,) = subject.reopen("").decode([kept], [2])
    if not np.array_equal(later.samples, estimate.samples):
        raise Broken("stored codes decode to other audio")
    return "same audio to the bit"


def silence(subject: Subject) -> str:
    """Speech does not come back as silence, and silence comes back no louder than speech."""
    waveform = subject.speech()
    quiet = replace(waveform, samples=0 * waveform.samples)
    answers = [subject.round_trip(one)[1] for one in (waveform, quiet)]
    check_output(waveform, answers[0])
    peaks = [_peak(one) for one in answers]
    if not peaks[1] <= 1.1 * peaks[0]:
        raise Broken(f"silence comes back with a peak of {peaks[1]:.3g}, speech of {peaks[0]:.3g}")
    return f"peak of what comes back: {peaks[1]:.2g} (of speech: {peaks[0]:.2g})"


def refusals(subject: Subject) -> str:
    """What cannot be coded raises CodecError with one line that names the codec."""
    waveform = subject.speech(0.5)
    spoilt = waveform.samples.copy()
    spoilt[0, 5] = np.nan
    many = np.concatenate([waveform.samples] * 3)
    bad = {
        "NaN": Waveform(spoilt, waveform.sample_rate),
        "no samples": Waveform(spoilt[:, :0], waveform.sample_rate),
        f"{len(many)} channels": Waveform(many, waveform.sample_rate),
        "a rate of 0 Hz": replace(waveform, sample_rate=0),
    }
    for name, one in bad.items():
        try:
            subject.codec.encode([one])
        except CodecError as error:
            if "\n" in str(error):
                raise Broken(f"{name}: refused in more than one line") from error
        else:
            raise Broken(f"{name}: taken without a word; raise CodecError")
    return f"{', '.join(bad)}: refused in one line"


def untouched(subject: Subject) -> str:
    """Encoding leaves the caller's samples as they are."""
    waveform = subject.speech()
    before = waveform.samples.copy()
    subject.round_trip(waveform)
    if not np.array_equal(before, waveform.samples):
        raise Broken("encoding changed the samples that it was given")
    return "samples unchanged"


def stereo(subject: Subject) -> str:
    """Two channels stay two: what is on the left does not come back on the right."""
    if subject.codec.card.channels == 1:
        raise Skipped(
            "mono; stereo clips are mixed down, or coded per channel: run --channels each"
        )
    waveform = subject.speech()
    waveform.samples[1] = 0
    _, estimate = subject.round_trip(waveform)
    _check_like(subject, "left only", estimate, waveform)
    left, right = np.abs(estimate.samples).max(axis=1)
    return f"speech on the left, silence on the right: peaks {left:.2g} and {right:.2g}"


def first_streams(subject: Subject) -> str:
    """``NAME@k=1`` sends fewer bits, and what it sends are the first streams."""
    if not subject.drops_streams:
        raise Skipped("this codec cannot drop streams")
    waveform = subject.speech()
    (codes,) = subject.codec.encode([waveform])
    count = len(subject.codec.card.codebook_sizes) or len(codes.streams)
    if len(codes.streams) != count:
        raise Broken(f"{len(codes.streams)} streams, the card has {count}")
    return f"{count} streams; see NAME@k=1 to NAME@k={count}"


def delays(subject: Subject) -> str:
    """The codec is as late as it says, on speech and on noise, where it keeps a waveform."""
    stated, found = subject.delay_samples(), measured_delay(subject.codec)
    told = ", ".join(f"{one} on {kind}" for kind, one in found.items())
    right = stated_from(found)
    if right is None:
        raise Skipped(f"it keeps no waveform: {told}")
    if not agrees(stated, found):
        ways = f"take them out of what it decodes, or state delay_samples = {right:g}"
        remedy = ways if subject.delay_remedy is None else subject.delay_remedy(right)
        raise Broken(f"states {stated:+g} samples, measured {told}: {remedy}")
    return f"states {stated:+g} samples, measured {told}"


def long_audio(subject: Subject) -> str:
    """A long clip keeps its length, in bounded memory."""
    waveform = subject.speech(subject.long_s)
    before = subject.peak_memory_mib()
    _, estimate = subject.round_trip(waveform)
    grown = subject.peak_memory_mib() - before
    _check_like(subject, "long", estimate, waveform)
    found = f"{subject.long_s:g} s: peak memory grew by {grown:.0f} MB"
    if grown > _MEMORY_LIMIT_MB:
        if not subject.whole_clip:
            raise Broken(found)
        raise Skipped(f"{found}, for {subject.whole_clip} sees a clip as a whole")
    return found


def device_move(subject: Subject) -> str:
    """The GPU gives the CPU's codes."""
    import torch

    if not torch.cuda.is_available():
        raise Skipped("no GPU here")
    waveform = subject.speech(3.0)
    here, there = (subject.reopen(device).encode([waveform])[0] for device in ("cpu", "cuda"))
    if not here.streams:
        what = "latents are not rounded" if here.is_continuous else "packets are made on the CPU"
        raise Skipped(f"its {what}")
    equal = np.mean(np.concatenate(here.streams) == np.concatenate(there.streams))
    if equal < 0.99:
        raise Broken(f"only {equal:.1%} of the tokens are the CPU's")
    return f"{equal:.2%} of the tokens are the CPU's"


CHECKS: dict[str, Callable[[Subject], str]] = {
    "length kept": lengths,
    "batch equals single": batches,
    "seed repeats": repeats,
    "bits counted": bits,
    "stored codes decode": stored_codes,
    "silence": silence,
    "bad input refused": refusals,
    "input left alone": untouched,
    "stereo": stereo,
    "streams dropped": first_streams,
    "delay": delays,
    "long audio": long_audio,
    "device move": device_move,
}


def same_codes(one: Codes, other: Codes) -> bool:
    """Whether two clips' codes are equal in every bit."""
    return (
        replace(one, streams=()) == replace(other, streams=())
        and len(one.streams) == len(other.streams)
        and all(np.array_equal(a, b) for a, b in zip(one.streams, other.streams, strict=True))
    )


def _check_like(subject: Subject, name: str, estimate: Waveform, waveform: Waveform) -> None:
    card = subject.codec.card
    rate = card.output_sample_rate or waveform.sample_rate
    wanted = (waveform.num_channels, card.decoded_length(waveform.num_samples))
    if estimate.samples.shape != wanted:
        raise Broken(
            f"{name}: {waveform.samples.shape} became {estimate.samples.shape}, not {wanted}"
        )
    if estimate.sample_rate != rate or estimate.samples.dtype != np.float32:
        raise Broken(f"{name}: became {estimate.sample_rate} Hz, {estimate.samples.dtype}")
    if not np.isfinite(estimate.samples).all():
        raise Broken(f"{name}: the output holds NaN or infinity")


def _peak(waveform: Waveform) -> float:
    return float(np.abs(waveform.samples).max())
