"""What is logged of a run, wherever it is logged, under names that every tracker takes.

A number that there is not is not logged: no NaN, and no 0 in its place. How many clips have a
score, how many are undefined and how many failed is logged beside each mean. ``manifest.json``,
which names folders of this machine, is not logged; where a name is a path, the user's home folder
becomes ``~``, and addresses lose their passwords.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from snac_eval.errors import readable
from snac_eval.types import ClipDone, RunDone, RunFacts

if TYPE_CHECKING:
    import pandas as pd

PROJECT = "snac-eval"
"""The experiment or project of runs whose user names none."""
MOST_ROWS = 100_000
"""A longer table of scores is logged as ``scores.parquet`` alone."""
COLUMNS = ("clip_id", "speaker", "domain", "metric", "value", "status", "reason")
"""Of the table of scores; ``value`` is empty where ``status`` is not ``ok``."""
_PLACES = ("machine", "system", "cpu", "cores", "gpu")
_CHOSEN = ("seed", "reference_rate", "channels", "limit", "excerpt_s", "balance", "sample_seed")
_UNNAMED = re.compile(r"[^A-Za-z0-9_]+")
_LONGEST = 500


def title(run: RunFacts) -> str:
    """What people know the run by."""
    return _scrubbed(f"{run.codec} on {run.dataset}")


def key(text: str) -> str:
    """A metric's name as every tracker takes it: letters, digits and underscores.

    >>> key("token_agreement@n=2")
    'token_agreement_n_2'
    """
    return _UNNAMED.sub("_", text).strip("_")


def parameters(run: RunFacts) -> dict[str, str]:
    """What was measured, with what and where: a text by name, nested by slashes."""
    said = {"run_id": run.run_id, "codec": run.codec, **dict(_parameters(run.manifest))}
    return {name: _short(value) for name, value in said.items() if value not in (None, "")}


def _parameters(manifest: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    codec, config = manifest.get("codec", {}), manifest.get("config", {})
    yield "codec_fingerprint", codec.get("fingerprint")
    yield "nominal_bitrate_bps", codec.get("card", {}).get("nominal_bitrate_bps")
    yield "sample_rate", codec.get("card", {}).get("sample_rate")
    yield "device", codec.get("device")
    yield "dataset", manifest.get("dataset", {}).get("name")
    yield "clip_list_sha256", manifest.get("dataset", {}).get("clip_list_sha256")
    yield "num_clips", manifest.get("num_clips")
    for name in _CHOSEN:
        yield name, config.get(name)
    if shard := manifest.get("shard"):
        yield "shard", f"{shard['number']}/{shard['of']}"
    yield "version/snac-eval", manifest.get("snac_eval")
    yield "version/commit", manifest.get("commit")
    for name, version in manifest.get("versions", {}).items():
        yield f"version/{name}", version
    for name in _PLACES:
        yield f"hardware/{name}", manifest.get("hardware", {}).get(name)
    for name, facts in manifest.get("metrics", {}).items():
        yield f"fingerprint/{key(name)}", ";".join(facts["fingerprint"])


def clip_numbers(done: ClipDone) -> dict[str, float]:
    """A clip's scores, ``clip/pesq_wb``; nothing for a metric that has no value for it."""
    return {
        f"clip/{key(name)}": one.value
        for name, one in done.scores.items()
        if one.status == "ok" and one.value is not None and math.isfinite(one.value)
    }


def numbers(done: RunDone) -> dict[str, float]:
    """A run's means, their intervals and counts: ``mean/pesq_wb``, ``n_undefined/pesq_wb``; those
    of a domain begin with it, ``speech/mean/pesq_wb``."""
    found: dict[str, float] = {}
    for one in done.means:
        said = {"mean": one.value, "ci_low": one.ci_low, "ci_high": one.ci_high}
        said |= {"n_ok": one.n_ok, "n_undefined": one.n_undefined, "n_error": one.n_error}
        head = f"{one.domain}/" if one.domain else ""
        found |= {
            f"{head}{name}/{key(one.metric)}": float(value)
            for name, value in said.items()
            if math.isfinite(value)
        }
    return found


def scores(done: RunDone) -> pd.DataFrame:
    """A row for each clip and metric, columns :data:`COLUMNS`; none where they are too many."""
    rows = done.record.rows
    found = rows.loc[:, list(COLUMNS)]
    found["reason"] = found["reason"].map(_scrubbed)
    return found if len(found) <= MOST_ROWS else found.iloc[:0]


def content_digest(done: RunDone) -> str:
    """Differs where there is something else to be logged at a run's end than there was."""
    whole = [
        str(done.run.manifest.get("sha256", "")),
        done.state,
        *(one.name for one in done.files),
    ]
    return hashlib.sha256("\n".join(whole).encode()).hexdigest()[:16]


def _short(value: object) -> str:
    text = _scrubbed(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


def _scrubbed(value: object) -> str:
    text = readable(value)
    try:
        home = str(Path.home())
    except RuntimeError:  # A user without one has nothing to hide.
        return text
    return text.replace(home, "~") if len(home) > 1 else text
