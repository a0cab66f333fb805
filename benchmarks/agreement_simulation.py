"""How often the intervals of ``snac-eval agreement`` hold a correlation that is known.

    python benchmarks/agreement_simulation.py [--repeats 500] [--models plain,all] [--clips 12]

Synthetic tests of seven codecs, each clip rated by 8 to 11 of 14 listeners, pass through the real
resampling. Two truths are counted: the correlation of the metric with the mean of a panel like
these, and with the mean of all listeners there are; the interval is made to hold either. Each is
measured on very many clips. Over codecs the truth is that of these seven codecs' true means, of
models whose codecs differ. The bar is 93 to 97 % over clips.
"""

from __future__ import annotations

import argparse
import math
import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from snac_eval.results.agreement.coefficients import correlation
from snac_eval.results.agreement.intervals import over_clips, over_codecs
from snac_eval.results.agreement.points import Points
from snac_eval.results.agreement.resampling import replicates
from snac_eval.results.agreement.shapes import KINDS, Kind

Array = NDArray[np.float64]
CORRELATIONS = (0.0, 0.3, 0.5, 0.8, 0.95)
"""Of the metric with what all listeners hear, but for what clips and codecs do to both."""
CODECS = 7
LISTENERS = 14
RATED_BY = (8, 11)
CROWD = 400
SEED = 20260101


@dataclass(frozen=True, slots=True)
class Model:
    """Standard deviations, of a quality that has 1 in all."""

    name: str
    noise: float = 0.7
    """Of a single rating."""
    offset: float = 0.0
    """Of listeners."""
    gain: float = 0.0
    """Of the logarithm of how widely listeners use the scale."""
    taste: float = 0.0
    """Of a listener's liking of a codec."""
    codec: float = 0.0
    clip: float = 0.0
    metric_clip: float = 0.0
    """Of the metric's own error that all codecs share on a clip."""
    metric_codec: float = 0.0
    """Of its own error that a codec has on all clips."""
    categories: bool = False
    """Ratings are 1, 2, 3, 4 or 5."""
    heavy: bool = False
    """Errors of the metric and of ratings are Student's of 4 degrees of freedom."""


MODELS = (
    Model("plain"),
    Model("offsets", offset=1.0),
    Model("noisy", noise=1.5),
    Model("codecs", codec=0.85, metric_codec=0.7, offset=0.6),
    Model("clips", clip=0.8, metric_clip=0.8, offset=0.6),
    Model(
        "all",
        offset=0.6,
        gain=0.3,
        taste=0.3,
        codec=0.7,
        clip=0.4,
        metric_clip=0.5,
        metric_codec=0.4,
    ),
    Model("votes", noise=0.8, offset=0.4, categories=True),
    Model("heavy", offset=0.5, heavy=True),
)


@dataclass(frozen=True, slots=True, eq=False)
class Test:
    """Qualities ``[codecs, clips]``, metrics ``[metrics, codecs, clips]`` and who listens."""

    model: Model
    quality: Array
    metrics: Array
    offsets: Array
    gains: Array
    tastes: Array

    def rate(self, clip: int, who: NDArray[np.intp], rng: np.random.Generator) -> Array:
        """What these listeners say of each codec, ``[codecs, listeners]``."""
        noise = self.model.noise * _draw(self.model, rng, (len(self.quality), len(who)))
        heard = self.gains[who] * self.quality[:, [clip]] + self.tastes[who].T
        said = self.offsets[who] + heard + noise
        return np.clip(np.round(3 + said), 1, 5) if self.model.categories else said


def make(model: Model, clips: int, listeners: int, rng: np.random.Generator) -> Test:
    """A test of this model. Its codecs are the same every time."""
    codec = np.linspace(-1.5, 1.5, CODECS)[:, None]
    own = math.sqrt(max(0.0, 1 - model.codec**2 - model.clip**2))
    quality = own * rng.standard_normal((CODECS, clips))
    quality += model.codec * codec + model.clip * rng.standard_normal((1, clips))
    shared = model.metric_clip * rng.standard_normal((len(CORRELATIONS), 1, clips))
    errors = math.sqrt(1 - model.metric_clip**2) * _draw(
        model, rng, (len(CORRELATIONS), CODECS, clips)
    )
    # The same in every test, and nothing that qualities of codecs explain.
    errors += model.metric_codec * np.array([1.0, -1, -1, 1, 0.5, -1.5, 1])[:, None]
    size = np.array(CORRELATIONS)[:, None, None]
    return Test(
        model,
        quality,
        size * quality + np.sqrt(1 - size**2) * (errors + shared),
        model.offset * rng.standard_normal(listeners),
        np.exp(model.gain * rng.standard_normal(listeners)),
        model.taste * rng.standard_normal((listeners, CODECS)),
    )


def points_of(test: Test, rng: np.random.Generator) -> tuple[Points, Array]:
    """Ratings by the panels, and the metrics' scores ``[metrics, points]``."""
    clips = test.quality.shape[1]
    points, listeners, values = [], [], []
    for clip in range(clips):
        who = rng.choice(LISTENERS, rng.integers(RATED_BY[0], RATED_BY[1] + 1), replace=False)
        said = test.rate(clip, who, rng)
        points += [np.repeat(np.arange(CODECS) * clips + clip, len(who))]
        listeners += [np.tile(who, CODECS)]
        values += [said.ravel()]
    used, listener = np.unique(np.concatenate(listeners), return_inverse=True)
    table = Points(
        codecs=tuple(map(str, range(CODECS))),
        clips=tuple(map(str, range(clips))),
        listeners=tuple(map(str, used)),
        codec=np.repeat(np.arange(CODECS), clips),
        clip=np.tile(np.arange(clips), CODECS),
        row_point=np.concatenate(points),
        row_listener=listener,
        row_value=np.concatenate(values),
    )
    return table, test.metrics.reshape(len(CORRELATIONS), -1)


