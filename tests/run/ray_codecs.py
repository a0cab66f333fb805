"""Codecs for the tests of the cluster: slow ones, and one that says that it has a GPU."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from snac_eval.codecs.opening import open_model
from snac_eval.types import Codec, Codes, Waveform
from tests.cli import faulty


def slow() -> Codec:
    """16-bit PCM that takes 0.15 s a clip."""
    return _Pcm("cpu", waits_s=0.15)


def slower() -> Codec:
    """The same that takes 0.5 s: even a busy machine starts a node's worker in the time of all."""
    return _Pcm("cpu", waits_s=0.5)


def on_gpu() -> Codec:
    """16-bit PCM that says it computes on a GPU, and takes clips in batches."""
    return _Pcm("cuda")


def faulty_on_gpu() -> Codec:
    """The codec that fails, on what it says is a GPU."""
    made: Any = faulty.codec()
    made.device = "cuda"
    return made


def on_mps() -> Codec:
    """The same on a device that no cluster has."""
    return _Pcm("mps")


class _Pcm:
    def __init__(self, device: str, waits_s: float = 0.0) -> None:
        inner = open_model("pcm_16bit").coder
        assert inner is not None
        self.inner, self.device = inner, device
        self.waits_s = waits_s
        self.card = replace(inner.card, name="pcm_of_the_tests", sample_rate=16000)
        self.fingerprint = "pcm_of_the_tests/1"

    def prepare(self) -> None:
        """Nothing is to be loaded."""

    def padded_length(self, num_samples: int) -> int | None:
        return 1 if self.device == "cuda" else None

    def encode(self, waveforms: Sequence[Waveform]) -> list[Codes]:
        time.sleep(self.waits_s * len(waveforms))
        return self.inner.encode(waveforms)

    def decode(self, codes: Sequence[Codes], seeds: Sequence[int]) -> list[Waveform]:
        return self.inner.decode(codes, seeds)
