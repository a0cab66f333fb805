"""Scores of a model when every code of one stream is replaced by the commonest of them.

python -m training.ablate --model codecs/snac_16khz_mini --data DIR [--clips 12]
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from snac_eval import load_metric
from snac_eval.codecs.snac.model import SNAC
from training.data import Corpus

METRICS = ("mel_dac_paper", "pesq_wb", "stoi")


def scores(model: SNAC, clips: Sequence[Tensor], without: int | None) -> list[float]:
    """Mean of each of METRICS over clips ``[time]``.

    All codes of stream number ``without`` are replaced by the commonest of them.
    """
    sample_rate = model.config.sampling_rate
    codes = [model.encode(clip[None, None]) for clip in clips]
    if without is not None:
        everywhere = torch.cat([one[without].flatten() for one in codes])
        for one in codes:
            one[without] = torch.full_like(one[without], int(everywhere.mode().values))
    rows = []
    for clip, one in zip(clips, codes, strict=True):
        estimate = model.decode(one, seeds=[0])[0, 0, : len(clip)]
        rows.append([_score(name, clip, estimate, sample_rate) for name in METRICS])
    return [float(mean) for mean in np.mean(rows, axis=0)]


def _score(name: str, reference: Tensor, estimate: Tensor, sample_rate: int) -> float:
    score = load_metric(name).score_pair(reference.numpy(), estimate.numpy(), sample_rate)
    if score.value is None:
        raise SystemExit(f"{name}: {score.reason}; use other clips")
    return score.value


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--model", required=True, help="a model's folder or name")
    parser.add_argument("--data", type=Path, required=True, help="folder of FLAC files")
    parser.add_argument(
        "--clips", type=int, default=12, help="how many clips, spread over the folder"
    )
    options = parser.parse_args()
    model = SNAC.from_pretrained(options.model)
    utterances = Corpus.load(options.data, model.config.sampling_rate).utterances
    picked = np.linspace(0, len(utterances) - 1, options.clips).astype(int)
    clips = [torch.from_numpy(utterances[index].astype(np.float32) / 32768) for index in picked]
    print(f"| removed | {' | '.join(METRICS)} |\n|---|{'---|' * len(METRICS)}")
    for without in (None, *range(len(model.config.vq_strides))):
        rate = None if without is None else model.config.frame_rates_hz[without]
        name = "none" if rate is None else f"{without}: {rate:g} Hz"
        row = " | ".join(f"{value:.3f}" for value in scores(model, clips, without))
        print(f"| {name} | {row} |", flush=True)


if __name__ == "__main__":
    main()
