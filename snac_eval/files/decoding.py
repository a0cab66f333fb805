"""Files of codes to audio files."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from snac_eval.codecs.abilities import OpenCodec
from snac_eval.codecs.channels import per_channel
from snac_eval.codecs.checks import check_codes
from snac_eval.codecs.container import CodedFile, card_facts, read_codes
from snac_eval.codecs.opening import ModelName
from snac_eval.errors import AudioError, CodecError, CodesError, detail, readable
from snac_eval.files.encoding import CodingConfig, streams
from snac_eval.files.places import Inputs, outputs
from snac_eval.files.working import Bar, Made, Tally, work_off
from snac_eval.registry import plugins
from snac_eval.run.plan import clip_seed
from snac_eval.types import Clip
from snac_eval.writing import write_file

if TYPE_CHECKING:
    from snac_eval.types import FloatArray

Subtype = Literal["float", "pcm16"]
SUBTYPES: dict[Subtype, str] = {"float": "FLOAT", "pcm16": "PCM_16"}
_LONGEST_WAV = 4_000_000_000
_SPARE_S = 0.1


@dataclass(frozen=True, slots=True)
class Output:
    """How decoded audio is written."""

    seed: int = 0
    """Of whatever the decoder draws."""
    subtype: Subtype = "float"


class Decoder:
    """The codec, opened for files whose channels were mixed and for those coded one by one."""

    def __init__(self, config: CodingConfig) -> None:
        self.setting = config.setting()
        self.model = config.model
        cards, bases = (
            names(config.card_dirs) for names in (plugins.codec_names, plugins.base_names)
        )
        self._has_card = ModelName.parse(config.model, cards).name in {*cards, *bases}

    @cached_property
    def _each(self) -> OpenCodec:
        return per_channel(self.setting.codec)

    def codec_of(self, coded: CodedFile) -> OpenCodec:
        """What decodes these codes. Raises CodesError where they are another codec's."""
        mono = self.setting.codec.card.channels == 1
        codec = self._each if coded.channels == "each" and mono else self.setting.codec
        if dict(coded.card) != card_facts(codec.card):
            raise CodesError(
                f"was made by '{readable(coded.model)}', which is another codec than"
                f" '{self.model}'; decode it with that"
            )
        ours = codec.weights_sha256()
        if coded.weights_sha256 != ours:
            raise CodesError(
                f"was made with other weights (sha256 {coded.weights_sha256[:12] or 'not told'})"
                f" than these ({ours[:12] or 'not told'}); give those with --weights"
            )
        if coded.fingerprint != codec.fingerprint and not self._has_card:
            raise CodesError(
                f"was made by '{readable(coded.fingerprint)}', and this codec calls itself"
                f" '{readable(codec.fingerprint)}'; decode it with that"
            )
        check_codes(codec.card, coded.codes, coded.codes.num_samples)
        return codec


def decode(config: CodingConfig, output: Output, inputs: Inputs) -> Tally:
    """Write the audio of each file of codes as WAV at the codec's rate. Audio that is there already
    stays. Raises UsageError where two files would become one."""
    places = outputs(inputs.clips, config.output, ".wav")
    decoder = Decoder(config)

    def work(clip: Clip, place: Path, bar: Bar, tally: Tally) -> None:
        coded = read_codes(Path(str(clip.path)))
        codec = decoder.codec_of(coded)
        if place.exists() and not config.overwrite:
            _require_like(place, coded, output)
            tally.kept += 1
            return
        if coded.fingerprint != codec.fingerprint:
            said = "made by another version of the codec or of its libraries: audio may differ"
            tally.notes[said] = tally.notes.get(said, 0) + 1
        blocks = decoded(codec, coded, output.seed)
        write_wav(place, coded, _watched(blocks, coded, bar), output.subtype)
        tally.made.append(Made(clip, place, coded.duration_s, coded.codes.num_bits))

    return work_off(inputs.clips, places, work, config.show_progress)


def decoded(codec: OpenCodec, coded: CodedFile, seed: int) -> Iterator[FloatArray]:
    """Audio ``[channels, time]`` at the rate that comes out, in one piece or in several."""
    clip = Clip("", Path(), "", sha256=coded.source_sha256)
    if streams(codec, coded.duration_s):
        assert codec.decode_blocks is not None
        yield from codec.decode_blocks(coded.codes, clip_seed(clip, seed))
        return
    assert codec.coder is not None
    (waveform,) = codec.coder.decode([coded.codes], [clip_seed(clip, seed)])
    if waveform.sample_rate != coded.decoded_rate:
        raise CodecError(
            f"the codec decoded to {waveform.sample_rate} Hz, not to {coded.decoded_rate}"
        )
    yield waveform.samples


def write_wav(
    place: Path, coded: CodedFile, blocks: Iterable[FloatArray], subtype: Subtype
) -> None:
    """Write the blocks as they come, whole or not at all. Beyond 4 GB it is RF64, which WAV is not.

    Raises OutputError where that fails, and what making the blocks raises.
    """
    import soundfile

    blocks = iter(blocks)
    first = next(blocks, None)
    if first is None or not first.size:
        raise CodecError("the codec returned no samples")
    size = coded.decoded_length * len(first) * (4 if subtype == "float" else 2)

    def write(temporary: Path) -> None:
        with soundfile.SoundFile(
            os.fsencode(temporary),
            "w",
            coded.decoded_rate,
            len(first),
            SUBTYPES[subtype],
            format="WAV" if size < _LONGEST_WAV else "RF64",
        ) as file:
            file.write(first.T)
            for block in blocks:
                file.write(block.T)

    try:
        write_file(place, write)
    except soundfile.LibsndfileError as error:
        raise AudioError(f"{readable(place)}: cannot be written: {detail(error)}") from error


def _watched(blocks: Iterable[FloatArray], coded: CodedFile, bar: Bar) -> Iterator[FloatArray]:
    num_samples = 0
    for block in blocks:
        if not np.isfinite(block).all():
            raise CodecError("the codec returned NaN or infinite samples")
        num_samples += block.shape[1]
        yield block
        bar.at(num_samples / coded.decoded_rate, coded.duration_s)


def _require_like(place: Path, coded: CodedFile, output: Output) -> None:
    """Raise CodesError where the audio that is there cannot be that of these codes."""
    import soundfile

    try:
        there = soundfile.info(os.fsencode(place))
    except soundfile.LibsndfileError as error:
        raise CodesError(f"{readable(place)}: is there and no audio; --overwrite?") from error
    longer_s = abs(there.frames / there.samplerate - coded.duration_s)
    kind = (there.samplerate, there.subtype)
    if kind != (coded.decoded_rate, SUBTYPES[output.subtype]) or longer_s > _SPARE_S:
        raise CodesError(
            f"{readable(place)} is there and is other audio ({there.samplerate} Hz,"
            f" {there.subtype}, {there.frames / there.samplerate:.2f} s); choose another -o, or"
            " --overwrite"
        )
