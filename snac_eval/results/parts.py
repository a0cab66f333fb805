"""What an overall mean can hide: single clips, the tail, a domain, a speaker, a folder.

Conventions: ``drops`` are one number per clip, on the scale of the metric's tolerance, above zero
where the run is worse. Two questions are asked of each part.

*Is it shown?* (:attr:`Part.p_value`) Of a group by the one-sided test of its mean drop, over its
speakers, or over its clips where it has one speaker (not tested where there are fewer than four
speakers in all). Of the tail and of the catastrophes by the exact sign test: as many clips or
speakers cross a line upwards as downwards where nothing changed.

*Does it stand out?* How likely noise, as the other clips and groups show it, makes the part fall by
more than twice the tolerance (:attr:`Part.p_noise`). A group's mean is set against the scatter of
clips within groups and, from four groups on, against the scatter of the other groups' means, by
Student's t, and the larger p-value counts: a speaker whose clips agree is no finding where speakers
differ as much anyway. Single clips are set against the median absolute deviation, which the fallen
clips themselves hardly move; it knows the spread as well as 37 % as many clips would by standard
deviation (Rousseeuw and Croux 1993), which are its degrees of freedom.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from snac_eval.results.record import Run, is_catastrophic
from snac_eval.results.stats import mean_of, paired_difference, reweighted
from snac_eval.results.tolerances import Tolerance
from snac_eval.types import MetricInfo

Kind = Literal["domain", "speaker", "folder", "tail", "clips", "catastrophes"]
Vector = NDArray[np.float64]
Indices = NDArray[np.intp]

TAIL = 0.05
_MAD_TO_SD = 1.4826
_MAD_EFFICIENCY = 0.37
_MIN_GROUPS = 4
_MAX_FOLDERS = 4


@dataclass(frozen=True, slots=True)
class Measured:
    """The scores of one metric on the clips that run and baseline share."""

    info: MetricInfo
    tolerance: Tolerance
    better: bool
    """Whether higher is better."""
    clips: tuple[str, ...]
    speakers: tuple[str, ...]
    domains: tuple[str, ...]
    base: Vector
    run: Vector
    weights: Vector
    """How much each clip counts in the baseline's mean; 1 where all count alike."""
    run_weights: Vector

    @classmethod
    def of(
        cls,
        info: MetricInfo,
        tolerance: Tolerance,
        better: bool,
        run: Run,
        values: Mapping[str, tuple[float, float]],
        weights: tuple[Sequence[float], Sequence[float]] = ((), ()),
    ) -> Measured:
        """From the score in the baseline and in the run by clip, and the clips' weights in both;
        empty where all count alike."""
        known = [run.clips[clip] for clip in values]
        base, new = np.array(list(values.values()), dtype=np.float64).reshape(-1, 2).T
        speakers = tuple(clip.speaker for clip in known)
        domains = tuple(clip.domain for clip in known)
        both = [np.array(side or [1.0] * len(values), dtype=np.float64) for side in weights]
        return cls(info, tolerance, better, tuple(values), speakers, domains, base, new, *both)

    @property
    def drops(self) -> Vector:
        """How much worse each clip is, on the tolerance's scale."""
        drops: Vector = self.goodness(self.base) - self.goodness(self.run)
        return drops

    def drops_in(self, group: Indices | slice) -> Vector:
        """The same of some clips, so that their mean by ``weights`` is how much worse the mean of
        these clips is, though clips may count otherwise in the run."""
        run = self.goodness(self.run[group])
        run = reweighted(run, self.run_weights[group], self.weights[group])
        return np.asarray(self.goodness(self.base[group]) - run)

    def goodness(self, values: Vector) -> Vector:
        """Values on the tolerance's scale, turned so that more is better."""
        scaled = self.tolerance.scale(values.tolist())
        return scaled if self.better else -scaled


@dataclass(frozen=True, slots=True)
class Part:
    """One part of one metric."""

    kind: Kind
    """A folder of one speaker's clips counts as that speaker."""
    name: str
    """``speaker 1737``, ``5th percentile``."""
    n: int
    """Clips in it."""
    base: float
    run: float
    """With ``base`` the part's mean, percentile or count."""
    drop: float
    """On the tolerance's scale; of catastrophes their number."""
    p_value: float = math.nan
    """That it fell; 1 where it has not fallen by more than the tolerance, NaN where nothing can be
    tested."""
    p_noise: float = math.nan
    """How likely noise alone makes it fall by more than twice the tolerance; NaN where that is not
    asked."""
    detail: str = ""
    """What else to say of it."""
    fell: int = 0
    """Of a group how many clips fell by more than the tolerance."""


