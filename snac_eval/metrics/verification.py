"""A speaker embedding as papers on speech synthesis and codecs define it: WavLM-large with an
ECAPA-TDNN on top, both fine-tuned for speaker verification.

The network is the one that Chen et al. describe (WavLM, IEEE JSTSP 2022, section V-D) and published
with UniSpeech as ``wavlm_large_finetune.pth``; VALL-E, NaturalSpeech 3, Seed-TTS and F5-TTS report
similarities by it. All hidden states of WavLM are mixed by learnt weights and normalised per
channel; ECAPA-TDNN (Desplanques et al., Interspeech 2020) of 512 channels makes 256 numbers of
them. This is our own code, which takes every size and every number from the checkpoint; WavLM is
that of transformers, under whose names the checkpoint's tensors are put.

Licence of the weights: CC BY-SA 3.0. The file was published on a drive that programs cannot ask;
:data:`WAVLM_LARGE` is a copy on the hub, whose digest must be that of the authors' file.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from snac_eval.errors import WeightsUnavailable
from snac_eval.hub import HubModel, quiet_transformers

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from snac_eval.metrics.base import Signal

WAVLM_LARGE = HubModel(
    "bezzam/wavlm_large_finetune_seed_tts_eval",
    "SNAC_EVAL_SPEAKER_WAVLM_LARGE_WEIGHTS",
    files=("wavlm_large_finetune.pth",),
)
SHA256 = "51f07e3b94d9e026"
"""Of the authors' file, as far as :attr:`HubModel.digest` goes."""
LONGEST_S = 60
"""Of a longer clip the embeddings of equal parts that are not longer are averaged."""
_RATE = 16000
_BACKBONE = "feature_extract.model."
_STRIDES = (5, 2, 2, 2, 2, 2, 2)
_DILATIONS = {"layer2": 2, "layer3": 3, "layer4": 4}
_RENAMED = (
    (r"^feature_extractor\.conv_layers\.(\d+)\.0\.", r"feature_extractor.conv_layers.\1.conv."),
    (
        r"^feature_extractor\.conv_layers\.(\d+)\.2\.1\.",
        r"feature_extractor.conv_layers.\1.layer_norm.",
    ),
    (r"^layer_norm\.", "feature_projection.layer_norm."),
    (r"^post_extract_proj\.", "feature_projection.projection."),
    (r"^mask_emb$", "masked_spec_embed"),
    (r"^encoder\.pos_conv\.0\.bias$", "encoder.pos_conv_embed.conv.bias"),
    (
        r"^encoder\.pos_conv\.0\.weight_g$",
        "encoder.pos_conv_embed.conv.parametrizations.weight.original0",
    ),
    (
        r"^encoder\.pos_conv\.0\.weight_v$",
        "encoder.pos_conv_embed.conv.parametrizations.weight.original1",
    ),
    (r"\.self_attn_layer_norm\.", ".layer_norm."),
    (r"\.self_attn\.relative_attention_bias\.", ".attention.rel_attn_embed."),
    (r"\.self_attn\.grep_linear\.", ".attention.gru_rel_pos_linear."),
    (r"\.self_attn\.grep_a$", ".attention.gru_rel_pos_const"),
    (r"\.self_attn\.", ".attention."),
    (r"\.fc1\.", ".feed_forward.intermediate_dense."),
    (r"\.fc2\.", ".feed_forward.output_dense."),
)
"""WavLM's own names of its tensors, and those of transformers."""


