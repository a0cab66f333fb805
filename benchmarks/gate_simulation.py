"""How often the gate is wrong: false alarms where nothing changed, misses where something did.

The gate is the real one with all its parts: means, tails, domains, speakers, folders, single clips.

    python benchmarks/gate_simulation.py [--repeats 400] [--spread RUN RUN]

Each repeat makes two runs of synthetic scores and passes them through the real gate, tolerances,
Holm correction and all. A clip's scores move together over metrics (correlation 0.5). ``spread`` is
the standard deviation of the per-clip difference over the metric's tolerance; --spread prints it
for two real runs. False alarm: no mean differs, the gate says regression; ``significant`` is how
often its test alone, without the tolerance, would have said so, and ``by every clip`` how often
only the rule on every clip did. Fires: one metric of the six has
truly dropped by twice its tolerance, and the gate says regression; passes: it says passed; in the
rest it says that it cannot tell. The second table is of changes that a mean hides: every repeat
must end in a regression or in "cannot tell".
"""

from __future__ import annotations

import argparse
import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from snac_eval.registry import plugins
from snac_eval.results.gate import ExitCode, GateResult, check
from snac_eval.results.pairing import pair
from snac_eval.results.record import Run, RunClip, clip_result, read_run
from snac_eval.results.tolerances import Tolerances, load_tolerances

METRICS = ("pesq_wb", "visqol_speech", "stoi", "si_sdr_aligned", "mel_dac_paper", "stft_distance")
TYPICAL = {"pesq_wb": 2.5, "visqol_speech": 3.0, "stoi": 0.9, "si_sdr_aligned": 3.0}
CORRELATION = 0.5
FEW = (2, 3, 4, 6, 8)
Array = NDArray[np.float64]
Draw = Callable[[np.random.Generator, tuple[int, ...]], Array]


@dataclass(frozen=True)
class Scenario:
    """``draw`` gives noise of mean 0 and variance 1; ``speaker_share`` is the part of the variance
    that a speaker's clips have in common."""

    name: str
    draw: Draw
    spread: float
    clips: int = 40
    speakers: int = 0
    speaker_share: float = 0.0
    folders: int = 0
    hidden: Callable[[NDArray[np.intp]], Array] | None = None
    """Drop of each clip, by its number and beside the noise, in tolerances."""


