"""What a run leaves for its readers: ``manifest.json`` and ``scores.parquet``.

The manifest holds everything that one needs to repeat a run, or to doubt it: which clips, which
codec, what each metric's numbers mean, and the scores that all clips have together. It is written
when the run begins and again when it ends; the scores per clip come from the store.
"""

from __future__ import annotations

import json
import math
import platform
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from snac_eval.audio import RESAMPLER, clip_list_digest
from snac_eval.machine import hardware
from snac_eval.run.corpus import Together
from snac_eval.types import Clip, Fingerprint, MetricInfo, MetricKind
from snac_eval.writing import jsonable, write_file, write_json

if TYPE_CHECKING:
    import pandas as pd

    from snac_eval.codecs.abilities import OpenCodec
    from snac_eval.run.plan import Plan
    from snac_eval.run.store import Store

FILE_NAME = "manifest.json"
SCORES_FILE = "scores.parquet"
TOGETHER = ("corpus_scores", "streams")
DETERMINISM = "determinism"
"""Key of what two passes over one clip gave: the facts of a
:class:`~snac_eval.codecs.repeats.Repeat`, and the clip."""
SCORE_COLUMNS = (
    "run_id",
    "codec",
    "dataset",
    "clip_id",
    "speaker",
    "domain",
    "metric",
    "value",
    "status",
    "reason",
    "fingerprint",
)
_CHANNELS = {0: "each coded on its own", 1: "mixed down to mono"}
_STEREO = "as in the clip; a mono clip fills both channels and is scored on their mean"
_PACKAGES = (
    "av",
    "huggingface_hub",
    "numba",
    "numpy",
    "pandas",
    "pesq",
    "pystoi",
    "safetensors",
    "scipy",
    "soundfile",
    "soxr",
    "torch",
    "transformers",
    "visqol-python",
)


def describe(
    plan: Plan, argv: Sequence[str], state: str, started: float, num_computed: int
) -> dict[str, Any]:
    """The manifest of a run, less what is found of all clips together.

    ``state`` is running, interrupted or finished; ``started`` is a Unix time in seconds.
    """
    config, codec = plan.config, plan.codec
    return {
        **head("run", state, plan.run_id, plan.label, argv, started),
        "config": jsonable(asdict(config)),
        "notes": list(plan.notes),
        "num_clips": len(plan.clips),
        "num_clips_computed_now": num_computed,
        "codec": codec_facts(codec) | {"cpu_threads": config.num_threads},
        "dataset": {
            "name": plan.dataset.name,
            "card": jsonable(asdict(plan.dataset.card)),
            "clip_list_sha256": clip_list_digest(plan.clips),
        },
        "clips": {clip.id: _clip_facts(clip, plan.key(clip).id) for clip in plan.clips},
        "metrics": {name: metric_facts(plan.info(name)) for name in plan.metrics},
        "domain_metrics": {domain: list(names) for domain, names in plan.domain_metrics.items()},
        "scoring": {
            "resampler": RESAMPLER,
            "reference_rate": config.reference_rate,
            "channels": _CHANNELS.get(codec.card.channels, _STEREO),
            "workers": config.num_workers,
        },
        **environment(codec.device),
    }


def head(
    kind: str, state: str, run_id: str, label: str, argv: Sequence[str], started: float
) -> dict[str, Any]:
    """What a manifest begins with, of a run and of a bench alike."""
    return {
        "snac_eval": version("snac-eval"),
        "kind": kind,
        "state": state,
        "run_id": run_id,
        "label": label,
        "argv": list(argv),
        "started": iso_time(started),
        "finished": iso_time(time.time()),
    }


def codec_facts(codec: OpenCodec) -> dict[str, Any]:
    """Which codec it was, and where it computed."""
    return {
        "card": jsonable(asdict(replace(codec.card, options={}))),
        "options": jsonable(dict(codec.card.options)),
        "fingerprint": codec.fingerprint,
        "device": codec.device,
    }


def together_facts(found: Together) -> dict[str, Any]:
    """The part of the manifest under the keys :data:`TOGETHER`."""
    scores = {
        name: {
            "value": one.score.value,
            "status": one.score.status,
            "reason": one.score.reason,
            "counts": list(one.counts),
        }
        for name, one in found.scores.items()
    }
    return dict(zip(TOGETHER, (scores, jsonable(list(found.streams))), strict=True))


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest that an earlier run left here; empty where there is none that can be read."""
    try:
        content = json.loads((folder / FILE_NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def write_manifest(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Write ``manifest.json``. Raises OutputError."""
    write_json(folder / FILE_NAME, manifest)


