"""EnCodec, DAC and Mimi as Hugging Face transformers runs them (extra ``transformers``).

A card names as many codebooks as it uses: its codec is the model's first that many. All three
quantise residuals, so that a stream depends on the streams before it only, and fewer streams
decode by themselves.

==========  =======================================  ===========================================
EnCodec     arXiv 2210.13438, Défossez et al.        48 kHz: overlapping chunks of one second,
                                                     each with a scale that is sent and counted
DAC         arXiv 2306.06546, Kumar et al.           padded with zeros to whole frames
Mimi        arXiv 2410.00037, Défossez et al.        as it is
==========  =======================================  ===========================================
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, ClassVar, cast

import numpy as np

from snac_eval import audio
from snac_eval.codecs.checks import check_input
from snac_eval.errors import CheckpointError, CodecError
from snac_eval.hub import weights_state
from snac_eval.types import CodecCard, CodecRequest, Codes, Waveform

if TYPE_CHECKING:
    from torch import Tensor

    from snac_eval.hub import WeightFiles

# Raised whenever this adapter could give other codes or audio for the same weights.
_IMPLEMENTATION = "1"
# A minute of audio takes convolutions gigabytes, so long clips go through them in tiles. Their
# context is wider than what a frame depends on (DAC: about 8 frames to either side in the encoder,
# 10 in the decoder; EnCodec and Mimi: 2 and 3), so that tiles change nothing but rounding.
_TILE_FRAMES = 2048
_CONTEXT_FRAMES = 24
# EnCodec's own bit stream sends the scale of a chunk as one float32.
_SCALE = np.dtype("<f4")


def encodec(request: CodecRequest) -> EncodecCodec:
    """Entry point of the codec family ``encodec``."""
    return EncodecCodec(request)


def dac(request: CodecRequest) -> DacCodec:
    """Entry point of the codec family ``dac``."""
    return DacCodec(request)


def mimi(request: CodecRequest) -> MimiCodec:
    """Entry point of the codec family ``mimi``."""
    return MimiCodec(request)


def state(card: CodecCard) -> str:
    """What ``snac-eval list`` shows of these families."""
    return weights_state(card)


class TransformersCodec(ABC):
    """A model of transformers as a codec. Weights are located at once, loaded by ``prepare``.

    Subclasses say what their model is called, what its configuration means, and how it is asked.
    """

    can_drop_streams: ClassVar[bool] = True
    model_type: ClassVar[str]
    model_class: ClassVar[str]

    def __init__(self, request: CodecRequest) -> None:
        self.card = request.card
        self.device = request.device
        self._request = request

    @cached_property
    def fingerprint(self) -> str:
        """Adapter, library, number of codebooks, and digest of the weights in use."""
        library = f"transformers={version('transformers')}"
        digest = audio.file_sha256(self._files.weights)
        streams = f"codebooks={len(self.card.codebook_sizes)}"
        return f"{self.model_type}/{_IMPLEMENTATION};{library};{streams};weights={digest}"

    def prepare(self) -> None:
        """Load the weights onto the device.

        Raises WeightsUnavailable, CheckpointError for weights that are broken or incomplete, and
        CodecError where card and weights disagree.
        """
        self._check_config(self._model.config)

    @property
    def num_parameters(self) -> int:
        """Parameters of the whole model as it runs."""
        return sum(int(one.numel()) for one in self._model.parameters())

    def padded_length(self, num_samples: int) -> int | None:
        """None, one clip at a time: matrix products round otherwise in another batch, and a token
        in hundreds of thousands flips."""
        return None

    def encode(self, waveforms: Sequence[Waveform]) -> list[Codes]:
        """Codes of waveforms at the card's rate and channels; a batch pads to one length."""
        for waveform in waveforms:
            check_input(self.card, waveform)
        padded = {self.padded_length(waveform.num_samples) for waveform in waveforms}
        if None in padded:
            return [self._encode_batch([one])[0] for one in waveforms]
        if len(padded) > 1:
            raise CodecError(f"{self.card.name}: clips in one batch pad to different lengths")
        return self._encode_batch(waveforms) if waveforms else []

    def _encode_batch(self, waveforms: Sequence[Waveform]) -> list[Codes]:
        import torch

        lengths = [waveform.num_samples for waveform in waveforms]
        padded = self.padded_length(lengths[0]) or lengths[0]
        batch = np.zeros((len(lengths), self.card.channels, padded), dtype=np.float32)
        for row, waveform in zip(batch, waveforms, strict=True):
            row[:, : waveform.num_samples] = waveform.samples
        with torch.inference_mode():
            tokens, side_info = self._encode(torch.from_numpy(batch).to(self.device))
        arrays = tokens.cpu().numpy().astype(np.int32)
        return [
            Codes(length, tuple(streams), self.card.codebook_sizes, side_info=side)
            for length, streams, side in zip(lengths, arrays, side_info, strict=True)
        ]

    def decode(self, codes: Sequence[Codes], seeds: Sequence[int]) -> list[Waveform]:
        """Waveforms of ``num_samples`` each; these codecs draw nothing, seeds are not used."""
        lengths = {self.padded_length(one.num_samples) for one in codes}
        if None in lengths or len(lengths) > 1:
            return [self._decode_batch([one])[0] for one in codes]
        return self._decode_batch(codes) if codes else []

    def _decode_batch(self, codes: Sequence[Codes]) -> list[Waveform]:
        import torch

        tokens = np.stack([np.stack(one.streams) for one in codes]).astype(np.int64)
        with torch.inference_mode():
            batch = self._decode(torch.from_numpy(tokens).to(self.device), codes).cpu().numpy()
        return [
            audio.fit_length(Waveform(np.array(row), self.card.sample_rate), one.num_samples)
            for row, one in zip(batch, codes, strict=True)
        ]

    @abstractmethod
    def _encode(self, batch: Tensor) -> tuple[Tensor, list[bytes]]:
        """Tokens ``[batch, codebook, frame]`` and side information of each clip of a batch."""

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
        from snac_eval.hub import find_weights

        where = self._request.weights or self.card.weights
        return find_weights(where, None if self._request.weights else self.card.revision or None)

    @cached_property
    def _model(self) -> Any:  # noqa: ANN401 - transformers' models are typed as Any
        import torch

        if self.device == "cpu" and self._request.num_threads:
            torch.set_num_threads(self._request.num_threads)
        # Quiet passages otherwise end in denormal numbers, which slow a CPU down many times.
        torch.set_flush_denormal(True)
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


