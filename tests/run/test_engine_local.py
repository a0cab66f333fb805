"""The engine gives back every clip, whatever becomes of the process that scored it."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path

import pytest

from snac_eval.errors import OutputError, UsageError
from snac_eval.machine import resolve_device
from snac_eval.run.engines.local import (
    _ONE_THREAD,
    Engine,
    ScoringTask,
    _modules,
    _outcome,
)
from snac_eval.types import Clip, Reconstruction, Score, Waveform
from snac_eval.writing import write_file, write_text
from tests.conftest import tone


def _task(index: int) -> ScoringTask:
    clip = Clip(str(index), Path("x.wav"), "x.wav", "0", 1.0, 16000, domain="speech")
    reference = Waveform(tone(1.0, seed=index)[None], 16000)
    estimate = Waveform(reference.samples * 0.9, 16000)
    return ScoringTask(str(index), ("mel_dac_paper",), Reconstruction(clip, reference, estimate))


@pytest.mark.parametrize("workers", [0, 1])
def test_every_clip_comes_back_once(workers: int) -> None:
    before = {name: os.environ.get(name) for name in _ONE_THREAD}
    with Engine(workers) as engine:
        done = []
        for index in range(5):
            engine.submit(_task(index))
            done += list(engine.finished())
        done += list(engine.drain())
    assert sorted(one.key for one in done) == list("01234")
    assert all(one.scores["mel_dac_paper"].status == "ok" for one in done)
    assert {name: os.environ.get(name) for name in _ONE_THREAD} == before


def test_worker_that_dies_idle_is_replaced() -> None:
    with Engine(1) as engine:
        engine.submit(_task(0))
        assert len(list(engine.drain())) == 1
        for worker in multiprocessing.active_children():
            os.kill(worker.pid or 0, signal.SIGKILL)
        _wait_until(lambda: not multiprocessing.active_children())
        for index in (1, 2):
            engine.submit(_task(index))
            (scored,) = engine.drain()
            assert scored.scores["mel_dac_paper"].status == "ok"


def _wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


class _DiedError(Exception):
    exitcode = -signal.SIGSEGV


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (_DiedError("gone"), "killed by SIGSEGV"),
        (TimeoutError(), "took longer than"),
        (RuntimeError("broken pool"), "RuntimeError: broken pool"),
    ],
)
def test_lost_work_is_an_error_with_its_reason(error: Exception, words: str) -> None:
    future: Future[dict[str, Score]] = Future()
    future.set_exception(error)
    scores = _outcome(future, ("a", "b"))
    assert {score.status for score in scores.values()} == {"error"}
    assert all(words in score.reason for score in scores.values())


def test_devices() -> None:
    assert resolve_device("cpu") == "cpu"
    assert resolve_device("auto") in ("cpu", "cuda", "mps")
    with pytest.raises(UsageError, match="unknown device 'tpu'"):
        resolve_device("tpu")


def test_absent_device_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UsageError, match="--device cuda: torch finds no such device"):
        resolve_device("cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert resolve_device("cuda") == "cuda"


def test_files_are_written_whole_or_not_at_all(tmp_path: Path) -> None:
    write_text(tmp_path / "new" / "a.txt", "first")

    def fail(path: Path) -> None:
        path.write_text("half")
        raise OSError("disk full")

    with pytest.raises(OutputError, match="disk full"):
        write_file(tmp_path / "new" / "a.txt", fail)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a.txt"]
    assert (tmp_path / "new" / "a.txt").read_text() == "first"


def test_workers_load_what_the_metrics_need_before_the_first_clip() -> None:
    assert {"visqol", "snac_eval.metrics.pesq"} <= set(_modules(["visqol_speech", "pesq_wb"]))
    with Engine(1, ["mel_dac_paper"]) as engine:
        engine.start()
        engine.start()
        assert list(engine.drain()) == []
        engine.submit(_task(0))
        (scored,) = engine.drain()
    assert scored.scores["mel_dac_paper"].status == "ok"


def test_engine_that_was_never_asked_starts_nothing() -> None:
    with Engine(2, ["mel_dac_paper"]):
        assert not multiprocessing.active_children()


def test_worker_without_an_optional_library_still_works() -> None:
    with Engine(1) as engine:
        engine._modules = ("no_such_module_anywhere",)
        engine.submit(_task(0))
        (scored,) = engine.drain()
    assert scored.scores["mel_dac_paper"].status == "ok"
