"""Active speech level of ITU-T P.56 (method B): how loud speech is while somebody speaks.

The envelope of the signal (two averages of 30 ms) is held against a ladder of thresholds. A sample
is active at a threshold where the envelope has passed it within the last 0.2 s. The level is the
signal's energy spread over the active samples, at the threshold that lies 15.9 dB below it. P.56
counts its thresholds from full scale in steps of 6 dB; here they hang from the signal's own peak in
steps of 1.5 dB, so that the level of a louder copy is higher by exactly its gain.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from snac_eval.metrics.base import Signal

TIME_CONSTANT_S = 0.03
HANGOVER_S = 0.2
MARGIN_DB = 15.9
STEP_DB = 1.5
LOWEST_DB = -90.0


def active_level_db(signal: Signal, sample_rate: int) -> float:
    """Active level of a float ``[time]`` in dB, where a full-scale sine has -3.01.

    Minus infinity for silence.
    """
    from scipy.ndimage import maximum_filter1d
    from scipy.signal import lfilter

    peak = float(np.abs(signal).max(initial=0.0))
    if peak == 0:
        return -math.inf
    samples = signal / np.float64(peak)
    keep = math.exp(-1 / (sample_rate * TIME_CONSTANT_S))
    envelope = np.abs(samples)
    for _ in range(2):
        envelope = lfilter([1 - keep], [1, -keep], envelope)
    half = round(HANGOVER_S * sample_rate / 2)
    held = maximum_filter1d(envelope, 2 * half + 1, mode="constant", origin=half)
    thresholds_db = np.arange(LOWEST_DB, 0, STEP_DB)
    # The envelope is held for thousands of samples together: each run counts with its length.
    edges = np.flatnonzero(np.diff(held, prepend=-1.0))
    passed = np.searchsorted(10 ** (thresholds_db / 20), held[edges], side="right")
    lengths = np.diff(edges, append=held.size)
    at_most = np.bincount(passed, lengths, thresholds_db.size + 1).cumsum()[:-1]
    active = held.size - at_most.astype(np.int64)
    thresholds_db, active = thresholds_db[active > 0], active[active > 0]
    levels_db = 10 * np.log10(np.dot(samples, samples) / active)
    # The margin shrinks as the threshold rises: where it first reaches 15.9 dB is the level.
    margins_db = np.minimum.accumulate(levels_db - thresholds_db)
    level_db = np.interp(-MARGIN_DB, -margins_db, levels_db)
    return 20 * math.log10(peak) + float(level_db)
