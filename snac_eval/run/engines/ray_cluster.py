"""A Ray cluster as a run has it: started on this machine, or joined, and let go of.

Ray's own chatter does not reach the user: what it prints of lost workers would stand among a run's
results, and the run says itself what became of its clips.
"""

from __future__ import annotations

import importlib
import logging
import os
import secrets
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from snac_eval.errors import UsageError, detail

ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1"
)
_CONNECT_LIMIT_S = 5.0
_ASKED_AGAIN_S = 5.0
# The name of a socket below it may have 107 bytes, and Ray's own part takes about 70 of them.
_LONGEST_FOLDER = 36
_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    # How often Ray asks anew, for half a minute each, whether somebody answers there.
    "RAY_NUM_REDIS_GET_RETRIES": "1",
}
_LOCAL_ENVIRONMENT = {
    **_ENVIRONMENT,
    # Whatever the name says: everything listens on 127.0.0.1 alone.
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
}


class Cluster:
    """A cluster while a run has it. Use as a context manager.

    ``address`` names one to join, ``HOST:PORT`` or ``auto``; empty: the one that the program runs
    in (a job that was submitted, a caller that called ``ray.init``), else one of ``num_cpus`` is
    started on this machine and ended again. ``environment`` is Ray's ``runtime_env`` of the
    workers. Raises UsageError where there is no such cluster, or no Ray.
    """

    def __init__(self, address: str, num_cpus: int, environment: Mapping[str, Any]) -> None:
        require_ray()
        self._address = address or os.environ.get("RAY_ADDRESS", "")
        self._num_cpus = num_cpus
        self._environment = environment
        self._stack = ExitStack()
        self._found: Mapping[str, float] = {}
        self._asked_at = float("-inf")
        self.is_own = self._address in ("", "local")
        """Whether it is started here, and ends with the run."""
        self.options: dict[str, Any] = {}
        """What each task and actor needs to be told."""

    def __enter__(self) -> Cluster:
        with ExitStack() as stack:
            variables = {**_LOCAL_ENVIRONMENT, **_token()} if self.is_own else _ENVIRONMENT
            stack.enter_context(_changed(variables))
            import ray

            stack.enter_context(_quiet())
            if ray.is_initialized():  # The caller is in a cluster, and stays there.
                self.is_own, self.options = False, {"runtime_env": dict(self._environment)}
            elif self.is_own:
                self._start(stack)
            else:
                self._join(stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def num_cores(self) -> int:
        """What Ray may use of the whole cluster, at most some seconds ago: nodes come and go."""
        return max(1, self._resources("CPU"))

    @property
    def num_gpus(self) -> int:
        """The same, of GPUs."""
        return self._resources("GPU")

    def look_again(self) -> None:
        """A node may have been lost just now."""
        self._asked_at = float("-inf")

    def _resources(self, name: str) -> int:
        import ray

        now = time.monotonic()
        if now - self._asked_at > _ASKED_AGAIN_S:
            self._asked_at, self._found = now, ray.cluster_resources()
        return int(self._found.get(name, 0))

    def _start(self, stack: ExitStack) -> None:
        folder = stack.enter_context(_folder())
        self._init(
            stack,
            address="local",
            num_cpus=max(1, self._num_cpus),
            include_dashboard=False,
            _temp_dir=str(folder),
        )

    def _join(self, stack: ExitStack) -> None:
        if "://" in self._address:
            raise UsageError(
                f"--address {self._address}: Ray's client cannot be used; run snac-eval on a node"
                " of the cluster (ray job submit), with HOST:PORT or auto"
            )
        if self._address != "auto":
            _require_listener(self._address)
        self._init(stack, address=self._address)

    def _init(self, stack: ExitStack, **arguments: object) -> None:
        import ray

        stack.callback(ray.shutdown)
        try:
            with _signals_kept():
                ray.init(
                    log_to_driver=False,
                    logging_level=logging.CRITICAL,
                    runtime_env=dict(self._environment),
                    **arguments,
                )
        except Exception as error:  # Of many kinds, ValueError and RuntimeError among them.
            what = "Ray cannot be started here"
            if not self.is_own:
                what = f"--address {self._address}: no Ray cluster can be joined there"
                if "RAY_AUTH_MODE" not in os.environ:
                    what += " (if it asks for a token, RAY_AUTH_MODE=token is needed here as well)"
            raise UsageError(f"{what}: {detail(error)}") from error


def require_ray() -> None:
    """Raise UsageError, which names the extra, where Ray is not installed."""
    if find_spec("ray") is None:
        raise UsageError("--engine ray needs ray: pip install 'snac-eval[ray]'")


def environment(own: Mapping[str, Any]) -> dict[str, Any]:
    """The workers' ``runtime_env``: the user's, with one thread for each library."""
    variables = {**ONE_THREAD, "RAY_USAGE_STATS_ENABLED": "0", **dict(own.get("env_vars") or {})}
    return {**own, "env_vars": variables}


def read_environment(path: Path | None) -> dict[str, Any]:
    """A ``runtime_env`` from a YAML or JSON file, as ``ray job submit --runtime-env`` takes it.

    Raises UsageError for a file that holds none.
    """
    if path is None:
        return {}
    import yaml  # Ray needs it as well.

    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UsageError(f"--runtime-env {path}: cannot be read: {detail(error)}") from error
    if not isinstance(found, dict) or not isinstance(found.get("env_vars") or {}, dict):
        raise UsageError(f"--runtime-env {path}: holds no runtime_env (keys such as env_vars, pip)")
    return found


def _require_listener(address: str) -> None:
    """Ray itself would take ten minutes to find out that nobody listens."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():
        raise UsageError(f"--address {address}: give HOST:PORT, e.g. 10.0.0.1:6379, or auto")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), _CONNECT_LIMIT_S):
            pass
    except (OSError, OverflowError) as error:
        raise UsageError(
            f"--address {address}: no Ray cluster answers there ({detail(error)}); is 'ray start"
            " --head' running, and the port its?"
        ) from error


@contextmanager
def _changed(variables: Mapping[str, str]) -> Iterator[None]:
    """Have these environment variables, except where the user set them, until the end."""
    before = dict(os.environ)
    os.environ.update({**variables, **before})
    try:
        yield
    finally:
        for name in variables.keys() - before.keys():
            os.environ.pop(name, None)


@cache
def _token() -> dict[str, str]:
    """What Ray's processes ask each other for: a secret of this process, for Ray would write one
    into the home folder; what the user has, where there is one. Ray keeps the first that it reads.
    """
    path = os.environ.get("RAY_AUTH_TOKEN_PATH") or Path.home() / ".ray" / "auth_token"
    is_known = "ray" in sys.modules or Path(path).exists()
    return {} if is_known else {"RAY_AUTH_TOKEN": secrets.token_hex(32)}


@contextmanager
def _folder() -> Iterator[Path]:
    """Where Ray keeps sockets and logs."""
    root = tempfile.gettempdir()
    folder = tempfile.mkdtemp(
        prefix="snac-ray-", dir=root if len(root) + 18 <= _LONGEST_FOLDER else "/tmp"
    )
    try:
        yield Path(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _quiet() -> Iterator[None]:
    """Print nothing of what Ray says of its workers, which it does on standard output."""
    logger = logging.getLogger("ray")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        with _without("ray._private.worker", "print_to_stdstream"):
            yield
    finally:
        logger.setLevel(level)


@contextmanager
def _without(module: str, name: str) -> Iterator[None]:
    """Have a function of Ray's do nothing, for it offers no setting that says so."""
    owner: Any = importlib.import_module(module)
    kept = getattr(owner, name, None)
    setattr(owner, name, _do_nothing)
    try:
        yield
    finally:
        if kept is not None:
            setattr(owner, name, kept)


@contextmanager
def _signals_kept() -> Iterator[None]:
    """Keep our handlers of signals: Ray would exit at SIGTERM, and print where the program was."""
    with _without("ray._private.utils", "set_sigterm_handler"):
        yield
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            handler = signal.getsignal(number)
            if handler is not None:  # Else it is none of Python's.
                signal.signal(number, handler)


def _do_nothing(*_: object, **__: object) -> None:
    """Instead of what Ray would do."""
