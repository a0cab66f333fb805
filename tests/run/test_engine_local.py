"""The engine gives back every clip, whatever becomes of the processes that it works with."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import soundfile

from snac_eval.codecs.opening import open_model
from snac_eval.codecs.repeats import Repeat
from snac_eval.errors import OutputError, UsageError
from snac_eval.machine import resolve_device
from snac_eval.metrics.opening import open_metric
from snac_eval.run.coding import Coder, CodingTask
from snac_eval.run.config import RunConfig
from snac_eval.run.engines import nursery, staff
from snac_eval.run.engines.local import LocalEngine, modules_of
from snac_eval.run.engines.processes import Child, Nursery
from snac_eval.run.evaluating import Evaluated
from snac_eval.run.plan import Plan, make_plan
from snac_eval.run.rows import Settled
from snac_eval.writing import write_file, write_text
from tests.conftest import tone

METRICS = ("bitrate", "mel_dac_paper")


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    """Five clips of one codec."""
    clips = tmp_path / "clips"
    clips.mkdir()
    for index in range(5):
        soundfile.write(clips / f"{index}.wav", tone(1.0, seed=index), 16000)
    return make_plan(RunConfig("pcm_8bit", f"folder:{clips}", tmp_path / "run", METRICS))


def _engine(plan: Plan, workers: int, is_apart: bool = False) -> LocalEngine:
    return LocalEngine(Coder(plan.config, plan.codec, plan.metrics), workers, is_apart)


def _tasks(plan: Plan) -> Iterator[CodingTask]:
    return (
        CodingTask(number, job)
        for number, job in enumerate(plan.pending([Settled(frozenset(), False)] * len(plan.clips)))
    )


def _check(batches: Iterable[list[Evaluated]]) -> None:
    results = [one for batch in batches for one in batch]
    assert sorted(one.number for one in results) == [0, 1, 2, 3, 4]
    for one in results:
        assert {name: score.status for name, score in one.scores.items()} == dict.fromkeys(
            METRICS, "ok"
        )
        assert one.codes is not None


def _children(pid: int) -> list[int]:
    path = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(one) for one in path.read_text().split()] if path.exists() else []


def _family(pid: int) -> list[int]:
    return [one for child in _children(pid) for one in (child, *_family(child))]


def _wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize(("workers", "is_apart"), [(0, False), (1, False), (2, True)])
def test_every_clip_comes_back_once(plan: Plan, workers: int, is_apart: bool) -> None:
    before, environment = _family(os.getpid()), dict(os.environ)
    calls: list[int] = []
    with _engine(plan, workers, is_apart) as engine:
        engine.prepare()
        _check(engine.work(_tasks(plan), meanwhile=lambda: calls.append(1)))
    assert (calls, engine.remarks) == ([1], ())
    assert (_family(os.getpid()), dict(os.environ)) == (before, environment)


def test_scores_do_not_depend_on_where_they_are_made(plan: Plan) -> None:
    found = []
    for workers, is_apart in ((0, False), (2, False), (2, True)):
        with _engine(plan, workers, is_apart) as engine:
            engine.prepare()
            done = [one for batch in engine.work(_tasks(plan)) for one in batch]
        found.append({one.number: (one.scores, one.codes and one.codes.blob) for one in done})
    assert found[0] == found[1] == found[2]


def test_a_clip_is_coded_twice_at_the_end_by_whoever_is_left(plan: Plan) -> None:
    for workers, is_apart in ((0, False), (1, False), (2, False), (1, True)):
        with _engine(plan, workers, is_apart) as engine:
            engine.prepare()
            jobs = [task.job for task in _tasks(plan)]
            _check(engine.work(_tasks(plan), jobs))
        assert engine.repeated == {"clip": "0", **Repeat(num_codes=1).facts()}


def test_processes_that_cannot_be_replaced_are_done_without(
    plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One works; of the other, nothing but ends is heard."""
    started: list[int] = []
    start = Nursery.start_worker

    def start_worker(
        nursery: Nursery, serve: Callable[..., None], arguments: tuple[object, ...]
    ) -> Child:
        started.append(len(started))
        return start(nursery, serve if len(started) == 1 else sys.exit, arguments)

    monkeypatch.setattr(Nursery, "start_worker", start_worker)
    with _engine(plan, 2) as engine:
        engine.prepare()
        _check(engine.work(_tasks(plan)))
        _wait_until(lambda: bool(engine.remarks) or not engine._step(0.1))
    assert len(started) == 1 + 3
    assert engine.remarks == (
        "1 of 2 processes go on: the process ended by itself with exit code 1",
    )


