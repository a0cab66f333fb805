"""The progress bar of a run: clips done, audio seconds per second, time left, failures."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from types import TracebackType
from typing import Any, TypeVar

from snac_eval.types import Clip, Score
from snac_eval.writing import printable

_T = TypeVar("_T")


def track(
    items: Iterable[_T], description: str, unit: str, enabled: bool, total: int | None = None
) -> Iterator[_T]:
    """Yield the items, and show on standard error how many are done, of ``total`` where they do not
    say themselves how many there are."""
    from tqdm import tqdm

    said = printable(description)
    yield from tqdm(items, said, total, unit=unit, disable=not enabled, leave=False)


def say(text: str, enabled: bool) -> None:
    """A line on standard error, above whatever bar is there."""
    if enabled:
        from tqdm import tqdm

        tqdm.write(printable(text), file=sys.stderr)


class Progress:
    """A bar on standard error, of one run or of the runs of a study one after the other. A log
    file, which cannot be redrawn, gets it every ten seconds."""

    def __init__(self, num_clips: int, enabled: bool, num_runs: int = 1) -> None:
        tqdm = _bar()
        redrawn = sys.stderr.isatty() or in_notebook()
        self._bar = tqdm(
            total=num_clips,
            unit="clip",
            disable=not enabled,
            dynamic_ncols=True,
            mininterval=0.2 if redrawn else 10.0,
            bar_format="{l_bar}{bar:20}| {n_fmt}/{total_fmt} clips{postfix}",
        )
        self._num_runs, self._num_begun = num_runs, 0
        self._audio_s = 0.0
        self._num_failed = 0
        self._start = time.perf_counter()
        self._pace = Pace(num_clips)

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.close()

    def begin(self, what: str, num_clips: int) -> None:
        """The run of this name is next, and has so many clips of all those left."""
        self._num_begun += 1
        place = f"[{self._num_begun}/{self._num_runs}] " if self._num_runs > 1 else ""
        self._bar.set_description_str(f"{place}{printable(what)}")
        self._pace.begin(num_clips, time.perf_counter())

    def more(self, num_clips: int) -> None:
        """So many clips, which seemed done, are to be done again."""
        self._bar.total = (self._bar.total or 0) + num_clips
        self._pace.more(num_clips)

    def end(self) -> None:
        """The run that was begun has ended; what is left of it will not be done."""
        self.more(-self._pace.num_left_of_run)

    def say(self, text: str) -> None:
        """Show lines on standard error, above the bar."""
        say(text, enabled=True)

    def clip_done(self, clip: Clip, scores: Mapping[str, Score]) -> None:
        """Count one clip, and one failure if any of its scores is an error."""
        self._audio_s += clip.duration_s
        self._num_failed += any(score.status == "error" for score in scores.values())
        now = time.perf_counter()
        self._pace.done()
        left_s = self._pace.left_s(now)
        speed = self._audio_s / (now - self._start)
        left = "" if math.isnan(left_s) else f"{_spoken(left_s)} left, "
        said = f"{left}{speed:.1f} s audio/s, {self._num_failed} failed"
        self._bar.set_postfix_str(said, refresh=False)
        self._bar.update()


class Pace:
    """How long what is left will take, where runs differ in how long a clip takes them: that of
    runs which have not begun is expected to be that of all before."""

    def __init__(self, num_left: int) -> None:
        self._num_left = num_left
        self._own_left = num_left
        self._own_done = 0
        self._begun = time.perf_counter()
        self._num_before = 0
        self._before_s = 0.0

    def begin(self, num_clips: int, now: float) -> None:
        """The next run begins, of so many clips."""
        if self._own_done:
            self._num_before += self._own_done
            self._before_s += now - self._begun
        self._own_left, self._own_done, self._begun = num_clips, 0, now

    @property
    def num_left_of_run(self) -> int:
        """How many clips of the run that was begun are not done."""
        return self._own_left

    def more(self, num_clips: int) -> None:
        """The run has so many clips more than was said."""
        self._num_left += num_clips
        self._own_left += num_clips

    def done(self) -> None:
        """One clip is done."""
        self._num_left -= 1
        self._own_left -= 1
        self._own_done += 1

    def left_s(self, now: float) -> float:
        """Seconds until all is done; NaN where nothing is known yet."""
        if not self._own_done:
            return math.nan
        own_s = now - self._begun
        mean_s = (self._before_s + own_s) / (self._num_before + self._own_done)
        others = self._num_left - self._own_left
        return self._own_left * own_s / self._own_done + others * mean_s


def _bar() -> Any:  # noqa: ANN401 - tqdm has no types
    """tqdm's class of bars: a widget in a notebook that can draw it, else text."""
    from importlib import import_module
    from importlib.util import find_spec

    widgets = in_notebook() and find_spec("ipywidgets") is not None
    return import_module("tqdm.notebook" if widgets else "tqdm").tqdm


def in_notebook() -> bool:
    """Whether a notebook draws what is shown."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return type(shell).__name__ == "ZMQInteractiveShell"


def _spoken(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes:02d}:{rest:02d}"
