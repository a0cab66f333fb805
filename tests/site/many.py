"""Runs that were never computed, of which boards are made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from snac_eval.results.record import Run, read_run
from snac_eval.site.boards import Board, make_boards, named
from tests.runs import Column, noisy, write_run

NUM_CLIPS = 12
SPEAKERS = [f"speaker {index % 6}" for index in range(NUM_CLIPS)]
CLIPS = [f"clip{index:03d}" for index in range(NUM_CLIPS)]


def scored(
    folder: Path,
    codec: str,
    quality: float,
    kbps: float | str,
    seed: int = 0,
    scores: Mapping[str, Column] | None = None,
    **said: Any,  # noqa: ANN401 - as write_run takes it
) -> Path:
    """A run of twelve clips of six speakers, of PESQ and STOI about ``quality``."""
    own = {
        "pesq_wb": noisy(quality, 0.1, NUM_CLIPS, seed),
        "stoi": noisy(0.5 + quality / 10, 0.01, NUM_CLIPS, seed + 1),
        "bitrate": [kbps] * NUM_CLIPS,
    }
    speakers: Sequence[str] = said.pop("speakers", SPEAKERS)
    return write_run(folder, own | dict(scores or {}), codec, speakers, **said)


def boards(*folders: Path) -> list[Board]:
    return list(make_boards(named([read_run(folder) for folder in folders])))


def read(*folders: Path) -> list[Run]:
    return [read_run(folder) for folder in folders]