def stored_scores(manifest: Mapping[str, Any], store: Store) -> pd.DataFrame:
    """One row per clip and metric that the store has a score of."""
    import pandas as pd

    frame = pd.DataFrame(_score_rows(manifest, store), columns=list(SCORE_COLUMNS))
    return frame.astype({"value": "float64"})


def write_scores(folder: Path, frame: pd.DataFrame) -> None:
    """Write rows with the columns :data:`SCORE_COLUMNS` as ``scores.parquet``."""
    write_file(folder / SCORES_FILE, lambda path: frame.to_parquet(path, index=False))


def metric_facts(info: MetricInfo) -> dict[str, Any]:
    """What a metric's numbers mean, as JSON holds it: no infinities, no sets."""
    low, high = (bound if math.isfinite(bound) else None for bound in info.value_range)
    return {
        "description": info.description,
        "unit": info.unit,
        "higher_is_better": info.higher_is_better,
        "value_range": [low, high],
        "domains": sorted(info.domains),
        "sample_rate": info.sample_rate,
        "kind": info.kind,
        "corpus_of": info.corpus_of,
        "speed": info.speed,
        "floor": info.floor,
        "ranked": info.ranked,
        "fingerprint": list(info.fingerprint.parts),
    }


def metric_info(name: str, facts: Mapping[str, Any]) -> MetricInfo:
    """What :func:`metric_facts` wrote. Raises KeyError, TypeError or ValueError for all else."""
    low, high = facts["value_range"]
    better = facts["higher_is_better"]
    if better not in (None, True, False) or facts["kind"] not in get_args(MetricKind):
        raise ValueError(f"{name} has a direction or a kind that there is not")
    return MetricInfo(
        name=name,
        description=str(facts["description"]),
        unit=str(facts["unit"]),
        higher_is_better=better,
        value_range=(-math.inf if low is None else low, math.inf if high is None else high),
        domains=frozenset(facts["domains"]),
        sample_rate=facts["sample_rate"],
        fingerprint=Fingerprint(tuple(map(str, facts["fingerprint"]))),
        kind=facts["kind"],
        corpus_of=facts["corpus_of"],
        speed=facts["speed"],
        floor=facts.get("floor"),
        ranked=facts.get("ranked", True),
    )


def _clip_facts(clip: Clip, key: str) -> dict[str, Any]:
    """``key`` names the clip's reconstruction in the store."""
    facts: dict[str, Any] = {
        "sha256": clip.sha256,
        "speaker": clip.speaker,
        "domain": clip.domain,
        "duration_s": clip.duration_s,
        "key": key,
    }
    if clip.start_s or clip.length_s is not None:
        facts |= {"start_s": clip.start_s, "length_s": clip.length_s}
    return facts


def _score_rows(manifest: Mapping[str, Any], store: Store) -> Iterator[list[object]]:
    prints = {
        name: str(Fingerprint(tuple(facts["fingerprint"])))
        for name, facts in manifest["metrics"].items()
        if facts["kind"] != "corpus"
    }
    stored = store.scores(facts["key"] for facts in manifest["clips"].values())
    run = [manifest["run_id"], manifest["label"], manifest["dataset"]["name"]]
    for clip, facts in manifest["clips"].items():
        for name in manifest["domain_metrics"][facts["domain"]]:
            score = stored.get(facts["key"], {}).get(prints.get(name, ""))
            if score is not None:
                value = math.nan if score.value is None else score.value
                which = [clip, facts["speaker"], facts["domain"], name]
                yield [*run, *which, value, score.status, score.reason, prints[name]]


def environment(device: str) -> dict[str, Any]:
    """What ran it: ``commit``, ``versions`` of Python and packages, ``hardware``."""
    return {
        "commit": _commit(),
        "versions": {"python": platform.python_version(), **_versions()},
        "hardware": hardware(device),
    }


def iso_time(seconds: float) -> str:
    """A Unix time in seconds as UTC, ISO 8601."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def _versions() -> dict[str, str]:
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def _commit() -> str:
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return ""
    command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=40"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown: git did not answer"
