"""What each metric costs: CPU seconds for 10 s of audio, of every metric that is ready here.

    python -m benchmarks.metric_costs [--output benchmarks/metric_costs.json]

The bundled speech through ``snac_16khz_mini``. A first clip is not counted, nothing is shared
between metrics, and our threads are one. Metrics of codes score what the codec emitted; those that
ask the codec again cost what the codec costs, and are not measured. The pages of metrics on the
documentation site print the file.
"""

# ruff: noqa: E402
from __future__ import annotations

import os

# Libraries read these as they are loaded.
for _library in ("OMP", "MKL", "OPENBLAS", "NUMBA"):
    os.environ[f"{_library}_NUM_THREADS"] = "1"

import argparse
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

from snac_eval import audio
from snac_eval.api import load_codec, load_dataset
from snac_eval.machine import hardware
from snac_eval.metrics.codebook import CodesTogether
from snac_eval.metrics.opening import OpenMetric, require_metric
from snac_eval.registry import plugins
from snac_eval.types import Codec, Codes, Reconstruction, Score, Timing
from snac_eval.writing import write_json
from tools.docs.costs import FILE, Costs

CODEC = "snac_16khz_mini"
BEFORE_IT_COUNTS = 1
"""Clips that are scored before the first that counts: packages load and compile on them."""
Scoring = Callable[[Reconstruction], Score]


def reconstructions(codec: Codec) -> list[Reconstruction]:
    """The bundled speech before and after the codec."""
    found = []
    for clip in load_dataset("demo").clips:
        if clip.domain != "speech":
            continue
        reference = audio.to_mono(audio.read(clip.path))
        (codes,) = codec.encode([audio.resample(reference, codec.card.sample_rate)])
        (decoded,) = codec.decode([codes], [0])
        estimate = audio.resample(decoded, reference.sample_rate)
        fitted = audio.fit_length(estimate, reference.num_samples)
        found.append(Reconstruction(clip, reference, fitted, codes, Timing(0.1, 0.1)))
    return found


def scoring(metric: OpenMetric, codec: Codec) -> Scoring | str:
    """How the metric scores one clip, or why that is not measured."""
    if metric.info.speed == "bench":
        return "snac-eval bench measures it, which takes minutes"
    if metric.codec is not None:
        return "it encodes each clip again, and costs what the codec costs"
    if (codes := metric.codes) is not None:
        return lambda one: codes.score_codes(one.codes, codec.card, one.timing, _seconds(one))
    if (corpus := metric.corpus) is not None:
        return lambda one: corpus.score_corpus(_together(one))
    if (tokens := metric.tokens) is not None:
        return lambda one: tokens.score_tokens(iter([_codes(one)]))
    if (scorer := metric.audio) is None:
        raise ValueError(f"{metric.info.name} scores nothing")
    return scorer.score


def cost(score: Scoring, clips: Sequence[Reconstruction]) -> float:
    """CPU seconds for 10 s of audio. Raises SystemExit where a clip gets no score."""
    spent = heard = 0.0
    for index, clip in enumerate([*clips[:BEFORE_IT_COUNTS], *clips]):
        # A copy each time: what a metric keeps of a clip is not to help the next.
        fresh = replace(clip)
        start = time.process_time()
        found = score(fresh)
        took = time.process_time() - start
        if found.status != "ok":
            raise SystemExit(f"{clip.clip.id}: no score: {found.reason}")
        if index >= BEFORE_IT_COUNTS:
            spent, heard = spent + took, heard + _seconds(clip)
    return 10 * spent / heard


def measured(names: Sequence[str]) -> Iterator[tuple[str, float | str]]:
    """Each metric's cost, or why there is none."""
    codec = cast(Codec, load_codec(CODEC))
    clips = reconstructions(codec)
    for name in names:
        state = plugins.metric_state(name)
        if state != plugins.READY:
            yield name, state
            continue
        score = scoring(require_metric(name), codec)
        yield name, score if isinstance(score, str) else cost(score, clips)


def _together(one: Reconstruction) -> CodesTogether:
    together = CodesTogether(_seconds(one))
    together.add(_codes(one))
    return together


def _codes(one: Reconstruction) -> Codes:
    assert one.codes is not None
    return one.codes


def _seconds(one: Reconstruction) -> float:
    return one.reference.num_samples / one.reference.sample_rate


def _is_own(name: str) -> bool:
    return plugins.metric_source(name).startswith("snac_eval.")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--output", type=Path, default=FILE)
    options = parser.parse_args()
    found: Mapping[str, float | str] = dict(
        measured([one for one in plugins.metric_names() if _is_own(one)])
    )
    costs = Costs(
        audio=f"the bundled speech through {CODEC}",
        where=f"{hardware('cpu')['cpu']}, one thread of ours, {datetime.now(UTC):%Y-%m-%d}",
        seconds={
            name: float(f"{one:.2g}") for name, one in found.items() if not isinstance(one, str)
        },
        reasons={name: one for name, one in found.items() if isinstance(one, str)},
    )
    write_json(options.output, asdict(costs))
    print(json.dumps(asdict(costs), indent=1))


if __name__ == "__main__":
    main()
