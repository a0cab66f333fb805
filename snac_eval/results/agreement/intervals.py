"""Intervals of coefficients, and what they hold.

**What is estimated.** A coefficient over clips is that of the metric with mean ratings, over
further clips of these codecs. The noise of few listeners lowers it: the printed value is what a
panel of as many listeners sees, and all listeners there are would see a little more. The interval
is made so that it holds either, and every panel between, in 95 of 100 tests: it begins where a
panel like this one may be and ends where all listeners may be (an interval for a parameter between
two bounds: Imbens and Manski 2004). A coefficient over codecs is that of these codecs' means, which
are fixed: its interval says what other clips and other listeners would have given of the same
codecs, and nothing of further codecs.

**Intervals over clips.** Resampling clips and listeners both counts what a listener says of one
clip thrice (Owen 2007), and the mean of a resampled panel is noisier than the panel's: a percentile
interval is too wide and lies too low. So the variance is put together, on Fisher's z scale, as that
of two-way clustered means is (Cameron, Gelbach and Miller 2011): of resampled clips, plus of
resampled listeners, less of listeners that are resampled in each clip anew, which is what the first
two have in common. The last two together are never below 0: listeners can only add. The interval is
Student's, with Satterthwaite's degrees of freedom of the clips (less one) and the listeners (less
one). Spearman's resamples of clips keep the ranks among all points. How much all listeners would
see more follows from how well the mean ratings of resampled panels correlate with the panel's.
``benchmarks/agreement_simulation.py`` measures how often the interval holds the truth.

**Intervals over codecs** are percentiles of resamples of clips and listeners together, for Fisher's
scale has no place for the coefficient 1 that few codecs often have; they are widened for few clips.
Few codecs have few orders: where two codecs are close, ranks jump, and these intervals hold the
truth less regularly than those over clips.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from snac_eval.results.agreement.points import Points
from snac_eval.results.agreement.resampling import SCHEMES, Replicates, Scheme
from snac_eval.results.agreement.shapes import Coefficient, Kind
from snac_eval.results.stats import CONFIDENCE

Array = NDArray[np.float64]
MIN_CLIPS = 4
"""The fewest clips of which an interval is given."""
_ALMOST = 1 - 1e-12
_LARGEST = math.atanh(_ALMOST) / 2
"""No coefficient that resamples have by chance is so large on the z scale."""
_NORMAL = 1.959963984540054
_MOST_UNDEFINED = 0.1
_ONE_SIGMA = 0.6826894921370859


def over_clips(
    value: float, found: Replicates, kind: Kind, metric: int, points: Points
) -> Coefficient:
    """The coefficient of a metric that has scores of ``points``, with its interval, Student's on
    Fisher's z scale."""
    if math.isnan(value) or len(points.clips) < MIN_CLIPS:
        return Coefficient(value)
    error, freedom = standard_error(
        {scheme: fisher(found.clips[kind, scheme][metric]) for scheme in SCHEMES}, points
    )
    num = len(points.row_value) / points.count
    low, high = _either(abs(value), noise_factor(found.panels[metric], num), kind, error, freedom)
    return Coefficient(value, low, high) if value >= 0 else Coefficient(value, -high, -low)


def noise_factor(panels: Array, num_ratings: float) -> float:
    """By how much the noise of ``num_ratings`` listeners multiplies a correlation, 0 to 1: the root
    of the mean ratings' reliability, from what resampling the listeners adds of the same noise."""
    known = _known(panels)
    if num_ratings <= 1 or not known.size:
        return 1.0
    kept = float(np.median(known))
    noise = (1 / kept**2 - 1) * num_ratings / (num_ratings - 1) if kept > 0 else 1.0
    return math.sqrt(max(0.0, 1 - noise))


def _either(
    value: float, factor: float, kind: Kind, error: float, freedom: float
) -> tuple[float, float]:
    """The interval that holds the coefficient of a panel like this, and that of all listeners."""
    most = _noiseless(value, factor, kind)
    near, far = float(fisher(np.array(value))), float(fisher(np.array(most)))
    step = 1e-4
    slope = (_noiseless(min(value + step, 1.0), factor, kind) - most) / step
    # How a step of the one moves the other, on the z scale.
    wider = slope * (1 - value**2) / max(1 - most**2, 1 / _ALMOST - 1)
    errors = error, error * max(1.0, wider)
    reach = _imbens_manski((far - near) / max(errors) if error else 0.0, freedom)
    return math.tanh(near - reach * errors[0]), math.tanh(far + reach * errors[1])


