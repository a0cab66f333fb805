"""Where scoring runs: a pool of worker processes, or this process.

Workers are not forked from this process (a forked copy of a threaded process may hang): on Linux
they fork from a server that has loaded the metrics' libraries and started no thread, elsewhere
they are spawned. Each uses one thread (the pool is the parallelism, and ViSQOL's numba kernels
crash under threads) and may die: PESQ and ViSQOL are native code. A worker that dies or hangs
costs the clip it held an error row.
"""

from __future__ import annotations

import importlib
import multiprocessing
import multiprocessing.context
import os
import signal
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, cast

from snac_eval.errors import one_line
from snac_eval.metrics.opening import open_metric
from snac_eval.run.scoring import score_clip
from snac_eval.types import Reconstruction, Score

_ONE_THREAD = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")
_ALWAYS = ("snac_eval.run.scoring", "soxr", "pebble.pool.process")
_TIMEOUT_S = 900.0


@dataclass(frozen=True, slots=True)
class ScoringTask:
    """One clip to score by several metrics."""

    key: str
    """Names the clip: it comes back with the scores."""
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
    ``num_workers`` 0 scores in this process, at once. ``metrics`` are those that will be asked
    for: workers load their libraries before the first clip comes.
    """

    def __init__(self, num_workers: int, metrics: Sequence[str] = ()) -> None:
        self._num_workers = num_workers
        self._modules = _modules(metrics)
        self._waiting: deque[ScoringTask] = deque()
        self._pending: dict[Future[dict[str, Score]], ScoringTask] = {}
        self._ready: deque[ScoredClip] = deque()
        self._tried_again: set[str] = set()
        self._starter = ThreadPoolExecutor(1, thread_name_prefix="scoring-pool")
        self._starting: Future[Any] | None = None
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
        if self._starting is not None and self._starting.exception() is None:
            self._pool = self._pool or self._starting.result()
            self._pool.stop()
            self._pool.join()
            _restore(self._environment)
        self._starter.shutdown()

    def start(self) -> None:
        """Start the workers now, in the background, so that they load while the codec does."""
        if self._num_workers and self._starting is None:
            self._starting = self._starter.submit(self._start)

    def submit(self, task: ScoringTask) -> None:
        """Start scoring this clip; waits for room first."""
        if self._num_workers == 0:
            self._ready.append(ScoredClip(task.key, score_clip(task.metrics, task.reconstruction)))
            return
        self.start()
        if len(self._waiting) + len(self._pending) >= 2 * self._num_workers:
            self._feed(wait_for_pool=True)
            self._collect(timeout_s=None)
        self._waiting.append(task)
        self._feed(wait_for_pool=False)

    def finished(self) -> Iterator[ScoredClip]:
        """Clips that are scored by now, without waiting."""
        self._feed(wait_for_pool=False)
        if self._pending:
            self._collect(timeout_s=0)
        while self._ready:
            yield self._ready.popleft()

    def drain(self) -> Iterator[ScoredClip]:
        """The remaining clips, as they are scored."""
        self._feed(wait_for_pool=True)
        yield from self.finished()
        while self._pending:
            self._collect(timeout_s=None)
            yield from self.finished()

    def _feed(self, wait_for_pool: bool) -> None:
        """Hand the waiting clips to the pool, if it is there by now."""
        if self._waiting and self._starting is not None and self._pool is None:
            if not (wait_for_pool or self._starting.done()):
                return
            self._pool = self._starting.result()
        while self._waiting:
            task = self._waiting.popleft()
            self._pending[self._schedule(task)] = task

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
        pool = ProcessPool(
            max_workers=self._num_workers,
            initializer=_prepare_worker,
            initargs=(self._modules,),
            context=_context(self._modules),
        )
        if not pool.active:  # asking starts the workers
            raise RuntimeError("the scoring processes did not start")
        return pool

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
    return one_line(error) + (f" (exit code {code})" if code else "")


def _modules(metrics: Sequence[str]) -> tuple[str, ...]:
    """What scoring by these metrics imports: their own modules, and what those load late."""
    needed = [module for name in metrics for module in open_metric(name).imports]
    return tuple(dict.fromkeys([*_ALWAYS, *needed]))


def _context(modules: Sequence[str]) -> multiprocessing.context.BaseContext:
    if sys.platform != "linux":
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(modules))
    return context


def _prepare_worker(modules: Sequence[str]) -> None:
    # Ctrl-C reaches the whole process group; the parent alone decides how to stop.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # numba makes a named lock in a forked process, which outlives a worker that is stopped.
    multiprocessing.set_start_method("spawn", force=True)
    for module in modules:
        # A metric whose library is missing says so itself, in every score.
        with suppress(ImportError):
            importlib.import_module(module)


def _restore(environment: dict[str, str]) -> None:
    for name in _ONE_THREAD:
        os.environ.pop(name, None)
        if name in environment:
            os.environ[name] = environment[name]
