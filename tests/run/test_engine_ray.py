"""A cluster gives the scores that this machine gives, whatever becomes of its nodes."""

from __future__ import annotations

import os
import secrets
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import soundfile

import snac_eval
from benchmarks.ray_scale import workers
from snac_eval.errors import UsageError
from snac_eval.run.coding import Coder, CodingTask
from snac_eval.run.config import RunConfig
from snac_eval.run.engines import ray as engine_module
from snac_eval.run.engines import ray_cluster, ray_tasks
from snac_eval.run.engines.ray import RayEngine
from snac_eval.run.engines.ray_tasks import Desk
from snac_eval.run.plan import Plan, make_plan
from snac_eval.run.rows import Settled
from snac_eval.run.sealed import read_manifest
from tests.cli.faulty import write_clips
from tests.cli.helpers import repeatable, run_process, scores
from tests.conftest import tone
from tests.trackers.conftest import Heard

# Ray itself is imported only where its environment is set.
pytestmark = pytest.mark.skipif(find_spec("ray") is None, reason="needs the extra ray")

METRICS = ("bitrate", "mel_dac_paper", "si_sdr")
LISTEN_HERE = {
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # Everything listens on 127.0.0.1 alone.
    "RAY_AUTH_MODE": "token",
    "RAY_AUTH_TOKEN": secrets.token_hex(32),
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_worker_niceness": "0",  # Else they give way to the other tests.
}


@pytest.fixture(scope="module", autouse=True)
def _environment() -> Iterator[None]:
    """Set before Ray is imported, which reads it then."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in LISTEN_HERE.items():
            patch.setenv(name, value)
        yield


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Two nodes of one core each on this machine; the first has what Ray takes for a GPU."""
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "num_gpus": 1})
    made.add_node(num_cpus=1)
    yield made
    made.shutdown()


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    """A folder of ten clips of different length."""
    folder = tmp_path / "clips"
    folder.mkdir()
    for index in range(10):
        soundfile.write(folder / f"{index}.wav", tone(0.5 + 0.01 * index, seed=index), 16000)
    return folder


def _engine(plan: Plan) -> RayEngine:
    return RayEngine(Coder(plan.config, plan.codec, plan.metrics), len(plan.clips))


def _tasks(plan: Plan) -> Iterator[CodingTask]:
    jobs = plan.pending([Settled(frozenset(), False)] * len(plan.clips))
    return (CodingTask(number, job) for number, job in enumerate(jobs))


def _plan(clips: Path, cluster: Any, model: str = "pcm_8bit") -> Plan:  # noqa: ANN401
    where = clips.parent / "run"
    return make_plan(
        RunConfig(model, f"folder:{clips}", where, METRICS, engine="ray", address=cluster.address)
    )


def _wait_until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_two_nodes_give_the_frame_of_one_machine(
    cluster: Any,  # noqa: ANN401
    clips: Path,
    tmp_path: Path,
) -> None:
    common = ["run", "--model", "tests.run.ray_codecs:slow", "--dataset", f"folder:{clips}"]
    common += ["--metrics", ",".join(METRICS), "--no-html", "--quiet"]
    here = run_process(*common, "--output", tmp_path / "here")
    assert here.returncode == 0, here.stderr
    there = run_process(
        *common, "--output", tmp_path / "there", "--engine", "ray", "--address", cluster.address
    )
    assert (there.returncode, there.stderr) == (0, "")
    pd.testing.assert_frame_equal(
        repeatable(scores(tmp_path / "there")), repeatable(scores(tmp_path / "here"))
    )
    notes = " ".join(read_manifest(tmp_path / "there")["notes"])
    assert "clips were coded, and timed, on 2 machines (" in notes


@pytest.mark.parametrize("model", ["tests.run.ray_codecs:faulty_on_gpu"])
def test_clips_that_end_their_workers_cost_themselves_alone(
    model: str,
    cluster: Any,  # noqa: ANN401
    tmp_path: Path,
) -> None:
    reasons = {
        "kill": "the worker ended or was killed while coding this clip",
        "raise": "UnicodeDecodeError: ",
    }
    clips = write_clips(tmp_path / "clips", [*reasons])
    file = tmp_path / "environment.yaml"
    file.write_text("env_vars:\n  FAULTY: encode\n")
    frame = snac_eval.evaluate(
        model,
        f"folder:{clips}",
        ["bitrate", "si_sdr"],
        engine="ray",
        address=cluster.address,
        runtime_env=file,
        clip_timeout_s=1.0,
        max_error_rate=1.0,
    ).scores
    failed = frame[frame["status"] == "error"]
    assert set(failed["clip_id"]) == {*reasons}
    for one in failed.itertuples():
        assert one.reason.startswith(reasons[one.clip_id])
    assert (frame["status"] == "ok").sum() == 4


def test_node_that_is_killed_costs_no_clip(
    cluster: Any,  # noqa: ANN401
    clips: Path,
) -> None:
    node = cluster.add_node(num_cpus=1)
    plan = _plan(clips, cluster, "tests.run.ray_codecs:slower")
    with _engine(plan) as engine:
        engine.prepare()
        work = engine.work(_tasks(plan))
        results = []
        while node.node_id not in {one.node for one in engine._flights.values()}:
            results += next(work)
        for pid in [*workers(node.node_id), node.all_processes["raylet"][0].process.pid]:
            os.kill(pid, signal.SIGKILL)
        for some in work:
            results += some
    cluster.remove_node(node)
    assert sorted(one.number for one in results) == list(range(10))
    assert {score.status for one in results for score in one.scores.values()} == {"ok"}