def normal(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Gaussian noise."""
    return rng.standard_normal(shape)


def heavy(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Student's t with 3 degrees of freedom: now and then a clip goes far astray."""
    return rng.standard_t(3, shape) / math.sqrt(3)


def skewed(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Exponential: many clips a little better, a few much worse."""
    return rng.exponential(1.0, shape) - 1.0


# Two bitrates of Opus 8 % apart on 40 clips of four LibriSpeech speakers, about a tolerance apart,
# had a spread of 2 at a speaker's share of 3 % (PESQ), and of 0.3 at 50 % (mel distance); two seeds
# of SNAC at most 1.4 and 12 %. The three worst scenarios go beyond that.
SCENARIOS = (
    Scenario("normal", normal, 0.5),
    Scenario("normal", normal, 1.0),
    Scenario("normal", normal, 2.0),
    Scenario("heavy tails", heavy, 2.0),
    Scenario("skewed", skewed, 2.0),
    Scenario("4 speakers, 5 % theirs", normal, 2.0, speakers=4, speaker_share=0.05),
    Scenario("4 speakers, 50 % theirs", normal, 0.3, speakers=4, speaker_share=0.5),
    Scenario("10 speakers, 5 % theirs", normal, 2.0, speakers=10, speaker_share=0.05),
    Scenario("normal, 20 clips", normal, 1.0, clips=20),
    *(Scenario("few clips", normal, spread, clips) for clips in FEW for spread in (0.3, 1.0, 2.0)),
    *(Scenario("few clips, skewed", skewed, 2.0, clips) for clips in FEW),
    Scenario("as two seeds of SNAC", heavy, 0.2, speakers=4, speaker_share=0.12),
    *(
        Scenario(f"{count} speakers, {100 * share:.0f} % theirs", normal, spread, 120, count, share)
        for count in (2, 4, 6, 9, 20, 40)
        for share, spread in ((0.12, 0.3), (0.12, 1.4), (0.5, 1.0))
    ),
    Scenario("20 speakers, 10 folders", normal, 1.0, 120, 20, 0.12, folders=10),
    Scenario("worse: normal", normal, 3.0),
    *(Scenario("worse: few clips", normal, 3.0, clips) for clips in FEW),
    Scenario("worse: 10 spk, 30 % theirs", normal, 2.0, speakers=10, speaker_share=0.3),
    Scenario("worse: 4 spk, 30 % theirs", normal, 2.0, speakers=4, speaker_share=0.3),
)

HIDDEN = (
    *(
        Scenario(
            f"5 % of {n} clips down 1.9", normal, spread, n, hidden=lambda i: 19.0 * (i % 20 == 7)
        )
        for n in (40, 100, 400)
        for spread in (0.1, 1.0)
    ),
    *(
        Scenario(
            "one speaker of 40 down 2.0",
            normal,
            spread,
            40 * each,
            40,
            0.12,
            hidden=lambda i: 20.0 * (i % 40 == 7),
        )
        for each in (1, 3, 10)
        for spread in (0.1, 1.0)
    ),
    *(
        Scenario(
            "one language of 10 down .9",
            normal,
            spread,
            10 * each,
            5 * each,
            0.12,
            folders=10,
            hidden=lambda i: 9.0 * (i % 10 == 7),
        )
        for each in (4, 12)
        for spread in (0.1, 1.0)
    ),
    *(
        Scenario(
            "one half down .4, one up .4",
            normal,
            spread,
            n,
            folders=2,
            hidden=lambda i: np.where(i % 2, 4.0, -4.0),
        )
        for n in (10, 40)
        for spread in (0.1, 1.0)
    ),
)
"""Of PESQ; the other metrics do not change."""


@dataclass
class Tally:
    """How many repeats ended in each exit code, and in how many some p-value was significant."""

    codes: Counter[int]
    significant: int = 0
    parts: int = 0
    """Repeats that would have passed without the parts."""
    every_clip: int = 0
    """Repeats that are a regression only because every clip fell by more than twice the
    tolerance."""


def simulate(scenario: Scenario, tolerances: Tolerances, repeats: int, dropped: str = "") -> Tally:
    """Pass that many pairs of synthetic runs through the gate."""
    rng, tally = np.random.default_rng(20260101), Tally(Counter())
    for _ in range(repeats):
        run, baseline = _two_runs(scenario, tolerances, rng, dropped)
        result = check(run, baseline, tolerances)
        tally.codes[int(result.exit_code)] += 1
        tally.significant += any(one.p_holm <= tolerances.alpha for one in result.checks)
        tally.parts += ExitCode.PASSED == replace(result, parts=()).exit_code != result.exit_code
        tally.every_clip += _only_by_every_clip(result, tolerances.alpha)
    return tally


def _only_by_every_clip(result: GateResult, alpha: float) -> bool:
    shown = [one for one in (*result.checks, *result.parts) if one.outcome == "regression"]
    return bool(shown) and all(one.p_holm > alpha or math.isnan(one.p_holm) for one in shown)


def _two_runs(
    scenario: Scenario, tolerances: Tolerances, rng: np.random.Generator, dropped: str
) -> tuple[Run, Run]:
    noise = _differences(scenario, rng)
    base, new = {}, {}
    for index, name in enumerate(METRICS):
        level = TYPICAL.get(name, 1.0) + 0.3 * rng.standard_normal(scenario.clips)
        info, size = plugins.metric(name).info, tolerances.metrics[name].value
        worse = np.full(scenario.clips, 2.0 * size if name == dropped else 0.0)
        if scenario.hidden is not None and name == METRICS[0]:
            worse = size * scenario.hidden(np.arange(scenario.clips))
        drop = size * scenario.spread * noise[index] + worse
        base[name] = level
        new[name] = level - drop if info.higher_is_better else level + drop
    return _run("new", scenario, new), _run("baseline", scenario, base)


def _differences(scenario: Scenario, rng: np.random.Generator) -> Array:
    """Drops ``[metrics, clips]`` of variance 1."""
    own = _correlated(scenario.draw, rng, scenario.clips)
    if not scenario.speakers:
        return own
    theirs = _correlated(normal, rng, scenario.speakers)
    which = np.arange(scenario.clips) % scenario.speakers
    share = scenario.speaker_share
    return math.sqrt(1 - share) * own + math.sqrt(share) * theirs[:, which]


def _correlated(draw: Draw, rng: np.random.Generator, count: int) -> Array:
    common, own = draw(rng, (1, count)), draw(rng, (len(METRICS), count))
    return math.sqrt(CORRELATION) * common + math.sqrt(1 - CORRELATION) * own


def _run(name: str, scenario: Scenario, scores: dict[str, Array]) -> Run:
    folders = scenario.folders
    clips = [
        (f"{index % folders}/" if folders else "") + f"clip{index:03d}"
        for index in range(scenario.clips)
    ]
    names = [
        f"s{index % scenario.speakers}" if scenario.speakers else "" for index in range(len(clips))
    ]
    return Run(
        name=name,
        codec="synthetic",
        run_id=name,
        codec_fingerprint="synthetic",
        dataset="synthetic",
        finished=True,
        clips={clip: RunClip("0", who) for clip, who in zip(clips, names, strict=True)},
        metrics={
            metric: clip_result(
                plugins.metric(metric).info, dict(zip(clips, values.tolist(), strict=True)), {}
            )
            for metric, values in scores.items()
        },
        streams=(),
        place={},
        versions={},
        manifest={},
        compact=pd.DataFrame(),
    )


def print_spread(folders: list[Path], tolerances: Tolerances) -> None:
    """Mean and standard deviation of the real per-clip differences, in tolerances."""
    first, second = map(read_run, folders)
    for name in METRICS:
        pairs = pair(first, second, name)
        if pairs.problem:
            print(f"{name:16} {pairs.problem}")
            continue
        size = tolerances.metrics[name].value
        differences = np.subtract(pairs.first, pairs.second) / size
        mean, spread = differences.mean(), differences.std(ddof=1)
        print(
            f"{name:16} mean {mean:+8.3f}  spread {spread:7.3f}  tolerances, n {len(differences)}"
        )


def main() -> None:
    """Print one line per scenario: false alarms, power, and how often the gate could not tell."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=400)
    parser.add_argument("--spread", type=Path, nargs=2, metavar="RUN")
    options = parser.parse_args()
    tolerances = load_tolerances()
    if options.spread:
        print_spread(options.spread, tolerances)
        return
    print(f"{options.repeats} repeats, {len(METRICS)} metrics, alpha {tolerances.alpha:g}")
    print(f"{'':40}| {'nothing changed':62}| one of six dropped")
    print(
        f"{'differences':26} spread clips |"
        " significant  false alarm  by every clip  not known  by parts |   fires    passes"
    )
    for scenario in SCENARIOS:
        same = simulate(scenario, tolerances, options.repeats)
        drop = simulate(scenario, tolerances, options.repeats, dropped="pesq_wb")
        counts = (same.significant, same.codes[1], same.every_clip, same.codes[3], same.parts)
        rates = [100 * count / options.repeats for count in (*counts, drop.codes[1], drop.codes[0])]
        print(
            f"{scenario.name:26} {scenario.spread:6.1f} {scenario.clips:5d} |"
            " {:9.2f} % {:10.2f} % {:12.2f} % {:8.1f} % {:7.2f} % | {:5.1f} %  {:6.2f} %".format(
                *rates
            ),
            flush=True,
        )
    print(f"\n{'hidden in a mean':26} spread clips | regression  not known   passes")
    for scenario in HIDDEN:
        found = simulate(scenario, tolerances, options.repeats)
        rates = [100 * found.codes[code] / options.repeats for code in (1, 3, 0)]
        print(
            f"{scenario.name:26} {scenario.spread:6.1f} {scenario.clips:5d} |"
            " {:8.1f} % {:8.1f} % {:6.2f} %".format(*rates),
            flush=True,
        )


if __name__ == "__main__":
    main()