@pytest.mark.parametrize(("which", "is_apart"), [("the nursery", True), ("its children", False)])
def test_processes_that_are_killed_from_outside_are_replaced(
    plan: Plan, which: str, is_apart: bool
) -> None:
    with _engine(plan, 2, is_apart) as engine:
        engine.prepare()
        work = engine.work(_tasks(plan))
        results = next(work)
        (first,) = _children(os.getpid())
        victims = [first] if which == "the nursery" else _children(first)
        for victim in victims:
            os.kill(victim, signal.SIGKILL)
        results = [*results, *(one for batch in work for one in batch)]
    assert sorted(one.number for one in results) == [0, 1, 2, 3, 4]
    scores = [score for one in results for score in one.scores.values()]
    if which == "the nursery":
        assert {score.status for score in scores} == {"ok"}
    assert all("was killed by SIGKILL" in one.reason for one in scores if one.status == "error")


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs /proc")
def test_a_killed_process_takes_with_it_what_has_a_group_of_its_own() -> None:
    child = subprocess.Popen(["sh", "-c", "setsid sleep 60 & wait"], start_new_session=True)

    def own_groups() -> list[int]:
        return [one for one in _family(child.pid) if os.getpgid(one) != child.pid]

    _wait_until(lambda: bool(own_groups()))
    (program,) = own_groups()
    nursery.kill_tree(child.pid)
    child.wait()

    def ended() -> bool:
        stat = Path(f"/proc/{program}/stat")
        return not stat.exists() or b") Z " in stat.read_bytes()

    _wait_until(ended)


def test_workers_are_renewed_after_some_clips(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(staff, "_CLIPS_PER_PROCESS", 2)
    with _engine(plan, 1) as engine:
        engine.prepare()
        _check(engine.work(_tasks(plan)))


@pytest.mark.parametrize(
    ("start", "words"),
    [
        (["/no/such/python"], "No such file or directory: '/no/such/python'"),
        (["/bin/true"], "could not be started as a process"),
    ],
)
def test_where_no_process_starts_all_is_done_in_this_one(
    plan: Plan,
    start: list[str],
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(nursery, "command", lambda *_: start)
    with _engine(plan, 1) as engine:
        engine.prepare()
        _check(engine.work(_tasks(plan)))
    (remark,) = engine.remarks
    assert words in remark
    assert capsys.readouterr().err == f"snac-eval: note: {remark}\n"


def test_child_that_cannot_be_started_is_noticed(
    plan: Plan, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The nursery starts, and nothing else does: as under a limit of processes."""
    (tmp_path / "sitecustomize.py").write_text(
        "import os, sys\nif 'be_a_child' in sys.orig_argv[-1]: os._exit(7)\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with _engine(plan, 1, is_apart=True) as engine:
        engine.prepare()
        _check(engine.work(_tasks(plan)))
    assert "the codec's process ended by itself with exit code 7" in engine.remarks[0]


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_no_child_outlives_its_parent(plan: Plan, tmp_path: Path) -> None:
    source = Path(__file__).with_name("idle_host.py")
    clips = plan.config.dataset
    command = [sys.executable, source, clips]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        _wait_until(lambda: len(_family(process.pid)) == 2)
        family = _family(process.pid)
        process.kill()
        assert process.wait(60) == -signal.SIGKILL
    _wait_until(lambda: not any(Path(f"/proc/{pid}/exe").exists() for pid in family))


def test_runs_in_hosts_that_multiprocessing_cannot_start_from(plan: Plan, tmp_path: Path) -> None:
    """A program without a file, without a guard, and with a TMPDIR too long for a socket."""
    body = (
        "import snac_eval, multiprocessing\n"
        f"def f(_): r = snac_eval.evaluate('pcm_8bit', {plan.config.dataset!r},"
        " metrics=['bitrate', 'mel_dac_paper'], workers=1);"
        " print((r.scores.status == 'ok').sum(), flush=True)\n"
    )
    folder = tmp_path / ("x" * 100)
    folder.mkdir()
    done = subprocess.run(
        [sys.executable, "-"],
        input=f"{body}multiprocessing.get_context('fork').Pool(1).map(f, [0])\n",
        env={**os.environ, "TMPDIR": str(folder)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("10\n", "")


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


def test_workers_load_what_codec_and_metrics_need(plan: Plan) -> None:
    names = ("visqol_speech", "pesq_wb", "bitrate")
    metrics = {name: open_metric(name) for name in names}
    coder = Coder(plan.config, open_model("snac_16khz_mini"), metrics)
    audio = {"visqol", "snac_eval.metrics.pesq"}
    assert {"torch", "snac_eval.metrics.bitrate"} | audio <= set(modules_of(coder, is_apart=False))
    assert audio <= set(modules_of(coder, is_apart=True))
    assert "torch" not in modules_of(coder, is_apart=True)


def test_no_worker_looks_for_a_gpu_that_its_codec_does_not_use(
    plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That imports torch, in each of them."""
    sent: list[RunConfig] = []
    start = Nursery.start_worker

    def start_worker(nursery: Nursery, serve: Callable[..., None], arguments: Any) -> Child:  # noqa: ANN401
        sent.append(arguments[0].config)
        return start(nursery, serve, arguments)

    monkeypatch.setattr(Nursery, "start_worker", start_worker)
    assert plan.config.device == "auto"
    with _engine(plan, 2) as engine:
        engine.prepare()
    assert [one.device for one in sent] == ["cpu", "cpu"]


def test_engine_without_work_starts_nothing(plan: Plan) -> None:
    before = _children(os.getpid())
    with _engine(plan, 0):
        assert _children(os.getpid()) == before
