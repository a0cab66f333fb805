"""Models with the published codecs' rates and codebooks, but few and random weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from snac_eval.codecs.transformers.described import described

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
    there = described(model.config)
    noise = torch.randn(1, there.channels, there.sample_rate * 4).cumsum(-1)
    settings = getattr(model.config, "target_bandwidths", None)
    samples = noise[..., : there.sample_rate if settings else None] / noise.abs().max()
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


_HUBERT = {
    "model_type": "hubert",
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 16,
    "conv_dim": [8] * 7,
    "num_conv_pos_embeddings": 8,
    "num_conv_pos_embedding_groups": 2,
}
_ACOUSTIC = {"model_type": "dac", "encoder_hidden_size": 4, "decoder_hidden_size": 32}
_SPEECH_BERT = {
    "model_type": "wav2vec2-bert",
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 16,
    "output_hidden_size": 16,
}
_LLASA = {
    "hidden_size": 64,
    "intermediate_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "head_dim": 32,
    "encoder_hidden_size": 2,
    "quantization_dim": 80,
    "semantic_model_config": _SPEECH_BERT,
}
# Of which random weights make next to nothing of any audio, as transformers draws them.
_FAINT = ("xcodec2", "neucodec", "wavtokenizer", "vibevoice_acoustic_tokenizer")
# Model class, configuration, feature extractor and its settings; as above, but small.
TOKENIZERS: dict[str, tuple[str, dict[str, Any], str, dict[str, Any]]] = {
    "xcodec": (
        "Xcodec",
        {
            "acoustic_model_config": {**_ACOUSTIC, "hidden_size": 16},
            "semantic_model_config": _HUBERT,
        },
        "Dac",
        {"sampling_rate": 16000, "hop_length": 320},
    ),
    "higgs_audio_v2_tokenizer": (
        "HiggsAudioV2Tokenizer",
        {
            "target_bandwidths": [0.5, 1, 1.5, 2],
            "acoustic_model_config": {
                **_ACOUSTIC,
                "hidden_size": 16,
                "downsampling_ratios": [8, 5, 4, 2, 3],
                "upsampling_ratios": [8, 5, 4, 2, 3],
            },
            "semantic_model_config": _HUBERT,
        },
        "Dac",
        {"sampling_rate": 24000, "hop_length": 960},
    ),
    "xcodec2": ("Xcodec2", _LLASA, "Xcodec2", {}),
    "neucodec": ("NeuCodec", _LLASA, "NeuCodec", {}),
    "wavtokenizer": (
        "WavTokenizer",
        {
            "num_filters": 2,
            "hidden_size": 32,
            "codebook_dim": 32,
            "decoder_hidden_size": 64,
            "decoder_intermediate_size": 32,
            "decoder_num_layers": 1,
        },
        "WavTokenizer",
        {},
    ),
    "vibevoice_acoustic_tokenizer": (
        "VibeVoiceAcousticTokenizer",
        {
            "num_filters": 2,
            "hidden_size": 8,
            "depths": [1] * 7,
        },
        "VibeVoiceAcousticTokenizer",
        {},
    ),
    "pocket_tts_audio_tokenizer": (
        "PocketTTSAudioTokenizer",
        {
            "num_filters": 2,
            "hidden_size": 32,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "num_key_value_heads": 2,
            "intermediate_size": 32,
            "upsample_groups": 32,
        },
        "Encodec",
        {"sampling_rate": 24000, "chunk_length_s": 0.08, "overlap": 0},
    ),
}


def tokenizer_parts(model_type: str) -> tuple[Any, Any]:
    """Model and feature extractor classes, from where they need no torchaudio."""
    import transformers

    from snac_eval.codecs.transformers.kaldi import import_with_torchaudio

    name, _, extractor, _ = TOKENIZERS[model_type]
    package = f"transformers.models.{model_type}"
    model = import_with_torchaudio(f"{package}.modeling_{model_type}")
    home: Any = transformers
    if extractor not in ("Dac", "Encodec"):
        home = import_with_torchaudio(f"{package}.feature_extraction_{model_type}")
    return getattr(model, f"{name}Model"), getattr(home, f"{extractor}FeatureExtractor")


def save_tokenizer(
    model_type: str, folder: Path, changes: dict[str, Any] | None = None, is_small: bool = True
) -> Path:
    """Save a random model of this type, and its feature extractor, as the hub holds them."""
    model_class, extractor_class = tokenizer_parts(model_type)
    _, small, _, settings = TOKENIZERS[model_type]
    config = model_class.config_class(**(small if is_small else {}) | (changes or {}))
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(0)
        model = model_class(config).eval()
        for weights in model.parameters() if model_type in _FAINT else ():
            if weights.ndim > 1:
                weights.normal_(0, (weights[0].numel()) ** -0.5)
        if any(type(one).__name__.endswith("EuclideanCodebook") for one in model.modules()):
            _fill_codebooks(model)
    model.save_pretrained(folder)
    extractor_class(**settings).save_pretrained(folder)
    return folder