class EncodecCodec(TransformersCodec):
    """EnCodec at 24 kHz (mono, causal) or 48 kHz (stereo, in chunks).

    Long clips take bounded memory: the 48 kHz model has its chunks; the convolutions of the 24 kHz
    model go over tiles, while its LSTM sees all frames.
    """

    model_type = "encodec"
    model_class = "EncodecModel"

    @cached_property
    def _bandwidth(self) -> float:
        """The smallest setting, in kbps, that uses the card's codebooks or more."""
        count = self._model.quantizer.get_num_quantizers_for_bandwidth
        settings = sorted(self._model.config.target_bandwidths)
        return next(float(one) for one in settings if count(one) >= self._num_codebooks)

    def _describe(self, config: Any) -> tuple[int, int, int, int, float]:  # noqa: ANN401
        return (
            config.sampling_rate,
            config.audio_channels,
            config.codebook_size,
            config.num_quantizers,
            config.sampling_rate / config.hop_length,
        )

    def _chunks(self, num_samples: int) -> Iterator[tuple[slice, slice]]:
        """Samples and frames of each chunk: one for the whole clip where the model has none."""
        config = self._model.config
        size, stride = config.chunk_length or num_samples, config.chunk_stride or num_samples
        first_frame = 0
        for start in range(0, num_samples, stride):
            end = min(start + size, num_samples)
            end_frame = first_frame - (start - end) // config.hop_length
            yield slice(start, end), slice(first_frame, end_frame)
            first_frame = end_frame

    def _encode(self, batch: Tensor) -> tuple[Tensor, list[bytes]]:
        import torch

        parts, scales = [], []
        # Chunk by chunk: given the whole clip, transformers fails for some lengths, where the last
        # two chunks are both short.
        for samples, frames in self._chunks(batch.shape[-1]):
            num_frames = frames.stop - frames.start
            tokens, scale = self._encode_chunk(batch[..., samples], num_frames)
            parts.append(tokens[:, : self._num_codebooks, :num_frames])
            if scale is not None:
                scales.append(scale.reshape(-1))
        tokens = torch.cat(parts, dim=-1)
        if not scales:
            return tokens, [b""] * len(tokens)
        per_clip = torch.stack(scales, dim=-1).cpu().numpy()
        return tokens, [row.astype(_SCALE).tobytes() for row in per_clip]

    def _encode_chunk(self, audio: Tensor, num_frames: int) -> tuple[Tensor, Tensor | None]:
        model = self._model
        if num_frames <= _TILE_FRAMES or model.config.normalize:
            made = model.encode(audio, bandwidth=self._bandwidth)
            return made.audio_codes[0], made.audio_scales[0]
        layers = model.encoder.layers
        lstm = _index_of_lstm(layers)
        latents = _in_tiles(layers[:lstm], audio, num_frames, 1, model.config.hop_length)
        for layer in layers[lstm:]:
            latents = layer(latents)
        return model.quantizer.encode(latents, self._bandwidth).transpose(0, 1), None

    def _decode_chunk(self, tokens: Tensor, scale: Tensor | None) -> Tensor:
        model, num_frames = self._model, tokens.shape[-1]
        if num_frames <= _TILE_FRAMES or model.config.normalize:
            decoded: Tensor = model.decode(tokens[None], [scale])[0]
            return decoded
        latents = model.quantizer.decode(tokens.transpose(0, 1))
        layers = model.decoder.layers
        after = _index_of_lstm(layers) + 1
        for layer in layers[:after]:
            latents = layer(latents)
        return _in_tiles(layers[after:], latents, num_frames, model.config.hop_length, 1)

    def _decode(self, tokens: Tensor, codes: Sequence[Codes]) -> Tensor:
        import torch

        chunks = list(self._chunks(codes[0].num_samples))
        scales: list[Tensor | None] = [None] * len(chunks)
        if self._model.config.normalize:
            sent = np.stack([np.frombuffer(one.side_info, dtype=_SCALE) for one in codes], axis=-1)
            scales = list(torch.from_numpy(sent.astype(np.float32)).to(self.device))
        decoded = (
            self._decode_chunk(tokens[..., frames], scale)
            for (_, frames), scale in zip(chunks, scales, strict=True)
        )
        if len(chunks) == 1:
            (whole,) = decoded
            return whole
        return _overlap_add(decoded, self._model.config.chunk_stride, codes[0].num_samples)


