"""What every fuzzer shares: a place of its own, odd values, and what the command line owes.

Every example calls the command line in this process. It may end with the documented exit codes and
one line on standard error. It may write to its output and its cache alone, and it must end in time.
``SNAC_EVAL_FUZZ=1000`` makes as many examples a surface, never twice the same.
"""

from __future__ import annotations

import contextlib
import copy
import io
import json
import math
import os
import resource
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

from snac_eval.cli.main import main

MANY = int(os.environ.get("SNAC_EVAL_FUZZ", "0"))
DONE, BROKEN_INPUT, FAILED_CLIPS = 0, 2, 4
LONGEST_S = 60.0
DEVICES = ("/dev/null", "/dev/zero")
MEMORY = 4 << 30
"""Bytes that one example may take beside what the process has already."""


def few(examples: int) -> settings:
    """Settings of a surface: this many examples, always the same; or as many as are asked for."""
    return settings(
        max_examples=MANY or examples,
        derandomize=not MANY,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        # To shrink takes hundreds of runs; what was found is small enough.
        phases=[Phase.explicit, Phase.generate],
    )


class Hang(BaseException):
    """An example took longer than any may."""


@dataclass(frozen=True)
class Place:
    """Where an example lives. It may write to ``output`` and ``cache`` and nowhere else."""

    root: Path

    @property
    def input(self) -> Path:
        return self.root / "input"

    @property
    def output(self) -> Path:
        return self.root / "output"

    @property
    def cache(self) -> Path:
        return self.root / "cache"

    def state(self) -> dict[str, tuple[int, int]]:
        """Size and time of every file outside output and cache; folders have neither."""
        found = {}
        for folder, folders, files in os.walk(self.root):
            if Path(folder) == self.root:
                folders[:] = [name for name in folders if name not in ("output", "cache")]
            for name in [*folders, *files]:
                path = os.path.join(folder, name)
                status = os.lstat(path)
                # A folder's time changes where a temporary file came and went.
                kept = (0, 0) if name in folders else (status.st_size, status.st_mtime_ns)
                found[os.path.relpath(path, self.root)] = kept
        return found


@contextlib.contextmanager
def place() -> Iterator[Place]:
    """A fresh place: home, working folder and temporary files are in it as well."""
    root = Path(tempfile.mkdtemp(prefix="snac-eval-fuzz-"))
    here = Place(root)
    for name in ("input", "output", "cache", "home", "tmp", "work"):
        (root / name).mkdir()
    before = Path.cwd()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(root / "home"))
        patch.setenv("TMPDIR", str(root / "tmp"))
        patch.setattr(tempfile, "tempdir", str(root / "tmp"))
        patch.setenv("SNAC_EVAL_CACHE", str(root / "cache"))
        for variable in ("MPLCONFIGDIR", "TORCHINDUCTOR_CACHE_DIR"):  # of libraries, once a machine
            patch.setenv(variable, str(root / "cache" / "libraries"))
        patch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
        os.chdir(root / "work")
        try:
            yield here
        finally:
            os.chdir(before)
            shutil.rmtree(root, ignore_errors=True)


def call(where: Place, *arguments: str | Path, allowed: Sequence[int] = (0, 2)) -> str:
    """Run the command line and hold it to what it owes. Gives what it said on standard error."""
    words = [os.fspath(word) for word in arguments]
    before = where.state()
    devices = [os.stat(device).st_rdev for device in DEVICES]
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), _bounded():
        try:
            code = main(words)
        except SystemExit as ended:
            code = int(ended.code or 0)
        except Hang:
            raise AssertionError(f"{words} took longer than {LONGEST_S:g} s") from None
        finally:
            if "torch" in sys.modules:  # SNAC flushes them, at which Hypothesis' floats stumble
                sys.modules["torch"].set_flush_denormal(False)
    said = err.getvalue()
    assert code in allowed, f"exit code {code} of {words}:\n{said}"
    assert said.count("\n") <= 1, f"several lines of {words}:\n{said}"
    assert bool(said) or code in (0, 1, 3), f"nothing said of {words}"
    after = where.state()
    changed = {name for name, _ in before.items() ^ after.items()}
    assert not changed, f"{words} wrote outside: {sorted(changed)}"
    assert devices == [os.stat(device).st_rdev for device in DEVICES], f"{words} put a device away"
    return said


@contextlib.contextmanager
def _bounded() -> Iterator[None]:
    """Bounded in time and memory."""

    def hang(*_: object) -> None:
        raise Hang

    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    previous = signal.signal(signal.SIGALRM, hang)
    signal.setitimer(signal.ITIMER_REAL, LONGEST_S)
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)


# Bytes: valid ones, spoilt.

_CHUNKS = (
    b"\0",
    b"\xff",
    b"\xff" * 4,
    b"\0" * 8,
    b"\x7f\xff\xff\xff",
    b"=1+1",
    b"../",
    b'"',
    b"\n",
)


