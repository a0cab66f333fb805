"""Whether a codec makes of a clip in a batch what it makes of it alone: asked once of each codec,
device and batch size, before a run in batches is planned.

It is asked in a process of its own, for the run's own process never loads a codec, and what it
said is kept in the cache. Where batches matter, their size names the reconstructions.
"""

from __future__ import annotations

import hashlib
import json
import pickle
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from snac_eval.codecs.repeats import Repeat, batched
from snac_eval.download import cache_dir
from snac_eval.errors import DownloadError, SnacEvalError, one_line
from snac_eval.machine import hardware
from snac_eval.run.config import RunConfig
from snac_eval.run.plan import Plan, open_codec
from snac_eval.writing import write_json

_LIMIT_S = 3600.0


def with_batches(plan: Plan) -> Plan:
    """The plan with what is known of its batches, and with keys that tell them apart if need be."""
    if plan.batch_size == 1:
        return plan
    facts = _facts(plan)
    found = _remembered(facts)
    if found is None:
        found = _asked(replace(plan.config, batch_size=plan.batch_size))
        _remember(facts, found)
    plan = replace(plan, batched=found)
    if found.is_close:
        return plan
    keys = tuple(map(plan.key, plan.clips))
    return replace(plan, keys=keys, ids=tuple(key.id for key in keys))


def _facts(plan: Plan) -> dict[str, Any]:
    """All that the answer can depend on."""
    device = plan.codec.device
    known = hardware(device)
    try:
        torch = version("torch")
    except PackageNotFoundError:
        torch = ""
    return {
        "codec": plan.codec.fingerprint,
        "device": known.get("gpu", known["cpu"]),
        "torch": torch,
        "batch_size": plan.batch_size,
        "channels": plan.config.channels,
    }


def _asked(config: RunConfig) -> Repeat:
    with tempfile.TemporaryDirectory(prefix="snac-eval-batches-") as folder:
        result = Path(folder) / "result.json"
        command = [sys.executable, "-m", "snac_eval.run.batching", str(result)]
        try:
            done = subprocess.run(
                command, input=pickle.dumps(config), capture_output=True, timeout=_LIMIT_S
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return Repeat(problem=one_line(error))
        if result.is_file():
            return Repeat.from_facts(json.loads(result.read_text(encoding="utf-8")))
    said = done.stderr.decode(errors="replace").strip().splitlines() or ["no message"]
    return Repeat(
        problem=f"the process that compares them ended with {done.returncode}: {said[-1]}"
    )


def _remembered(facts: Mapping[str, Any]) -> Repeat | None:
    try:
        kept = json.loads(_path(facts).read_text(encoding="utf-8"))
        return Repeat.from_facts(kept["found"]) if kept["facts"] == facts else None
    except (OSError, ValueError, KeyError, TypeError, DownloadError):
        return None


def _remember(facts: Mapping[str, Any], found: Repeat) -> None:
    """For the next run; one that cannot be kept is asked again."""
    if found.problem:
        return
    try:
        path = _path(facts)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, {"facts": facts, "found": found.facts()})
    except (OSError, DownloadError):
        return


def _path(facts: Mapping[str, Any]) -> Path:
    text = json.dumps(facts, sort_keys=True)
    return cache_dir() / "batches" / f"{hashlib.sha256(text.encode()).hexdigest()[:32]}.json"


def _main(result: str) -> None:
    config = pickle.load(sys.stdin.buffer)  # from the process that started this one
    try:
        codec = open_codec(config)
        codec.prepare()
        assert codec.coder is not None
        found = batched(codec.coder, config.batch_size)
    except (SnacEvalError, MemoryError, RuntimeError) as error:
        found = Repeat(problem=one_line(error))
    Path(result).write_text(json.dumps(found.facts()), encoding="utf-8")


if __name__ == "__main__":
    _main(*sys.argv[1:])
