"""Audio files, whatever is in them: a clip that cannot be read costs an error row."""

from __future__ import annotations

import io

import av
import numpy as np
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from snac_eval.audio import AUDIO_SUFFIXES
from tests.conftest import tone
from tests.fuzz.harness import call, few, once, place, spoilt

_KINDS = {
    "WAV": ("PCM_16", "PCM_24", "FLOAT", "ULAW", "IMA_ADPCM", "MS_ADPCM"),
    "FLAC": ("PCM_16",),
    "OGG": ("VORBIS", "OPUS"),
    "MP3": ("MPEG_LAYER_III",),
    "AIFF": ("PCM_16",),
    "AU": ("PCM_16",),
    "W64": ("PCM_16",),
}


@once
def _seeds() -> list[bytes]:
    made = []
    for form, subtypes in _KINDS.items():
        for subtype in subtypes:
            file = io.BytesIO()
            soundfile.write(file, tone(0.4), 16000, format=form, subtype=subtype)
            made.append(file.getvalue())
    return [*made, _m4a()]


def _m4a() -> bytes:
    file = io.BytesIO()
    with av.open(file, "w", format="ipod") as container:
        stream = container.add_stream("aac", rate=16000, layout="mono")
        samples = np.ascontiguousarray(tone(0.4)[None], dtype=np.float32)
        frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
        frame.sample_rate = 16000
        container.mux([*stream.encode(frame), *stream.encode(None)])
    return file.getvalue()


@given(data=st.data())
@few(15)
def test_any_bytes_are_a_clip_or_its_error(data: st.DataObject) -> None:
    suffix = data.draw(st.sampled_from(sorted(AUDIO_SUFFIXES)))
    content = data.draw(spoilt(_seeds()) | st.binary(max_size=200))
    excerpt = data.draw(st.sampled_from(([], ["--excerpt", "0.1s"], ["--channels", "each"])))
    with place() as where:
        (where.input / f"a{suffix}").write_bytes(content)
        call(
            where,
            *("run", "--model", "pcm_8bit", "--dataset", f"folder:{where.input}"),
            *("--metrics", "si_sdr,bitrate", "--workers", "0", "--quiet", "--no-html"),
            *("--output", where.output / "run", *excerpt),
            allowed=(0, 2, 4),
        )
