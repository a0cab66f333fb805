"""What a codec may make of a clip: codes that do not fit are its error, and are never kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from snac_eval.codecs.checks import check_codes
from snac_eval.errors import CodecError
from snac_eval.results.record import read_run
from snac_eval.run import loop
from snac_eval.run.config import RunConfig
from snac_eval.types import CodecCard, Codes, Waveform
from tests.conftest import tone

CARD = CodecCard("codec", "family", "it", 16000, codebook_sizes=(16, 4096))
GOOD = Codes(
    100,
    streams=(np.array([0, 15], np.int32), np.array([4095], np.int64)),
    codebook_sizes=(16, 4096),
)


def _streams(second: Any) -> Codes:  # noqa: ANN401 - whatever a codec may return
    return replace(GOOD, streams=(GOOD.streams[0], second))


@pytest.mark.parametrize(
    ("codes", "said"),
    [
        (_streams(np.array([1, 5000])), "codec: stream 1 holds 5000, outside 0..4095"),
        (_streams(np.array([4096])), "codec: stream 1 holds 4096, outside 0..4095"),
        (_streams(np.array([-1, 3])), "codec: stream 1 holds -1, outside 0..4095"),
        (_streams(np.array([1.0])), "codec: stream 1 is float64; it must be a NumPy array of"),
        (_streams(np.array([True])), "codec: stream 1 is bool; it must be a NumPy array of"),
        (_streams([1, 2]), "codec: stream 1 is list; it must be a NumPy array of integers"),
        (_streams(np.array([[1, 2]])), "codec: stream 1 has shape [1, 2]; it must be [time]"),
        (replace(GOOD, streams=GOOD.streams[:1]), "codec: codes have 1 streams and 2 codebooks"),
        (
            replace(GOOD, codebook_sizes=(16, 1024)),
            "codec: codes are of codebooks 16, 1024, the card says 16, 4096",
        ),
        (replace(GOOD, num_samples=99), "codec: codes say 99 samples, the clip has 100"),
        (replace(GOOD, header="text"), "codec: header is str; it must be bytes"),
        (replace(GOOD, packets=(b"ab", "c")), "codec: a packet is no bytes"),
        (
            replace(GOOD, packets=(b"ab", b"c"), packet_bits=12),
            "codec: packets say 12 bits, the shortest holds 8",
        ),
        (None, "codec: encode returned NoneType, no snac_eval.types.Codes"),
    ],
)
def test_codes_that_do_not_fit_are_refused_by_name(codes: object, said: str) -> None:
    with pytest.raises(CodecError) as caught:
        check_codes(CARD, codes, 100)
    assert said in str(caught.value)


def test_codes_that_fit_are_taken() -> None:
    check_codes(CARD, GOOD, 100)
    check_codes(CARD, _streams(np.array([], np.int32)), 100)
    check_codes(replace(CARD, codebook_sizes=()), GOOD, 100)
    check_codes(replace(CARD, codebook_sizes=()), Codes(100, packets=(b"ab",), packet_bits=9), 100)


class Faulty:
    """Its first clip gets a token outside of the codebook."""

    card = replace(CARD, name="faulty", codebook_sizes=(16,))
    device = "cpu"
    fingerprint = "faulty:v=1"

    def prepare(self) -> None:
        pass

    def padded_length(self, num_samples: int) -> int | None:
        return None

    def encode(self, waveforms: Sequence[Waveform]) -> list[Codes]:
        (one,) = waveforms
        token = 16 if one.num_samples == 8000 else 3
        tokens = np.full(10, token, np.int32)
        return [Codes(one.num_samples, streams=(tokens,), codebook_sizes=(16,))]

    def decode(self, codes: Sequence[Codes], seeds: Sequence[int]) -> list[Waveform]:
        return [Waveform(tone(one.num_samples / 16000)[None], 16000) for one in codes]


def test_a_clip_with_bad_codes_fails_alone_and_spoils_nothing(tmp_path: Path) -> None:
    for name, length_s in (("bad", 0.5), ("good", 1.0)):
        soundfile.write(tmp_path / f"{name}.wav", tone(length_s), 16000)
    output = tmp_path / "run"
    metrics = ("bitrate", "codebook_usage")
    for _ in range(2):
        loop.run(RunConfig(f"{__name__}:Faulty", f"folder:{tmp_path}", output, metrics, workers=0))
        run = read_run(output)
        assert "stream 0 holds 16, outside 0..15" in run.metrics["bitrate"].missing["bad"].reason
        assert run.metrics["bitrate"].values.keys() == {"good"}
        assert run.metrics["codebook_usage"].whole is not None
        assert run.metrics["codebook_usage"].whole.status == "ok"
        assert [row["num_tokens"] for row in run.streams] == [10]
