"""The progress bar of a run: clips done, audio seconds per second, time left, failures."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from types import TracebackType
from typing import TypeVar

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
    """A bar on standard error. A log file, which cannot be redrawn, gets it every ten seconds."""

    def __init__(self, num_clips: int, enabled: bool) -> None:
        from tqdm import tqdm

        self._bar = tqdm(
            total=num_clips,
            unit="clip",
            disable=not enabled,
            dynamic_ncols=True,
            mininterval=0.2 if sys.stderr.isatty() else 10.0,
            bar_format="{l_bar}{bar:20}| {n_fmt}/{total_fmt} clips, {remaining} left{postfix}",
        )
        self._audio_s = 0.0
        self._num_failed = 0
        self._start = time.perf_counter()

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.close()

    def clip_done(self, clip: Clip, scores: Mapping[str, Score]) -> None:
        """Count one clip, and one failure if any of its scores is an error."""
        self._audio_s += clip.duration_s
        self._num_failed += any(score.status == "error" for score in scores.values())
        speed = self._audio_s / (time.perf_counter() - self._start)
        self._bar.set_postfix_str(
            f"{speed:.1f} s audio/s, {self._num_failed} failed", refresh=False
        )
        self._bar.update()
