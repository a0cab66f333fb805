"""Lyra v2 through LiteRT: a SoundStream (arXiv 2107.03312) for speech that its authors trained.

Frames of 20 ms at 16 kHz become up to 46 residual codes of 4 bits. Both directions carry state from
frame to frame that cannot be cleared, so every clip gets interpreters of its own.
"""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from snac_eval import audio
from snac_eval.codecs.checks import check_input
from snac_eval.download import cache_dir, fetch, only_one
from snac_eval.errors import CardError, CodecError, WeightsUnavailable, detail
from snac_eval.reading.names import user_path
from snac_eval.registry.validation import read_options
from snac_eval.types import CodecCard, CodecRequest, Codes, Waveform

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from snac_eval.types import IntArray

_FILES = ("soundstream_encoder.tflite", "quantizer.tflite", "lyragan.tflite")
_FRAME = 320
_MAX_STREAMS = 46
_CODEBOOK_SIZE = 16
# Raised whenever our adapter could give other codes or audio for the same weights.
_IMPLEMENTATION = "1"


@dataclass(frozen=True, slots=True)
class Options:
    """Where a Lyra card's weights come from."""

    url: str
    """A folder on the web."""
    sha256: Mapping[str, str]
    """Digests of its three files by name. The card's own ``sha256`` is of the three one after the
    other."""


def load(request: CodecRequest) -> LyraCodec:
    """Entry point of the codec family ``lyra``. Raises CardError where the card makes no sense."""
    return LyraCodec(request)


def state(card: CodecCard) -> str:
    """What ``snac-eval list`` shows of it."""
    there = all((_folder() / name).is_file() for name in _FILES)
    return "" if there else "needs weights (download)"


def remedy(card: CodecCard) -> tuple[str, ...]:
    """Ways to get its weights where they are not here."""
    if not state(card):
        return ()
    base = read_options(card, Options).url
    urls = " ".join(f"-O {base}/{name}" for name in _FILES)
    return (
        f"curl --create-dirs --output-dir {shlex.quote(str(_folder()))} {urls}",
        "SNAC_EVAL_CACHE=DIR, a cache that holds them",
        f"--weights DIR, a folder with {', '.join(_FILES)}",
    )


