"""Speech in memory, and random segments of it. Seed and step alone decide which."""

from __future__ import annotations

import math
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import cast

import numpy as np
import soundfile
import torch
from numpy.typing import NDArray
from torch import Tensor

# Samples that a value between two is made from.
_NEIGHBOURS = 4


@dataclass(frozen=True, slots=True)
class Corpus:
    """Speech in memory."""

    utterances: list[NDArray[np.int16]]
    """``[time]`` each; as int16, hours fit into memory."""
    sample_rate: int
    """Samples per second, Hz."""

    @classmethod
    def load(
        cls,
        folder: Path,
        sample_rate: int,
        only: Collection[str] = (),
        without: Collection[str] = (),
    ) -> Corpus:
        """Every FLAC below ``folder``, in path order.

        ``only`` (where it names any) and ``without`` choose speakers by name: the first folder
        below ``folder``. Raises SystemExit where no file is left, or one has another rate.
        """
        files = sorted(folder.rglob("*.flac"))
        speakers = {file: file.relative_to(folder).parts[0] for file in files}
        files = [one for one in files if not only or speakers[one] in only]
        files = [one for one in files if speakers[one] not in without]
        if not files:
            which = f" of {', '.join(only)}" if only else ""
            raise SystemExit(f"{folder}: no .flac files{which}; give a LibriSpeech split's folder")
        with ThreadPoolExecutor() as pool:
            return cls(list(pool.map(partial(_samples, sample_rate), files)), sample_rate)

    @property
    def duration_s(self) -> float:
        """Length of all utterances together, in seconds."""
        return sum(map(len, self.utterances)) / self.sample_rate

    def batch(
        self, size: int, num_samples: int, gain_db: tuple[float, float], seed: tuple[int, int]
    ) -> Tensor:
        """Random segments ``[size, 1, num_samples]``: every moment of the corpus is as likely.

        ``gain_db`` is the range that each segment's gain is drawn from, in dB.
        """
        rng = np.random.default_rng(seed)
        lengths = np.array([max(0, len(one) - num_samples) for one in self.utterances])
        chosen = rng.choice(len(lengths), size=size, p=lengths / lengths.sum())
        segments = np.empty((size, 1, num_samples), dtype=np.float32)
        for row, index in enumerate(chosen):
            start = rng.integers(lengths[index])
            gain = 10 ** (rng.uniform(*gain_db) / 20) / 32768
            segments[row, 0] = self.utterances[index][start : start + num_samples] * gain
        return torch.from_numpy(segments.clip(-1, 1))


def _samples(sample_rate: int, file: Path) -> NDArray[np.int16]:
    samples, rate = soundfile.read(file, dtype="int16")
    if rate != sample_rate:
        raise SystemExit(f"{file}: {rate} Hz, but the model wants {sample_rate} Hz")
    return cast("NDArray[np.int16]", samples)


@dataclass(frozen=True, slots=True)
class DeviceCorpus:
    """A corpus in a GPU's memory, drawn from without a word to the CPU."""

    samples: Tensor
    """All utterances one after another, int16 ``[time]``."""
    starts: Tensor
    """Where each begins, ``[utterances]``."""
    lengths: Tensor
    """How long each is, in samples, ``[utterances]``."""

    @classmethod
    def of(cls, corpus: Corpus, device: str) -> DeviceCorpus:
        """A copy of ``corpus`` on ``device``."""
        lengths = torch.tensor([len(one) for one in corpus.utterances])
        samples = torch.from_numpy(np.concatenate(corpus.utterances))
        starts = lengths.cumsum(0) - lengths
        return cls(*(one.to(device) for one in (samples, starts, lengths)))

    def batch(
        self, size: int, num_samples: int, gain_db: tuple[float, float], speed: tuple[float, float]
    ) -> Tensor:
        """Random segments ``[size, 1, num_samples]`` from torch's generator, as Corpus.batch.

        Half of them play at a rate drawn from ``speed``, which makes other voices of those there.
        """
        device = self.samples.device
        rate = torch.empty(size, 1, device=device).uniform_(*speed)
        rate = torch.where(torch.rand(size, 1, device=device) < 0.5, rate, 1.0)
        room = (self.lengths - math.ceil(num_samples * speed[1]) - _NEIGHBOURS).clamp_min(0)
        upto = room.cumsum(0)
        drawn = (torch.rand(size, dtype=torch.float64, device=device) * upto[-1]).long()
        which = torch.searchsorted(upto, drawn, right=True)
        start = self.starts[which] + drawn - (upto - room)[which]
        place = torch.arange(num_samples, device=device) * rate
        whole = place.floor()
        audio = self._between(start[:, None] + whole.long(), place - whole)
        gain = torch.empty(size, 1, device=device).uniform_(*gain_db) * (math.log(10) / 20)
        return (audio * gain.exp() / 32768).clamp(-1, 1)[:, None]

    def _between(self, first: Tensor, share: Tensor) -> Tensor:
        """The signal ``share`` of a sample after number ``first + 1``, by cubics (Catmull-Rom)."""
        a, b, c, d = (self.samples[first + step].float() for step in range(_NEIGHBOURS))
        bend = 2 * a - 5 * b + 4 * c - d + share * (3 * (b - c) + d - a)
        return b + share / 2 * (c - a + share * bend)
