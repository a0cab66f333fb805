"""PESQ: ITU-T P.862.2 (wideband, 16 kHz) and P.862 (narrowband, 8 kHz), as MOS-LQO.

Computed by the package ``pesq``, without Corrigendum 2 of P.862 (2018): scores of tools that apply
it differ by up to 2. ``pesq_wb_c2`` applies it, by the package ``pesqc2`` of AudioLabs Erlangen in
an environment, for that needs NumPy 1 and a C compiler. Stereo is mixed to mono first. Delay is
aligned inside.

A clip is scored whole where the native code can hold it. Its tables have room for 50 bursts of
speech (it crashes at 60) and 1000 stretches of bad frames, each of which takes 0.1 s or more. So a
clip of over 90 s, or of over 40 bursts by any threshold that the code could choose, is cut in two
at the quietest 0.2 s of its middle half, again and again; the score is then the mean over the parts
that hold speech, weighted by their lengths.

The floors: what says nothing of a clip any more (another talker, the clip backwards, noise) has a
median of 1.06 to 1.08 wideband and 1.12 to 1.20 narrowband; the worst of intact codecs, Codec 2 at
700 bit/s, has a 5th percentile of 1.14 and 1.59 (LibriSpeech). Below 1.1 and 1.4 a clip is lost.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from snac_eval.audio import RESAMPLER
from snac_eval.environments.computing import computed
from snac_eval.errors import AudioError
from snac_eval.metrics.base import (
    DITHER_PEAK,
    SPEECH_ONLY,
    PairMetric,
    Undefined,
    fingerprint_in,
    is_silent,
)
from snac_eval.types import Environment, MetricInfo

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from snac_eval.metrics.base import Signal

LONGEST_S = 90.0
MAX_BURSTS = 40
SHORTEST_S = 0.25
_PAUSE_S = 0.2
# What P.862's code looks for speech with: frames of 4 ms; shorter runs of them are no speech; gaps
# up to this long are bridged; shorter bursts are no utterances. Its threshold is at least 40 dB
# below the loudest frame.
_FRAME_S = 0.004
_SHORTEST_RUN = 4
_LONGEST_GAP = 50
_SHORTEST_BURST = 50
_THRESHOLDS_DB = tuple(range(0, -41, -2))


class _Pesq(PairMetric):
    papers = (
        "ITU-T P.862 (2001) with P.862.1 and P.862.2; Rix, Beerends, Hollier and Hekstra,"
        " ICASSP 2001",
    )
    traps: ClassVar[tuple[str, ...]] = (
        "It follows P.862 without Corrigendum 2, as the package pesq does: tools that apply"
        " it give other scores, up to 2 apart.",
        "On seven neural speech codecs at low rates it did not rank clips as listeners did:"
        " never rank such codecs by it alone.",
        "A clip of over 90 s, or of over 40 bursts of speech, is scored in parts: the native"
        " code holds no more.",
    )
    package: ClassVar[str] = "pesq"
    environment: ClassVar[Environment | None] = None
    shortest_s = SHORTEST_S
    mixes_down = True
    aligns = True
    imports: ClassVar[tuple[str, ...]] = ("pesq",)

    def __init__(
        self,
        mode: Literal["wb", "nb"],
        band: str,
        sample_rate: int,
        floor: float | None,
        name: str = "",
    ) -> None:
        self._mode = mode
        name = name or f"pesq_{mode}"
        self.info = MetricInfo(
            name=name,
            description=f"predicted opinion of speech quality, {band}",
            unit="MOS",
            higher_is_better=True,
            value_range=(1.0, 4.65),
            domains=SPEECH_ONLY,
            floor=floor,
            sample_rate=sample_rate,
            fingerprint=fingerprint_in(
                self.environment, name, self.package, mode=mode, rate=sample_rate,
                whole_s=LONGEST_S, max_bursts=MAX_BURSTS, resampler=RESAMPLER, v=2,
            ),
        )  # fmt: skip

    def _compute(self, reference: Signal, estimate: Signal, sample_rate: int) -> float:
        values, weights = [], []
        for one, other in _parts(reference, estimate, sample_rate):
            if (value := self._part(one, other, sample_rate)) is not None:
                values.append(value)
                weights.append(len(one))
        if not values:
            raise Undefined("PESQ finds no speech in the reference")
        return float(np.average(values, weights=weights))

    def _part(self, reference: Signal, estimate: Signal, sample_rate: int) -> float | None:
        part = {
            "package": self.package,
            "mode": self._mode,
            "reference": reference,
            "estimate": estimate,
            "sample_rate": sample_rate,
        }
        function = "snac_eval.metrics._pesq:score_of_part"
        found = computed(self.environment, function, part, len(reference) / sample_rate)
        return None if found is None else float(found)


class PesqWb(_Pesq):
    """Wideband PESQ (P.862.2) at 16 kHz: 1.0 to 4.64, higher is better."""

    def __init__(self) -> None:
        super().__init__("wb", "wideband PESQ (P.862.2)", 16000, floor=1.1)


class PesqNb(_Pesq):
    """Narrowband PESQ (P.862 with P.862.1's mapping) at 8 kHz: 1.0 to 4.55, higher is better."""

    def __init__(self) -> None:
        super().__init__("nb", "narrowband PESQ (P.862)", 8000, floor=1.4)


class PesqWbC2(_Pesq):
    """Wideband PESQ with Corrigendum 2 of P.862 at 16 kHz: 1.0 to 4.64, higher is better.

    It is not to be compared with ``pesq_wb``. Nothing says yet below which score a clip is lost.
    """

    papers = ("ITU-T P.862 Corrigendum 2 (2018); P.862.2",)
    traps: ClassVar[tuple[str, ...]] = (
        "It scores neural codecs far higher than pesq_wb: never set one beside the other.",
    )
    package = "pesqc2"
    environment = Environment("pesqc2", ("pesqc2==0.0.4", "numpy==1.26.4"))
    imports = ("pesqc2",)

    def __init__(self) -> None:
        band = "wideband PESQ (P.862.2) with Corrigendum 2"
        super().__init__("wb", band, 16000, floor=None, name="pesq_wb_c2")


def num_bursts(signal: Signal, sample_rate: int) -> int:
    """Bursts of speech that P.862's code may find in a float ``[time]``: by the threshold that
    gives most."""
    power = _powers(signal, sample_rate)
    loudest = power.max(initial=0.0)
    return max(_num_runs(power > loudest * 10 ** (down / 10)) for down in _THRESHOLDS_DB)


def _num_runs(is_speech: NDArray[np.bool_]) -> int:
    edges = np.flatnonzero(np.diff(is_speech, prepend=False, append=False))
    starts, ends = edges[::2], edges[1::2]
    long_enough = ends - starts > _SHORTEST_RUN
    starts, ends = starts[long_enough], ends[long_enough]
    if not starts.size:
        return 0
    apart = starts[1:] - ends[:-1] > _LONGEST_GAP
    firsts = np.concatenate([starts[:1], starts[1:][apart]])
    lasts = np.concatenate([ends[:-1][apart], ends[-1:]])
    return int(np.count_nonzero(lasts - firsts >= _SHORTEST_BURST))


def _parts(
    reference: Signal, estimate: Signal, sample_rate: int
) -> Iterator[tuple[Signal, Signal]]:
    """Parts that the native code can hold, less those where the reference is silent.

    Raises AudioError where the estimate is silent in an audible part: leaving that part out would
    flatter the codec.
    """
    lost = is_silent(estimate)
    if is_silent(reference, DITHER_PEAK) if lost else is_silent(reference):
        return
    if lost:
        raise AudioError("the estimate is silent in a part of the clip, the reference is audible")
    short_enough = len(reference) <= LONGEST_S * sample_rate
    if short_enough and num_bursts(reference, sample_rate) <= MAX_BURSTS:
        yield reference, estimate
        return
    middle = _quietest(reference, sample_rate)
    yield from _parts(reference[:middle], estimate[:middle], sample_rate)
    yield from _parts(reference[middle:], estimate[middle:], sample_rate)


def _quietest(signal: Signal, sample_rate: int) -> int:
    """The sample in the middle half of a ``[time]`` around which least is heard."""
    power = _powers(signal, sample_rate)
    width = round(_PAUSE_S / _FRAME_S)
    around = np.convolve(power, np.ones(width), mode="same")
    first = len(power) // 4
    quietest = first + int(np.argmin(around[first : 3 * first]))
    return quietest * round(_FRAME_S * sample_rate)


def _powers(signal: Signal, sample_rate: int) -> NDArray[np.float64]:
    """Mean square of each 4 ms."""
    frame = round(_FRAME_S * sample_rate)
    frames = signal[: len(signal) // frame * frame].reshape(-1, frame)
    return np.asarray(np.square(frames, dtype=np.float64).mean(axis=1))
