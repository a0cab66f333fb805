"""What the codecs of transformers share: weights, configuration, batches, NumPy in and out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cached_property
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from snac_eval import audio
from snac_eval.codecs.checks import check_input
from snac_eval.codecs.transfers import to_host, together
from snac_eval.codecs.transformers.described import described
from snac_eval.codecs.transformers.loading import load_model
from snac_eval.errors import CodecError
from snac_eval.hub import WeightFiles, find_weights
from snac_eval.machine import set_up_torch
from snac_eval.types import CodecRequest, Codes, Waveform

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor, nn


class TransformersCodec(ABC):
    """A model of transformers as a codec. Weights are located at once, loaded by ``prepare``.

    Subclasses say what their model is called and how it is asked. Raises UsageError where the
    extra is not installed.
    """

    can_drop_streams: ClassVar[bool] = True
    implementation: ClassVar[str] = "2"
    """Raised whenever this adapter could give other codes or audio for the same weights."""
    beside: ClassVar[tuple[str, ...]] = ()
    """Small files that it reads beside configuration and weights."""
    model_type: str
    """As the model's configuration has it."""

    def __init__(self, request: CodecRequest) -> None:
        self.card = request.card
        self.device = request.device
        self._request = request

    @property
    def imports(self) -> tuple[str, ...]:
        """What loading the model imports."""
        return ("torch", f"transformers.models.{self.model_type}.modeling_{self.model_type}")

    @cached_property
    def fingerprint(self) -> str:
        """Adapter, library, number of codebooks, and digest of the weights in use."""
        library = f"transformers={version('transformers')}"
        streams = f"codebooks={self._num_codebooks}"
        weights = f"weights={self.weights_sha256}"
        return f"{self.model_type}/{self.implementation};{library};{streams};{weights}"

    @property
    def weights_sha256(self) -> str:
        """Digest of the weights' file."""
        return audio.file_sha256(self._files.weights)

    @property
    def torch_modules(self) -> tuple[nn.Module, ...]:
        """The networks that it computes with, loaded if need be."""
        return (self._model,)

    def prepare(self) -> None:
        """Load the weights onto the device.

        Raises WeightsUnavailable, CheckpointError for weights that are broken or incomplete, and
        CodecError where card and weights disagree.
        """
        self._check_config(self._model.config)

    def padded_length(self, num_samples: int) -> int | None:
        """None: the codec takes one clip at a time.

        In a batch, matrix products round differently, which changes one token in hundreds of
        thousands.
        """
        return None

    def encode(self, waveforms: Sequence[Waveform]) -> list[Codes]:
        """Codes of waveforms at the card's rate and channels, of any lengths."""
        for waveform in waveforms:
            check_input(self.card, waveform)
        if not waveforms:
            return []
        if None in {self.padded_length(waveform.num_samples) for waveform in waveforms}:
            return [self._encode_batch([one])[0] for one in waveforms]
        return self._encode_batch(waveforms)

    def _encode_batch(self, waveforms: Sequence[Waveform]) -> list[Codes]:
        import torch

        lengths = [waveform.num_samples for waveform in waveforms]
        padded = [self.padded_length(length) or length for length in lengths]
        batch = together([waveform.samples for waveform in waveforms], self.device)
        batch = torch.nn.functional.pad(batch, (0, max(padded) - max(lengths)))
        with torch.inference_mode():
            tokens, side_info = self._encode(batch, padded)
        (arrays,) = to_host([tokens.int()])
        frames = [length * arrays.shape[-1] // max(padded) for length in padded]
        return [
            Codes(length, tuple(streams[:, :count]), self.card.codebook_sizes, side_info=side)
            for length, count, streams, side in zip(lengths, frames, arrays, side_info, strict=True)
        ]

    def decode(self, codes: Sequence[Codes], seeds: Sequence[int]) -> list[Waveform]:
        """Waveforms as long as what was encoded. These codecs draw nothing: seeds do not matter."""
        if not codes:
            return []
        if None in {self.padded_length(one.num_samples) for one in codes}:
            return [self._decode_batch([one])[0] for one in codes]
        return self._decode_batch(codes)

    def _decode_batch(self, codes: Sequence[Codes]) -> list[Waveform]:
        import torch

        tokens = together([np.stack(one.streams).astype(np.int64) for one in codes], self.device)
        with torch.inference_mode():
            (batch,) = to_host([self._decode(tokens, codes)])
        # What the layers leave out at the batch's end, they leave out at each item's.
        lengths = [self.padded_length(one.num_samples) or 0 for one in codes]
        missing = max(lengths) - batch.shape[-1]
        rows = (row[:, : length - missing] for row, length in zip(batch, lengths, strict=True))
        return [self._fitted(row, one) for row, one in zip(rows, codes, strict=True)]

    def _fitted(self, samples: NDArray[Any], codes: Codes) -> Waveform:
        """What the model decoded, ``[channels, time]``, as long as the clip."""
        waveform = Waveform(np.array(samples), self.card.decoded_rate)
        return audio.fit_length(waveform, self.card.decoded_length(codes.num_samples))

    @abstractmethod
    def _encode(self, batch: Tensor, lengths: Sequence[int]) -> tuple[Tensor, list[bytes]]:
        """Tokens ``[batch, codebook, frame]`` and side information of each clip of a batch, the
        longest of which fills it; ``lengths`` are what each is padded to alone, in samples."""

    @abstractmethod
    def _decode(self, tokens: Tensor, codes: Sequence[Codes]) -> Tensor:
        """Audio ``[batch, channel, time]`` of tokens ``[batch, codebook, frame]``."""

    def _adjust(self, model: Any) -> None:  # noqa: ANN401, B027 - most need no adjustment
        """Change what transformers' port has wrong, before the model is used."""

    @property
    def _num_codebooks(self) -> int:
        return len(self.card.codebook_sizes)

    @cached_property
    def _files(self) -> WeightFiles:
        where = self._request.weights or self.card.weights
        revision = None if self._request.weights else self.card.revision or None
        return find_weights(where, revision, self.beside)

    @cached_property
    def _model(self) -> Any:  # noqa: ANN401 - transformers' models are typed as Any
        set_up_torch(self.device, self._request.num_threads)
        model = load_model(self._files, self.model_type).to(self.device).eval()
        self._adjust(model)
        return model

    @cached_property
    def _bandwidth(self) -> float:
        """The smallest setting, in kbps, that uses the card's codebooks or more."""
        count = self._model.quantizer.get_num_quantizers_for_bandwidth
        settings = sorted(self._model.config.target_bandwidths)
        return next(float(one) for one in settings if count(one) >= self._num_codebooks)

    def _check_config(self, config: Any) -> None:  # noqa: ANN401
        card, there = self.card, described(config, self._extractor_rate)
        count, size = self._num_codebooks, there.codebook_size
        wanted = (card.sample_rate, card.decoded_rate, card.channels, (size,) * count)
        found = (there.sample_rate, there.decoded_rate, there.channels, card.codebook_sizes)
        rates = {round(one, 6) for one in card.frame_rates_hz} | {round(there.frame_rate_hz, 6)}
        if wanted != found or len(rates) > 1 or count > there.num_codebooks:
            raise CodecError(
                f"{self._files.config}: a model of {there}, which the card '{card.name}' does not"
                " describe; use the card of these weights, or write one"
            )

    @property
    def _extractor_rate(self) -> int:
        """Rate in Hz that the feature extractor says; 0 where none is used."""
        return 0
