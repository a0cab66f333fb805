"""Frames between interpreters, through real pipes and files in memory."""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from snac_eval.environments.wire import Closed, Garbage, Overdue, Wire

MESSAGE = {
    "text": "ü\ud800",
    "numbers": [1, 2.5, True, None],
    "bytes": b"\x00\xff",
    "object": {"$array": 3, "a": {}},
    "arrays": [
        np.arange(6, dtype=np.float32).reshape(2, 3)[:, ::2],
        np.array(7, np.int64),
        np.zeros((0, 4), np.int32),
        np.array([True, False]),
        np.arange(3, dtype=">i2"),
    ],
}


@pytest.fixture(params=["shared", "pipe"])
def ends(request: pytest.FixtureRequest) -> Iterator[tuple[Wire, Wire]]:
    there, back = os.pipe(), os.pipe()
    shared = [os.memfd_create("a"), os.memfd_create("b")] if request.param == "shared" else [-1, -1]
    yield Wire(there[0], back[1], *shared), Wire(back[0], there[1], *reversed(shared))
    for fd in (*there, *back, *shared):
        if fd >= 0:
            os.close(fd)


def test_a_message_comes_as_it_was_sent(ends: tuple[Wire, Wire]) -> None:
    here, there = ends
    here.send(MESSAGE)
    found = there.receive(time.monotonic() + 5)
    assert {key: found[key] for key in MESSAGE if key != "arrays"} == {
        key: one for key, one in MESSAGE.items() if key != "arrays"
    }
    for one, other in zip(found["arrays"], MESSAGE["arrays"], strict=True):
        assert one.shape == other.shape
        assert one.dtype == other.dtype.newbyteorder("<")
        np.testing.assert_array_equal(one, other)
    there.send({"value": [math.nan, -math.inf]})
    first, second = here.receive()["value"]
    assert math.isnan(first)
    assert second == -math.inf


def test_what_a_pipe_does_not_hold_goes_through_all_the_same(ends: tuple[Wire, Wire]) -> None:
    large = np.random.default_rng(0).integers(0, 1 << 30, 300_001)
    messages = ({"large": [large, b"x" * 100_000]}, {"large": np.zeros(100_000)})
    first, second = (_passed(*ends, message)["large"] for message in messages)
    # The second one took the first one's place in memory, and that stays as it came.
    np.testing.assert_array_equal(first[0], large)
    assert first[1] == b"x" * 100_000
    assert not second.any()


def _passed(here: Wire, there: Wire, message: dict[str, Any]) -> dict[str, Any]:
    sending = threading.Thread(target=here.send, args=(message, time.monotonic() + 20))
    sending.start()
    found = there.receive(time.monotonic() + 20)
    sending.join()
    return found


@pytest.mark.parametrize(
    ("written", "said"),
    [
        (b"Hello, I am no worker", "begins with b'Hello"),
        (b"SNEV\xff\xff\xff\xff" + bytes(8), "is no frame"),
        (b"SNEV\x02\x00\x00\x00" + bytes(8) + b"{}", "is a broken frame"),
    ],
)
def test_what_is_no_frame_is_told(written: bytes, said: str) -> None:
    reading, writing = os.pipe()
    os.write(writing, written)
    with pytest.raises(Garbage, match=said.replace("[", "\\[")):
        Wire(reading, writing).receive(time.monotonic() + 1)
    os.close(writing)
    os.close(reading)


def test_nobody_waits_for_ever() -> None:
    reading, writing = os.pipe()
    wire = Wire(reading, writing)
    with pytest.raises(Overdue):
        wire.receive(time.monotonic() + 0.01)
    with pytest.raises(Overdue):  # Nobody reads it.
        wire.send({"a": b"x" * 1_000_000}, time.monotonic() + 0.01)
    os.close(writing)
    os.close(reading)
    with pytest.raises(Closed):
        wire.receive()


def test_what_cannot_be_sent_is_refused_before_anything_is_written() -> None:
    reading, writing = os.pipe()
    wire = Wire(reading, writing)
    for value in (object(), np.array([object()]), {1: 2}):
        with pytest.raises(TypeError, match="cannot be sent"):
            wire.send({"a": value})
    with pytest.raises(Overdue):
        wire.receive(time.monotonic() + 0.01)
    os.close(writing)
    os.close(reading)
