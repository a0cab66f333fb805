"""ViSQOL v3: predicted opinion of quality (MOS-LQO, 1..5), speech and audio modes.

Chinen et al., "ViSQOL v3" (QoMEX 2020): the values of ``visqol-python``, whose models and pooling
are used, and whose filters and search are computed here in less time. Stereo is mixed to mono
first. Delay is aligned inside. A clip is scored as one: up to a minute exactly as the package does,
a longer one with the same measures, found block by block and pooled before they are mapped.

The speech mode works at 16 kHz and maps by the deep lattice, the default of Google's v3.3: scores
by the older polynomial (which DAC's and audiotools' "visqol-speech" is) are higher and not
comparable. Identical signals reach 3.8 to 4.6 by the lattice, depending on the talker. Left alone,
it also looks at the level: speech through Opus that scores 3.4 as it is scores 3.8 four times as
loud and 4.7 at a thousandth, and either mapper calls two unlike noises at -80 dB perfect. So both
sides are first brought to the level at which speech is tested, an active level of -26 dB by ITU-T
P.56. The lattice then agrees better with listeners: over 12 clips through 7 neural codecs, and the
originals, all with MUSHRA ratings, Pearson's r over clips rises from .55 to .67 and over codecs
from .83 to .90, Spearman's rho from .39 to .57 and from .33 to .74. The polynomial's .68, .88, .41
and .57 (.67, .88, .40 and .62 without the level) are no better, so the lattice stays the default.

The audio mode works at 48 kHz and scores bandwidth: 24 kHz material against a 48 kHz reference
loses a point.

Only the polynomial has a floor, of 1.8: another talker, the clip backwards and noise have a 95th
percentile of 1.0 to 1.87, the worst of intact codecs (Codec 2 at 700 bit/s, LibriSpeech) a 5th
percentile of 2.08. The lattice gives its least value to clips of low-rate codecs that are perfectly
intelligible, and the audio mode to what has lost its upper band: neither says a clip is lost.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from snac_eval.audio import RESAMPLER
from snac_eval.errors import UsageError
from snac_eval.metrics._visqol import WHOLE_S, opinion
from snac_eval.metrics.base import (
    ALL_DOMAINS,
    SPEECH_ONLY,
    PairMetric,
    Undefined,
    fingerprint,
)
from snac_eval.metrics.level import active_level_db
from snac_eval.types import Domain, MetricInfo

if TYPE_CHECKING:
    from snac_eval.metrics.base import Signal

Mode = Literal["speech", "audio"]
# Where ITU-T P.800 has speech played to listeners, against the overload of a digital system.
SPEECH_LEVEL_DB = -26.0


class _Visqol(PairMetric):
    papers = (
        'Chinen et al., "ViSQOL v3", QoMEX 2020; Hines et al., EURASIP J. Audio, Speech and'
        " Music Processing 2015",
    )
    mixes_down = True
    aligns = True
    imports = ("visqol", "scipy.ndimage")

    def __init__(
        self,
        mode: Mode,
        mapper: str,
        sample_rate: int,
        shortest_s: float,
        domains: frozenset[Domain],
        suffix: str = "",
        floor: float | None = None,
    ) -> None:
        self._mode: Mode = mode
        self._mapper = mapper
        self.shortest_s = shortest_s
        self._level_db = SPEECH_LEVEL_DB if mode == "speech" else None
        name = f"visqol_{mode}{suffix}"
        self.info = MetricInfo(
            name=name,
            description=f"predicted opinion of quality, ViSQOL v3 {mode} mode, {mapper} mapper",
            unit="MOS",
            higher_is_better=True,
            value_range=(1.0, 5.0),
            domains=domains,
            sample_rate=sample_rate,
            floor=floor,
            fingerprint=fingerprint(
                name, "visqol-python", "numba", mode=mode, mapper=mapper, rate=sample_rate,
                level_db=self._level_db, whole_s=WHOLE_S, resampler=RESAMPLER, v=2,
            ),
        )  # fmt: skip

    def _compute(self, reference: Signal, estimate: Signal, sample_rate: int) -> float:
        gain = 1.0
        if self._level_db is not None:
            gain = 10 ** ((self._level_db - active_level_db(reference, sample_rate)) / 20)
        sides = [gain * side.astype(np.float64) for side in (reference, estimate)]
        manager = _measurer(self._mode, self._mapper)._manager
        found = opinion(manager, sides[0], sides[1], sample_rate)
        if found is None:
            raise Undefined(f"{self.info.name} finds no speech in the reference")
        return found


class VisqolSpeech(_Visqol):
    """ViSQOL in speech mode: 16 kHz, lattice mapper, both sides at one active speech level."""

    traps = (
        "Identical speech scores 3.8 to 4.6 by talker, and not 5: compare codecs on the same"
        " clips.",
        "It maps by the lattice, at an active speech level of -26 dB. DAC's evaluation takes"
        " the older polynomial, which gives other numbers: visqol_speech_polynomial.",
    )

    def __init__(self) -> None:
        super().__init__("speech", "lattice", 16000, 0.7, SPEECH_ONLY)


class VisqolSpeechPolynomial(_Visqol):
    """ViSQOL in speech mode with the older polynomial mapper; identical signals score 5.

    What DAC's evaluation and audiotools call "visqol-speech". Not in the default set.
    """

    traps = ("Not to be compared with visqol_speech, whose mapper is another.",)

    def __init__(self) -> None:
        super().__init__(
            "speech", "polynomial", 16000, 0.7, SPEECH_ONLY, suffix="_polynomial", floor=1.8
        )


class VisqolAudio(_Visqol):
    """ViSQOL in audio mode: 48 kHz, support vector mapper; identical signals reach 4.73."""

    traps = (
        "It compares at 48 kHz: a codec of lower bandwidth is charged for what it left out,"
        " and 24 kHz material against a 48 kHz reference loses a point.",
        "Identical signals reach 4.73, and not 5.",
    )

    def __init__(self) -> None:
        super().__init__("audio", "svr", 48000, 1.0, ALL_DOMAINS)


@lru_cache(maxsize=3)
def _measurer(mode: Mode, mapper: str) -> Any:  # noqa: ANN401 - visqol's own class, imported late
    """The measuring object, which loads its models once. Raises UsageError without the lattice."""
    if "numba" not in sys.modules:
        # Its kernels end the process when two threads enter them; workers are our parallelism.
        os.environ.setdefault("NUMBA_NUM_THREADS", "1")
    from visqol import VisqolApi

    logging.getLogger("visqol").setLevel(logging.ERROR)
    api = VisqolApi()
    lattice = mapper == "lattice" if mode == "speech" else None
    try:
        with _quiet_native_code():
            api.create(mode=mode, use_lattice_model=lattice)
    except ImportError as error:
        raise UsageError(
            "visqol_speech needs the lattice mapper: pip install 'visqol-python[lattice]'"
        ) from error
    return api


@contextmanager
def _quiet_native_code() -> Iterator[None]:
    # The lattice's runtime greets every worker on stderr, through the progress bar, and has no
    # switch for it; failures still arrive as exceptions.
    sys.stderr.flush()
    saved = os.dup(2)
    try:
        with open(os.devnull, "w") as sink:
            os.dup2(sink.fileno(), 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
