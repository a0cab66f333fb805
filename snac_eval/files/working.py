"""File after file: what is there already stays, what fails is told, and the others go on."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from snac_eval.errors import Interrupted, OutputError, one_line, readable
from snac_eval.files.places import clear_leftovers
from snac_eval.run import interrupts
from snac_eval.types import Clip


@dataclass(frozen=True, slots=True)
class Made:
    """One file that was written."""

    source: Clip
    place: Path
    duration_s: float
    num_bits: float
    """Of its codes, as they would be sent."""


@dataclass(slots=True)
class Tally:
    """What became of the files."""

    made: list[Made] = field(default_factory=list)
    kept: int = 0
    """Files whose result was there."""
    failed: list[str] = field(default_factory=list)
    """A line each, which names the file."""
    notes: dict[str, int] = field(default_factory=dict)
    """What a reader must know, and of how many files it holds."""

    @property
    def num_files(self) -> int:
        """All of them."""
        return len(self.made) + self.kept + len(self.failed)


class Bar:
    """A bar on standard error: files done, and how far the one in work is."""

    def __init__(self, num_files: int, enabled: bool) -> None:
        from tqdm import tqdm

        self._bar = tqdm(
            total=num_files,
            unit="file",
            disable=not enabled,
            dynamic_ncols=True,
            mininterval=0.2 if sys.stderr.isatty() else 10.0,
            bar_format="{l_bar}{bar:20}| {n_fmt}/{total_fmt} files, {remaining} left{postfix}",
        )
        self._enabled = enabled

    def at(self, seconds: float, of_s: float) -> None:
        """So many seconds of the file's audio are done."""
        if self._enabled:
            self._bar.set_postfix_str(f"{seconds:.0f} of {of_s:.0f} s", refresh=False)
            self._bar.update(0)

    def failed(self, line: str) -> None:
        """Tell of a file that failed, above the bar."""
        from tqdm import tqdm

        tqdm.write(line, file=sys.stderr)

    def done(self) -> None:
        """Count one file."""
        self._bar.update()

    def close(self) -> None:
        """Leave the bar as it is."""
        self._bar.close()


Work = Callable[[Clip, Path, Bar, Tally], None]
"""Makes one file, or finds that it is there, and counts that. Whatever it raises is the reason why
the file failed."""


def work_off(clips: Sequence[Clip], places: Sequence[Path], work: Work, shown: bool) -> Tally:
    """Every file once. Raises Interrupted where a signal came, OutputError where nothing more can
    be written; what was written stays."""
    clear_leftovers(places)
    tally, bar = Tally(), Bar(len(clips), shown)
    try:
        with interrupts.catching():
            for clip, place in zip(clips, places, strict=True):
                _one(clip, place, work, bar, tally)
                bar.done()
    finally:
        bar.close()
    return tally


def _one(clip: Clip, place: Path, work: Work, bar: Bar, tally: Tally) -> None:
    try:
        work(clip, place, bar, tally)
    except (Interrupted, OutputError):
        raise
    except BaseException as error:  # noqa: BLE001 - whatever a reader or a codec raises
        reason, name = one_line(error), readable(clip.path)
        line = reason if reason.startswith(name) else f"{name}: {reason}"
        tally.failed.append(line)
        bar.failed(f"snac-eval: {line}")
