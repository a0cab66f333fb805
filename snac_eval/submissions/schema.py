"""What a submission's manifest holds, version 1: every key that it may have, and those it must.

What kinds of values stand where, :mod:`snac_eval.results.shapes` knows of every manifest. A key
that is none of these is refused: what nobody reads, nobody can check.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from snac_eval.results.shapes import manifest_misfit

SCHEMA = 1
SUBMISSION = "submission"
"""Key of ``{"schema": 1}``, by which a manifest says that it is one."""
KEYS = (
    *("snac_eval", "kind", "state", SUBMISSION, "run_id", "label", "argv", "finished"),
    *("config", "notes", "num_clips", "codec", "batches", "dataset", "clips", "metrics"),
    *("domain_metrics", "scoring", "commit", "versions", "hardware", "files", "corpus_scores"),
    *("streams", "determinism", "num_rows"),
)
"""In the order in which they stand. The digest of the text before it, ``sha256``, is the last."""
CONFIG = (
    *("model", "dataset", "metrics", "limit", "seed", "device", "batch_size", "weights"),
    *("reference_rate", "max_duration_s", "excerpt_s", "balance", "sample_seed", "channels"),
    *("label", "domain"),
)
CLIP = ("sha256", "speaker", "domain", "duration_s", "transcript", "start_s", "length_s", "line")
"""``line`` is the beginning of the digest of the clip's line in ``scores.csv``."""
METRIC = (
    *("description", "unit", "higher_is_better", "value_range", "domains", "sample_rate", "kind"),
    *("corpus_of", "speed", "floor", "ranked", "weighted_by", "fingerprint"),
)
USUAL = {
    "sample_rate": None,
    "corpus_of": "codes",
    "speed": "",
    "floor": None,
    "ranked": True,
    "weighted_by": "",
}
"""What a metric is where its table does not say it."""
HARDWARE = ("machine", "system", "cpu", "cores", "gpu")
CODEC = (
    *("card", "options", "fingerprint", "device", "delay_samples", "interpreter"),
    *("cpu_threads", "card_digest"),
)
DATASET = ("name", "card", "clip_list_sha256")
PARTS = {"config": CONFIG, "hardware": HARDWARE, "codec": CODEC, "dataset": DATASET}
"""Which keys a table of the manifest may have."""
_MUST = {
    "": (
        *("snac_eval", "kind", "state", "run_id", "label", "config", "num_clips", "codec"),
        *("dataset", "clips", "metrics", "domain_metrics", "versions", "hardware", "files"),
        *("corpus_scores", "streams", "num_rows", "scoring", "finished", "argv", "notes"),
    ),
    "codec": ("card", "fingerprint", "device"),
    "dataset": ("name", "card", "clip_list_sha256"),
    "config": ("model", "dataset"),
}
_LOOKS = {
    "snac_eval": re.compile(r"\d+(\.\d+)+[\w.+-]*"),
    "run_id": re.compile(r"[0-9a-f]{12}"),
    "finished": re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"),
    "commit": re.compile(r"[\w.:+/ -]{0,120}"),
}
"""What texts that only a machine writes look like."""
_DEEPEST = 20
_LONGEST_DELAY = 1_000_000
_PLAIN = (str, int, float)
_CLIP_MUST = ("sha256", "domain", "duration_s", "line")


def metric_table(facts: Mapping[str, Any]) -> dict[str, Any]:
    """What a submission says of a metric: what the schema knows, less what is usual."""
    said = {key: facts[key] for key in METRIC if key in facts}
    return {key: value for key, value in said.items() if key not in USUAL or value != USUAL[key]}


def misfits(manifest: Mapping[str, Any]) -> Iterator[str]:
    """What does not fit the schema, a line each."""
    if unusual := _unusual(manifest):
        yield unusual
        return
    said = manifest.get(SUBMISSION)
    if said != {"schema": SCHEMA}:
        yield f"{SUBMISSION} is {said!r}; this version reads {{'schema': {SCHEMA}}}: export again"
        return
    if misfit := manifest_misfit(manifest):
        yield misfit
        return
    if not isinstance(manifest.get("codec", {}).get("card", {}).get("name"), str):
        yield "codec.card has no name"
        return
    for where, keys in _MUST.items():
        table = manifest[where] if where else manifest
        if not isinstance(table, dict):
            yield f"{where} is no table"
            return
        for key in keys:
            if key not in table:
                yield f"has no {'.'.join(filter(None, (where, key)))}"
                return
    yield from _strange(manifest)
    for clip, facts in manifest["clips"].items():
        yield from (f"clip '{clip}' has no {key}" for key in _CLIP_MUST if key not in facts)
    yield from _unknown(manifest)


def _unusual(manifest: Mapping[str, Any]) -> str:
    """That it holds what JSON has no word for, or more tables in one another than anybody reads."""
    level: list[Any] = [manifest]
    for _ in range(_DEEPEST):
        for one in level:
            if isinstance(one, float) and not math.isfinite(one):
                return f"holds the number {one}, which is none"
        inside = (one.values() if isinstance(one, dict) else one for one in level if one)
        level = [one for some in inside if not isinstance(some, _PLAIN) for one in some]
        if not level:
            return ""
    return f"has tables in one another, more than {_DEEPEST} deep"


def _strange(manifest: Mapping[str, Any]) -> Iterator[str]:
    """Values that no run writes."""
    for key, looks in _LOOKS.items():
        value = manifest.get(key, "")
        if not isinstance(value, str) or not looks.fullmatch(value):
            yield f"{key} is {value!r}, which no run writes"
    for key, value in manifest["hardware"].items():
        if not isinstance(value, int if key == "cores" else str):
            yield f"hardware.{key} is {value!r}, which no run writes"
    delay = manifest["codec"].get("delay_samples", 0)
    if not isinstance(delay, int | float) or abs(delay) > _LONGEST_DELAY:
        yield f"codec.delay_samples is {delay!r}, which no codec has"


def _unknown(manifest: Mapping[str, Any]) -> Iterator[str]:
    for key in manifest:
        if key not in (*KEYS, "sha256"):
            yield f"holds '{key}', which no submission has; export it again"
    for where, keys in PARTS.items():
        for key in manifest[where]:
            if key not in keys:
                yield f"{where} holds '{key}', which no submission has; export it again"
    for where, keys in (("clips", CLIP), ("metrics", METRIC)):
        for name, facts in manifest[where].items():
            for key in facts:
                if key not in keys:
                    yield f"{where}, '{name}': holds '{key}', which no submission has; export again"
