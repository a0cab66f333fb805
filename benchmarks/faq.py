"""The numbers of docs/faq.md, measured on the six spoken clips that come with snac-eval.

    python -m benchmarks.faq [--only NAME]

Each function is one question. It gives a value or two, in the order in which the page quotes them.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import cache
from itertools import combinations
from typing import cast

import numpy as np
import pandas as pd
import pesq
import soundfile
import torch
from numpy.typing import NDArray

import snac_eval
from snac_eval.audio import resample
from snac_eval.codecs.opus import pre_skip
from snac_eval.codecs.snac.model import SNAC
from snac_eval.registry import cards
from snac_eval.types import Codec, Waveform

Samples = NDArray[np.float32]
Question = Callable[[], list[float]]
RATE = 16000


@cache
def clips(rate: int = RATE) -> tuple[Samples, ...]:
    """The spoken clips of ``demo``, ``[time]``, resampled by soxr HQ."""
    found = []
    for path in sorted(cards.data_dir("datasets").glob("demo/speech_*.flac")):
        samples, own = soundfile.read(path, dtype="float32")
        found.append(resample(Waveform(samples[None], own), rate).samples[0])
    return tuple(found)


@cache
def coded(name: str, seed: int = 0) -> tuple[Samples, ...]:
    """The clips through a codec, ``[time]`` at 16 kHz."""
    codec = _codec(name)
    rate = codec.card.sample_rate
    return tuple(_through(codec, one, rate, seed) for one in clips(rate))


def _codec(name: str) -> Codec:
    return cast("Codec", snac_eval.load_codec(name))


def _through(codec: Codec, samples: Samples, rate: int, seed: int) -> Samples:
    decoded = codec.decode(codec.encode([Waveform(samples[None], rate)]), [seed])[0]
    found: Samples = resample(decoded, RATE).samples[0][: round(len(samples) * RATE / rate)]
    return found


def score(metric: str, references: tuple[Samples, ...], estimates: tuple[Samples, ...]) -> Samples:
    """A value for each pair; pairs are cut to the shorter side."""
    measure = snac_eval.load_metric(metric)
    pairs = [
        (one[: len(other)], other[: len(one)])
        for one, other in zip(references, estimates, strict=True)
    ]
    found = [measure.score_pair(*pair, sample_rate=RATE).value for pair in pairs]
    return np.array(found, np.float32)


def mean(metric: str, references: tuple[Samples, ...], estimates: tuple[Samples, ...]) -> float:
    """The mean of the pairs' values."""
    return float(score(metric, references, estimates).mean())


def bands() -> list[float]:
    """Opus at 12 kbps: PESQ wide-band, narrow-band, and narrow-band as P.862 has it, unmapped."""
    pairs = clips(), coded("opus_12kbps")
    narrow = score("pesq_nb", *pairs)
    raw = (4.6607 - np.log(4 / (narrow - 0.999) - 1)) / 1.4945
    return [mean("pesq_wb", *pairs), float(narrow.mean()), float(raw.mean())]


def level() -> list[float]:
    """The same, estimate at full level and 20 dB softer: PESQ, then ViSQOL (speech)."""
    soft = tuple(0.1 * one for one in coded("opus_12kbps"))
    found = []
    for metric in ("pesq_wb", "visqol_speech"):
        found += [mean(metric, clips(), coded("opus_12kbps")), mean(metric, clips(), soft)]
    return found


def resamplers() -> list[float]:
    """PESQ of identical clips: both sides by soxr, and one of them by SciPy's polyphase filter."""
    from scipy.signal import resample_poly

    other = tuple(resample_poly(one, 2, 3).astype(np.float32) for one in clips(24000))
    return [mean("pesq_wb", clips(), clips()), mean("pesq_wb", clips(), other)]


def length() -> list[float]:
    """Opus at 12 kbps: PESQ of whole clips, and the mean of their pieces of two seconds."""
    parts: list[float] = []
    for one, other in zip(clips(), coded("opus_12kbps"), strict=True):
        for start in range(0, len(one) - 2 * RATE + 1, 2 * RATE):
            piece = slice(start, start + 2 * RATE)
            parts.append(float(pesq.pesq(RATE, one[piece], other[piece], "wb")))
    return [mean("pesq_wb", clips(), coded("opus_12kbps")), float(np.mean(parts))]


def identical() -> list[float]:
    """ViSQOL of identical speech: lattice (least and most of the clips), polynomial, audio."""
    lattice = score("visqol_speech", clips(), clips())
    found = [float(lattice.min()), float(lattice.max())]
    names = ("visqol_speech_polynomial", "visqol_audio")
    return found + [mean(one, clips(), clips()) for one in names]


def mappers() -> list[float]:
    """ViSQOL of Opus at 12 kbps: lattice, polynomial, audio mode."""
    names = ("visqol_speech", "visqol_speech_polynomial", "visqol_audio")
    return [mean(one, clips(), coded("opus_12kbps")) for one in names]