def truths(
    model: Model, kinds: tuple[Kind, ...], repeats: int = 30, clips: int = 400
) -> tuple[Array, Array, Array]:
    """Correlations ``[kinds, metrics]`` with the mean of panels, with that of all listeners, and of
    codecs' means with these."""
    rng = np.random.default_rng(SEED)
    panels, everyone, codecs = [], [], []
    for _ in range(repeats):
        points, scores = points_of(make(model, clips, LISTENERS, rng), rng)
        panels.append(_all(kinds, scores, points.means()))
        crowd = make(model, clips, CROWD, rng)
        who = np.arange(CROWD)
        heard = np.stack([crowd.rate(at, who, rng).mean(axis=1) for at in range(clips)], axis=1)
        everyone.append(_all(kinds, crowd.metrics.reshape(len(CORRELATIONS), -1), heard.ravel()))
        codecs.append((crowd.metrics.mean(axis=2), heard.mean(axis=1)))
    scores, ratings = (np.mean(side, axis=0) for side in zip(*codecs, strict=True))
    mean_z = [np.tanh(np.mean(np.arctanh(one), axis=0)) for one in (panels, everyone)]
    nothing = np.full(mean_z[0].shape, math.nan)
    return mean_z[0], mean_z[1], _all(kinds, scores, ratings) if model.codec else nothing


def simulate(
    model: Model, repeats: int, clips: int, resamples: int, kinds: tuple[Kind, ...]
) -> None:
    """Print how often intervals hold the truths, in per cent."""
    panel, everyone, of_codecs = truths(model, kinds)
    rng, begin = np.random.default_rng(SEED + 1), time.perf_counter()
    held = np.zeros((3, len(kinds), len(CORRELATIONS)))
    widths = np.zeros((2, len(kinds), len(CORRELATIONS)))
    for repeat in range(repeats):
        points, scores = points_of(make(model, clips, LISTENERS, rng), rng)
        found = replicates(points, scores, resamples, repeat, kinds)
        for place, kind in enumerate(kinds):
            for metric, row in enumerate(scores):
                one = over_clips(
                    correlation(kind, row, points.means()), found, kind, metric, points
                )
                means = [points.grid(side).mean(axis=1) for side in (row, points.means())]
                other = over_codecs(correlation(kind, *means), found, kind, metric, clips)
                at = place, metric
                held[0][at] += one.low <= panel[at] <= one.high
                held[1][at] += one.low <= everyone[at] <= one.high
                held[2][at] += other.low <= of_codecs[at] <= other.high
                widths[0][at] += one.high - one.low
                widths[1][at] += other.high - other.low
    print(f"\n{model.name}: {model}, {time.perf_counter() - begin:.0f} s")
    rows = (
        ("truth, panel", panel, "5.2f"),
        ("truth, all", everyone, "5.2f"),
        ("holds panel %", 100 * held[0] / repeats, "5.1f"),
        ("holds all %", 100 * held[1] / repeats, "5.1f"),
        ("width", widths[0] / repeats, "5.2f"),
        ("truth, codecs", of_codecs, "5.2f"),
        ("holds codecs %", 100 * held[2] / repeats, "5.1f"),
        ("width", widths[1] / repeats, "5.2f"),
    )[: 8 if model.codec else 5]
    print(f"{'':15}" + "".join(f"| {kind:31}" for kind in kinds))
    for name, table, form in rows:
        print(f"{name:15}" + "".join(f"| {_row(one, form):31}" for one in table), flush=True)


def _row(values: Array, form: str) -> str:
    return " ".join(format(value, form) for value in values)


def _all(kinds: tuple[Kind, ...], scores: Array, ratings: Array) -> Array:
    return np.array([[correlation(kind, row, ratings) for row in scores] for kind in kinds])


def _draw(model: Model, rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    if model.heavy:
        return rng.standard_t(4, shape) / math.sqrt(2)
    return rng.standard_normal(shape)


def main() -> None:
    """Print a table for each model."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=500)
    parser.add_argument("--clips", type=int, default=12)
    parser.add_argument("--resamples", type=int, default=500)
    parser.add_argument("--kinds", default=list(KINDS), nargs="+", choices=KINDS)
    parser.add_argument("--models", default=",".join(model.name for model in MODELS))
    options = parser.parse_args()
    chosen = options.models.split(",")
    if unknown := set(chosen) - {model.name for model in MODELS}:
        parser.error(f"no model {', '.join(unknown)}; models: {', '.join(m.name for m in MODELS)}")
    print(f"{options.repeats} repeats, {options.clips} clips, columns: {CORRELATIONS}")
    for model in MODELS:
        if model.name in chosen:
            simulate(model, options.repeats, options.clips, options.resamples, tuple(options.kinds))


if __name__ == "__main__":
    main()
