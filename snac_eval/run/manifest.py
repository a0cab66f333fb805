"""``manifest.json``: everything that one needs to repeat a run, or to doubt it."""

from __future__ import annotations

import platform
import subprocess
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from snac_eval.audio import RESAMPLER, clip_list_digest
from snac_eval.machine import hardware
from snac_eval.run.plan import Plan
from snac_eval.writing import jsonable, write_json

_CHANNELS = {0: "each coded on its own", 1: "mixed down to mono"}
_STEREO = "as in the clip; a mono clip fills both channels and is scored on their mean"
_PACKAGES = [
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
]


def write_manifest(
    plan: Plan, argv: Sequence[str], state: str, started: float, num_computed: int
) -> None:
    """Write ``manifest.json`` into the run's folder. ``started`` is a Unix time in seconds."""
    config = plan.config
    manifest = {
        "snac_eval": version("snac-eval"),
        "state": state,
        "run_id": plan.run_id,
        "argv": list(argv),
        "config": jsonable(asdict(config)),
        "started": iso_time(started),
        "finished": iso_time(time.time()),
        "notes": list(plan.notes),
        "num_clips": len(plan.clips),
        "num_clips_computed_now": num_computed,
        "codec": {
            "card": jsonable(asdict(replace(plan.codec.card, options={}))),
            "options": jsonable(dict(plan.codec.card.options)),
            "fingerprint": plan.codec.fingerprint,
            "device": plan.device,
            "cpu_threads": config.num_threads,
        },
        "dataset": {
            "name": plan.dataset.name,
            "card": jsonable(asdict(plan.dataset.card)),
            "clip_list_sha256": clip_list_digest(plan.clips),
        },
        "clips": {clip.id: clip.sha256 for clip in plan.clips},
        "excerpts": {
            clip.id: {"start_s": clip.start_s, "length_s": clip.length_s}
            for clip in plan.clips
            if clip.start_s or clip.length_s is not None
        },
        "metrics": {name: plan.fingerprint(name) for name in plan.metrics},
        "scoring": {
            "resampler": RESAMPLER,
            "reference_rate": config.reference_rate,
            "channels": _CHANNELS.get(plan.codec.card.channels, _STEREO),
            "workers": config.num_workers,
        },
        **environment(plan.device),
    }
    write_json(config.output / "manifest.json", manifest)


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
