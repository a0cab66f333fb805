"""What a process noted can be read by another, also once it is dead."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from snac_eval.run.engines.page import _COUNT, Page, open_file


@pytest.fixture
def fd() -> Iterator[int]:
    """The file of a new page."""
    fd = open_file()
    yield fd
    os.close(fd)


def test_the_last_note_of_each_thread_is_read(fd: int) -> None:
    writer, reader = Page(fd), Page(fd)
    assert reader.read() is None
    before = time.monotonic()
    writer.note("coding", [3, 4])
    writer.note("ahead", [5], 1)
    writer.note("pesq_wb", [3])
    note, ahead = reader.read(), reader.read(1)
    assert note is not None
    assert ahead is not None
    assert (note.what, note.numbers, ahead.numbers) == ("pesq_wb", (3,), (5,))
    assert before <= ahead.since <= note.since <= time.monotonic()
    writer.clear()
    assert reader.read() is None
    assert reader.read(1) == ahead


def test_a_note_that_is_half_written_is_none(fd: int) -> None:
    page = Page(fd)
    page.note("coding", [1])
    _COUNT.pack_into(page._memory, 0, 3)
    assert page.read() is None


def test_a_very_long_batch_is_cut(fd: int) -> None:
    page = Page(fd)
    page.note("coding", range(10**6, 10**6 + 10_000))
    page.note("ahead", [7], 1)
    note = page.read()
    assert note is not None
    assert note.numbers[0] == 10**6
    assert 1000 <= len(note.numbers) < 10_000


def test_a_note_outlives_its_process(fd: int) -> None:
    program = (
        "import os, signal; from snac_eval.run.engines.page import Page\n"
        f"Page({fd}).note('si_sdr', [12]); os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", program], pass_fds=[fd], check=False)
    assert done.returncode == -signal.SIGKILL
    note = Page(fd).read()
    assert note is not None
    assert (note.what, note.numbers) == ("si_sdr", (12,))
