"""Whose a run's folder is: what two runs that share one must have in common."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from snac_eval.errors import UsageError
from snac_eval.locations import Url
from snac_eval.reading.names import user_path

if TYPE_CHECKING:
    from snac_eval.run.plan import Plan
    from snac_eval.types import Clip


WHOLE = "1/1"
"""What an identity says of a run that is no shard."""


def identity(plan: Plan) -> dict[str, Any]:
    """What a run is of, less what may change from one call to the next: more metrics, another
    ``--limit``, other workers. Keys are the words in which a difference is told."""
    config = plan.config
    _, _, argument = config.model.partition(":")
    made = {} if plan.codec.source is None else {"folder of reconstructions": _whole(argument)}
    return {
        "codec": plan.label,
        **made,
        "codec fingerprint": plan.codec.fingerprint,
        "device": plan.codec.device,
        "seed": config.seed,
        "dataset": plan.dataset.name,
        "data folder": _root(plan.clips[0] if plan.part is None else plan.part.first),
        "reference rate": config.reference_rate,
        "channels": config.channels,
        "excerpt": config.excerpt_s,
        "sample seed": config.sample_seed,
        "balance": config.balance,
        "domain": config.domain or "what the dataset says",
        "shard": WHOLE if plan.part is None else str(plan.part.shard),
    }


def refuse_other_run(plan: Plan, old: Mapping[str, Any]) -> None:
    """Raise UsageError where ``old``, the manifest that is there, is of another run."""
    if not old or plan.config.overwrite:
        return
    there, new = identity_of(old), identity(plan)
    if _is_same_audio(plan, old):
        # The same recordings under another path, or the same path from another folder.
        new |= {key: there[key] for key in ("dataset", "data folder") if key in there}
    refuse_other_identity(plan.config.output, there, new)


def refuse_fewer_clips(plan: Plan, old: Mapping[str, Any]) -> None:
    """Raise UsageError where another ``--limit`` would leave out clips that are scored there."""
    if old.get("state") != "finished" or plan.config.overwrite:
        return
    limit = old.get("config", {}).get("limit", 0)
    left_out = set(old["clips"]) - {clip.id for clip in plan.clips}
    if limit != plan.config.limit and left_out:
        raise UsageError(
            f"{plan.config.output}: holds a run of {len(old['clips'])} clips, {len(left_out)} of"
            f" which --limit {plan.config.limit} leaves out; choose another --output, or"
            " --overwrite"
        )


def refuse_other_identity(folder: Path, there: Mapping[str, Any], new: Mapping[str, Any]) -> None:
    """Raise UsageError where the run that is there is of something else than the new one."""
    for what, value in new.items():
        if what in there and there[what] != value:
            raise UsageError(
                f"{folder}: holds a run of {what} {there[what]!r}, not {value!r};"
                " choose another --output, or --overwrite"
            )


def identity_of(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """What a manifest says that :func:`identity` says of a plan, as far as it does."""
    found = manifest.get("identity")
    if isinstance(found, dict):
        return {"shard": WHOLE, **found}
    # A bench, or a run of a version that wrote none.
    dataset = manifest.get("dataset")
    name = dataset.get("name") if isinstance(dataset, dict) else None
    said = {"codec": manifest.get("label"), "dataset": name}
    return {key: value for key, value in said.items() if value is not None}


def _is_same_audio(plan: Plan, old: Mapping[str, Any]) -> bool:
    """Whether the clips of both that have one name are the same recordings, and there are some."""
    clips = old.get("clips")
    if not isinstance(clips, dict):
        return False
    pairs = [(clips[clip.id], clip) for clip in plan.clips if clip.id in clips]
    return bool(pairs) and all(facts.get("sha256") == clip.sha256 for facts, clip in pairs)


def _whole(path: str | Path) -> str:
    return os.path.abspath(user_path(path))


def _root(clip: Clip) -> str:
    if isinstance(clip.path, Url):
        address = str(clip.path)
        return address.removesuffix(f"/{clip.relative_path}")
    path = Path(os.path.abspath(clip.path))
    relative = Path(clip.relative_path)
    depth = len(relative.parts)
    if relative.is_absolute() or path.parts[-depth:] != relative.parts:
        return str(path.parent)
    return str(path.parents[depth - 1])
