"""What an earlier run found in a dataset's files, so that a run that starts again need not read
twenty thousand headers and hash as many files.

A file counts as the same while its size, its place on the disk and both of its times are: a program
that rewrites a file can set back the time of its contents, but not the time of that. Of a file that
lies elsewhere, it is what its store says: digest, version, time, size.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from snac_eval import audio
from snac_eval.errors import SnacEvalError, UsageError
from snac_eval.locations import Location, Url
from snac_eval.reading.remote import stamp_of
from snac_eval.run.config import RunConfig
from snac_eval.run.store import FILE_NAME, Store
from snac_eval.types import Clip

# A file that changes again within a clock's tick would have the same times.
_SETTLED_S = 2.0
_FIELDS = tuple(field.name for field in fields(Clip))


class Inspections:
    """Inspects clips, or remembers what was found in their files."""

    def __init__(self, known: Mapping[bytes, tuple[str, str]]) -> None:
        self._known = known
        self.new: dict[bytes, tuple[str, str]] = {}
        """What was found now, for :meth:`snac_eval.run.store.Store.remember_files`."""

    @classmethod
    def of_run(cls, folder: Path) -> Inspections:
        """Those that the run in this folder kept; none where there is no store that can be read."""
        if not (folder / FILE_NAME).is_file():
            return cls({})
        try:
            with Store.open_run(folder) as store:
                return cls(store.files())
        except SnacEvalError:  # whoever writes to the store will say what is wrong
            return cls({})

    @classmethod
    def of_configs(cls, configs: Iterable[RunConfig]) -> Inspections:
        """What runs may know of their clips before they look: what they found when they ran before,
        and what the runs found that their ``plan`` names. Raises UsageError where that is none."""
        known: dict[bytes, tuple[str, str]] = {}
        for config in configs:
            if config.plan is not None:
                if not (config.plan / FILE_NAME).is_file():
                    raise UsageError(
                        f"--plan {config.plan}: no run here; write it with --plan-only"
                    )
                known |= cls.of_run(config.plan)._known
            if not config.overwrite:
                known |= cls.of_run(config.output)._known
        return cls(known)

    def inspect(self, clip: Clip, longest_s: float = math.inf) -> Clip:
        """As :func:`snac_eval.audio.inspect`."""
        stamp, settled = _stamp(clip.path)
        if not stamp:
            return audio.inspect(clip, longest_s)
        stamp = f"{_this_version()}:{stamp}:{longest_s}"
        name = f"{clip.path}\n{clip.start_s!r}\n{clip.length_s!r}".encode("utf-8", "surrogatepass")
        stamp_then, found = self._known.get(name, ("", ""))
        if stamp == stamp_then:
            return replace(clip, **_known_changes(found))
        inspected = audio.inspect(clip, longest_s)
        changes = _changes(clip, inspected)
        if not inspected.problem and settled:
            self.new[name] = (stamp, json.dumps(changes))
        return inspected


@cache
def _this_version() -> str:
    return version("snac-eval")


def _stamp(path: Location) -> tuple[str, bool]:
    """What changes with the file, empty where nothing is known that does; and whether a change that
    comes now would change it."""
    if isinstance(path, Url):
        return stamp_of(path), True
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return "", False
    times = f"{status.st_mtime_ns}:{status.st_ctime_ns}"
    # Not the device: one file system has other numbers on other machines.
    stamp = f"{status.st_ino}:{status.st_size}:{times}"
    return stamp, time.time() - status.st_ctime > _SETTLED_S


def _known_changes(found: str) -> dict[str, Any]:
    changes: dict[str, Any] = json.loads(found)
    return {name: tuple(one) if isinstance(one, list) else one for name, one in changes.items()}


def _changes(before: Clip, after: Clip) -> dict[str, object]:
    pairs = ((name, getattr(before, name), getattr(after, name)) for name in _FIELDS)
    return {name: new for name, old, new in pairs if new != old}
