"""Scores on held-out clips, shown and logged during training. They are never trained on."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pesq import pesq
from pystoi import stoi
from torch import Tensor

from snac_eval.codecs.snac.layers import SeededNoise
from snac_eval.codecs.snac.model import SNAC
from training.data import Corpus
from training.losses import SpectralLoss


@dataclass(frozen=True, slots=True)
class Validation:
    """The first seconds of a few held-out clips, spread over the folder."""

    clips: Tensor
    """``[clips, 1, time]``."""
    sample_rate: int
    """Samples per second, Hz."""

    @classmethod
    def load(cls, folder: Path, config: dict[str, Any], only: Collection[str] = ()) -> Validation:
        """As many clips, and as long, as the configuration says.

        If speakers are named in ``only``, the clips are theirs.
        """
        rate, log = config["model"]["sampling_rate"], config["log"]
        length = round(log["validation_seconds"] * rate)
        whole = [one for one in Corpus.load(folder, rate, only).utterances if len(one) >= length]
        picked = np.linspace(0, len(whole) - 1, log["validation_clips"]).astype(int)
        clips = np.stack([whole[index][:length] for index in picked])[:, None]
        return cls(torch.from_numpy(clips.astype(np.float32) / 32768), rate)

    @torch.no_grad()
    def __call__(self, model: SNAC, device: str) -> dict[str, float]:
        """Mel loss, PESQ-WB, STOI, and how many entries of each codebook were used."""
        clips = self.clips.to(device)
        estimate, quantized = model(clips, SeededNoise(range(len(clips))))
        mel, _ = SpectralLoss(self.sample_rate).to(device)(clips, estimate)
        pairs = list(zip(clips[:, 0].cpu().numpy(), estimate[:, 0].cpu().numpy(), strict=True))
        rate = self.sample_rate
        used = [len(codes.unique()) for codes in quantized.codes]
        return {
            "val_mel": float(mel),
            "val_pesq_wb": float(np.mean([pesq(rate, a, b, "wb") for a, b in pairs])),
            "val_stoi": float(np.mean([stoi(a, b, rate) for a, b in pairs])),
            **{f"val_codes_used_{index}": float(count) for index, count in enumerate(used)},
        }