def mels() -> list[float]:
    """Mel distances of Opus at 12 kbps: DAC's paper, audiotools' default, their ratio."""
    names = ("mel_dac_paper", "mel_audiotools")
    paper, tools = (mean(one, clips(), coded("opus_12kbps")) for one in names)
    return [paper, tools, paper / tools]


def half_sample() -> list[float]:
    """SI-SDR of a perfect copy that comes half a sample late: raw, then aligned (least)."""
    late = tuple(_later(one, 0.5) for one in clips())
    raw = score("si_sdr", clips(), late)
    return [float(raw.min()), float(raw.max()), float(score("si_sdr_aligned", clips(), late).min())]


def _later(samples: Samples, by: float) -> Samples:
    turn = np.exp(-2j * np.pi * np.fft.rfftfreq(len(samples)) * by)
    return np.fft.irfft(np.fft.rfft(samples) * turn, len(samples)).astype(np.float32)


def neural() -> list[float]:
    """SNAC at 1.9 kbps, then Opus at 6: SI-SDR (aligned) and STOI of each."""
    found = []
    for name in ("snac_16khz_mini", "opus_6kbps"):
        found += [mean("si_sdr_aligned", clips(), coded(name)), mean("stoi", clips(), coded(name))]
    return found


def seeds() -> list[float]:
    """SNAC's decoder with two seeds: largest change of a clip's PESQ, and of the mean."""
    one, two = (score("pesq_wb", clips(), coded("snac_16khz_mini", seed)) for seed in (0, 1))
    return [float(np.abs(one - two).max()), float(abs(one.mean() - two.mean()))]


@torch.inference_mode()
def padding() -> list[float]:
    """Percent of a clip's SNAC codes that change when zeros stand behind it, up to the longest."""
    model = SNAC.from_pretrained("snac_16khz_mini")
    longest = max(map(len, clips()))
    changed = total = 0
    for one in clips():
        audio = torch.from_numpy(one)[None, None]
        padded = torch.nn.functional.pad(audio, (0, longest - len(one)))
        streams = (model.encode_whole(model.pad(side)) for side in (audio, padded))
        for alone, beside in zip(*streams, strict=True):
            changed += int((alone != beside[..., : alone.shape[-1]]).sum())
            total += alone.numel()
    return [100 * changed / total]


def opus_delay() -> list[float]:
    """Opus at 12 kbps: pre-skip in samples at 48 kHz; raw SI-SDR with it taken out and left in."""
    codec = _codec("opus_12kbps")
    codes = codec.encode([Waveform(clips(24000)[0][None], 24000)])[0]
    skip = pre_skip(codes.header[4:])
    late = tuple(_later(np.pad(one, (0, RATE)), skip / 3) for one in coded("opus_12kbps"))
    return [skip, mean("si_sdr", clips(), coded("opus_12kbps")), mean("si_sdr", clips(), late)]


def bits() -> list[float]:
    """Kbps that were sent of one clip: SNAC's bundled model (nominal 1.875) of 1 s and of all, Opus
    at a variable rate of 12."""
    found = []
    for name, samples in (
        ("snac_16khz_mini", clips()[0][:RATE]),
        ("snac_16khz_mini", clips()[0]),
        ("opus_vbr_12kbps", clips(24000)[0]),
    ):
        codec = _codec(name)
        codes = codec.encode([Waveform(samples[None], codec.card.sample_rate)])[0]
        found.append(codes.num_bits * codec.card.sample_rate / len(samples) / 1000)
    return found


def spread() -> list[float]:
    """PESQ-WB of Opus at 12 kbps, MP3 at 32 and SNAC at 1.9 on 48 clips of LibriSpeech: standard
    deviation between clips (least and most), of differences of two codecs (least and most)."""
    place = cards.data_dir("reports") / "results" / "librispeech_mini"
    names = ("opus_12kbps", "mp3_32kbps", "snac_16khz_mini")
    each = [
        pd.read_csv(place / one / "scores.csv", index_col="clip_id")["pesq_wb"] for one in names
    ]
    alone = [one.std() for one in each]
    apart = [(one - other).std() for one, other in combinations(each, 2)]
    return [min(alone), max(alone), min(apart), max(apart)]


QUESTIONS: tuple[Question, ...] = (
    bands, level, resamplers, length, identical, mappers, mels,
    half_sample, neural, seeds, padding, opus_delay, bits, spread,
)  # fmt: skip


def row(ask: Question) -> str:
    """One row of the table of docs/faq.md."""
    what = " ".join((ask.__doc__ or "").split()).removesuffix(".")
    return f"| `{ask.__name__}` | {what} | {', '.join(f'{value:.4g}' for value in ask())} |"


def main() -> None:
    """Print the table, or the row of one question."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    names = [one.__name__ for one in QUESTIONS]
    parser.add_argument("--only", choices=names, help="one question")
    only = parser.parse_args().only
    print("| question | what | found |\n|---|---|---|")
    for ask in QUESTIONS:
        if only in (None, ask.__name__):
            print(row(ask))


if __name__ == "__main__":
    main()
