"""Substitutes of the networks that predict opinions: tiny, random, of the same interface."""

from __future__ import annotations

import functools
import hashlib
import sys
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

_CONVOLUTIONS = "[(8,10,5)]+[(8,3,2)]*4+[(8,2,2)]*2"
_NISQA = {
    "ms_n_fft": 4096,
    "ms_hop_length": 0.01,
    "ms_win_length": 0.02,
    "ms_n_mels": 48,
    "ms_fmax": 20000,
    "ms_seg_length": 15,
    "ms_seg_hop_length": 4,
    "ms_max_segments": 1300,
    "cnn_c_out_1": 2,
    "cnn_c_out_2": 2,
    "cnn_c_out_3": 4,
    "cnn_kernel_size": [3, 3],
    "cnn_dropout": 0.2,
    "cnn_pool_1": [24, 7],
    "cnn_pool_2": [12, 5],
    "cnn_pool_3": [6, 3],
    "td_sa_d_model": 8,
    "td_sa_nhead": 1,
    "td_sa_h": 8,
    "td_sa_num_layers": 1,
    "td_sa_dropout": 0.1,
    "pool_att_h": 8,
    "pool_att_dropout": 0.1,
}


def shrink_utmos(monkeypatch: pytest.MonkeyPatch) -> None:
    """The package builds a wav2vec 2.0 of one thin layer."""
    from utmos_pytorch import utmos_torch
    from utmos_pytorch.wav2vec2 import Wav2Vec2Config

    config = functools.partial(
        Wav2Vec2Config,
        conv_feature_layers=_CONVOLUTIONS,
        encoder_layers=1,
        encoder_ffn_embed_dim=16,
        conv_pos=8,
    )
    monkeypatch.setattr(utmos_torch, "Wav2Vec2Config", config)


def save_utmos(folder: Path) -> Path:
    """Weights as the hub holds them."""
    from utmos_pytorch.utmos_torch import UTMOSModel

    torch.manual_seed(0)
    file = folder / "utmos_state_dict.pt"
    torch.save(UTMOSModel().state_dict(), file)
    return file


def save_nisqa(folder: Path) -> Path:
    """A checkpoint as the authors publish it."""
    from torchmetrics.functional.audio.nisqa import _NISQADIM

    torch.manual_seed(0)
    file = folder / "nisqa.tar"
    torch.save({"args": _NISQA, "model_state_dict": _NISQADIM(_NISQA).state_dict()}, file)
    return file


def save_onnx(file: Path) -> Path:
    """An ONNX model: ``[1, time]`` to the mean of its magnitudes, ``[1, 1]``."""
    nodes = [_node("Abs", "wave", "size"), _node("ReduceMean", "size", "score", b"axes", 1)]
    graph = b"".join(_field(1, node) for node in nodes) + _field(2, b"tiny")
    graph += _field(11, _value("wave", None)) + _field(12, _value("score", 1))
    operators = _field(1, b"") + _number(2, 13)
    file.write_bytes(_number(1, 8) + _field(7, graph) + _field(8, operators))
    return file


def _node(kind: str, given: str, made: str, attribute: bytes = b"", axis: int = 0) -> bytes:
    node = _field(1, given.encode()) + _field(2, made.encode()) + _field(4, kind.encode())
    if attribute:
        integers = 7  # the type of the attribute
        node += _field(5, _field(1, attribute) + _number(8, axis) + _number(20, integers))
    return node


def _value(name: str, length: int | None) -> bytes:
    """Floats ``[1, length]``."""
    last = _field(2, b"time") if length is None else _number(1, length)
    shape = _field(1, _number(1, 1)) + _field(1, last)
    return _field(1, name.encode()) + _field(2, _field(1, _number(1, 1) + _field(2, shape)))


def _field(number: int, content: bytes) -> bytes:
    """Of a protocol buffer: bytes by their length."""
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _number(number: int, content: int) -> bytes:
    return _varint(number << 3) + _varint(content)


def _varint(number: int) -> bytes:
    rest = number >> 7
    return bytes([number & 127 | 128]) + _varint(rest) if rest else bytes([number])


DISTILLMOS = """
import torch, torchaudio
DEFAULT_WEIGHTS_CHKPT = __file__.replace("sqa.py", "weights/tiny.pt")
SEQ_LEN, MAX_HOP_LEN = 16000, 1000
SEEN = []
class ConvTransformerSQAModel(torch.nn.Module):
    def __init__(self, load_weights=True):
        super().__init__()
        assert not load_weights
        self.factor = torch.nn.Parameter(torch.zeros(()))
    def forward(self, x):
        SEEN.append(tuple(x.shape))
        return 1 + self.factor * x.abs().mean(dim=1, keepdim=True)
"""


def write_distillmos(folder: Path) -> str:
    """A package ``distillmos`` of one number, which wants torchaudio; the digest of its weights."""
    weights = folder / "distillmos" / "weights" / "tiny.pt"
    weights.parent.mkdir(parents=True)
    torch.save({"model": {"factor": torch.tensor(2.0)}}, weights)
    (folder / "distillmos" / "__init__.py").touch()
    (folder / "distillmos" / "sqa.py").write_text(DISTILLMOS)
    return hashlib.sha256(weights.read_bytes()).hexdigest()[:16]


class TinyAesthetics:
    """As audiobox_aesthetics.model.aes.AesMultiOutput: the mean magnitude of what is unmasked."""

    def __init__(self, folder: Path) -> None:
        assert (folder / "model.safetensors").is_file()
        self.target_transform = {
            axis: {"mean": float(index), "std": 2.0} for index, axis in enumerate(AXES)
        }
        self.shapes: list[Any] = []

    @classmethod
    def from_pretrained(cls, folder: Path) -> TinyAesthetics:
        return cls(folder)

    def eval(self) -> TinyAesthetics:
        return self

    def __call__(self, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        self.shapes.append(tuple(batch["wav"].shape))
        size = (batch["wav"].abs() * batch["mask"]).sum(-1) / batch["mask"].sum(-1)
        return dict.fromkeys(AXES, size[:, 0])


AXES = ("CE", "CU", "PC", "PQ")


class TinyFin(torch.nn.Module):
    """As cdpam.models.FINnet, of one number."""

    def __init__(self, **sizes: int) -> None:
        super().__init__()
        assert sizes == {
            "encoder_layers": 16,
            "encoder_filters": 64,
            "classif_BN": 0,
            "input_size": 512,
        }
        self.factor = torch.nn.Parameter(torch.zeros(()))


class TinyCdpam:
    """As cdpam.CDPAM."""

    def __init__(self) -> None:
        raise AssertionError("its own loading fails with today's torch")

    def forward(self, one: Any, other: Any) -> torch.Tensor:  # noqa: ANN401 - arrays
        assert one.shape == other.shape
        difference = (torch.from_numpy(one) - torch.from_numpy(other)).abs().mean(dim=1)
        return difference * self.model.factor  # type: ignore[attr-defined]


def modules(contents: Iterable[tuple[str, dict[str, object]]]) -> dict[str, ModuleType]:
    """Modules by their names, with what each holds."""
    made = {}
    for name, content in contents:
        made[name] = ModuleType(name)
        made[name].__dict__.update(content)
    return made


def forget(*names: str) -> None:
    """So that the next import runs the modules anew."""
    for name in names:
        sys.modules.pop(name, None)
