"""Killed anywhere, a run ends as if nobody had killed it; no flipped bit changes a number."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from benchmarks.bit_flips import count_outcomes

ROOT = Path(__file__).resolve().parents[2]


def test_every_rename_and_commit_and_some_random_instants() -> None:
    # In a process of its own: it forks, which a process with the threads of a test run must not.
    command = [sys.executable, "-m", "benchmarks.kills", "--clips", "2", "--random", "2"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()
    assert int(first.split()[0]) >= 20
    assert second.startswith("2 random instants: the same")


def test_a_flipped_bit_is_met_with_the_same_numbers_or_with_one_line(tmp_path: Path) -> None:
    found = count_outcomes(tmp_path, num_flips=24, seed=3)
    assert len(found) == 6
    for what, counts in found.items():
        assert counts.keys() <= {"same", "line", "fewer"}, (what, counts)
