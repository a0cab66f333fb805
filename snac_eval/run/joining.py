"""What shards say of themselves: whether they are parts of one run, and what they say together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from itertools import chain, pairwise
from pathlib import Path
from typing import Any

from snac_eval.codecs.checks import length_notes
from snac_eval.codecs.repeats import Repeat
from snac_eval.errors import StoreError, UsageError
from snac_eval.run.identity import WHOLE, identity_of
from snac_eval.run.manifest import DETERMINISM, LENGTHS, PACE
from snac_eval.run.sealed import FILE_NAME, read_manifest
from snac_eval.run.shards import Shard

_MOST_NAMED = 8
_OF_THE_PLACE = ("data folder", "shard")
"""What an identity says that the parts of a run need not share."""


@dataclass(frozen=True, slots=True)
class ShardFolder:
    """A folder that ``run --shard`` wrote."""

    folder: Path
    manifest: Mapping[str, Any]

    @property
    def shard(self) -> Shard:
        """Which one."""
        return Shard(self.manifest["shard"]["number"], self.manifest["shard"]["of"])

    @property
    def is_finished(self) -> bool:
        """Whether it came to its end."""
        return bool(self.manifest["state"] == "finished")


@dataclass(frozen=True, slots=True)
class Shards:
    """Parts of one run, by their numbers, each once."""

    parts: tuple[ShardFolder, ...]
    missing: tuple[Shard, ...]

    @property
    def is_whole(self) -> bool:
        """Whether all are there, and finished."""
        return not self.missing and all(part.is_finished for part in self.parts)


def read_shards(folders: Sequence[Path], partial: bool = False) -> Shards:
    """The shards in these folders, in any order.

    Raises UsageError or StoreError where they are no shards of one run, where one is given twice,
    and, unless ``partial``, where one is missing or has not finished.
    """
    if not folders:
        raise UsageError("no folders given; name those that run --shard wrote")
    parts = []
    for folder in folders:
        try:
            parts.append(_read(folder))
            _refuse_stranger(parts[0], parts[-1])
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise StoreError(
                f"{folder / FILE_NAME}: not a manifest of this version of snac-eval"
                f" ({type(error).__name__}: {error}); run the shard again"
            ) from error
    parts.sort(key=lambda part: part.shard)
    for one, other in pairwise(parts):
        if one.shard == other.shard:
            raise UsageError(
                f"{other.folder}: shard {other.shard} is in {one.folder} too; give each once"
            )
    found = Shards(tuple(parts), _missing(parts))
    if not partial:
        _refuse_partial(found)
    return found


def joined(shards: Shards) -> dict[str, Any]:
    """What the manifests say together: what the whole run's says, less what only the merge knows
    (``state``, ``argv``, ``finished``, ``files``, scores of all clips together)."""
    parts = [part.manifest for part in shards.parts]
    first = dict(parts[0])
    for key in ("sha256", "shard"):
        first.pop(key, None)
    whole = parts[0]["shard"]
    lengths = dict(chain.from_iterable(part.get(LENGTHS, {}).items() for part in parts))
    facts = chain.from_iterable(part["clips"].items() for part in parts)
    clips = sorted(facts, key=lambda item: int(item[1]["place"]))
    return first | {
        "started": min(part["started"] for part in parts),
        "config": first["config"] | {"shard": ""},
        "identity": first["identity"] | {"shard": WHOLE},
        "notes": [*_notes(shards), *_parts_notes(parts, lengths)],
        "num_clips": whole["num_clips"],
        "num_clips_computed_now": 0,
        "codec": first["codec"] | _in_common([part["codec"] for part in parts], ["cpu_threads"]),
        "dataset": first["dataset"] | {"clip_list_sha256": whole["clip_list_sha256"]},
        "clips": {name: _without_place(one) for name, one in clips},
        "scoring": first["scoring"] | _in_common([part["scoring"] for part in parts], ["workers"]),
        "hardware": _in_common([part["hardware"] for part in parts]),
        DETERMINISM: _least_deterministic(parts),
        PACE: {},
        LENGTHS: {name: lengths[name] for name, _ in clips if name in lengths},
        "merged": [_origin(part) for part in shards.parts],
    }


def _read(folder: Path) -> ShardFolder:
    if not folder.is_dir():
        raise StoreError(f"{folder}: no such folder; give one that run --shard wrote")
    manifest = read_manifest(folder)
    if not manifest:
        raise StoreError(f"{folder}: no run here (no {FILE_NAME}); give what run --shard wrote")
    if "shard" not in manifest:
        kind = "whole run" if manifest.get("kind") == "run" else str(manifest.get("kind"))
        raise UsageError(f"{folder}: holds a {kind}, no shard; give what run --shard wrote")
    part = ShardFolder(folder, manifest)
    here = version("snac-eval")
    if manifest["snac_eval"] != here:
        raise UsageError(
            f"{folder}: written by snac-eval {manifest['snac_eval']}, and this is {here}; merge"
            " with the version that ran the shards"
        )
    return part


def _refuse_stranger(first: ShardFolder, other: ShardFolder) -> None:
    said = dict(_in_all(first.manifest))
    for what, value in _in_all(other.manifest):
        if said.get(what) != value:
            raise UsageError(
                f"{other.folder}: shard of another run: {what} is {value!r}, but"
                f" {said.get(what)!r} in {first.folder}; merge what one command wrote"
            )


def _in_all(manifest: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """What all parts of a run say alike, in the words in which a difference is told."""
    identity = identity_of(manifest)
    yield from ((what, one) for what, one in identity.items() if what not in _OF_THE_PLACE)
    yield "number of shards", manifest["shard"]["of"]
    yield "number of clips", manifest["shard"]["num_clips"]
    yield "--max-duration", manifest["config"]["max_duration_s"]
    yield "set of metrics", ", ".join(manifest["metrics"])
    for name, facts in manifest["metrics"].items():
        yield f"fingerprint of {name}", ";".join(facts["fingerprint"])
    yield "choice of metrics by domain", manifest["domain_metrics"]
    yield "digest of the codec's card", manifest["codec"]["card_digest"]
    yield "digest of the list of clips", manifest["shard"]["clip_list_sha256"]
    yield "run id", manifest["run_id"]
    yield "commit", manifest["commit"]
    yield from ((f"version of {name}", one) for name, one in manifest["versions"].items())


def _missing(parts: Sequence[ShardFolder]) -> tuple[Shard, ...]:
    of = parts[0].shard.of
    there = {part.shard.number for part in parts}
    return tuple(Shard(number, of) for number in range(1, of + 1) if number not in there)


def _refuse_partial(shards: Shards) -> None:
    hint = "or merge with --partial what is there"
    if shards.missing:
        raise UsageError(
            f"{_few(shards.missing)} {_be(shards.missing)} missing; give the folders of all"
            f" {shards.parts[0].shard.of}, {hint}"
        )
    for part in shards.parts:
        if not part.is_finished:
            raise UsageError(
                f"{part.folder}: shard {part.shard} has not finished; run its command again, {hint}"
            )


def _notes(shards: Shards) -> Iterator[str]:
    parts = shards.parts
    if shards.missing:
        yield f"merged in part: {_few(shards.missing)} {_be(shards.missing)} missing"
    if unfinished := [part.shard for part in parts if not part.is_finished]:
        yield f"merged in part: {_few(unfinished)} had not finished"
    machines = {
        ", ".join(str(one) for key in ("gpu", "cpu") if (one := part.manifest["hardware"].get(key)))
        for part in parts
    }
    if len(machines) > 1:
        yield f"computed on unlike machines ({'; '.join(sorted(machines))}): speeds are of all"


def _few(shards: Sequence[Shard]) -> str:
    rest = f" and {len(shards) - _MOST_NAMED} more" if len(shards) > _MOST_NAMED else ""
    noun = "shard" if len(shards) == 1 else "shards"
    return f"{noun} {', '.join(map(str, shards[:_MOST_NAMED]))}{rest}"


def _be(shards: Sequence[Shard]) -> str:
    return "is" if len(shards) == 1 else "are"


def _parts_notes(parts: Sequence[Mapping[str, Any]], lengths: Mapping[str, int]) -> Iterator[str]:
    """What the parts say, each once; of lengths, what is so of all clips."""
    own = {one for part in parts for one in length_notes(part.get(LENGTHS, {}).values())}
    said = dict.fromkeys(chain(*(part["notes"] for part in parts)))
    yield from (one for one in said if one not in own)
    yield from length_notes(lengths.values())


def _in_common(facts: Sequence[Mapping[str, Any]], keys: Sequence[str] = ()) -> dict[str, Any]:
    """The facts, of these keys or of all; where the parts say unlike things, all of them as text:
    no speed is then taken for that of one of the machines."""
    together = {}
    for key in keys or dict.fromkeys(chain(*facts)):
        said = list(dict.fromkeys(one.get(key) for one in facts))
        together[key] = said[0] if len(said) == 1 else "; ".join(sorted(map(str, said)))
    return together


def _least_deterministic(parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What two passes over one clip gave: of a part that found that they differ, if any did; else
    of the longest clip, which is the one that a whole run takes."""

    def rank(part: Mapping[str, Any]) -> tuple[bool, float, int]:
        found = part[DETERMINISM]
        clip = part["clips"].get(found["clip"], {})
        same = Repeat.from_facts(found).is_same
        return same, -float(clip.get("duration_s", 0)), int(clip.get("place", 0))

    tried = [part for part in parts if part.get(DETERMINISM)]
    return dict(min(tried, key=rank)[DETERMINISM]) if tried else {}


def _without_place(facts: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in facts.items() if key != "place"}


def _origin(part: ShardFolder) -> dict[str, Any]:
    kept = ("argv", "started", "finished", "hardware")
    return {
        "shard": str(part.shard),
        "folder": str(part.folder),
        "manifest_sha256": part.manifest.get("sha256", ""),
        **{key: part.manifest[key] for key in kept},
    }
