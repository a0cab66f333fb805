"""Tiny random counterparts of the models that metrics ask, saved as the hub holds them."""

from __future__ import annotations

import json
from pathlib import Path

import torch

_SMALL = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "conv_dim": (8, 8, 8),
    "conv_kernel": (10, 8, 8),
    "conv_stride": (8, 8, 5),
    "num_feat_extract_layers": 3,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 2,
}
LETTERS = ["<pad>", "<s>", "</s>", "<unk>", "|", *"ETAONIHSRDLUMWCFGYPBVK'XJQZ"]


def save_recogniser(folder: Path) -> Path:
    """A wav2vec 2.0 with a head for letters."""
    import transformers

    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = folder / "vocab.json"
    vocabulary.write_text(json.dumps({letter: i for i, letter in enumerate(LETTERS)}))
    tokenizer = transformers.Wav2Vec2CTCTokenizer(str(vocabulary))
    extractor = transformers.Wav2Vec2FeatureExtractor()
    transformers.Wav2Vec2Processor(extractor, tokenizer).save_pretrained(folder)
    config = transformers.Wav2Vec2Config(vocab_size=len(LETTERS), pad_token_id=0, **_SMALL)
    _save(transformers.Wav2Vec2ForCTC, config, folder)
    return folder


def save_speaker_model(folder: Path) -> Path:
    """A WavLM with an x-vector head."""
    import transformers

    transformers.Wav2Vec2FeatureExtractor().save_pretrained(folder)
    config = transformers.WavLMConfig(
        **_SMALL, tdnn_dim=(8, 8, 8), tdnn_kernel=(3, 3, 1), tdnn_dilation=(1, 2, 1)
    )
    config.xvector_output_dim = 8
    _save(transformers.WavLMForXVector, config, folder)
    return folder


def save_clap(folder: Path) -> Path:
    """The audio half of a CLAP."""
    import transformers

    # As published: the model without fusion of several windows.
    transformers.ClapFeatureExtractor(truncation="rand_trunc").save_pretrained(folder)
    config = transformers.ClapAudioConfig(
        depths=[1, 1],
        num_attention_heads=[1, 2],
        patch_embeds_hidden_size=8,
        hidden_size=16,
        projection_dim=4,
        num_hidden_layers=2,
    )
    _save(transformers.ClapAudioModelWithProjection, config, folder)
    return folder


def _save(model_class: type, config: object, folder: Path) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = model_class(config)
        # Random weights hardly tell one sound from another; larger ones do.
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.dim() > 1:
                    parameter.mul_(3)
    model.save_pretrained(folder)