class DacCodec(TransformersCodec):
    """DAC at 16, 24 or 44.1 kHz. Mono. Long clips are coded in tiles, in bounded memory."""

    model_type = "dac"
    model_class = "DacModel"

    def padded_length(self, num_samples: int) -> int:
        """``num_samples`` rounded up to whole frames, as DAC's own preprocessing does it."""
        hop = int(self._model.config.hop_length)
        return -(-num_samples // hop) * hop

    def _describe(self, config: Any) -> tuple[int, int, int, int, float]:  # noqa: ANN401
        frames = config.sampling_rate / config.hop_length
        return config.sampling_rate, 1, config.codebook_size, config.n_codebooks, frames

    def _encode(self, batch: Tensor) -> tuple[Tensor, list[bytes]]:
        def encode(part: Tensor) -> Tensor:
            made = self._model.encode(part, n_quantizers=self._num_codebooks)
            return cast("Tensor", made.audio_codes)

        hop = self._model.config.hop_length
        tokens = _in_tiles([encode], batch, batch.shape[-1] // hop, 1, hop)
        return tokens, [b""] * len(tokens)

    def _decode(self, tokens: Tensor, codes: Sequence[Codes]) -> Tensor:
        def decode(part: Tensor) -> Tensor:
            made = self._model.decode(audio_codes=part)
            return cast("Tensor", made.audio_values)[:, None]

        return _in_tiles([decode], tokens, tokens.shape[-1], self._model.config.hop_length, 1)


class MimiCodec(TransformersCodec):
    """Mimi at 24 kHz: the first codebook is semantic, the others are residual. Mono.

    The convolutions of long clips go over tiles, while the transformers see all frames.
    """

    model_type = "mimi"
    model_class = "MimiModel"

    def padded_length(self, num_samples: int) -> None:
        """One clip at a time: torch.cdist, which looks tokens up, computes otherwise for more
        than 25 vectors, and that changes tokens."""

    def _describe(self, config: Any) -> tuple[int, int, int, int, float]:  # noqa: ANN401
        return (
            config.sampling_rate,
            config.audio_channels,
            config.codebook_size,
            config.num_quantizers,
            config.frame_rate,
        )

    def _encode(self, batch: Tensor) -> tuple[Tensor, list[bytes]]:
        model, hop = self._model, self._convolutions_hop
        if (num_frames := -(-batch.shape[-1] // hop)) <= _TILE_FRAMES:
            tokens = model.encode(batch, num_quantizers=self._num_codebooks).audio_codes
        else:
            encoder = model.encoder
            latents = _in_tiles([encoder.encoder_seanet], batch, num_frames, 1, hop)
            latents = encoder.downsample(_transform(encoder.encoder_transformer, latents))
            tokens = model.quantizer.encode(latents, self._num_codebooks).transpose(0, 1)
        return tokens, [b""] * len(tokens)

    def _decode(self, tokens: Tensor, codes: Sequence[Codes]) -> Tensor:
        model, hop = self._model, self._convolutions_hop
        decoder = model.decoder
        if tokens.shape[-1] * model.config.latent_stride <= _TILE_FRAMES:
            decoded: Tensor = model.decode(tokens).audio_values
            return decoded
        latents = decoder.upsample(model.quantizer.decode(tokens))
        latents = _transform(decoder.decoder_transformer, latents)
        return _in_tiles([decoder.decoder_seanet], latents, latents.shape[-1], hop, 1)

    @property
    def _convolutions_hop(self) -> int:
        return int(np.prod(self._model.config.upsampling_ratios))


def _tiles(num_frames: int) -> Iterator[tuple[slice, int, int]]:
    """Each tile with its context, and where in there its own frames begin and end."""
    for start in range(0, num_frames, _TILE_FRAMES):
        end = min(start + _TILE_FRAMES, num_frames)
        around = slice(max(0, start - _CONTEXT_FRAMES), min(end + _CONTEXT_FRAMES, num_frames))
        yield around, start - around.start, end - around.start


def _in_tiles(
    layers: Iterable[Callable[[Tensor], Tensor]],
    signal: Tensor,
    num_frames: int,
    out_per_frame: int,
    in_per_frame: int,
) -> Tensor:
    """One layer after another, tile by tile; a frame is so many values of signal and result."""
    import torch

    parts = []
    for around, first, last in _tiles(num_frames):
        part = signal[..., around.start * in_per_frame : around.stop * in_per_frame]
        for layer in layers:
            part = layer(part)
        parts.append(part[..., first * out_per_frame : last * out_per_frame])
    return torch.cat(parts, dim=-1)


def _transform(transformer: Any, latents: Tensor) -> Tensor:  # noqa: ANN401
    made = transformer(latents.transpose(1, 2)).last_hidden_state
    return cast("Tensor", made.transpose(1, 2))


def _index_of_lstm(layers: Sequence[Any]) -> int:
    return next(index for index, layer in enumerate(layers) if hasattr(layer, "lstm"))


def _overlap_add(chunks: Iterator[Tensor], stride: int, length: int) -> Tensor:
    """Chunks ``[batch, channel, time]`` that start every ``stride`` samples, cross-faded linearly.

    A triangle over a whole chunk weighs each sample, as EnCodec does it, so that where two chunks
    overlap the first fades out while the second fades in.
    """
    import torch

    first = next(chunks)
    ramp = torch.linspace(0, 1, first.shape[-1] + 2, device=first.device)[1:-1]
    triangle = 0.5 - (ramp - 0.5).abs()
    total = first.new_zeros(*first.shape[:-1], length)
    weights = first.new_zeros(length)
    for start, chunk in zip(range(0, length, stride), (first, *chunks), strict=True):
        size = min(chunk.shape[-1], length - start)
        total[..., start : start + size] += triangle[:size] * chunk[..., :size]
        weights[start : start + size] += triangle[:size]
    return total / weights


def _load_model(files: WeightFiles, model_type: str, model_class: str) -> Any:  # noqa: ANN401
    import torch
    import transformers
    from safetensors import SafetensorError

    _check_model_type(files, model_type)
    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()
    folder = files.config.parent
    try:
        model, report = getattr(transformers, model_class).from_pretrained(
            folder, local_files_only=True, dtype=torch.float32, output_loading_info=True
        )
    except (OSError, ValueError, TypeError, KeyError, RuntimeError, SafetensorError) as error:
        detail = " ".join(str(error).split())
        raise CheckpointError(f"{folder}: cannot be loaded as {model_class}: {detail}") from error
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
    except (OSError, ValueError, AttributeError) as error:
        raise CheckpointError(f"{files.config}: no valid configuration: {error}") from error
    if found != model_type:
        raise CheckpointError(
            f"{files.config}: configures a model of type '{found}', not '{model_type}'; give the"
            " weights that the card is about"
        )
