"""Workers in other interpreters: what they answer, how they end, and that none is left."""

from __future__ import annotations

import stat
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from snac_eval.environments.guest import Guest, GuestLost
from snac_eval.errors import AudioError, CodecError, UsageError
from tests.environments.venvs import bare_venv

_OWN = """
import os, stat, subprocess, sys, time
import numpy as np
from snac_eval.registry.asking import ask
from snac_eval.errors import AudioError

def doubled(samples):
    print("chatter"); os.system("echo more of it")
    return {"samples": 2 * samples, "path": sys.path, "modules": sorted(sys.modules)}
def asked(about): return ask("about", about=about)
def refused(): raise AudioError("no audio")
def failing(): return 1 / 0
def odd(): return object()
def dying():
    print("last words", file=sys.stderr, flush=True)
    os._exit(5)
def sleeping(): time.sleep(100)
def scribbling():
    for fd in map(int, os.listdir("/proc/self/fd")):
        try:
            if stat.S_ISFIFO(os.fstat(fd).st_mode):
                os.write(fd, b"nothing that is a frame")
        except OSError:
            continue
def child(): return subprocess.Popen(["sleep", "100"]).pid
"""


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("venv")
    found = bare_venv(folder)
    (there,) = (folder / "lib").glob("python*/site-packages")
    (there / "own_functions.py").write_text(_OWN)
    return found


def _call(guest: Guest, name: str, limit_s: float = 20.0, **said: object) -> object:
    return guest.call(f"own_functions:{name}", said, limit_s, "working")


def test_a_function_is_called_where_nothing_of_ours_is_installed(python: Path) -> None:
    guest = Guest(str(python), {"about": lambda about: [about, "answered"]})
    samples = np.arange(50_000, dtype=np.float32)
    found = _call(guest, "doubled", samples=samples)
    np.testing.assert_array_equal(found["samples"], 2 * samples)
    assert "pydantic" not in found["modules"]
    assert not any(str(Path(sys.prefix)) in entry for entry in found["path"])
    assert guest.hello.packages["numpy"] == np.__version__
    assert _call(guest, "asked", about="weights") == ["weights", "answered"]
    with pytest.raises(AudioError, match=r"^no audio$"):
        _call(guest, "refused")
    with pytest.raises(CodecError, match=r"^ZeroDivisionError: division by zero$") as raised:
        _call(guest, "failing")
    assert "return 1 / 0" in raised.value.trace
    with pytest.raises(CodecError, match="a object cannot be sent"):
        _call(guest, "odd")
    assert _call(guest, "asked", about=1) == [1, "answered"]
    guest.close()
    assert not guest.is_alive


@pytest.mark.parametrize(
    ("name", "said", "reason"),
    [
        ("dying", {}, r"ended by itself with exit code 5 while working \(last words\)"),
        ("sleeping", {"limit_s": 0.3}, "took longer than 0.3 s over working and was stopped"),
        ("scribbling", {}, "wrote what begins with b'nothing"),
    ],
)
def test_an_end_has_a_reason(python: Path, name: str, said: dict[str, float], reason: str) -> None:
    guest = Guest(str(python))
    with pytest.raises(GuestLost, match=reason):
        _call(guest, name, **said)
    assert not guest.is_alive
    assert not _lives(guest.pid)


def test_nothing_is_left_of_a_worker_whose_parent_is_killed(python: Path) -> None:
    code = (
        "import sys, time; from snac_eval.environments.guest import Guest\n"
        "guest = Guest(sys.argv[1])\n"
        "child = guest.call('own_functions:child', {}, 20)\n"
        "print(guest.pid, child, flush=True)\n"
        "guest.call('own_functions:sleeping', {}, 100)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code, python], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    pids = [int(pid) for pid in parent.stdout.readline().split()]
    assert len(pids) == 2
    assert all(map(_lives, pids))
    parent.kill()
    parent.wait()
    parent.stdout.close()
    deadline = time.monotonic() + 10
    while any(map(_lives, pids)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not any(map(_lives, pids))


def test_what_is_no_python_of_use_is_told_in_one_line(tmp_path: Path) -> None:
    silent = tmp_path / "silent"
    silent.write_text("#!/bin/sh\nsleep 100\n")
    loud = tmp_path / "loud"
    loud.write_text("#!/bin/sh\necho Hello; echo I am no Python >&2; exit 3\n")
    old = tmp_path / "old"
    old.write_text(f'#!/bin/sh\nexec {sys.executable} -I -S "$@"\n')  # which finds no NumPy
    plain = tmp_path / "plain"
    plain.write_text("no program")
    for file in (silent, loud, old):
        file.chmod(file.stat().st_mode | stat.S_IXUSR)
    said = {
        silent: "was not ready after 0.5 s",
        loud: "ended by itself with exit code 3 .I am no Python.",
        old: "cannot import NumPy .ModuleNotFoundError: No module named 'numpy'.",
        tmp_path: "is a folder",
        tmp_path / "none": "no such file",
        plain: "cannot be started: Permission denied",
    }
    for file, reason in said.items():
        limit_s = 0.5 if file == silent else 30
        with pytest.raises(UsageError, match=f"^{file}: .*{reason}") as raised:
            Guest(str(file), start_limit_s=limit_s)
        assert "\n" not in str(raised.value)


def _lives(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"
