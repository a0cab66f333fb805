"""Audio files to files of codes, as a run takes and codes them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from snac_eval import audio
from snac_eval.codecs.abilities import OpenCodec
from snac_eval.codecs.checks import check_codes
from snac_eval.codecs.container import SUFFIX, CodedFile, card_facts, read_codes, write_codes
from snac_eval.errors import AudioError, CodesError, UsageError, readable
from snac_eval.files.places import Inputs, outputs
from snac_eval.files.working import Bar, Made, Tally, work_off
from snac_eval.reading.files import through
from snac_eval.reading.source import Source
from snac_eval.run.coding import prepare
from snac_eval.run.config import RunConfig
from snac_eval.run.plan import Setting, open_codec
from snac_eval.types import Channels, Clip, Codes

if TYPE_CHECKING:
    from snac_eval.types import FloatArray

STREAMED_FROM_S = 300.0
"""On a GPU, longer files go through the codec piece by piece, and shorter ones whole."""


@dataclass(frozen=True, slots=True)
class CodingConfig:
    """What the user chose for ``encode`` and ``decode``."""

    model: str
    output: Path
    weights: str = ""
    device: str = "auto"
    card_dirs: tuple[Path, ...] = ()
    model_args: tuple[str, ...] = ()
    """``key=value`` each, for the constructor of a codec of one's own."""
    python: str = ""
    """The interpreter that the codec runs in; empty: this one, or what its card names."""
    channels: Channels = "downmix"
    """What a mono codec gets of a stereo file: its mean, or each channel on its own."""
    overwrite: bool = False
    show_progress: bool = False

    def setting(self) -> Setting:
        """The codec, opened and prepared, as a run has it hear clips."""
        config = RunConfig(
            model=self.model,
            dataset="",
            output=self.output,
            weights=self.weights,
            device=self.device,
            card_dirs=self.card_dirs,
            model_args=self.model_args,
            python=self.python,
            channels=self.channels,
            max_duration_s=math.inf,
        )
        codec = open_codec(config)
        if codec.coder is None:
            raise UsageError(f"{self.model}: reads what another program made; it codes nothing")
        prepare(codec)
        return Setting(config, codec)


def encode(config: CodingConfig, inputs: Inputs) -> Tally:
    """Write the codes of each file. Codes that are there already, of the same file by the same
    codec, stay. Raises UsageError where two files would become one."""
    places = outputs(inputs.clips, config.output, SUFFIX)
    setting = config.setting()

    def work(clip: Clip, place: Path, bar: Bar, tally: Tally) -> None:
        known = clip
        if place.exists() and not config.overwrite:
            known = _inspected(clip)
            _require_same(place, read_codes(place), setting.codec, known)
            tally.kept += 1
            return
        coded = encoded(setting, _inspected(known), bar)
        write_codes(place, coded)
        tally.made.append(Made(clip, place, coded.duration_s, coded.codes.num_bits))

    return work_off(inputs.clips, places, work, config.show_progress)


def encoded(setting: Setting, clip: Clip, bar: Bar) -> CodedFile:
    """Codes of one inspected file, and all that belongs to them. Raises AudioError, CodecError."""
    codec, coder = setting.codec, setting.codec.coder
    assert coder is not None
    if streams(codec, clip.duration_s):
        codes, rate = _stream(codec, clip, bar), coder.card.sample_rate
    else:
        _, source = setting.read(clip)
        (codes,), rate = coder.encode([source]), source.sample_rate
        check_codes(coder.card, codes, source.num_samples)
    return CodedFile(
        codes=codes,
        model=setting.config.model,
        channels=setting.config.channels,
        card=card_facts(coder.card),
        fingerprint=codec.fingerprint,
        weights_sha256=codec.weights_sha256(),
        sample_rate=rate,
        source_sha256=clip.sha256,
        source_sample_rate=clip.sample_rate,
        source_channels=clip.num_channels,
    )


def streams(codec: OpenCodec, duration_s: float) -> bool:
    """Whether audio of this length goes through the codec piece by piece."""
    if codec.encode_blocks is None or codec.decode_blocks is None:
        return False
    return codec.device == "cpu" or duration_s > STREAMED_FROM_S


def _stream(codec: OpenCodec, clip: Clip, bar: Bar) -> Codes:
    rate, encode_blocks = codec.card.sample_rate, codec.encode_blocks
    assert encode_blocks is not None
    if clip.num_channels > audio.MAX_CHANNELS:
        audio.read_clip(clip, math.inf)  # raises what a run says of it

    def use(source: Source) -> Codes:
        mono = _mono_blocks(clip, source, bar)
        return encode_blocks(audio.resample_blocks(mono, source.sample_rate, rate))

    return through(clip.path, use)


def _mono_blocks(clip: Clip, source: Source, bar: Bar) -> Iterator[FloatArray]:
    num_samples = 0
    for block in source.blocks:
        if not np.isfinite(block).all():
            raise AudioError(
                f"{readable(clip.path)}: holds NaN or infinite samples; repair or remove it"
            )
        num_samples += block.shape[1]
        yield block if len(block) == 1 else block.mean(axis=0, keepdims=True)
        bar.at(num_samples / source.sample_rate, clip.duration_s)


def _inspected(clip: Clip) -> Clip:
    """With its digest, length, rate and channels. Raises AudioError where it cannot be read."""
    known = audio.inspect(clip)
    if known.problem:
        raise AudioError(known.problem)
    return known


def _require_same(place: Path, there: CodedFile, codec: OpenCodec, clip: Clip) -> None:
    """Raise CodesError unless the codes that are there are what encoding would give."""
    what = ""
    if there.source_sha256 != clip.sha256:
        what = "the codes of another file"
    elif (there.card, there.fingerprint) != (card_facts(codec.card), codec.fingerprint):
        what = f"codes of '{readable(there.model)}' or of other weights or another version of it"
    if what:
        raise CodesError(
            f"{readable(clip.path)}: {readable(place)} holds {what}; choose another -o, or"
            " --overwrite"
        )
