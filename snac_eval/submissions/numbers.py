"""The scores of a submission against all that it says of itself, and against what is known."""

from __future__ import annotations

import csv
import io
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from snac_eval.audio import clip_list_digest
from snac_eval.results.record import MetricResult, Run
from snac_eval.submissions.known import Known, misfit
from snac_eval.types import DOMAINS, MetricInfo

_DIGEST = re.compile(r"[0-9a-f]{64}")
_SAME = 1e-6


def metric_problems(run: Run, known: Known) -> Iterator[str]:
    """Metrics that are unknown, scores that no metric gives, a line each."""
    for name, facts in run.manifest["metrics"].items():
        if problem := misfit(name, facts, known):
            yield problem
            continue
        yield from _out_of_range(run.metrics[name])


def clip_problems(run: Run) -> Iterator[str]:
    """Clips and scores that are there and should not be, or the other way round, a line each."""
    clips, manifest = run.manifest["clips"], run.manifest
    digests = Counter(facts["sha256"] for facts in clips.values())
    for clip, facts in clips.items():
        if not _DIGEST.fullmatch(facts["sha256"]):
            yield f"clip '{clip}': its sha256 is no digest"
        elif digests[facts["sha256"]] > 1:
            yield f"clip '{clip}': is there twice, under another id"
        if facts["domain"] not in DOMAINS:
            yield f"clip '{clip}': '{facts['domain']}' is no domain; there are {', '.join(DOMAINS)}"
        if not 0 < (facts["duration_s"] or 0) < math.inf:
            yield f"clip '{clip}': lasts {facts['duration_s']} s"
        yield from _unlike_what_was_asked(run, clip, facts["domain"])
    for name in dict.fromkeys(
        one for names in manifest["domain_metrics"].values() for one in names
    ):
        if name not in run.metrics:
            yield f"domain_metrics: names '{name}', of which metrics says nothing"
    for name, score in manifest["corpus_scores"].items():
        if len(score["counts"]) != 3 or sum(score["counts"]) > len(clips):
            yield f"{name}: counts {score['counts']} clips, of {len(clips)}"
    if manifest["dataset"]["clip_list_sha256"] != clip_list_digest(clips):
        yield "its clips are not those of dataset.clip_list_sha256: one was added or removed"
    for key, count in (("num_clips", len(clips)), ("num_rows", len(run.compact))):
        if manifest[key] != count:
            yield f"{key} is {manifest[key]}, but there are {count}"


def _unlike_what_was_asked(run: Run, clip: str, domain: str) -> Iterator[str]:
    asked = set(run.manifest["domain_metrics"].get(domain, ()))
    for name, result in run.metrics.items():
        if result.info.kind == "corpus":
            continue
        has_score = clip in result.values or clip in result.missing
        if name in asked and not has_score:
            yield f"{name}, clip '{clip}': has no score; each clip has one of each metric"
        elif has_score and name not in asked:
            yield f"{name}, clip '{clip}': has a score, which a run does not ask of {domain}"


def _out_of_range(result: MetricResult) -> Iterator[str]:
    info = result.info
    if result.whole is not None and result.whole.value is not None:
        yield from _outside(info, result.whole.value, "all clips")
    for clip, value in result.values.items():
        yield from _outside(info, value, f"clip '{clip}'")


def _outside(info: MetricInfo, value: float, where: str) -> Iterator[str]:
    low, high = info.value_range
    # What is computed in single precision may end a rounding beyond.
    slack = _SAME * max(1.0, abs(value))
    if not low - slack <= value <= high + slack:
        yield f"{info.name}, {where}: is {value:g}, outside of its range {low:g} to {high:g}"