def test_file_that_a_node_lacks_is_sent_to_it(
    cluster: Any,  # noqa: ANN401
    clips: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plan = _plan(clips, cluster, "pcm_16bit")
    for path in [*clips.iterdir()]:
        path.rename(f"{path}.beside_the_driver")
    (clips / "0.wav").write_bytes(b"another file of that name")
    monkeypatch.setattr(ray_tasks, "Desk", _DeskElsewhere)
    with _engine(plan) as engine:
        engine.prepare()
        results = [one for some in engine.work(_tasks(plan)) for one in some]
    assert {score.reason for one in results for score in one.scores.values()} == {""}


class _DeskElsewhere(Desk):
    """As on a machine that has other files."""

    def read(self, path: str) -> bytes | None:
        return super().read(f"{path}.beside_the_driver")


def test_callers_own_cluster_is_used_and_kept(
    cluster: Any,  # noqa: ANN401
    clips: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """And what takes long to begin is said to be waited for."""
    import ray

    monkeypatch.setattr(engine_module, "_LONG_S", -1.0)
    monkeypatch.setattr(engine_module, "_LONGEST_WAIT_S", 0.01)
    ray.init(address=cluster.address, log_to_driver=False, logging_level="critical")
    try:
        options = {"metrics": ["bitrate"], "engine": "ray", "limit": 2}
        options["callbacks"] = [heard := Heard()]
        frame = snac_eval.evaluate("pcm_8bit", f"folder:{clips}", **options).scores
        assert list(frame["status"]) == ["ok", "ok"]
        assert sorted(one.number for one in heard.clips) == [0, 1]
        assert len(heard.runs) == 1
        assert ray.is_initialized()
    finally:
        ray.shutdown()
    assert capsys.readouterr().err == f"snac-eval: note: {engine_module._WAITING}\n"


def test_worker_that_is_not_the_drivers_is_refused(
    cluster: Any,  # noqa: ANN401
    clips: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plan = _plan(clips, cluster)
    other = make_plan(replace(plan.config, model="pcm_16bit"))
    words = r"Ray node 127.0.0.1: the codec there is .*, and .* where the run was started"
    with (
        _engine(replace(plan, codec=other.codec)) as engine,
        pytest.raises(UsageError, match=words),
    ):
        engine.prepare()
    monkeypatch.setattr(engine_module, "program_digest", lambda: "of another version")
    words = r"Ray node 127.0.0.1: snac-eval .* there is not the program that the driver runs"
    with _engine(plan) as engine, pytest.raises(UsageError, match=words):
        engine.prepare()


def test_a_codec_that_computes_elsewhere_is_refused(
    cluster: Any,  # noqa: ANN401
    clips: Path,
) -> None:
    plan = _plan(clips, cluster, "tests.run.ray_codecs:on_mps")
    words = "computes on cpu or cuda, not on mps"
    with pytest.raises(UsageError, match=words), _engine(plan) as engine:
        engine.prepare()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"address": "ray://127.0.0.1:9"}, "Ray's client cannot be used"),
        ({"address": "head"}, "give HOST:PORT"),
        ({"runtime_env": Path("/nowhere")}, "--runtime-env /nowhere: cannot be read"),
        ({"engine": "dask"}, "--engine dask: use local or ray"),
        ({"engine": "local", "address": "auto"}, "--address auto needs --engine ray"),
    ],
)
def test_what_cannot_be_is_refused(options: dict[str, Any], words: str, clips: Path) -> None:
    asked = {"model": "pcm_8bit", "engine": "ray", **options}
    with pytest.raises(UsageError, match=words):
        snac_eval.evaluate(dataset=f"folder:{clips}", metrics=["bitrate"], **asked)


def test_address_where_nobody_listens_is_one_line(clips: Path, tmp_path: Path) -> None:
    done = run_process(
        *("run", "--model", "pcm_8bit", "--dataset", f"folder:{clips}", "--quiet"),
        *("--output", tmp_path / "run", "--engine", "ray", "--address", "127.0.0.1:9"),
    )
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("snac-eval: --address 127.0.0.1:9: no Ray cluster answers there (")


def test_extra_is_named_where_ray_is_missing(
    clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_cluster, "find_spec", lambda _: None)
    with pytest.raises(UsageError, match=r"needs ray: pip install 'snac-eval\[ray\]'"):
        snac_eval.evaluate("pcm_8bit", f"folder:{clips}", ["bitrate"], engine="ray")


def test_workers_compute_on_one_thread_unless_the_user_says_otherwise() -> None:
    given = {"pip": ["x"], "env_vars": {"OMP_NUM_THREADS": "4", "A": "b"}}
    made = ray_cluster.environment(given)
    assert made["pip"] == ["x"]
    assert {**given["env_vars"], "MKL_NUM_THREADS": "1"}.items() <= made["env_vars"].items()


def _family(pid: int) -> list[int]:
    path = Path(f"/proc/{pid}/task/{pid}/children")
    children = [int(one) for one in path.read_text().split()] if path.exists() else []
    return [one for child in children for one in (child, *_family(child))]
