"""SNAC behind the harness's Codec protocol: NumPy in, NumPy out, one seed per clip."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from snac_eval.audio import file_sha256
from snac_eval.codecs.checks import check_input
from snac_eval.codecs.snac.config import SNACConfig
from snac_eval.errors import CodecError
from snac_eval.hub import weights_state
from snac_eval.machine import set_up_torch
from snac_eval.types import CodecCard, CodecRequest, Codes, Waveform

if TYPE_CHECKING:
    from torch import nn

    from snac_eval.codecs.snac.model import SNAC
    from snac_eval.hub import WeightFiles

# Raised whenever our implementation could give other codes or audio for the same weights.
_IMPLEMENTATION = "3"
# Long enough for three tiles in every stage of every published model.
_WARM_UP_S = 60


def load(request: CodecRequest) -> SnacCodec:
    """Entry point of the codec family ``snac``."""
    return SnacCodec(request)


def state(card: CodecCard) -> str:
    """Whether its weights are here, as ``snac-eval list`` shows it."""
    return weights_state(card)


class SnacCodec:
    """A SNAC model as a codec. Torch is imported, and the weights are loaded, by ``prepare``."""

    can_drop_streams = True
    can_compile = True
    imports = ("torch", "snac_eval.codecs.snac.model")

    def __init__(self, request: CodecRequest) -> None:
        self.card = request.card
        self.device = request.device
        self._request = request

    @cached_property
    def fingerprint(self) -> str:
        """Implementation and digest of the weights in use. If streams are dropped, how many are
        kept; if it is compiled, that it is."""
        kept = f";streams={self._request.num_streams}" if self._request.num_streams else ""
        compiled = ";compiled" if self._is_compiled else ""
        return f"snac/{_IMPLEMENTATION};weights={self.weights_sha256}{kept}{compiled}"

    @property
    def weights_sha256(self) -> str:
        """SHA-256 of the weights file in use. Raises WeightsUnavailable."""
        return file_sha256(self._files.weights)

    @property
    def notes(self) -> tuple[str, ...]:
        """Says why it is not compiled, if it was asked to be and cannot be."""
        if not self._compile_problem:
            return ()
        return (
            f"{self.card.name} runs uncompiled: torch.compile does not work here"
            f" ({self._compile_problem})",
        )

    def prepare(self) -> None:
        """Load the weights onto the device. Raises WeightsUnavailable or CheckpointError."""
        self._check_config(self._model.config)
        if self._is_compiled:
            # The first long signal has its tiles compiled: this one, before any clip is timed.
            silence = np.zeros((1, _WARM_UP_S * self.card.sample_rate), dtype=np.float32)
            self.decode(self.encode([Waveform(silence, self.card.sample_rate)]), [0])

    @property
    def torch_modules(self) -> tuple[nn.Module, ...]:
        """The loaded model. Raises WeightsUnavailable or CheckpointError."""
        return (self._model,)

    def padded_length(self, num_samples: int) -> int:
        """``num_samples`` rounded up to whole frames of the coarsest stream."""
        multiple = self._model.config.pad_multiple
        return -(-num_samples // multiple) * multiple

    def encode(self, waveforms: Sequence[Waveform]) -> list[Codes]:
        """Codes of mono waveforms at the card's rate; all must pad to one length."""
        import torch

        for waveform in waveforms:
            check_input(self.card, waveform)
        lengths = [waveform.num_samples for waveform in waveforms]
        padded = {self.padded_length(length) for length in lengths}
        if len(padded) > 1:
            raise CodecError(f"{self.card.name}: clips in one batch pad to different lengths")
        clips = [torch.from_numpy(waveform.samples)[None] for waveform in waveforms]
        if self.device != "cpu":
            clips = [torch.cat([self._model.pad(clip) for clip in clips]).to(self.device)]
        # On a CPU the model takes clip after clip anyway, and an hour is better not copied.
        parts = zip(*(self._model.encode(clip) for clip in clips), strict=True)
        streams = [torch.cat(part) for part in parts]
        sizes = self.card.codebook_sizes
        arrays = [stream.cpu().numpy().astype(np.int32) for stream in streams[: len(sizes)]]
        return [
            Codes(length, tuple(array[item] for array in arrays), sizes)
            for item, length in enumerate(lengths)
        ]

    def decode(self, codes: Sequence[Codes], seeds: Sequence[int]) -> list[Waveform]:
        """Waveforms of ``num_samples`` each; the same codes and seed give the same audio."""
        import torch

        streams = [
            torch.from_numpy(np.stack(arrays).astype(np.int64)).to(self.device)
            for arrays in zip(*(one.streams for one in codes), strict=True)
        ]
        audio = self._model.decode(streams, seeds=seeds).cpu().numpy()
        return [
            Waveform(np.ascontiguousarray(row[:, : one.num_samples]), self.card.sample_rate)
            for row, one in zip(audio, codes, strict=True)
        ]

    def whole_pass(self, waveform: Waveform) -> None:
        """Encode and decode by torch's own layers, for whoever counts operations."""
        import torch

        from snac_eval.codecs.snac.layers import SeededNoise

        codes = self._model.encode_whole(torch.from_numpy(waveform.samples[None]).to(self.device))
        self._model.decode_whole(codes, SeededNoise([0]))

    @cached_property
    def _files(self) -> WeightFiles:
        from snac_eval.hub import find_weights

        where = self._request.weights or self.card.weights
        return find_weights(where, None if self._request.weights else self.card.revision or None)

    @cached_property
    def _model(self) -> SNAC:
        from snac_eval.codecs.snac.model import SNAC

        set_up_torch(self.device, self._request.num_threads)
        model = SNAC.from_files(self._files, self.device)
        if self._is_compiled:
            model.compile_streams()
        return model

    @property
    def _is_compiled(self) -> bool:
        return self._request.compiled and not self._compile_problem

    @cached_property
    def _compile_problem(self) -> str:
        if not self._request.compiled:
            return ""
        if self.device != "cpu":
            return f"on {self.device}; on a CPU it does"
        from snac_eval.codecs.snac.stream import compile_problem

        return compile_problem()

    def _check_config(self, config: SNACConfig) -> None:
        card = self.card
        num_streams = self._request.num_streams or len(config.vq_strides)
        there = (config.sampling_rate, (config.codebook_size,) * num_streams)
        if there != (card.sample_rate, tuple(card.codebook_sizes)):
            raise CodecError(
                f"{self._files.config}: a model of {there[0]} Hz with codebooks {there[1]}, but the"
                f" card '{card.name}' says {card.sample_rate} Hz with {tuple(card.codebook_sizes)};"
                " use the card of these weights, or write one"
            )
