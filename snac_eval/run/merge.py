"""Shards of a run become the run: their rows in one store, what they say in one manifest.

Nothing is computed anew but what all clips have together. A merged folder is a run's folder as any
other: ``run`` goes on with it, and the same shards merged into it again change nothing.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from snac_eval.errors import StoreError, UsageError, redacted
from snac_eval.metrics.opening import OpenMetric, require_metric
from snac_eval.run import interrupts
from snac_eval.run.corpus import Kept, Together, join_counts, score_stored
from snac_eval.run.folder import only_writer
from snac_eval.run.identity import identity_of, refuse_other_identity
from snac_eval.run.joining import ShardFolder, Shards, joined, read_shards
from snac_eval.run.manifest import KeysOf, iso_time, same_work, stored_tables, together_facts
from snac_eval.run.sealed import FILE_NAME as MANIFEST_FILE
from snac_eval.run.sealed import (
    SCORES_FILE,
    is_committed,
    read_manifest,
    vouched_files,
    write_manifest,
    write_scores,
)
from snac_eval.run.store import FILE_NAME, Store
from snac_eval.run.taking import all_or_nothing, take


@dataclass(frozen=True, slots=True)
class MergeConfig:
    """Everything that the user chose.

    ``partial`` takes what is there where shards are missing or have not finished. ``html`` asks for
    ``report.html``, in which ``report_clips`` clips can be heard.
    """

    folders: tuple[Path, ...]
    output: Path
    partial: bool = False
    overwrite: bool = False
    html: bool = True
    report_clips: int = 20

    def __post_init__(self) -> None:
        if self.report_clips < 0:
            raise UsageError(f"--report-clips {self.report_clips}: must be at least 0")


@dataclass(frozen=True, slots=True)
class MergeOutcome:
    """Shards that were merged: the folder holds ``manifest.json`` and ``scores.parquet``."""

    folder: Path
    notes: tuple[str, ...]
    """What a reader of the numbers must know and could not guess."""
    max_error_rate: float
    """The share of clips that may fail, as the shards were run."""
    is_unchanged: bool
    """Whether the folder held these very shards already: nothing in it was touched."""


def merge(config: MergeConfig, argv: Sequence[str] = ()) -> MergeOutcome:
    """Write the folder of the run whose shards lie in these folders.

    Raises SnacEvalError for what the user must mend. Whatever ends it early leaves the folder as it
    was.
    """
    shards = read_shards(config.folders, config.partial)
    _refuse_own_output(config)
    manifest = joined(shards) | {"argv": list(map(redacted, argv))}
    manifest["config"] |= {
        "output": str(config.output),
        "html": config.html,
        "report_clips": config.report_clips,
    }
    metrics = _corpus_metrics(manifest)
    with _as_it_was(config.output), only_writer(config.output):
        old = {} if config.overwrite else read_manifest(config.output)
        refuse_other_identity(config.output, identity_of(old), _identity(manifest))
        unchanged = _holds(config.output, old, manifest)
        if not unchanged:
            _write(config, shards, manifest, metrics)
    notes, rate = tuple(manifest["notes"]), float(manifest["config"]["max_error_rate"])
    return MergeOutcome(config.output, notes, rate, unchanged)


def _write(
    config: MergeConfig,
    shards: Shards,
    manifest: dict[str, Any],
    metrics: Mapping[str, OpenMetric],
) -> None:
    folder = config.output
    with Store.create(folder, config.overwrite) as store, ExitStack() as ending:
        with all_or_nothing(store):
            join_counts(store, [_take(store, part) for part in shards.parts])
            found = together_facts(_score_together(manifest, metrics, store))
            num_rows = write_scores(folder, stored_tables(manifest, store))
            _refuse_lost_rows(shards, num_rows)
            # From here on it ends, whatever signal comes.
            ending.enter_context(interrupts.held())
        now = {
            "state": "finished" if shards.is_whole else "interrupted",
            "finished": iso_time(time.time()),
            "files": vouched_files(folder),
            "num_rows": num_rows,
        }
        write_manifest(folder, {**manifest, **now, **found})


def _take(store: Store, part: ShardFolder) -> tuple[set[str], bytes]:
    """Take over what a shard has; what it has counted of the codes that are taken."""
    ids = [facts["key"] for facts in part.manifest["clips"].values()]
    with Store.open_run(part.folder) as other:
        take(store, other, ids)
        store.remember_files(other.files())
        counted, counts = other.counted()
    if read_manifest(part.folder) != part.manifest:
        raise UsageError(f"{part.folder}: was written while it was read; merge again")
    return (counted, counts) if counted <= set(ids) else (set(), b"")


def _score_together(
    manifest: Mapping[str, Any], metrics: Mapping[str, OpenMetric], store: Store
) -> Together:
    keys = KeysOf(manifest)
    clips = manifest["clips"].values()
    wanted = [
        Kept(facts["key"], name, key)
        for facts in clips
        for name, key in keys.of(facts).items()
        if name in keys.partial
    ]
    durations_s = {facts["key"]: facts["duration_s"] for facts in clips}
    return score_stored(metrics, durations_s, wanted, store)


def _corpus_metrics(manifest: Mapping[str, Any]) -> dict[str, OpenMetric]:
    """The metrics that score all clips together. Raises UsageError where one is another here."""
    found = {}
    for name, facts in manifest["metrics"].items():
        if facts["kind"] != "corpus":
            continue
        found[name] = require_metric(name)
        here, there = found[name].info.fingerprint.parts, facts["fingerprint"]
        if not set(here) <= set(there):
            raise UsageError(
                f"metric '{name}' is {';'.join(here)} here, but {';'.join(there)} in the shards;"
                " merge where the shards ran"
            )
    return found


def _refuse_own_output(config: MergeConfig) -> None:
    output = config.output.resolve()
    if any(folder.resolve() == output for folder in config.folders):
        raise UsageError(f"{config.output}: is one of the shards; choose another --output")


def _refuse_lost_rows(shards: Shards, num_rows: int) -> None:
    said = sum(part.manifest.get("num_rows", 0) for part in shards.parts)
    if shards.is_whole and num_rows != said:
        few = [part for part in shards.parts if _num_rows(part) != part.manifest["num_rows"]]
        where = few[0].folder if few else shards.parts[0].folder
        raise StoreError(
            f"{where}: its store lacks scores that its {SCORES_FILE} has; run its command again"
        )


def _num_rows(part: ShardFolder) -> int:
    with Store.open_run(part.folder) as store:
        return sum(map(len, stored_tables(part.manifest, store)))


def _identity(manifest: Mapping[str, Any]) -> dict[str, Any]:
    # The same recordings may lie elsewhere where this is merged.
    return {what: one for what, one in manifest["identity"].items() if what != "data folder"}


def _holds(folder: Path, old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Whether what lies here is what these very shards gave."""
    came_from = [one["manifest_sha256"] for one in new["merged"]]
    before = [one.get("manifest_sha256") for one in old.get("merged", ())]
    same = before == came_from and all(came_from) and same_work(old, new)
    return same and is_committed(folder, old)


@contextmanager
def _as_it_was(folder: Path) -> Iterator[None]:
    """Take away what a merge that fails has left where there was nothing before."""
    is_new, had_store = not folder.exists(), (folder / FILE_NAME).exists()
    try:
        yield
    except BaseException:
        with suppress(OSError):
            if not had_store and not (folder / MANIFEST_FILE).exists():
                for name in (FILE_NAME, f"{FILE_NAME}-wal", f"{FILE_NAME}-shm", SCORES_FILE):
                    (folder / name).unlink(missing_ok=True)
            if is_new:
                folder.rmdir()
        raise
