"""Models with the published codecs' rates and codebooks, but few and random weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

# What does not change codes' shapes is made small; everything else is as published.
SMALL: dict[str, dict[str, Any]] = {
    "encodec_24khz": {"num_filters": 4, "hidden_size": 16},
    "encodec_48khz": {
        "num_filters": 4,
        "hidden_size": 16,
        "target_bandwidths": [3.0, 6.0, 12.0, 24.0],
        "sampling_rate": 48000,
        "audio_channels": 2,
        "normalize": True,
        "chunk_length_s": 1.0,
        "overlap": 0.01,
        "norm_type": "time_group_norm",
        "use_causal_conv": False,
    },
    "dac_16khz": {"n_codebooks": 12, "downsampling_ratios": [2, 4, 5, 8]},
    "dac_24khz": {
        "n_codebooks": 32,
        "downsampling_ratios": [2, 4, 5, 8],
        "sampling_rate": 24000,
    },
    "dac_44khz": {
        "n_codebooks": 9,
        "downsampling_ratios": [2, 4, 8, 8],
        "sampling_rate": 44100,
    },
    "mimi": {
        "num_filters": 4,
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "intermediate_size": 64,
        "upsample_groups": 32,
        "codebook_dim": 16,
        "vector_quantization_hidden_dimension": 16,
    },
}
_SMALL_DAC = {"encoder_hidden_size": 4, "decoder_hidden_size": 32}


def save_tiny(name: str, folder: Path, seed: int = 0) -> Path:
    """Save the tiny counterpart of a published model as the hub holds it; return the folder."""
    make_tiny(name, seed).save_pretrained(folder)
    return folder


def make_tiny(name: str, seed: int = 0) -> Any:  # noqa: ANN401
    """A tiny model with codebooks of the latents' own kind, where transformers has zeros."""
    import transformers

    family = name.partition("_")[0]
    config_class = getattr(transformers, f"{family.capitalize()}Config")
    small = SMALL[name] | (_SMALL_DAC if family == "dac" else {})
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(seed)
        model = getattr(transformers, f"{family.capitalize()}Model")(config_class(**small)).eval()
        if family != "dac":
            _fill_codebooks(model)
    return model


def _fill_codebooks(model: Any) -> None:  # noqa: ANN401
    """Draw each codebook from what reaches it when the model encodes noise."""

    def fill(codebook: Any, vectors: torch.Tensor) -> None:  # noqa: ANN401
        flat = vectors.reshape(-1, vectors.shape[-1])
        buffer = codebook.embed if "embed" in codebook._buffers else codebook.embed_sum
        chosen = flat[torch.randint(len(flat), (len(buffer),))]
        buffer.copy_(chosen + 0.7 * flat.std() * torch.randn(buffer.shape))
        codebook._embed = None  # Mimi keeps the quotient of two buffers

    for module in model.modules():
        if type(module).__name__.endswith("EuclideanCodebook"):
            module.quantize = _after(fill, module, module.quantize)
    rate, channels = model.config.sampling_rate, model.config.audio_channels
    noise = torch.randn(1, channels, rate * 4).cumsum(-1)
    settings = getattr(model.config, "target_bandwidths", None)
    samples = noise[..., : rate if settings else None] / noise.abs().max()
    if settings:
        model.encode(samples, bandwidth=settings[-1])
    else:
        model.encode(samples)
    for module in model.modules():
        module.__dict__.pop("quantize", None)


def _after(fill: Any, codebook: Any, quantize: Any) -> Any:  # noqa: ANN401
    def filled_first(vectors: torch.Tensor) -> torch.Tensor:
        fill(codebook, vectors)
        return quantize(vectors)

    return filled_first
