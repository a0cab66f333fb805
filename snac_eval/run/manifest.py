"""What a run leaves for its readers: ``manifest.json`` and ``scores.parquet``.

The manifest holds everything that one needs to repeat a run, or to doubt it: which clips, which
codec, what each metric's numbers mean, and the scores that all clips have together. It is written
when the run begins and again when it ends; the scores per clip come from the store.
How the two are written so that a run has ended or has not, :mod:`snac_eval.run.sealed` says.
"""

from __future__ import annotations

import math
import platform
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from importlib.metadata import PackageNotFoundError, version
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal, get_args

from snac_eval.audio import RESAMPLER, clip_list_digest
from snac_eval.errors import redacted
from snac_eval.machine import commit, hardware
from snac_eval.run.corpus import Together
from snac_eval.run.identity import identity
from snac_eval.run.keys import score_key, text_digest
from snac_eval.run.sealed import schema, vouched_files
from snac_eval.types import Clip, Fingerprint, MetricInfo, MetricKind
from snac_eval.writing import jsonable

if TYPE_CHECKING:
    import pyarrow as pa

    from snac_eval.codecs.abilities import OpenCodec
    from snac_eval.run.plan import Plan
    from snac_eval.run.shards import Part
    from snac_eval.run.store import Store

State = Literal["running", "interrupted", "finished"]
TOGETHER = ("corpus_scores", "streams")
_ROWS_AT_ONCE = 20_000
DETERMINISM = "determinism"
"""Key of what two passes over one clip gave: the facts of a
:class:`~snac_eval.codecs.repeats.Repeat`, and the clip."""
LENGTHS = "lengths"
"""Key of how many samples too many the codec's decoder gave of each clip that was decoded, by its
id; negative where they were too few."""
BATCHES = "batches"
"""Key of how many clips the codec got at once, at most, and how that changes what it makes of one:
the facts of a :class:`~snac_eval.codecs.repeats.Repeat`."""
PACE = "pace"
"""Key of how many clips were computed when any were last, how long they are and how long it took,
in seconds."""
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


def describe(plan: Plan, argv: Sequence[str], started: float) -> dict[str, Any]:
    """The manifest of a run that begins; ``started`` is a Unix time in seconds."""
    config, codec = plan.config, plan.codec
    return {
        **head("run", "running", plan.run_id, plan.label, argv, started),
        "config": jsonable(asdict(replace(config, instance=None, heard=None, callbacks=())))
        | {"dataset": redacted(config.dataset), "track": list(map(redacted, config.track))},
        "identity": identity(plan),
        "notes": list(plan.notes),
        **({} if plan.part is None else {"shard": _shard_facts(plan.part)}),
        "num_clips": len(plan.clips),
        "num_clips_computed_now": 0,
        "codec": codec_facts(codec)
        | {"cpu_threads": config.num_threads, "card_digest": plan.card_digest},
        **({"found_by_stem": dict(found)} if (found := plan.codec.matched()) else {}),
        BATCHES: {"size": plan.batch_size}
        | ({} if plan.batched is None else {"against_single_clips": plan.batched.facts()}),
        "dataset": {
            "name": plan.dataset.name,
            "card": jsonable(asdict(plan.dataset.card)),
            "clip_list_sha256": clip_list_digest(clip.id for clip in plan.clips),
        },
        "clips": _all_clip_facts(plan),
        "metrics": {
            name: metric_facts(plan.info(name)) | {"depends_on": list(one.depends_on)}
            for name, one in plan.metrics.items()
        },
        "domain_metrics": {domain: list(names) for domain, names in plan.domain_metrics.items()},
        "scoring": {
            "resampler": RESAMPLER,
            "reference_rate": config.reference_rate,
            "channels": _CHANNELS.get(codec.card.channels, _STEREO),
            "workers": config.num_workers,
        },
        **environment(codec.device),
    }


def ended(
    manifest: Mapping[str, Any],
    plan: Plan,
    state: State,
    num_computed: int,
    found: Mapping[str, Any],
    damage: Sequence[str] = (),
) -> dict[str, Any]:
    """The manifest of a run that ends, and that vouches for the ``scores.parquet`` in its folder.

    ``found`` is what :func:`together_facts` says of all clips together, and what else is only known
    now; ``damage`` is what was found damaged and made anew.
    """
    now = {
        "state": state,
        "finished": iso_time(time.time()),
        "notes": [*plan.notes, *damage],
        "num_clips_computed_now": num_computed,
        "files": vouched_files(plan.config.output),
    }
    return {**manifest, **now, **found}


