"""Speech in memory, and random segments of it. Seed and step alone decide which."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import torch
from numpy.typing import NDArray
from torch import Tensor


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
        utterances = []
        for file in files:
            samples, rate = soundfile.read(file, dtype="int16")
            if rate != sample_rate:
                raise SystemExit(f"{file}: {rate} Hz, but the model wants {sample_rate} Hz")
            utterances.append(samples)
        return cls(utterances, sample_rate)

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
