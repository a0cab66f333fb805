"""What the codecs of transformers share: weights, configuration, batches, NumPy in and out."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cached_property
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from snac_eval import audio
from snac_eval.codecs.checks import check_input
from snac_eval.codecs.transfers import to_host, together
from snac_eval.errors import CheckpointError, CodecError, detail
from snac_eval.hub import WeightFiles, find_weights, quiet_transformers
from snac_eval.machine import set_up_torch
from snac_eval.types import CodecRequest, Codes, Waveform

if TYPE_CHECKING:
    from torch import Tensor, nn

# Raised whenever this adapter could give other codes or audio for the same weights.
_IMPLEMENTATION = "2"


class TransformersCodec(ABC):
    """A model of transformers as a codec. Weights are located at once, loaded by ``prepare``.

    Subclasses say what their model is called, what its configuration means, and how it is asked.
    Raises UsageError where the extra is not installed.
    """

    can_drop_streams: ClassVar[bool] = True
    model_type: ClassVar[str]
    model_class: ClassVar[str]

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
        return f"{self.model_type}/{_IMPLEMENTATION};{library};{streams};{weights}"

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
        """Waveforms of ``num_samples`` each. These codecs draw nothing: seeds do not matter."""
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
        rate = self.card.sample_rate
        return [
            audio.fit_length(Waveform(np.array(row), rate), one.num_samples)
            for row, one in zip(rows, codes, strict=True)
        ]

    @abstractmethod
    def _encode(self, batch: Tensor, lengths: Sequence[int]) -> tuple[Tensor, list[bytes]]:
        """Tokens ``[batch, codebook, frame]`` and side information of each clip of a batch, the
        longest of which fills it; ``lengths`` are what each is padded to alone, in samples."""

    @abstractmethod
    def _decode(self, tokens: Tensor, codes: Sequence[Codes]) -> Tensor:
        """Audio ``[batch, channel, time]`` of tokens ``[batch, codebook, frame]``."""

    @abstractmethod
    def _describe(self, config: Any) -> tuple[int, int, int, int, float]:  # noqa: ANN401
        """Rate in Hz, channels, codebook size, codebooks and frames per second of a model."""

    @property
    def _num_codebooks(self) -> int:
        return len(self.card.codebook_sizes)

    @cached_property
    def _files(self) -> WeightFiles:
        where = self._request.weights or self.card.weights
        return find_weights(where, None if self._request.weights else self.card.revision or None)

    @cached_property
    def _model(self) -> Any:  # noqa: ANN401 - transformers' models are typed as Any
        set_up_torch(self.device, self._request.num_threads)
        return _load_model(self._files, self.model_type, self.model_class).to(self.device).eval()

    def _check_config(self, config: Any) -> None:  # noqa: ANN401
        rate, channels, size, num_codebooks, frames = self._describe(config)
        card = self.card
        there = f"{rate} Hz, {channels} channel(s), {num_codebooks} codebooks of {size}"
        wanted = (card.sample_rate, card.channels, {size}, {round(frames, 6)})
        same = wanted == (
            rate,
            channels,
            set(card.codebook_sizes),
            {round(one, 6) for one in card.frame_rates_hz},
        )
        if not same or self._num_codebooks > num_codebooks:
            raise CodecError(
                f"{self._files.config}: a model of {there} at {frames:g} frames a second, which the"
                f" card '{card.name}' does not describe; use the card of these weights, or write"
                " one"
            )


def _load_model(files: WeightFiles, model_type: str, model_class: str) -> Any:  # noqa: ANN401
    import torch
    from safetensors import SafetensorError

    _check_model_type(files, model_type)
    transformers = quiet_transformers()
    folder = files.config.parent
    try:
        model, report = getattr(transformers, model_class).from_pretrained(
            folder, local_files_only=True, dtype=torch.float32, output_loading_info=True
        )
    except (OSError, ValueError, TypeError, KeyError, RuntimeError, SafetensorError) as error:
        raise CheckpointError(
            f"{folder}: cannot be loaded as {model_class}: {detail(error)}"
        ) from error
    for problem in ("missing_keys", "mismatched_keys", "error_msgs"):
        # transformers would go on with random weights in their place.
        if report.get(problem):
            example = sorted(map(str, report[problem]))[0]
            raise CheckpointError(
                f"{files.weights}: not the weights of this {model_class}:"
                f" {len(report[problem])} {problem.replace('_', ' ')}, such as {example}"
            )
    return model


def _check_model_type(files: WeightFiles, model_type: str) -> None:
    try:
        found = json.loads(files.config.read_text(encoding="utf-8")).get("model_type")
    except (OSError, ValueError, AttributeError, RecursionError) as error:
        raise CheckpointError(f"{files.config}: no valid configuration: {detail(error)}") from error
    if found != model_type:
        raise CheckpointError(
            f"{files.config}: configures a model of type '{found}', not '{model_type}'; give the"
            " weights that the card is about"
        )
