"""ViSQOL's lag: where the envelopes of two signals correlate most, to the sample.

Only the whole number counts, so the transforms may be of lengths that are fast, and real. Where two
lags are so close that rounding could choose between them, ``visqol-python`` is asked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Samples = NDArray[np.float64]

# Of the product of both norms. Rounding moves a correlation by about 1e-15 of it.
_TOO_CLOSE = 1e-10


def best_lag(reference: Samples, estimate: Samples) -> int:
    """Samples by which the estimate leads: what ``find_best_lag`` of the envelopes gives.

    Both are float64 ``[time]`` of two samples or more, and may differ in length.
    """
    from scipy.fft import irfft, next_fast_len, rfft

    size = max(len(reference), len(estimate))
    length = next_fast_len(2 * size - 1, real=True)
    envelopes = _envelopes(reference, estimate)
    spectra = [rfft(one, length) for one in envelopes]
    correlation = irfft(spectra[0] * np.conj(spectra[1]), length)
    # Lags that no two samples have hold rounding alone.
    correlation[size : length - size + 1] = -np.inf
    best = int(np.argmax(correlation))
    highest, correlation[best] = correlation[best], -np.inf
    close = _TOO_CLOSE * np.sqrt(np.prod([np.dot(one, one) for one in envelopes]))
    if highest - correlation.max() > close:
        return best if best < size else best - length
    return _package_lag(reference, estimate)


def _package_lag(reference: Samples, estimate: Samples) -> int:
    from visqol.signal_utils import find_best_lag, upper_envelope

    return int(find_best_lag(upper_envelope(reference), upper_envelope(estimate)))


def _envelopes(*sides: Samples) -> list[Samples]:
    """Magnitude of each side with what it is a quarter of a period later, taken as periodic."""
    from scipy.fft import irfft, next_fast_len, rfft

    found = []
    responses: dict[int, NDArray[np.complex128]] = {}
    for side in sides:
        size, mean = len(side), float(np.mean(side))
        centred = side - mean
        length = next_fast_len(size, real=True)
        if length == size:
            spectrum = rfft(centred)
            spectrum[0] = 0
            if size % 2 == 0:
                spectrum[-1] = 0
            later = irfft(spectrum * -1j, size)
        else:
            # A length with large factors takes a transform many times as long: convolve instead.
            length = next_fast_len(2 * size - 1, real=True)
            if size not in responses:
                response = _response(size)
                around = np.zeros(length)
                around[:size] = response
                around[length - size + 1 :] = response[1:]
                responses[size] = rfft(around)
            later = irfft(rfft(centred, length) * responses[size], length)[:size]
        found.append(np.sqrt(centred * centred + later * later) + mean)
    return found


def _response(size: int) -> Samples:
    """One period of what turns every frequency of a signal of that period by a quarter."""
    half = np.arange(1, size // 2 + 1)
    angle = np.pi / size * half
    sign = np.where(half % 2, -1.0, 1.0)
    one = (np.cos(angle) - sign) / np.sin(angle) if size % 2 else (1 - sign) / np.tan(angle)
    response = np.zeros(size)
    response[1 : size // 2 + 1] = one / size
    response[size - size // 2 :] = -response[size // 2 : 0 : -1]
    if size % 2 == 0:
        response[size // 2] = 0
    return response
