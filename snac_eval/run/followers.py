"""Callbacks, told of a run: what they raise is a note and a traceback, and the run goes on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from snac_eval.errors import one_line, place, trace_of
from snac_eval.run.log import RunLog
from snac_eval.run.plan import Plan
from snac_eval.types import Callback, Clip, ClipDone, RunFacts, Score


class Followers:
    """Those who follow one call of a run, and hear of each clip once. ``manifest`` is that of the
    run as it begins."""

    def __init__(self, plan: Plan, manifest: Mapping[str, Any], log: RunLog) -> None:
        self._run = RunFacts(
            plan.run_id, plan.label, plan.dataset.name, plan.config.output, manifest
        )
        self._log = log
        self._listening = list(plan.config.callbacks)
        self._together = frozenset(plan.corpus_metrics())
        self._places = {clip.id: number for number, clip in enumerate(plan.clips)}
        self._told: set[str] = set()
        self.notes: tuple[str, ...] = ()
        """What they raised."""

    def clip_done(self, clip: Clip, scores: Mapping[str, Score]) -> None:
        """A clip is stored. Its parts of scores that all clips have together are left out."""
        own = {name: one for name, one in scores.items() if name not in self._together}
        if not (self._listening and own) or clip.id in self._told:
            return
        self._told.add(clip.id)
        done = ClipDone(self._run, self._places[clip.id], clip, own)
        for one in list(self._listening):
            if raised := tell(one, lambda: one.on_clip(done), self._log):  # noqa: B023 - called now
                self._listening.remove(one)
                where = f"at clip {clip.id}, and heard of no further clip"
                self.notes = (*self.notes, f"{raised} {where}")


def tell(callback: Callback, call: Callable[[], None], log: RunLog) -> str:
    """Make a call of a callback; empty, or who raised what. The traceback goes into the log."""
    try:
        call()
    except Exception as error:  # noqa: BLE001 - whatever it is, the run must not be lost
        name = f"callback {type(callback).__name__}"
        if trace := trace_of(error):
            log.add(name, [trace])
        return f"{name} raised {one_line(error)}{place(error)}"
    return ""