def _noiseless(value: float, factor: float, kind: Kind) -> float:
    """A coefficient, not below 0, without the noise of the ratings; Kendall's by way of
    Pearson's."""
    if kind == "kendall":
        plain_value = math.sin(math.pi * value / 2)
        return 2 / math.pi * math.asin(min(1.0, plain_value / factor)) if factor else 1.0
    return min(1.0, value / factor) if factor else 1.0


def _imbens_manski(distance: float, freedom: float) -> float:
    """How many standard errors to reach beyond bounds that are ``distance`` standard errors
    apart."""
    from scipy.optimize import brentq
    from scipy.special import stdtr

    if not math.isfinite(freedom) or not math.isfinite(distance):
        return math.nan if math.isnan(freedom) else quantile(freedom)
    return float(
        brentq(
            lambda c: stdtr(freedom, c + distance) - stdtr(freedom, -c) - CONFIDENCE,
            0.0,
            2 * quantile(freedom),
        )
    )


def over_codecs(
    value: float, found: Replicates, kind: Kind, metric: int, num_clips: int
) -> Coefficient:
    """The coefficient of means over ``num_clips`` with the percentiles of its resamples, each as
    much farther from the value as Student's t of so few clips reaches farther than the normal
    distribution."""
    known = _known(found.codecs[kind][metric])
    if math.isnan(value) or not known.size or num_clips < MIN_CLIPS:
        return Coefficient(value)
    ends = _middle(known, CONFIDENCE)
    wider = quantile(num_clips - 1) / _NORMAL * math.sqrt(_unbiased(num_clips))
    low, high = np.clip(value + wider * (ends - value), -1, 1)
    return Coefficient(value, min(value, float(low)), max(value, float(high)))


def standard_error(found: Mapping[Scheme, Array], points: Points) -> tuple[float, float]:
    """Of a statistic whose resamples these are: its two-way clustered standard error, and its
    degrees of freedom. NaN where resamples do not have it."""
    num_clips, num_listeners = len(points.clips), len(points.listeners)
    cells = len(np.unique(points.row_cell))
    of_clips = _variance(found["clips"]) * num_clips / (num_clips - 1)
    together = _variance(found["within clips"]) * _unbiased(cells / num_clips)
    listeners = _variance(found["listeners"]) * _unbiased(num_listeners)
    common = max(0.0, listeners - together)
    total = of_clips + common
    if not total:
        return total, num_clips - 1
    below = of_clips**2 / (num_clips - 1) + common**2 / max(1, num_listeners - 1)
    return math.sqrt(total), total**2 / below


def fisher(values: Array) -> Array:
    """Coefficients on Fisher's z scale, on which also 1 has a place."""
    return np.asarray(np.arctanh(np.clip(values, -_ALMOST, _ALMOST)))


def quantile(freedom: float) -> float:
    """How many standard errors a 95 % interval reaches to either side."""
    from scipy.special import stdtrit

    return float(stdtrit(freedom, (1 + CONFIDENCE) / 2))


def _unbiased(count: float) -> float:
    return count / (count - 1) if count > 1 else 1.0


def _variance(values: Array) -> float:
    """From the width of the middle 95 %, which no single resample far astray moves; where so many
    resamples of few points have the coefficient 1, of the middle 68 %."""
    known = _known(values)
    if not known.size:
        return math.nan
    reach, (low, high) = _NORMAL, _middle(known, CONFIDENCE)
    if max(abs(low), abs(high)) > _LARGEST:
        reach, (low, high) = 1.0, _middle(known, _ONE_SIGMA)
    return float((high - low) / (2 * reach)) ** 2


def _middle(values: Array, share: float) -> Array:
    """Where the middle of the values begins and ends, which has this share of them."""
    return np.asarray(np.quantile(values, [(1 - share) / 2, (1 + share) / 2]))


def _known(values: Array) -> Array:
    known = values[~np.isnan(values)]
    return known if len(known) >= (1 - _MOST_UNDEFINED) * len(values) else known[:0]
