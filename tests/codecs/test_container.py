"""Files of codes: what was written comes back, and nothing else is taken for it."""

from __future__ import annotations

import hashlib
import json
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from snac_eval.codecs.container import (
    CodedFile,
    card_facts,
    packed,
    read_codes,
    unpacked,
    write_codes,
)
from snac_eval.codecs.contract import same_codes
from snac_eval.codecs.opening import model_card
from snac_eval.errors import CodesError
from snac_eval.types import Codes

TOKENS = Codes(
    2048,
    tuple(np.arange(count, dtype=np.int32) for count in (1, 2, 4)),
    (200, 4096, 1 << 20),
    side_info=b"scale",
)
PACKETS = Codes(960, packets=(b"one", b"", b"three"), packet_bits=0, header=b"OpusHead")


def coded(codes: Codes = TOKENS) -> CodedFile:
    return CodedFile(
        codes=codes,
        model="snac_24khz",
        channels="downmix",
        card=card_facts(model_card("lyra_v2@k=3")),
        fingerprint="snac/4;weights=abc",
        weights_sha256="ab" * 32,
        sample_rate=24000,
        source_sha256="cd" * 32,
        source_sample_rate=44100,
        source_channels=2,
    )


@pytest.mark.parametrize("codes", [TOKENS, PACKETS], ids=["tokens", "packets"])
def test_what_was_written_comes_back(codes: Codes, tmp_path: Path) -> None:
    write_codes(tmp_path / "a.codes", coded(codes))
    found = read_codes(tmp_path / "a.codes")
    assert same_codes(found.codes, codes)
    assert replace(found, codes=codes) == coded(codes)
    assert [one.dtype for one in found.codes.streams] == [np.int32] * len(codes.streams)


def test_the_same_codes_give_the_same_bytes() -> None:
    assert len({packed(coded()) for _ in range(8)}) == 1


def test_other_programs_can_read_the_tokens(tmp_path: Path) -> None:
    from safetensors import safe_open

    write_codes(tmp_path / "a.codes", coded())
    with safe_open(tmp_path / "a.codes", "np") as file:
        kinds = [file.get_tensor(f"stream_{index}").dtype for index in range(3)]
        assert file.metadata()["num_bits"] == repr(TOKENS.num_bits)
    assert kinds == [np.uint8, np.uint16, np.uint32]


@pytest.mark.parametrize("codes", [TOKENS, PACKETS], ids=["tokens", "packets"])
def test_every_byte_that_is_changed_and_every_cut_is_noticed(codes: Codes) -> None:
    content = packed(coded(codes))
    rng = np.random.default_rng(0)
    for place, mask in enumerate(rng.integers(1, 256, len(content)).tolist()):
        spoilt = bytearray(content)
        spoilt[place] ^= mask
        with pytest.raises(CodesError):
            unpacked(bytes(spoilt))
    for length in range(len(content)):
        with pytest.raises(CodesError):
            unpacked(content[:length])
    for more in (b"\0", b" ", content):
        with pytest.raises(CodesError):
            unpacked(content + more)


Change = Callable[[dict[str, Any]], object]


def forged(change: Change, data: bytes | None = None, codes: Codes = TOKENS) -> bytes:
    """The file with another header, and with the digest that belongs to it."""
    content = packed(coded(codes))
    end = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:end])
    change(header)
    header["__metadata__"]["sha256"] = "0" * 64
    text = json.dumps(header, sort_keys=True, separators=(",", ":")).encode()
    whole = len(text).to_bytes(8, "little") + text + (content[end:] if data is None else data)
    digest = hashlib.sha256(whole).hexdigest().encode()
    return whole.replace(b'"sha256":"' + b"0" * 64, b'"sha256":"' + digest, 1)


def said(**changes: str) -> Change:
    return lambda header: header["__metadata__"].update(changes)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (said(format_version="2"), "format version 2, and this snac-eval reads 1; update it"),
        (said(format="other"), "no file of codes"),
        (said(codebook_sizes="[200, 4096, 3]"), "stream 2 holds 3, outside 0..2"),
        (said(codebook_sizes="[200, 4096]"), "do not fit one another"),
        (said(codebook_sizes="[200, 4096, 1048576, 5]"), "holds no valid codes"),
        (said(codebook_sizes="[1e400]"), "holds no valid codes"),
        (said(codebook_sizes="{}"), "holds no valid codes"),
        (said(codebook_sizes="[" * 5000), "holds no valid codes"),
        (said(num_samples="0"), "holds no valid codes"),
        (said(num_samples="-5"), "holds no valid codes"),
        (said(num_samples="9" * 5000), "holds no valid codes"),
        (said(num_samples="90000000000"), "more than"),
        (said(sample_rate="x"), "holds no valid codes"),
        (said(card="[}"), "holds no valid codes"),
        (lambda header: header["__metadata__"].pop("card"), "holds no valid codes"),
        (lambda header: header.pop("stream_1"), "holds no valid codes"),
        (lambda header: header["stream_0"].update(shape=[1, 1]), "no list of indices"),
        (lambda header: header["stream_1"].update(dtype="F16"), "no list of indices"),
        (lambda header: header["stream_1"].update(data_offsets=[0, 1 << 40]), "no valid codes"),
    ],
)
def test_a_forged_file_is_refused_in_one_line(change: Change, reason: str) -> None:
    with pytest.raises(CodesError, match=reason) as refused:
        unpacked(forged(change))
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 400


def test_packets_and_their_lengths_must_fit() -> None:
    assert unpacked(forged(lambda _: None, codes=PACKETS)).codes == PACKETS
    end = 8 + int.from_bytes(packed(coded(PACKETS))[:8], "little")
    data = bytearray(packed(coded(PACKETS))[end:])
    header = json.loads(packed(coded(PACKETS))[8:end])
    start = header["packet_lengths"]["data_offsets"][0]
    data[start] += 1
    with pytest.raises(CodesError, match="do not fit one another"):
        unpacked(forged(lambda _: None, bytes(data), PACKETS))


@pytest.mark.parametrize(
    "content", [b"", b"RIFF", pickle.dumps([1, 2]), b"\xff" * 64, b"\0" * 64, b"PK\3\4" + b"x" * 60]
)
def test_what_is_no_file_of_codes_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.codes"
    path.write_bytes(content)
    with pytest.raises(CodesError, match=r"a\.codes: is no file of codes"):
        read_codes(path)


def test_a_folder_and_a_missing_file_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none.codes"):
        with pytest.raises(CodesError, match="cannot be read"):
            read_codes(path)