@st.composite
def spoilt(draw: st.DrawFn, seeds: Sequence[bytes], most: int = 6) -> bytes:
    """One of the seeds with a few bytes changed, put in, taken out or repeated, or cut short."""
    data = bytearray(draw(st.sampled_from(seeds)))
    for _ in range(draw(st.integers(1, most))):
        head = min(len(data), 128)
        at = draw(st.integers(0, head) | st.integers(0, len(data)))
        size = draw(st.integers(1, 64))
        match draw(st.sampled_from(("set", "set", "set", "insert", "delete", "repeat", "cut"))):
            case "set":
                chunk = draw(st.sampled_from(_CHUNKS) | st.binary(min_size=1, max_size=8))
                data[at : at + len(chunk)] = chunk
            case "insert":
                data[at:at] = draw(st.sampled_from(_CHUNKS) | st.binary(min_size=1, max_size=16))
            case "delete":
                del data[at : at + size]
            case "repeat":
                data[at:at] = data[at : at + size]
            case "cut":
                del data[at:]
    return bytes(data)


# Trees: valid JSON or TOML with odd values in it.

ODD: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 7, 2**31, 2**63, 2**70, 10**400, -(10**30)),
    *(0.5, -0.0, 1e308, -1e308, 1e-300, math.nan, math.inf, -math.inf),
    *("", " ", "x", "\0", "é声", "\ud800", "=1+1", "\x1b[31m", "a\nb", "x" * 300),
    *("..", "../../outside", "/etc/passwd", "/dev/zero", "~nobody/x", "file:///etc/passwd", "."),
    *(
        "{",
        "{0.__class__}",
        "%s",
        "[",
        "(",
        "**",
        "**/*",
        "ok",
        "error",
        "nan",
        "1e999",
        "finished",
    ),
    *([], {}, [[]], [None], [1, "a"], {"a": 1}, {"": {}}, [0] * 100),
)


def odd() -> st.SearchStrategy[Any]:
    """Values that nobody would write there."""
    numbers = st.floats(allow_subnormal=False) | st.integers()
    return st.sampled_from(ODD).map(copy.deepcopy) | st.text(max_size=8) | numbers


@st.composite
def twisted(draw: st.DrawFn, tree: Any, most: int = 3) -> Any:  # noqa: ANN401 - JSON
    """The tree with a few of its values replaced, removed, renamed or repeated."""
    tree = copy.deepcopy(tree)
    for _ in range(draw(st.integers(1, most))):
        tree = _twist(draw, tree)
    return tree


def _twist(draw: st.DrawFn, tree: Any) -> Any:  # noqa: ANN401 - JSON
    if not isinstance(tree, dict | list) or not tree or draw(st.integers(0, 5)) == 0:
        return draw(odd())
    inside = list(tree) if isinstance(tree, dict) else list(range(len(tree)))
    key = draw(st.sampled_from(inside))
    if isinstance(tree[key], dict | list) and tree[key] and draw(st.integers(0, 4)):
        tree[key] = _twist(draw, tree[key])
        return tree
    match draw(st.sampled_from(("replace", "replace", "replace", "remove", "rename", "more"))):
        case "replace":
            tree[key] = draw(odd())
        case "remove":
            del tree[key]
        case "rename" if isinstance(tree, dict):
            tree[draw(st.text(max_size=5))] = tree.pop(key)
        case _ if isinstance(tree, list):
            tree.append(draw(odd()))
        case _:
            tree[draw(st.text(max_size=5))] = draw(odd())
    return tree


def toml(tree: Mapping[str, Any]) -> str:
    """The table as TOML. None, which TOML does not have, is left out."""
    if not isinstance(tree, Mapping):
        return _toml_value(tree)
    return "\n".join(f"{_toml_key(k)} = {_toml_value(v)}" for k, v in tree.items() if v is not None)


def _toml_key(key: str) -> str:
    return json.dumps(key)


def _toml_value(value: Any) -> str:  # noqa: ANN401 - JSON
    if isinstance(value, Mapping):
        inside = (f"{_toml_key(k)} = {_toml_value(v)}" for k, v in value.items() if v is not None)
        return "{" + ", ".join(inside) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_toml_value(one) for one in value if one is not None) + "]"
    if isinstance(value, float):
        return str(value)
    return json.dumps(value)


def write_text(path: Path, text: str) -> None:
    """UTF-8, half pairs of UTF-16 as they are: a file may hold any bytes."""
    path.write_bytes(text.encode("utf-8", "surrogatepass"))


def once(make: Callable[[], Any]) -> Callable[[], Any]:
    """Make the seeds when the first example needs them."""
    made: list[Any] = []

    def get() -> Any:  # noqa: ANN401 - whatever is made
        if not made:
            made.append(make())
        return made[0]

    return get