def parts(measured: Measured) -> list[Part]:
    """Every part of this metric."""
    found = [_tail(measured), _clips(measured)]
    for kind, groups in _partitions(measured):
        found += _groups(measured, kind, groups)
    if measured.info.floor is not None:
        found.append(_catastrophes(measured))
    return found


def _partitions(measured: Measured) -> Iterator[tuple[Kind, dict[str, Indices]]]:
    """Domains, speakers and the folders of each depth, as far as they differ."""
    seen = set()
    for kind, labels in _labellings(measured):
        indices: dict[str, list[int]] = {}
        for index, name in enumerate(labels):
            indices.setdefault(name, []).append(index)
        groups = {name: np.array(found) for name, found in indices.items() if name}
        members = frozenset(map(tuple, indices.values()))
        if 1 < len(groups) < len(labels) and members not in seen:
            seen.add(members)
            yield kind, groups


def _labellings(measured: Measured) -> Iterator[tuple[Kind, Sequence[str]]]:
    yield "domain", measured.domains
    yield "speaker", measured.speakers
    paths = [clip.split("/")[:-1] for clip in measured.clips]
    for depth in range(1, 1 + min(_MAX_FOLDERS, max(map(len, paths), default=0))):
        yield "folder", ["/".join(path[:depth]) for path in paths]


def _groups(measured: Measured, kind: Kind, groups: Mapping[str, Indices]) -> Iterator[Part]:
    size, weights = measured.tolerance.size, measured.weights
    noise = stands_out(measured.drops, list(groups.values()), 2 * size, weights)
    # How far apart speakers are, two or three do not say.
    enough = len(set(measured.speakers)) >= _MIN_GROUPS
    for (name, group), p_noise in zip(groups.items(), noise, strict=True):
        drops = measured.drops_in(group)
        drop = mean_of(drops, weights[group])
        speakers = [measured.speakers[index] for index in group]
        one_speaker = kind != "domain" and len(set(speakers)) == 1 and bool(speakers[0])
        p_value = math.nan if one_speaker and not enough else 1.0
        yield Part(
            kind="speaker" if one_speaker else kind,
            name=f"{kind} {name}",
            n=len(group),
            base=mean_of(measured.base[group], weights[group]),
            run=mean_of(measured.run[group], measured.run_weights[group]),
            drop=drop,
            p_value=_mean_test(drops, speakers, weights[group])
            if p_value == 1 and drop > size
            else p_value,
            p_noise=p_noise,
            fell=int((measured.drops[group] > size).sum()),
        )


def _mean_test(drops: Vector, speakers: Sequence[str], weights: Vector) -> float:
    zeros = [0.0] * len(drops)
    # A group of one speaker says something of that speaker: its clips are the units.
    known = speakers if len(set(speakers)) > 1 else ()
    return paired_difference(drops.tolist(), zeros, known, "greater", weights.tolist()).p_value


def _tail(measured: Measured) -> Part:
    """The score that a twentieth of the clips do not reach."""
    base, run = measured.goodness(measured.base), measured.goodness(measured.run)
    index = int(TAIL * (len(base) - 1))
    ends = [np.argsort(side, kind="stable")[index] for side in (base, run)]
    drop = float(base[ends[0]] - run[ends[1]])
    # Of both together, so that it does not matter which side is which.
    line = np.sort(np.concatenate([base, run]))[2 * index]
    moves = (run <= line).astype(float) - (base <= line)
    return Part(
        kind="tail",
        name="5th percentile" if measured.better else "95th percentile",
        n=len(base),
        base=float(measured.base[ends[0]]),
        run=float(measured.run[ends[1]]),
        drop=drop,
        p_value=_sign_test(moves, measured.speakers) if drop > measured.tolerance.size else 1.0,
    )


