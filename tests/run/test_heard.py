"""A clip that several codecs hear is read once, and never otherwise than it was."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from snac_eval.run import heard
from snac_eval.types import Clip, Waveform


@pytest.fixture
def folder() -> Iterator[Path]:
    with heard.room_for(1000) as made:
        if made is None:
            pytest.skip("this machine has no folder in memory")
        yield made


def _waveform(rate: int = 16000) -> Waveform:
    return Waveform(np.arange(6, dtype=np.float32).reshape(2, 3), rate)


def test_what_was_read_is_not_read_again(folder: Path) -> None:
    first = heard.once(folder, "clip-mono", 16000, _waveform)
    again = heard.once(folder, "clip-mono", 16000, lambda: pytest.fail("read again"))
    assert again.sample_rate == 16000
    np.testing.assert_array_equal(again.samples, first.samples)
    again.samples[:] = 0  # a codec may write into what it was given
    third = heard.once(folder, "clip-mono", 16000, lambda: pytest.fail("read again"))
    np.testing.assert_array_equal(third.samples, first.samples)


def test_another_rate_and_another_name_are_other_clips(folder: Path) -> None:
    heard.once(folder, "a", 16000, _waveform)
    assert heard.once(folder, "a", 8000, lambda: _waveform(8000)).sample_rate == 8000
    calls: list[int] = []
    for _ in range(2):  # its header said another rate than it has: nothing is kept of it
        heard.once(folder, "b", 44100, lambda: calls.append(1) or _waveform())
    assert len(calls) == 2


def test_what_is_damaged_is_read_again(folder: Path) -> None:
    heard.once(folder, "a", 16000, _waveform)
    (file,) = folder.iterdir()
    file.write_bytes(b"short")
    np.testing.assert_array_equal(
        heard.once(folder, "a", 16000, _waveform).samples, _waveform().samples
    )


def test_nothing_is_kept_where_it_would_take_too_much() -> None:
    with heard.room_for(1 << 62) as made:
        assert made is None
    with heard.room_for(0) as made:
        assert made is None
    assert heard.once(None, "a", 16000, _waveform).num_channels == 2


def test_how_much_clips_take() -> None:
    clip = Clip("a", Path("a"), "a", duration_s=2.0, sample_rate=100, num_channels=2)
    assert heard.num_bytes([clip], [(0, 1), (50, 2), (0, 0)]) == 4 * (200 + 200 + 400)
