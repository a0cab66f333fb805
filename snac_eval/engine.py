"""Where scoring runs: a pool of spawned worker processes, or this process.

Workers are spawned, not forked (a forked copy of a threaded process may hang), use one thread
each (the pool is the parallelism, and ViSQOL's numba kernels crash under threads), and may die:
PESQ and ViSQOL are native code. A worker that dies or hangs costs the clip it held an error row.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from types import TracebackType
from typing import Any, cast

from snac_eval import plugins
from snac_eval.types import Metric, Reconstruction, Score

_ONE_THREAD = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")
_TIMEOUT_S = 900.0


@dataclass(frozen=True, slots=True)
class ScoringTask:
    """One clip to score by several metrics; ``key`` comes back with the scores."""

    key: str
    metrics: tuple[str, ...]
    reconstruction: Reconstruction


@dataclass(frozen=True, slots=True)
class ScoredClip:
    """Metric name to score, for the task of that key."""

    key: str
    scores: dict[str, Score]


class Engine:
    """Scores clips while the caller goes on. Use as a context manager.

    ``submit`` blocks while twice as many clips wait as there are workers, which bounds memory.
    ``num_workers`` 0 scores in this process, at once.
    """

    def __init__(self, num_workers: int) -> None:
        self._num_workers = num_workers
        self._pending: dict[Future[dict[str, Score]], ScoringTask] = {}
        self._ready: list[ScoredClip] = []
        self._tried_again: set[str] = set()
        self._pool: Any = None
        self._environment = dict(os.environ)

    def __enter__(self) -> Engine:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._pool is not None:
            self._pool.stop()
            self._pool.join()
            _restore(self._environment)

    def submit(self, task: ScoringTask) -> None:
        """Start scoring this clip; waits for room first."""
        if self._num_workers == 0:
            self._ready.append(ScoredClip(task.key, score_clip(task.metrics, task.reconstruction)))
            return
        if self._pool is None:
            self._pool = self._start()
        if len(self._pending) >= 2 * self._num_workers:
            self._collect(timeout_s=None)
        self._pending[self._schedule(task)] = task

    def finished(self) -> Iterator[ScoredClip]:
        """Clips that are scored by now, without waiting."""
        if self._pending:
            self._collect(timeout_s=0)
        while self._ready:
            yield self._ready.pop(0)

    def drain(self) -> Iterator[ScoredClip]:
        """The remaining clips, as they are scored."""
        yield from self.finished()
        while self._pending:
            self._collect(timeout_s=None)
            yield from self.finished()

    def _schedule(self, task: ScoringTask) -> Future[dict[str, Score]]:
        arguments = (task.metrics, task.reconstruction)
        try:
            future = self._pool.schedule(score_clip, args=arguments, timeout=_TIMEOUT_S)
        except RuntimeError:
            # A worker that dies while idle takes the pool with it, but no clip: start another.
            self._pool.stop()
            self._pool.join()
            self._pool = self._start()
            future = self._pool.schedule(score_clip, args=arguments, timeout=_TIMEOUT_S)
        return cast("Future[dict[str, Score]]", future)

    def _start(self) -> Any:  # noqa: ANN401 - pebble is untyped
        from pebble import ProcessPool

        # Workers read these when they import numpy and numba, long before our code could set them.
        os.environ.update(dict.fromkeys(_ONE_THREAD, "1"))
        return ProcessPool(
            max_workers=self._num_workers,
            initializer=_ignore_interrupt,
            context=multiprocessing.get_context("spawn"),
        )

    def _collect(self, timeout_s: float | None) -> None:
        done, _ = wait(self._pending, timeout=timeout_s, return_when=FIRST_COMPLETED)
        for future in done:
            task = self._pending.pop(future)
            broken = isinstance(future.exception(), BrokenProcessPool)
            if broken and task.key not in self._tried_again:
                # The pool went down around this clip, which is not to blame: once more.
                self._tried_again.add(task.key)
                self._pending[self._schedule(task)] = task
            else:
                self._ready.append(ScoredClip(task.key, _outcome(future, task.metrics)))


def score_clip(metrics: Sequence[str], reconstruction: Reconstruction) -> dict[str, Score]:
    """Scores of one clip by metric name. The function that workers run."""
    from snac_eval.metrics.base import score_all

    opened = [cast(Metric, plugins.metric(name)) for name in metrics]
    return score_all(opened, reconstruction)


def _outcome(future: Future[dict[str, Score]], metrics: Sequence[str]) -> dict[str, Score]:
    try:
        return future.result()
    except TimeoutError:
        reason = f"scoring this clip took longer than {_TIMEOUT_S:.0f} s and was stopped"
    except Exception as error:  # noqa: BLE001 - whatever ended the worker becomes the clip's reason
        reason = f"the scoring process died: {_death(error)}"
    return dict.fromkeys(metrics, Score.error(reason))


def _death(error: Exception) -> str:
    code = getattr(error, "exitcode", None)
    if isinstance(code, int) and code < 0:
        return f"killed by {signal.Signals(-code).name}"
    return f"{type(error).__name__}: {error}" + (f" (exit code {code})" if code else "")


def _ignore_interrupt() -> None:
    # Ctrl-C reaches the whole process group; the parent alone decides how to stop.
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _restore(environment: dict[str, str]) -> None:
    for name in _ONE_THREAD:
        os.environ.pop(name, None)
        if name in environment:
            os.environ[name] = environment[name]
