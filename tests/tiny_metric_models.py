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


def save_whisper(folder: Path) -> Path:
    """A Whisper that hears 30 s at a time, of two languages, with one layer on either side."""
    import transformers

    folder.mkdir(parents=True, exist_ok=True)
    spoken = ["<|startoftranscript|>", "<|en|>", "<|de|>", "<|transcribe|>", "<|translate|>"]
    special = ["<|endoftext|>", *spoken, "<|startofprev|>", "<|nospeech|>", "<|notimestamps|>"]
    words = [*"abcdefghijklmnopqrstuvwxyz", *(f"Ġ{letter}" for letter in "abcdefgh"), "Ġ"]
    known = [*words, *special, *(f"<|{step / 50:.2f}|>" for step in range(1501))]
    (folder / "vocab.json").write_text(json.dumps({word: i for i, word in enumerate(known)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    (folder / "normalizer.json").write_text(json.dumps({"colour": "color"}))
    files = [str(folder / name) for name in ("vocab.json", "merges.txt")]
    tokenizer = transformers.WhisperTokenizer(
        *files, bos_token=special[0], eos_token=special[0], unk_token=special[0]
    )
    tokenizer.add_special_tokens({"additional_special_tokens": special})
    extractor = transformers.WhisperFeatureExtractor()
    processor = transformers.WhisperProcessor(extractor, tokenizer)
    processor.save_pretrained(folder)
    places = {name: known.index(name) for name in special}
    end, start = places["<|endoftext|>"], places["<|startoftranscript|>"]
    tokens = {"bos_token_id": end, "eos_token_id": end, "pad_token_id": end}
    config = transformers.WhisperConfig(
        vocab_size=len(known), d_model=16, encoder_layers=1, decoder_layers=1,
        encoder_attention_heads=2, decoder_attention_heads=2, encoder_ffn_dim=32,
        decoder_ffn_dim=32, max_target_positions=32, decoder_start_token_id=start, **tokens,
    )  # fmt: skip
    _save(transformers.WhisperForConditionalGeneration, config, folder)
    how = transformers.GenerationConfig(
        decoder_start_token_id=start, max_length=24, is_multilingual=True, **tokens,
        no_timestamps_token_id=places["<|notimestamps|>"], return_timestamps=False,
        lang_to_id={name: places[name] for name in ("<|en|>", "<|de|>")},
        task_to_id={name: places[f"<|{name}|>"] for name in ("transcribe", "translate")},
    )  # fmt: skip
    how.save_pretrained(folder)
    return folder


def save_wavlm(folder: Path) -> Path:
    """A WavLM of as many layers as the large one, none of which is wide."""
    import transformers

    config = transformers.WavLMConfig(**_SMALL | {"num_hidden_layers": 24})
    _save(transformers.WavLMModel, config, folder)
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
