"""A run that is killed anywhere is read as what it is, and ends as the one that nobody killed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_every_rename_and_commit_and_some_random_instants() -> None:
    # In a process of its own: it forks, which a process with the threads of a test run must not.
    command = [sys.executable, "-m", "benchmarks.kills", "--clips", "2", "--random", "5"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()
    assert int(first.split()[0]) >= 20
    assert second.startswith("5 random instants: the same")
