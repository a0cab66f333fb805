"""Files with changed, missing and added bytes: read as measured, or refused in one line."""

from __future__ import annotations

import random
from contextlib import suppress
from pathlib import Path

import pytest

from snac_eval import audio
from snac_eval.errors import AudioError
from tests.conftest import tone
from tests.reading.odd_files import compressed, encoded, m4a, mp3, ogg, put, wav

WHOLE = {
    "a.wav": wav(),
    "a.flac": encoded("FLAC", "PCM_16", tone(1.0)),
    "a.mp3": mp3(),
    "a.m4a": m4a(),
    "a.ogg": ogg("VORBIS", 1),
    "a.opus": ogg("OPUS", 1),
    "a.aac": compressed("adts", "aac", tone(1.0, 44100), 44100),
    "a.mka": compressed("matroska", "libopus", tone(1.0, 48000), 48000),
}
_EXTREME = (bytes(4), b"\xff" * 4, b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f")


def damaged(whole: bytes, chance: random.Random) -> bytes:
    """The file with one to thirty things wrong, half of them in its first 200 bytes."""
    content = bytearray(whole)
    for _ in range(chance.choice([1, 3, 30])):
        at = chance.randrange(chance.choice([200, len(content)]))
        kind = chance.choice(["flip", "flip", "extreme", "drop", "add", "cut"])
        if kind == "flip":
            content[at : at + 1] = chance.randbytes(1)
        elif kind == "extreme":
            content[at : at + 4] = chance.choice(_EXTREME)
        elif kind == "drop":
            del content[at : at + chance.randrange(1, 100)]
        elif kind == "add":
            content[at:at] = chance.randbytes(20)
        elif len(content) > 1000:
            del content[chance.randrange(500, len(content)) :]
    return bytes(content)


@pytest.mark.parametrize("name", WHOLE)
def test_damage_costs_a_clip_and_never_more(
    tmp_path: Path, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    chance = random.Random(name)
    num_read = 0
    for _ in range(40):
        path = put(tmp_path, name, damaged(WHOLE[name], chance))
        clip = audio.inspect(audio.make_clip(path, tmp_path))
        assert "\n" not in clip.problem
        with suppress(AudioError):
            assert audio.read_clip(clip, 600).duration_s == clip.duration_s
            assert len(audio.power_envelope(path, 0.1)) >= clip.duration_s / 0.1 - 1
            num_read += 1
    assert num_read or name == "a.opus"  # its pages have checksums, and it is one page
    assert capfd.readouterr() == ("", "")