def same_work(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Whether a run that ended has the clips, codec, metrics and version of one that begins."""
    keys = ("identity", "run_id", "clips", "codec", "dataset", "metrics", "domain_metrics")
    return all(old.get(key) == new[key] for key in ("snac_eval", *keys))


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
        "argv": list(map(redacted, argv)),
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
        **(
            {"delay_samples": codec.delay_samples()}
            if codec.away is None
            else {"interpreter": codec.away.interpreter()}
        ),
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


def stored_tables(manifest: Mapping[str, Any], store: Store) -> Iterator[pa.Table]:
    """A row for each clip and metric that the store has a score of, some clips at a time, with the
    columns :data:`SCORE_COLUMNS`."""
    import pyarrow as pa

    rows = _score_rows(manifest, store)
    empty = True
    while part := list(islice(rows, _ROWS_AT_ONCE)):
        yield pa.table([pa.array(column) for column in zip(*part, strict=True)], schema=schema())
        empty = False
    if empty:
        yield schema().empty_table()


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
        "weighted_by": info.weighted_by,
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
        sample_rate=facts.get("sample_rate"),
        fingerprint=Fingerprint(tuple(map(str, facts["fingerprint"]))),
        kind=facts["kind"],
        corpus_of=facts.get("corpus_of", "codes"),
        speed=facts.get("speed", ""),
        floor=facts.get("floor"),
        ranked=facts.get("ranked", True),
        weighted_by=str(facts.get("weighted_by", "")),
    )


def _shard_facts(part: Part) -> dict[str, Any]:
    return {
        "number": part.shard.number,
        "of": part.shard.of,
        "num_clips": part.num_clips,
        "clip_list_sha256": part.clip_list_sha256,
    }


def _all_clip_facts(plan: Plan) -> dict[str, dict[str, Any]]:
    """By id; a shard's clips have their ``place`` among those of the whole run."""
    facts = {
        clip.id: _clip_facts(clip, one) for clip, one in zip(plan.clips, plan.ids, strict=True)
    }
    if plan.part is not None:
        for one, place in zip(facts.values(), plan.part.places, strict=True):
            one["place"] = place
    return facts


def _clip_facts(clip: Clip, key: str) -> dict[str, Any]:
    """``key`` names the clip's reconstruction in the store."""
    facts: dict[str, Any] = {
        "sha256": clip.sha256,
        "speaker": clip.speaker,
        "domain": clip.domain,
        "duration_s": clip.duration_s,
        "key": key,
    }
    if clip.transcript:
        facts["transcript"] = text_digest(clip.transcript)
    if clip.start_s or clip.length_s is not None:
        facts |= {"start_s": clip.start_s, "length_s": clip.length_s}
    return facts


def _score_rows(manifest: Mapping[str, Any], store: Store) -> Iterator[list[object]]:
    keys = KeysOf(manifest)
    run = [manifest["run_id"], manifest["label"], manifest["dataset"]["name"]]
    stored = store.scores([facts["key"] for facts in manifest["clips"].values()])
    for (clip, facts), (_, scores) in zip(manifest["clips"].items(), stored, strict=True):
        for name, key in keys.of(facts).items():
            score = scores.get(key)
            if score is not None and name not in keys.partial:
                which = [clip, facts["speaker"], facts["domain"], name]
                what = [score.value, score.status, score.reason, keys.prints[name]]
                yield [*run, *which, *what, None if score.value is None else score.weight]


class KeysOf:
    """Under which keys the store has the scores of a manifest's clips."""

    def __init__(self, manifest: Mapping[str, Any]) -> None:
        self._metrics: dict[str, Mapping[str, Any]] = {
            name: facts
            for name, facts in manifest["metrics"].items()
            if facts["kind"] != "corpus" or facts["corpus_of"] == "audio"
        }
        self.partial = {name for name, one in self._metrics.items() if one["kind"] == "corpus"}
        """Metrics whose scores of single clips are but a part of the score of all."""
        self._names = manifest["domain_metrics"]
        self._card = manifest["codec"].get("card_digest", "")
        self.prints = {
            name: str(Fingerprint(tuple(facts["fingerprint"])))
            for name, facts in self._metrics.items()
        }

    def of(self, clip: Mapping[str, Any]) -> dict[str, str]:
        """By metric; those of all clips together that look at audio are among them."""
        inputs = {
            "card": self._card,
            "domain": clip["domain"],
            "speaker": clip["speaker"],
            "transcript": clip.get("transcript", ""),
        }
        return {
            name: score_key(self.prints[name], self._metrics[name].get("depends_on", ()), inputs)
            for name in self._names[clip["domain"]]
            if name in self._metrics
        }


def environment(device: str) -> dict[str, Any]:
    """What ran it: ``commit``, ``versions`` of Python and packages, ``hardware``."""
    return {
        "commit": commit(),
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