def summary_problems(said: str, computed: str) -> Iterator[str]:
    """Where ``summary.csv`` is not what the scores come to, a line each."""
    if said == computed:
        return
    theirs, ours = (_by_metric(text) for text in (said, computed))
    for metric in dict.fromkeys([*ours, *theirs]):
        if metric not in theirs or metric not in ours:
            where = "scores.csv and not in summary.csv" if metric in ours else "summary.csv alone"
            yield f"{metric}: is in {where}"
            continue
        for column, value in ours[metric].items():
            if (other := theirs[metric].get(column)) != value:
                yield f"{metric}: {column} is {other} in summary.csv, and {value} by the scores"
    if [*theirs] == [*ours] and theirs == ours:
        yield "summary.csv is not written as export writes it"


def _by_metric(text: str) -> dict[str, dict[str, str]]:
    try:
        return {row["metric"]: row for row in csv.DictReader(io.StringIO(text), strict=True)}
    except (csv.Error, KeyError, TypeError):
        return {}


def stream_problems(run: Run) -> Iterator[str]:
    """Where bitrates, tokens and streams contradict one another, a line each. What is sent cannot
    be counted again without codes, but each of these is made of the same codes."""
    manifest, streams = run.manifest, run.manifest["streams"]
    yield from _nominal(run)
    if not streams:
        return
    try:
        yield from _contradictions(run, [_Stream(one) for one in streams])
    except (KeyError, TypeError, ValueError, ZeroDivisionError, OverflowError) as error:
        yield f"streams of {manifest['label']}: cannot be read ({type(error).__name__}: {error})"


class _Stream:
    def __init__(self, row: Mapping[str, Any]) -> None:
        self.size, self.tokens = int(row["codebook_size"]), int(row["num_tokens"])
        self.rate, self.usage = float(row["tokens_per_second"]), float(row["usage"])
        self.perplexity, self.entropy = float(row["perplexity"]), float(row["entropy_bits"])


def _contradictions(run: Run, streams: list[_Stream]) -> Iterator[str]:
    sizes = [one.size for one in streams]
    card = run.manifest["codec"]["card"].get("codebook_sizes")
    if card and sizes != card:
        yield f"streams have codebooks of {sizes}, the card {card}"
    for index, one in enumerate(streams):
        if (
            not _alike(2**one.entropy, one.perplexity)
            or not 0 <= one.entropy <= math.log2(one.size) + _SAME
        ):
            yield f"stream {index}: entropy {one.entropy:g} gives no perplexity {one.perplexity:g}"
    mean = len(streams)
    together = {
        "codebook_usage": math.fsum(one.usage for one in streams) / mean,
        "codebook_perplexity": math.fsum(one.perplexity for one in streams) / mean,
    }
    for name, value in together.items():
        whole = run.metrics[name].whole if name in run.metrics else None
        if whole is not None and whole.value is not None and not _alike(whole.value, value):
            yield f"{name}: is {whole.value:g}, and {value:g} by its streams"
    yield from _sums(run, streams)


def _sums(run: Run, streams: list[_Stream]) -> Iterator[str]:
    """What the clips come to in all, against the streams."""
    sent = math.fsum(one.tokens * math.log2(one.size) for one in streams) / 1000
    for name, least, exact in (
        ("bitrate", sent, False),
        ("tokens_per_second", math.fsum(one.tokens for one in streams), True),
    ):
        values = run.metrics[name].values if name in run.metrics else {}
        if len(values) != len(run.clips):
            continue
        total = math.fsum(value * run.clips[clip].duration_s for clip, value in values.items())
        if total < least * (1 - 1e-4) or (exact and total > least * (1 + 1e-4)):
            yield (f"{name}: comes to {total:.6g} over all clips, and {least:.6g} by its streams")


def _nominal(run: Run) -> Iterator[str]:
    """The card's own rate stands in every clip."""
    rate = run.manifest["codec"]["card"].get("nominal_bitrate_bps")
    result = run.metrics.get("bitrate_nominal")
    if result is None or not isinstance(rate, int | float):
        return
    for clip, value in result.values.items():
        if not _alike(value, rate / 1000):
            yield f"bitrate_nominal, clip '{clip}': is {value:g}, and {rate / 1000:g} by the card"


def _alike(one: float, other: float) -> bool:
    return math.isclose(one, other, rel_tol=_SAME, abs_tol=1e-9)
