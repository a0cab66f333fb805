"""Our SNAC against PyPI's ``snac``: 24 kHz configuration, 5 s, one thread, encode plus decode."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import pytest
import torch

from snac_eval.codecs.snac import SNACConfig
from snac_eval.codecs.snac.checkpoint import fold_weight_norm
from snac_eval.codecs.snac.model import SNAC

CONFIG = {
    "sampling_rate": 24000,
    "encoder_dim": 48,
    "encoder_rates": (2, 4, 8, 8),
    "decoder_dim": 1024,
    "decoder_rates": (8, 8, 4, 2),
    "attn_window_size": None,
    "vq_strides": (4, 2, 1),
}


@pytest.fixture(scope="module")
def round_trips() -> dict[str, Callable[[], object]]:
    """Both implementations with the same weights, on the same audio."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import snac

    torch.manual_seed(0)
    torch.set_num_threads(1)
    lists = {k: list(v) if isinstance(v, tuple) else v for k, v in CONFIG.items()}
    reference = snac.SNAC(**lists).eval()
    ours = SNAC(SNACConfig(**CONFIG)).eval()  # type: ignore[arg-type]
    ours.load_state_dict(fold_weight_norm(reference.state_dict()))
    audio = 0.1 * torch.randn(1, 1, 5 * 24000)

    def theirs() -> object:
        with torch.inference_mode():
            return reference.decode(reference.encode(audio))

    return {"snac-eval": lambda: ours.decode(ours.encode(audio)), "PyPI snac": theirs}


@pytest.mark.parametrize("name", ["snac-eval", "PyPI snac"])
def test_round_trip(
    benchmark: object, round_trips: dict[str, Callable[[], object]], name: str
) -> None:
    benchmark.group = "SNAC 24 kHz, 5 s, one thread"  # type: ignore[attr-defined]
    benchmark.pedantic(round_trips[name], rounds=5, warmup_rounds=1)  # type: ignore[attr-defined]