class LyraCodec:
    """Lyra v2 at one number of codebooks."""

    can_drop_streams = True

    def __init__(self, request: CodecRequest) -> None:
        self._options = read_options(request.card, Options)
        if problem := _card_problem(request.card, self._options):
            raise CardError(f"codec card '{request.card.name}': {problem}")
        self.card = request.card
        self.device = "cpu"
        self._request = request

    @cached_property
    def fingerprint(self) -> str:
        """Implementation, LiteRT's version, digest of the weights, and the number of codebooks."""
        from importlib.metadata import version

        runtime = version("ai-edge-litert")
        streams, weights = len(self.card.codebook_sizes), self.weights_sha256
        return f"lyra/{_IMPLEMENTATION};litert={runtime};weights={weights};streams={streams}"

    @cached_property
    def weights_sha256(self) -> str:
        """Digest of the three files one after the other."""
        return hashlib.sha256(b"".join(self._models)).hexdigest()

    def prepare(self) -> None:
        """Raises WeightsUnavailable without the weights, CodecError where they are no Lyra."""
        self._runners()

    def padded_length(self, num_samples: int) -> int | None:
        """None: state runs through a clip, so that each is coded alone."""
        return None

    def encode(self, waveforms: Sequence[Waveform]) -> list[Codes]:
        """Raises CodecError for audio that is empty, not finite or of another shape or rate."""
        return [self._encode(waveform) for waveform in waveforms]

    def decode(self, codes: Sequence[Codes], seeds: Sequence[int]) -> list[Waveform]:
        """``num_samples`` each; Lyra adds no delay. Seeds change nothing."""
        return [self._decode(one) for one in codes]

    def _encode(self, waveform: Waveform) -> Codes:
        check_input(self.card, waveform)
        streams = len(self.card.codebook_sizes)
        analyse, quantise, _, _ = self._runners()
        rows = []
        for frame in _frames(waveform):
            features = analyse(input_audio=frame)["output_0"]
            indices = quantise(input_frames=features, num_quantizers=np.int32(streams))["output_0"]
            rows.append(indices[:streams, 0, 0])
        tokens = np.stack(rows, axis=1).astype(np.int32)
        return Codes(waveform.num_samples, tuple(tokens), self.card.codebook_sizes)

    def _decode(self, codes: Codes) -> Waveform:
        tokens = self._tokens(codes)
        _, _, dequantise, synthesise = self._runners()
        blocks = []
        for column in tokens.T:
            features = dequantise(encoding_indices=column[:, None, None])["output_0"]
            blocks.append(synthesise(input_audio=features)["output_0"])
        samples = np.concatenate(blocks, axis=1).astype(np.float32)
        return audio.fit_length(Waveform(samples, self.card.sample_rate), codes.num_samples)

    def _tokens(self, codes: Codes) -> IntArray:
        """``[46, frames]``; -1 in the rows that are not sent."""
        if codes.codebook_sizes != self.card.codebook_sizes or not codes.streams[0].size:
            raise CodecError(f"{self.card.name}: these are not its codes; encode the clip again")
        sent = np.stack(codes.streams)
        return np.pad(sent, ((0, _MAX_STREAMS - len(sent)), (0, 0)), constant_values=-1)

    def _runners(self) -> tuple[Callable[..., dict[str, NDArray[Any]]], ...]:
        """Encoder, quantiser there and back, and decoder, all as at the start of a clip."""
        from ai_edge_litert.interpreter import Interpreter

        threads = self._request.num_threads or None
        try:
            encoder, quantiser, decoder = (
                Interpreter(model_content=model, num_threads=threads) for model in self._models
            )
            return (
                encoder.get_signature_runner(),
                quantiser.get_signature_runner("encode"),
                quantiser.get_signature_runner("decode"),
                decoder.get_signature_runner(),
            )
        except (ValueError, RuntimeError) as error:
            raise CodecError(
                f"{self.card.name}: the files {', '.join(_FILES)} are no Lyra v2 models"
                f" ({detail(error)}); give their folder with --weights"
            ) from error

    @cached_property
    def _models(self) -> tuple[bytes, ...]:
        given = self._request.weights
        folder = user_path(given) if given else self._download()
        if missing := [name for name in _FILES if not (folder / name).is_file()]:
            raise WeightsUnavailable(
                f"{folder}: holds no {missing[0]}; Lyra v2 needs {', '.join(_FILES)}"
            )
        return tuple((folder / name).read_bytes() for name in _FILES)

    def _download(self) -> Path:
        folder = _folder()
        ways_out = "give a folder that holds the file with --weights"
        with only_one("lyra_v2"):
            for name in _FILES:
                url = f"{self._options.url}/{name}"
                fetch(url, f"sha256:{self._options.sha256[name]}", folder, False, ways_out)
        return folder


def _folder() -> Path:
    return cache_dir() / "lyra_v2"


def _frames(waveform: Waveform) -> Iterator[NDArray[np.float32]]:
    padded = np.pad(waveform.samples[0], (0, -waveform.num_samples % _FRAME))
    for start in range(0, len(padded), _FRAME):
        yield np.ascontiguousarray(padded[None, start : start + _FRAME], dtype=np.float32)


def _card_problem(card: CodecCard, options: Options) -> str:
    count = len(card.codebook_sizes)
    if not 1 <= count <= _MAX_STREAMS or set(card.codebook_sizes) != {_CODEBOOK_SIZE}:
        return f"give num_codebooks from 1 to {_MAX_STREAMS} and codebook_size = {_CODEBOOK_SIZE}"
    if (card.sample_rate, card.channels) != (16000, 1):
        return "Lyra is mono at 16000 Hz"
    if set(options.sha256) != set(_FILES):
        return f"its options must have a sha256 of each of {', '.join(_FILES)}, and of no other"
    return ""