def _clips(measured: Measured) -> Part:
    """The clip that fell most, and how many fell by more than noise explains."""
    drops = measured.drops
    spread, freedom = _robust_spread(drops)
    noise = _upper_tail(drops - 2 * measured.tolerance.size, np.full(len(drops), spread), freedom)
    p_noise = np.minimum(1.0, len(drops) * noise)
    worst, count = int(np.argmax(drops)), int((p_noise <= TAIL).sum())
    return Part(
        kind="clips",
        name="single clips",
        n=len(drops),
        base=float(measured.base[worst]),
        run=float(measured.run[worst]),
        drop=float(drops[worst]),
        p_noise=float(p_noise.min()),
        detail=f"{count} of {len(drops)} clips, worst '{measured.clips[worst]}'",
    )


def _catastrophes(measured: Measured) -> Part:
    """How many more clips are worse than the floor, of those that moved beyond the tolerance."""
    drops, size = measured.drops, measured.tolerance.size
    was, is_now = (
        np.array([is_catastrophic(measured.info, value) for value in side.tolist()], dtype=bool)
        for side in (measured.base, measured.run)
    )
    moves = (is_now & ~was & (drops > size)).astype(float) - (was & ~is_now & (drops < -size))
    return Part(
        kind="catastrophes",
        name="catastrophic clips",
        n=len(drops),
        base=float(was.sum()),
        run=float(is_now.sum()),
        drop=float(moves.sum()),
        p_value=_sign_test(moves, measured.speakers),
    )


def _sign_test(moves: Vector, speakers: Sequence[str]) -> float:
    """One-sided exact p-value that clips, or speakers where two or more are known, move up as often
    as down; NaN where none moves."""
    from scipy.special import bdtrc

    names, which = np.unique(np.asarray(speakers, dtype=str), return_inverse=True)
    known = len(names) > 1 and "" not in names
    sums = np.bincount(which, moves) if known else moves
    up, total = int((sums > 0).sum()), int((sums != 0).sum())
    if not total:
        return math.nan
    return float(bdtrc(up - 1, total, 0.5)) if up else 1.0


def stands_out(
    drops: Vector, groups: Sequence[Indices], limit: float, weights: Vector
) -> list[float]:
    """For each group how likely noise alone lifts its mean drop above ``limit``."""
    means = np.array([mean_of(drops[group], weights[group]) for group in groups])
    # A mean by weights varies as that of so many clips that count alike.
    shares = [weights[group] for group in groups]
    sizes = np.array([own.sum() ** 2 / (own @ own) for own in shares])
    spread, freedom = _within(drops, groups)
    p_values = _upper_tail(means - limit, spread / np.sqrt(sizes), freedom)
    count = len(groups)
    if count >= _MIN_GROUPS:
        # Of all other groups than each.
        centred = means - np.median(means)
        mean = (centred.sum() - centred) / (count - 1)
        squares = (centred**2).sum() - centred**2 - (count - 1) * mean**2
        scatter = np.sqrt(np.maximum(squares, 0.0) / (count - 2) * (1 + 1 / (count - 1)))
        p_values = np.maximum(p_values, _upper_tail(means - limit, scatter, count - 2))
    return [float(p) for p in p_values]


def _within(drops: Vector, groups: Sequence[Indices]) -> tuple[float, float]:
    """Spread of clips about their group's mean, and its degrees of freedom; of all clips where
    most are alone in theirs."""
    inside = np.concatenate([drops[group] - drops[group].mean() for group in groups])
    freedom = len(inside) - len(groups)
    if 2 * freedom < len(inside):
        return _robust_spread(drops)
    return float(np.sqrt(inside @ inside / freedom)), float(freedom)


def _robust_spread(drops: Vector) -> tuple[float, float]:
    deviation = float(np.median(np.abs(drops - np.median(drops))))
    return _MAD_TO_SD * deviation, max(1.0, _MAD_EFFICIENCY * (len(drops) - 1))


def _upper_tail(excess: Vector, errors: Vector, freedom: float) -> Vector:
    """P(t > excess / error); where there is no error at all, what exceeds is no noise."""
    from scipy.special import stdtr

    # Rounding alone: far below what any score has.
    known = errors > 1e-12
    ratio = np.divide(excess, errors, out=np.where(excess > 0, np.inf, -np.inf), where=known)
    p_values: Vector = stdtr(freedom, -ratio)
    return p_values
