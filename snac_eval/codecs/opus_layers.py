"""Opus's layers in time with one another and with what went in.

RFC 6716 has its speech layer (SILK) and its transform layer (CELT) in sync, and RFC 7845 trims what
both are late by. In libopus they are in sync to a few samples: the resamplers around SILK, which
runs at 8, 12 or 16 kHz, leave a rest that depends on that rate and on the encoder's. The rest is
taken out here, packet by packet, for a clip may have packets of several layers; where the layer
changes, one fades into the other. In hybrid packets, CELT's part above 8 kHz moves along with
SILK's. What SILK's resamplers do beside, the higher the frequency the later, stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Samples: TypeAlias = NDArray[np.float32]

RATE = 48000
# By SILK's rate and the encoder's, in samples at 48 kHz: late, or (negative) early. Measured with
# PyAV 18.1's libopus 1.6.1 by the slope of the phase from 300 to 3400 Hz on speech and noise
# (snac_eval.alignment), which agree within 0.1; but for 8 kHz at 6 kbit/s, where LibriSpeech says
# 3.12 and noise 3.30. CELT is late by 0.00 at every rate.
_LATE = {
    8000: {8000: 4.0, 12000: 3.35, 16000: 2.88, 24000: 3.22, 48000: 4.05},
    12000: {12000: -2.16, 16000: -0.5, 24000: -3.0, 48000: -2.48},
    16000: {16000: -1.81, 24000: -2.19, 48000: -2.21},
}
HIGH_PASS_LATE = -0.13
"""What the high-pass filter of its application ``voip`` adds, by the same measure: it stays."""
# RFC 6716, 3.1: the five high bits of a packet's first byte. Below 4 they stand for SILK at 8 kHz,
# below 8 for 12, below 16 for 16 kHz, alone or under CELT, from 16 on for CELT alone.
_SILK_RATES = ((4, 8000), (8, 12000), (16, 16000))
_TAPS = 64
_FADE = 240


def late_by(packets: Sequence[bytes], encoder_rate: int) -> list[float]:
    """Samples at 48 kHz by which what each packet decodes to is late; negative: early. An empty
    one, which was lost, is as late as the one before it."""
    found = [0.0]
    for packet in packets:
        found.append(_late(packet, encoder_rate) if packet else found[-1])
    return found[1:]


def _late(packet: bytes, encoder_rate: int) -> float:
    for below, rate in _SILK_RATES:
        if packet[0] >> 3 < below:
            return _LATE[rate].get(encoder_rate, 0.0)
    return 0.0


def in_time(samples: Samples, lates: Sequence[float], length: int, skipped: int) -> Samples:
    """``[channel, time]`` at 48 kHz with each packet's delay taken out.

    ``lates`` are by how much each packet is late. Each gave ``length`` samples, of which the first
    ``skipped`` of all are not there.
    """
    each = np.repeat(lates, length)[skipped:]
    count = samples.shape[1]
    each = np.pad(each[:count], (0, max(0, count - len(each))), mode="edge")
    moved = {late: _moved(samples, late) for late in sorted(set(lates))}
    if len(moved) == 1:
        return moved.popitem()[1]
    faded = [_share(each == late) * one for late, one in moved.items()]
    return np.asarray(np.sum(faded, axis=0))


def _moved(samples: Samples, late: float) -> Samples:
    """The same earlier by ``late`` samples, through a windowed sinc; silence comes in."""
    from scipy.signal import oaconvolve

    if not late:
        return samples
    whole = round(late)
    offsets = np.arange(-_TAPS, _TAPS + 1)
    taps = np.sinc(offsets + late - whole) * np.kaiser(2 * _TAPS + 1, 10)
    padded = np.pad(samples, ((0, 0), (_TAPS + max(0, -whole), _TAPS + max(0, whole))))
    filtered = oaconvolve(padded, taps[None].astype(np.float32), mode="valid", axes=1)
    first = max(0, whole)
    return np.ascontiguousarray(filtered[:, first : first + samples.shape[1]], dtype=np.float32)


def _share(mask: NDArray[np.bool_]) -> Samples:
    """1 where the mask holds, 0 elsewhere, and 5 ms from the one to the other."""
    from scipy.ndimage import uniform_filter1d

    return np.asarray(uniform_filter1d(mask.astype(np.float32), _FADE, mode="nearest"))
