"""Eight real clips of different length in one masked batch: each has the codes that it has alone.

On a CPU SNAC's adapter codes clip after clip, so its whole-batch path is asked directly; with
``pytest --device cuda`` it is the adapter's own.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from snac_eval import audio
from snac_eval.api import load_codec
from snac_eval.codecs.snac.adapter import SnacCodec
from snac_eval.codecs.snac.layers import SeededNoise
from snac_eval.codecs.snac.model import SNAC
from snac_eval.codecs.transfers import together
from snac_eval.types import Codec, Waveform
from tests.codecs.snac.models import SHAPES, random_model

DEMO = Path(__file__).resolve().parents[2] / "datasets" / "demo"
SECONDS = (1.3, 1.2, 0.9, 0.75, 0.6, 0.5, 0.35, 0.26)


def real_clips(sample_rate: int) -> list[Waveform]:
    """The first eight of the bundled recordings, speech and music, from where each is loud."""
    clips = []
    for path, seconds in zip(sorted(DEMO.glob("*.flac")), SECONDS, strict=False):
        whole = audio.resample(audio.read(path), sample_rate)
        start, size = sample_rate, round(seconds * sample_rate)
        samples = np.ascontiguousarray(whole.samples[:, start : start + size])
        clips.append(replace(whole, samples=samples))
    assert len(clips) == 8
    assert all(np.abs(clip.samples).max() > 0.01 for clip in clips)
    return clips


def differing(
    some: list[list[NDArray[np.generic]]], others: list[list[NDArray[np.generic]]]
) -> tuple[int, int]:
    """Tokens that differ, and tokens."""
    pairs = [
        pair for one, two in zip(some, others, strict=True) for pair in zip(one, two, strict=True)
    ]
    return sum(int((a != b).sum()) for a, b in pairs), sum(a.size for a, _ in pairs)


def streams(codec: Codec, clips: list[Waveform]) -> list[list[NDArray[np.generic]]]:
    return [list(one.streams) for one in codec.encode(clips)]


def test_of_the_bundled_snac(device: str) -> None:
    codec = load_codec("snac_16khz_mini", device=device)
    assert isinstance(codec, SnacCodec)
    clips = real_clips(16000)
    batch = codec._encode_together(clips)
    alone = [one for clip in clips for one in streams(codec, [clip])]
    off, total = differing(batch, alone)
    assert (off, total > 350) == (0, True)
    codes = codec.encode(clips)
    decoded = codec._decode_together(codes, range(8))
    for item, (one, row) in enumerate(zip(codes, decoded, strict=True)):
        (own,) = codec.decode([one], [item])
        np.testing.assert_allclose(row[:, : one.num_samples], own.samples, rtol=0, atol=1e-6)


@pytest.mark.parametrize("shape", SHAPES)
def test_of_snac_with_and_without_attention(shape: str, device: str) -> None:
    model: SNAC = random_model(SHAPES[shape]).to(device)
    clips = [clip.samples for clip in real_clips(model.config.sampling_rate)]
    lengths = [clip.shape[1] for clip in clips]
    batch = together(clips, device)
    made, unmasked = model.encode_whole(batch, lengths), model.encode_whole(batch)
    decoded = model.decode_whole(made, SeededNoise(range(8)), lengths)
    off = without = total = 0
    for item, clip in enumerate(clips):
        alone = model.encode_whole(torch.from_numpy(clip)[None].to(device))
        for one, stream, bare in zip(alone, made, unmasked, strict=True):
            count = one.shape[1]
            total += count
            off += int((stream[item, :count] != one[0]).sum())
            without += int((bare[item, :count] != one[0]).sum())
        own = model.decode_whole(alone, SeededNoise([item]))[0]
        torch.testing.assert_close(decoded[item, :, : own.shape[-1]], own, rtol=0, atol=1e-6)
    assert total > 2000
    assert (off, without > 0) == (0, True)


@pytest.mark.parametrize("name", ["dac_16khz_3kbps", "dac_44khz_7.8kbps"])
def test_of_dac(name: str, tiny_models: dict[str, Path], device: str) -> None:
    model = {"dac_16khz_3kbps": "dac_16khz", "dac_44khz_7.8kbps": "dac_44khz"}[name]
    codec = load_codec(name, weights=str(tiny_models[model]), device=device)
    clips = real_clips(codec.card.sample_rate)
    off, total = differing(
        streams(codec, clips), [one for clip in clips for one in streams(codec, [clip])]
    )
    assert (off, total > 1500) == (0, True)
    codes = codec.encode(clips)
    for one, estimate in zip(codes, codec.decode(codes, range(8)), strict=True):
        (own,) = codec.decode([one], [0])
        atol = min(1e-6, 1e-5 * float(np.abs(own.samples).max()))
        np.testing.assert_allclose(estimate.samples, own.samples, rtol=0, atol=atol)
