"""``manifest.json``: everything that one needs to repeat a run, or to doubt it."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from snac_eval.audio import RESAMPLER, clip_list_digest
from snac_eval.files import write_text
from snac_eval.plan import Plan

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
        "config": _jsonable(asdict(config)),
        "started": _iso(started),
        "finished": _iso(time.time()),
        "notes": list(plan.notes),
        "num_clips": len(plan.clips),
        "num_clips_computed_now": num_computed,
        "codec": {
            "card": _jsonable(asdict(replace(plan.codec.card, options={}))),
            "options": _jsonable(dict(plan.codec.card.options)),
            "fingerprint": plan.codec.fingerprint,
            "device": plan.device,
            "cpu_threads": config.num_threads,
        },
        "dataset": {
            "name": plan.dataset.name,
            "card": _jsonable(asdict(plan.dataset.card)),
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
            "channels": "mixed down to mono" if plan.codec.card.channels == 1 else "as in the clip",
            "workers": config.num_workers,
        },
        "commit": _commit(),
        "versions": {"python": platform.python_version(), **_versions()},
        "hardware": _hardware(plan.device),
    }
    text = json.dumps(manifest, indent=2, ensure_ascii=False, allow_nan=False)
    write_text(config.output / "manifest.json", text + "\n")


def _jsonable(value: Any) -> Any:  # noqa: ANN401 - any dataclass field
    if isinstance(value, dict):
        return {key: _jsonable(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_jsonable(item) for item in value]
    if isinstance(value, float) and value != value:
        return None
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def _iso(seconds: float) -> str:
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
    root = Path(__file__).resolve().parents[1]
    if not (root / ".git").exists():
        return ""
    command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=40"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown: git did not answer"


def _hardware(device: str) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "machine": platform.machine(),
        "system": platform.platform(),
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
    }
    if device == "cuda":
        torch = sys.modules.get("torch")
        if torch is not None:
            facts["gpu"] = torch.cuda.get_device_name()
    return facts


def _cpu_model() -> str:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor()
