"""The speaker embedding that papers use, on a checkpoint of the published make and tiny size."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from snac_eval.errors import WeightsUnavailable
from snac_eval.metrics import verification
from snac_eval.metrics.speaker import SpeakerSimilarity
from tests.conftest import tone

pytest.importorskip("transformers", reason="needs the extra speaker")
import torch
from torch import nn

WIDTH, CHANNELS, POOLED, LAYERS = 16, 16, 24, 24
INSIDE = {
    "attention.gru_rel_pos_linear": "self_attn.grep_linear",
    "attention.gru_rel_pos_const": "self_attn.grep_a",
    "attention.rel_attn_embed": "self_attn.relative_attention_bias",
    "attention": "self_attn",
    "layer_norm": "self_attn_layer_norm",
    "feed_forward.intermediate_dense": "fc1",
    "feed_forward.output_dense": "fc2",
    "final_layer_norm": "final_layer_norm",
}
OUTSIDE = {
    "masked_spec_embed": "mask_emb",
    "feature_projection.layer_norm": "layer_norm",
    "feature_projection.projection": "post_extract_proj",
    "encoder.pos_conv_embed.conv.parametrizations.weight.original0": "encoder.pos_conv.0.weight_g",
    "encoder.pos_conv_embed.conv.parametrizations.weight.original1": "encoder.pos_conv.0.weight_v",
    "encoder.pos_conv_embed.conv": "encoder.pos_conv.0",
}


def its_own_name(name: str) -> str:
    """What WavLM's authors call a tensor of transformers' model."""
    parts = name.split(".")
    if name.startswith("feature_extractor"):
        return ".".join([*parts[:3], "0" if parts[3] == "conv" else "2.1", parts[4]])
    known, head = (INSIDE, ".".join(parts[:3]) + ".") if "layers" in parts else (OUTSIDE, "")
    rest = name.removeprefix(head)
    start = next((one for one in known if rest.startswith(one)), "")
    return head + known.get(start, "") + rest.removeprefix(start)


class Branches(nn.Module):
    """Modules under the names of the checkpoint, which hold its tensors."""

    def __init__(self, **parts: nn.Module) -> None:
        super().__init__()
        for name, part in parts.items():
            setattr(self, name, part)


def _step(given: int, made: int, kernel: int = 1) -> Branches:
    return Branches(conv=nn.Conv1d(given, made, kernel), bn=nn.BatchNorm1d(made))


def _block() -> Branches:
    part = CHANNELS // 8
    return Branches(
        Conv1dReluBn1=_step(CHANNELS, CHANNELS),
        Res2Conv1dReluBn=Branches(
            convs=nn.ModuleList(nn.Conv1d(part, part, 3) for _ in range(7)),
            bns=nn.ModuleList(nn.BatchNorm1d(part) for _ in range(7)),
        ),
        Conv1dReluBn2=_step(CHANNELS, CHANNELS),
        SE_Connect=Branches(linear1=nn.Linear(CHANNELS, 4), linear2=nn.Linear(4, CHANNELS)),
    )


def head() -> Branches:
    """The network on top of WavLM, with random numbers wherever training leaves some."""
    made = Branches(
        layer1=_step(WIDTH, CHANNELS, 5),
        layer2=_block(),
        layer3=_block(),
        layer4=_block(),
        conv=nn.Conv1d(3 * CHANNELS, POOLED, 1),
        pooling=Branches(linear1=nn.Conv1d(POOLED, 4, 1), linear2=nn.Conv1d(4, POOLED, 1)),
        bn=nn.BatchNorm1d(2 * POOLED),
        linear=nn.Linear(2 * POOLED, 8),
    )
    made.feature_weight = nn.Parameter(torch.randn(LAYERS + 1))
    for one in made.modules():
        if isinstance(one, nn.BatchNorm1d):
            one.running_mean.normal_()
            one.running_var.uniform_(0.5, 2)
    return made.eval()


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any, Branches]:
    """A file of the published make, and the two networks whose tensors it holds."""
    import transformers

    with torch.random.fork_rng():
        torch.manual_seed(1)
        config = transformers.WavLMConfig(
            hidden_size=WIDTH, num_hidden_layers=LAYERS, num_attention_heads=2,
            intermediate_size=20, conv_dim=[8] * 7, num_conv_pos_embeddings=16,
            num_conv_pos_embedding_groups=2, num_buckets=320, feat_extract_norm="layer",
            do_stable_layer_norm=True,
        )  # fmt: skip
        wavlm, top = transformers.WavLMModel(config).eval(), head()
        state = {
            f"feature_extract.model.{its_own_name(name)}": tensor
            for name, tensor in wavlm.state_dict().items()
        }
        state |= top.state_dict() | {"loss_calculator.projection.weight": torch.zeros(2, 8)}
    folder = tmp_path_factory.mktemp("large")
    torch.save({"model": state}, folder / "wavlm_large_finetune.pth")
    return folder, wavlm, top


@pytest.fixture
def large(
    checkpoint: tuple[Path, Any, Branches], monkeypatch: pytest.MonkeyPatch
) -> tuple[Any, Branches]:
    """The metric asks that file."""
    folder, *networks = checkpoint
    verification._load.cache_clear()
    verification.WAVLM_LARGE.__dict__.pop("folder", None)
    monkeypatch.setenv(verification.WAVLM_LARGE.variable, str(folder))
    return networks[0], networks[1]


def test_it_has_as_many_tensors_as_the_published_file(
    checkpoint: tuple[Path, Any, Branches],
) -> None:
    state = torch.load(checkpoint[0] / "wavlm_large_finetune.pth", weights_only=True)["model"]
    assert len(state) == 711


def _same(one: nn.Conv1d, values: Any, dilation: int = 1) -> Any:  # noqa: ANN401
    pad = dilation * (one.kernel_size[0] // 2)
    return nn.functional.conv1d(values, one.weight, one.bias, padding=pad, dilation=dilation)


def _through(block: Any, values: Any, dilation: int) -> Any:  # noqa: ANN401
    def step(one: Any, given: Any) -> Any:  # noqa: ANN401
        return one.bn(_same(one.conv, given).relu())

    found = step(block.Conv1dReluBn1, values)
    split, made = found.chunk(8, dim=1), []
    for index, (conv, bn) in enumerate(
        zip(block.Res2Conv1dReluBn.convs, block.Res2Conv1dReluBn.bns, strict=True)
    ):
        given = split[index] if index == 0 else split[index] + made[-1]
        made.append(bn(_same(conv, given, dilation).relu()))
    found = step(block.Conv1dReluBn2, torch.cat([*made, split[7]], dim=1))
    gate = block.SE_Connect.linear2(block.SE_Connect.linear1(found.mean(dim=2)).relu()).sigmoid()
    return found * gate[..., None] + values


def test_an_embedding_is_that_of_the_modules(large: tuple[Any, Branches]) -> None:
    wavlm, top = large
    signal = tone(1.0, seed=5)
    with torch.no_grad():
        wave = torch.from_numpy((signal - signal.mean()) / np.sqrt(signal.var() + 1e-5))[None]
        states = torch.stack(wavlm(wave, output_hidden_states=True).hidden_states)
        mixed = (top.feature_weight.softmax(0).view(-1, 1, 1, 1) * states).sum(0).transpose(1, 2)
        found = nn.InstanceNorm1d(WIDTH)(mixed + 1e-6)
        found = top.layer1.bn(_same(top.layer1.conv, found).relu())
        outputs = [found]
        for block, dilation in ((top.layer2, 2), (top.layer3, 3), (top.layer4, 4)):
            outputs.append(_through(block, outputs[-1], dilation))
        joined = top.conv(torch.cat(outputs[1:], dim=1)).relu()
        share = top.pooling.linear2(top.pooling.linear1(joined).tanh()).softmax(dim=2)
        mean = (share * joined).sum(2)
        deviation = ((share * joined**2).sum(2) - mean**2).clamp(min=1e-9).sqrt()
        expected = top.linear(top.bn(torch.cat([mean, deviation], dim=1)))[0]
    np.testing.assert_allclose(verification.embed(signal), expected, rtol=1e-3, atol=1e-4)


def test_the_same_speech_is_the_same_speaker(large: tuple[Any, Branches]) -> None:
    metric = SpeakerSimilarity("wavlm_large")
    metric.prepare()
    one, other = tone(1.0, seed=1), tone(1.0, seed=2)
    assert metric.score_pair(one, one, 16000).value == pytest.approx(1)
    assert -1 <= (metric.score_pair(one, other, 16000).value or -2) < 1
    assert "weights=absent" not in metric.info.fingerprint.parts


def test_a_long_clip_is_embedded_in_parts(
    large: tuple[Any, Branches], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verification, "LONGEST_S", 1)
    signal = tone(1.5, seed=3)
    halves = [verification._embedded(half) for half in np.array_split(signal, 2)]
    np.testing.assert_allclose(verification.embed(signal), np.mean(halves, axis=0))


def test_another_file_is_told(
    large: tuple[Any, Branches], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(verification.WAVLM_LARGE.variable, str(tmp_path))
    for content in ({"other": {}}, {"model": {"conv.weight": torch.zeros(1)}}):
        torch.save(content, tmp_path / "wavlm_large_finetune.pth")
        verification._load.cache_clear()
        verification.WAVLM_LARGE.__dict__.pop("folder", None)
        with pytest.raises(WeightsUnavailable, match=r"not the checkpoint|no WavLM"):
            verification._load()
    monkeypatch.delenv(verification.WAVLM_LARGE.variable)
    monkeypatch.setattr(type(verification.WAVLM_LARGE), "digest", "0" * 16)
    monkeypatch.setattr(type(verification.WAVLM_LARGE), "weights", tmp_path / "x.pth")
    with pytest.raises(WeightsUnavailable, match="not the file that was published"):
        verification.check_published()
