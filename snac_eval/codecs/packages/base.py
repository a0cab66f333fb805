"""What codecs with packages of their own share: weights, checks, NumPy in and out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from snac_eval.audio import fit_length
from snac_eval.codecs.checks import check_input
from snac_eval.codecs.packages.files import HubFile, find, sha256
from snac_eval.codecs.packages.imports import quiet
from snac_eval.errors import CheckpointError, CodecError, SnacEvalError, UsageError, detail
from snac_eval.machine import set_up_torch
from snac_eval.types import CodecCard, CodecRequest, Codes, Waveform

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor, nn

_CLOSE = 1e-4
_CONFIGURATIONS = (".json", ".yaml")


@dataclass(frozen=True, slots=True)
class Shape:
    """What a model codes, as its own configuration has it; the card must say the same."""

    sample_rate: int
    codebook_sizes: tuple[int, ...]
    """Of all its streams."""
    frame_rate_hz: float


class PackageCodec(ABC):
    """A codec as its own package runs it. Weights are located at once, loaded by ``prepare``.

    A subclass says which files it needs, how its package loads them, and how it is asked. It takes
    one clip at a time, mono, and draws nothing. Raises CardError or UsageError where the card makes
    no sense.
    """

    family: ClassVar[str]
    distribution: ClassVar[str]
    """What the package is called where it is installed from."""
    other_distributions: ClassVar[tuple[str, ...]] = ()
    """Other packages whose version may change codes or audio."""
    implementation: ClassVar[str] = "1"
    """Raised whenever the adapter could give other codes or audio for the same weights."""
    can_drop_streams: ClassVar[bool] = False
    delay_samples: ClassVar[float] = 0.0
    imports: tuple[str, ...] = ("torch",)
    notes: tuple[str, ...] = ()

    def __init__(self, request: CodecRequest) -> None:
        self.card = request.card
        self.device = request.device
        self._request = request

    @staticmethod
    @abstractmethod
    def files_of(card: CodecCard) -> tuple[HubFile, ...]:
        """The files of the hub that the codec of a card needs."""

    @abstractmethod
    def _load(self, files: Sequence[Path]) -> Any:  # noqa: ANN401 - packages are untyped
        """The package's own object, loaded from the files of ``files_of``, on the CPU.

        Runs no code that is in a file. Whatever a damaged file makes it raise becomes a
        CheckpointError.
        """

    @abstractmethod
    def _shape(self, model: Any) -> Shape:  # noqa: ANN401
        """What the model codes."""

    @abstractmethod
    def _encode(self, samples: Tensor) -> Tensor:
        """Tokens ``[stream, frame]`` of mono audio ``[1, 1, time]``."""

    @abstractmethod
    def _decode(self, tokens: Tensor) -> Tensor:
        """Audio ``[1, time]`` of tokens ``[stream, frame]``, int64; of at least the clip's length,
        for the rest is filled up with silence."""

    def _networks(self, model: Any) -> tuple[nn.Module, ...]:  # noqa: ANN401
        """The torch modules in the package's object."""
        return (model,)

    @cached_property
    def fingerprint(self) -> str:
        """Adapter, package and its version, number of streams, and digest of the files in use."""
        names = (self.distribution, *self.other_distributions)
        package = ",".join(f"{name}={version(name)}" for name in names)
        streams = f"streams={len(self.card.codebook_sizes)}"
        files = f"files={sha256(self._files)}"
        return f"{self.family}/{self.implementation};{package};{streams};{files}"

    @cached_property
    def weights_sha256(self) -> str:
        """Digest of the files of weights, of several that of their digests; configurations do not
        count."""
        return sha256([file for file in self._files if file.suffix not in _CONFIGURATIONS])

    @property
    def torch_modules(self) -> tuple[nn.Module, ...]:
        """The networks that it computes with, loaded if need be."""
        return self._networks(self._model)

    def prepare(self) -> None:
        """Load the weights onto the device.

        Raises WeightsUnavailable, CheckpointError for weights that are broken or incomplete,
        UsageError where the package cannot be imported, and CodecError where card and weights
        disagree.
        """
        self._check_shape(self._shape(self._model))

    def padded_length(self, num_samples: int) -> int | None:
        """None: the codec takes one clip at a time."""
        return None

    def encode(self, waveforms: Sequence[Waveform]) -> list[Codes]:
        """Codes of waveforms at the card's rate and channels, of any lengths.

        Raises CodecError for audio that is empty, not finite or of another shape or rate.
        """
        for waveform in waveforms:
            check_input(self.card, waveform)
        return [self._encode_clip(waveform) for waveform in waveforms]

    def decode(self, codes: Sequence[Codes], seeds: Sequence[int]) -> list[Waveform]:
        """Waveforms at the card's ``decoded_rate``, as long as what was encoded.

        Seeds change nothing. Raises CodecError for codes of another codec.
        """
        return [self._decode_clip(one) for one in codes]

    def _encode_clip(self, waveform: Waveform) -> Codes:
        import torch

        samples = torch.from_numpy(np.array(waveform.samples, np.float32))
        with torch.inference_mode():
            tokens = self._encode(samples[None].to(self.device))
        streams = tokens.cpu().numpy().astype(np.int32)
        return Codes(waveform.num_samples, tuple(streams), self.card.codebook_sizes)

    def _decode_clip(self, codes: Codes) -> Waveform:
        import torch

        tokens = torch.from_numpy(self._sent(codes)).to(self.device)
        with torch.inference_mode():
            audio = self._decode(tokens)
        samples = np.array(audio.cpu().numpy(), np.float32)
        return self._fitted(samples, codes.num_samples)

    def _sent(self, codes: Codes) -> NDArray[np.int64]:
        """Tokens ``[stream, frame]``. Raises CodecError unless the codes are this codec's."""
        lengths = {stream.size for stream in codes.streams}
        if codes.codebook_sizes != self.card.codebook_sizes or len(lengths) != 1 or 0 in lengths:
            raise CodecError(f"{self.card.name}: these are not its codes; encode the clip again")
        return np.stack(codes.streams).astype(np.int64)

    def _fitted(self, samples: NDArray[np.float32], num_samples: int) -> Waveform:
        """Audio ``[1, time]`` that came out, as long as ``num_samples`` that went in."""
        made = Waveform(samples, self.card.decoded_rate)
        return fit_length(made, self.card.decoded_length(num_samples))

    @cached_property
    def _files(self) -> tuple[Path, ...]:
        return find(self.files_of(self.card), self._request.weights)

    @cached_property
    def _model(self) -> Any:  # noqa: ANN401
        files = self._files
        set_up_torch(self.device, self._request.num_threads)
        try:
            with quiet():
                model = self._load(files)
        except ImportError as error:
            raise UsageError(
                f"{self.card.name}: the package {self.distribution} cannot be imported:"
                f" {detail(error)}; install what it needs"
            ) from error
        except SnacEvalError:
            raise
        except Exception as error:
            raise CheckpointError(
                f"{files[0].parent}: cannot be loaded as {self.family} ({detail(error)}); give the"
                f" weights of the card '{self.card.name}', whole"
            ) from error
        for network in self._networks(model):
            network.to(self.device).float().eval()
        return model

    def _check_shape(self, shape: Shape) -> None:
        card, count = self.card, len(self.card.codebook_sizes)
        rates = {*card.frame_rates_hz}
        same = (
            (card.sample_rate, card.channels) == (shape.sample_rate, 1)
            and count > 0
            and card.codebook_sizes == shape.codebook_sizes[:count]
            and all(abs(one - shape.frame_rate_hz) <= _CLOSE * one for one in rates)
        )
        if not same or (count < len(shape.codebook_sizes) and not self.can_drop_streams):
            sizes = ", ".join(map(str, shape.codebook_sizes))
            raise CodecError(
                f"{self._files[0].parent}: a model at {shape.sample_rate} Hz, mono, with codebooks"
                f" of {sizes} at {shape.frame_rate_hz:g} frames a second, which the card"
                f" '{card.name}' does not describe; use the card of these weights, or write one"
            )