def embed(signal: Signal) -> NDArray[np.float64]:
    """Speaker embedding ``[256]`` of float32 ``[time]`` at 16 kHz."""
    count = -(-len(signal) // (LONGEST_S * _RATE))
    parts = [_embedded(part) for part in np.array_split(signal, count)]
    return np.asarray(np.mean(parts, axis=0))


def check_published() -> None:
    """Raise WeightsUnavailable where the file that came from the hub is not the authors'."""
    if not os.environ.get(WAVLM_LARGE.variable) and WAVLM_LARGE.digest != SHA256:
        raise WeightsUnavailable(
            f"{WAVLM_LARGE.weights}: not the file that was published (its SHA-256 should begin with"
            f" {SHA256}); remove it, or name a folder of your own in {WAVLM_LARGE.variable}"
        )


def wavlm(state: Mapping[str, Tensor]) -> Any:  # noqa: ANN401 - transformers' models are Any
    """The WavLM of a checkpoint, whose tensors have WavLM's own names. Raises WeightsUnavailable
    where they are not those of a WavLM."""
    transformers = quiet_transformers()
    named = {_renamed(name): tensor for name, tensor in state.items()}
    try:
        model = transformers.WavLMModel(transformers.WavLMConfig(**_sizes(state)))
        model.load_state_dict(named)
    except (KeyError, RuntimeError) as error:
        raise WeightsUnavailable(f"no WavLM is in this checkpoint: {error}") from error
    return model.eval()


def ecapa(states: Tensor, head: Mapping[str, Tensor]) -> Tensor:
    """Embedding of hidden states ``[layers, time, channels]`` by the checkpoint's other tensors."""
    from torch.nn import functional as F

    mix = head["feature_weight"].softmax(dim=0)
    mixed = (mix[:, None, None] * states).sum(dim=0).T[None] + 1e-6
    found = _convolved(F.instance_norm(mixed), head, "layer1")
    outputs = []
    for name, dilation in _DILATIONS.items():
        found = _block(found, head, name, dilation)
        outputs.append(found)
    joined = F.conv1d(_cat(outputs), head["conv.weight"], head["conv.bias"]).relu()
    pooled = _normed(_pooled(joined, head), head, "bn")
    return F.linear(pooled, head["linear.weight"], head["linear.bias"])[0]


def _embedded(signal: Signal) -> NDArray[np.float64]:
    import torch

    model, head = _load()
    wave = torch.from_numpy(np.array(signal))[None]
    with torch.inference_mode():
        # WavLM-large was trained on signals of zero mean and unit variance.
        wave = torch.nn.functional.layer_norm(wave, wave.shape[1:])
        states = model(wave, output_hidden_states=True).hidden_states
        vector = ecapa(torch.cat(states), head)
    return np.asarray(vector.double().numpy())


@cache
def _load() -> tuple[Any, Mapping[str, Tensor]]:
    import torch

    file = WAVLM_LARGE.weights
    try:
        state = torch.load(file, map_location="cpu", weights_only=True)["model"]
        own = {name.removeprefix(_BACKBONE): state[name] for name in state if _BACKBONE in name}
        head = {name: tensor for name, tensor in state.items() if _BACKBONE not in name}
    except Exception as error:
        raise WeightsUnavailable(
            f"{file}: not the checkpoint that it should be: {error}"
        ) from error
    return wavlm(own), head


def _renamed(name: str) -> str:
    for old, new in _RENAMED:
        name = re.sub(old, new, name)
    return name


def _sizes(state: Mapping[str, Tensor]) -> dict[str, Any]:
    """What WavLMConfig must be told of a WavLM whose layers are normalised first."""
    convolutions = [
        tensor for name, tensor in state.items() if re.search(r"conv_layers\.\d+\.0\.weight$", name)
    ]
    positions = state["encoder.pos_conv.0.weight_v"]
    buckets, heads = state["encoder.layers.0.self_attn.relative_attention_bias.weight"].shape
    hidden = state["post_extract_proj.weight"].shape[0]
    return {
        "hidden_size": hidden,
        "num_hidden_layers": sum(name.endswith(".self_attn.grep_a") for name in state),
        "num_attention_heads": heads,
        "intermediate_size": state["encoder.layers.0.fc1.weight"].shape[0],
        "conv_dim": [one.shape[0] for one in convolutions],
        "conv_kernel": [one.shape[2] for one in convolutions],
        "conv_stride": list(_STRIDES[: len(convolutions)]),
        "conv_bias": False,
        "feat_extract_norm": "layer",
        "do_stable_layer_norm": True,
        "num_conv_pos_embeddings": positions.shape[2],
        "num_conv_pos_embedding_groups": hidden // positions.shape[1],
        "num_buckets": buckets,
        "max_bucket_distance": 800,
    }


def _convolved(values: Tensor, head: Mapping[str, Tensor], name: str) -> Tensor:
    """A convolution that keeps the length, ReLU, and normalisation."""
    from torch.nn import functional as F

    kernel = head[f"{name}.conv.weight"]
    found = F.conv1d(values, kernel, head[f"{name}.conv.bias"], padding=kernel.shape[2] // 2)
    return _normed(found.relu(), head, f"{name}.bn")


def _normed(values: Tensor, head: Mapping[str, Tensor], name: str) -> Tensor:
    """Batch normalisation with the statistics of training."""
    from torch.nn import functional as F

    mean, variance = head[f"{name}.running_mean"], head[f"{name}.running_var"]
    return F.batch_norm(values, mean, variance, head[f"{name}.weight"], head[f"{name}.bias"])


def _block(values: Tensor, head: Mapping[str, Tensor], name: str, dilation: int) -> Tensor:
    """A residual block: Res2 convolutions between two of one frame, and squeeze-excitation."""
    found = _convolved(values, head, f"{name}.Conv1dReluBn1")
    found = _res2(found, head, f"{name}.Res2Conv1dReluBn", dilation)
    found = _convolved(found, head, f"{name}.Conv1dReluBn2")
    return values + _excited(found, head, f"{name}.SE_Connect")


def _res2(values: Tensor, head: Mapping[str, Tensor], name: str, dilation: int) -> Tensor:
    """Each part of the channels but the last is convolved, with the one before added to it."""
    from torch.nn import functional as F

    count = sum(key.startswith(f"{name}.convs.") and key.endswith(".weight") for key in head)
    *parts, last = values.chunk(count + 1, dim=1)
    outputs: list[Tensor] = []
    for index, part in enumerate(parts):
        given = part + outputs[-1] if outputs else part
        kernel, bias = (head[f"{name}.convs.{index}.{what}"] for what in ("weight", "bias"))
        reach = dilation * (kernel.shape[2] // 2)
        found = F.conv1d(given, kernel, bias, padding=reach, dilation=dilation)
        outputs.append(_normed(found.relu(), head, f"{name}.bns.{index}"))
    return _cat([*outputs, last])


def _excited(values: Tensor, head: Mapping[str, Tensor], name: str) -> Tensor:
    """Channels weighted by what their means over time say."""
    from torch.nn import functional as F

    first, second = _linears(head, name)
    gates = F.linear(F.linear(values.mean(dim=2), *first).relu(), *second).sigmoid()
    return values * gates[:, :, None]


def _pooled(values: Tensor, head: Mapping[str, Tensor]) -> Tensor:
    """Mean and deviation over time, by attention: ``[1, 2 * channels]``."""
    from torch.nn import functional as F

    (weight, bias), second = _linears(head, "pooling")
    seen = F.conv1d(values, weight, bias).tanh()
    attention = F.conv1d(seen, second[0], second[1]).softmax(dim=2)
    mean = (attention * values).sum(dim=2)
    variance = (attention * values**2).sum(dim=2) - mean**2
    return _cat([mean, variance.clamp(min=1e-9).sqrt()])


def _linears(head: Mapping[str, Tensor], name: str) -> list[list[Tensor]]:
    """Weight and bias of the two layers of this name."""
    layers = (f"{name}.linear1", f"{name}.linear2")
    return [[head[f"{layer}.{what}"] for what in ("weight", "bias")] for layer in layers]


def _cat(parts: list[Tensor]) -> Tensor:
    import torch

    return torch.cat(parts, dim=1)
