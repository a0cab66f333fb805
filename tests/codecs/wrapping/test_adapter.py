"""Any object with encode, decode and sample_rate is a codec that keeps the contract."""

# ruff: noqa: ANN401 - it may give and take anything

from __future__ import annotations

from collections import namedtuple
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from snac_eval.audio import Fitted
from snac_eval.codecs.opening import open_instance
from snac_eval.codecs.packing import pack, unpack
from snac_eval.codecs.wrapping.adapter import How, Wrapped, without_card
from snac_eval.errors import CodecError, SnacEvalError, UsageError
from snac_eval.types import Codes, Waveform
from tests.conftest import tone

RATE = 8000
HOP = 40


class Levels(nn.Module):
    """Means of frames in 16 levels, once for each of ``books`` codebooks; no method gives codes."""

    sample_rate = RATE
    codebook_size = 16

    def __init__(self, books: int = 4) -> None:
        super().__init__()
        self.books = books
        self.scale = nn.Parameter(torch.tensor(8.0))

    def tokens(self, audio: torch.Tensor) -> torch.Tensor:
        """``[1, books, T]``."""
        assert audio.shape[:2] == (1, 1)
        assert not self.training
        assert not torch.is_grad_enabled()
        frames = nn.functional.pad(audio, (0, -audio.shape[-1] % HOP)).reshape(1, 1, -1, HOP)
        level = frames.mean(-1).mul(self.scale).round().long().clamp(-7, 7) + 7
        return (level + torch.arange(self.books)[:, None]) % 16

    def audio(self, tokens: torch.Tensor) -> torch.Tensor:
        """``[1, 1, time]`` of ``[1, books, T]``."""
        level = (tokens - torch.arange(tokens.shape[1])[:, None]) % 16 - 7
        return (level.float().mean(1, keepdim=True) / self.scale).repeat_interleave(HOP, -1)


def made(encode: Any, decode: Any, books: int = 4, **said: Any) -> Levels:
    """Levels whose encode and decode are these functions of it and of tokens, or of codes."""

    class Own(Levels):
        def encode(self, audio: torch.Tensor) -> Any:
            return encode(self.tokens(audio))

        def decode(self, codes: Any) -> Any:
            return self.audio(decode(codes))

    model = Own(books)
    for name, value in said.items():
        setattr(model, name, value)
    return model


def wrapped(model: object, **how: Any) -> Wrapped:
    codec = without_card(model, "own:Model", How(**how))
    codec.prepare()
    return codec


def round_trip(codec: Wrapped, seconds: float = 0.5) -> tuple[Codes, Waveform]:
    """Through the store, as in a run."""
    waveform = Waveform(tone(seconds, RATE)[None], RATE)
    (codes,) = codec.encode([waveform])
    (estimate,) = codec.decode([unpack(pack(codes))], [0])
    assert estimate.samples.shape == waveform.samples.shape
    return codes, estimate


@dataclass
class Output:
    """As transformers gives it."""

    audio_codes: torch.Tensor
    audio_scales: list[None]
    loss: torch.Tensor


Pair = namedtuple("Pair", "latents codes")


def _same(codes: Any) -> Any:
    return codes


SHAPES = {
    "BKT": (_same, _same),
    "KBT": (lambda t: t.transpose(0, 1), lambda c: c.transpose(0, 1)),
    "BTK": (lambda t: t.transpose(1, 2), lambda c: c.transpose(1, 2)),
    "KT": (lambda t: t[0], lambda c: c[None]),
    "1BKT": (lambda t: t[None], lambda c: c[0]),
    "array": (lambda t: t.numpy().astype(np.uint8), lambda c: torch.from_numpy(c).long()),
    "list": (lambda t: list(t.unbind(1)), lambda c: torch.stack(c, 1)),
    "tuple": (lambda t: t.unbind(1), lambda c: torch.stack(c, 1)),
    "dict": (lambda t: {"codes": t}, lambda c: c["codes"]),
    "pieces": (
        lambda t: [(one, None) for one in t.split(30, -1)],
        lambda c: torch.cat([one for one, _ in c], -1),
    ),
    "object": (lambda t: Output(t, [None], t.float()), _same),
    "named tuple": (lambda t: Pair(t.float(), t), _same),
    "latents first": (lambda t: (t.float(), t, t.float().mean()), _same),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_codes_of_every_shape_are_the_same_streams(shape: str) -> None:
    encode, decode = SHAPES[shape]
    codes, estimate = round_trip(wrapped(made(encode, decode, num_codebooks=4)))
    expected, same = round_trip(wrapped(made(_same, _same)))
    assert codes.codebook_sizes == (16,) * 4
    assert codes.num_bits == expected.num_bits == 4 * 4 * 100
    for mine, theirs in zip(codes.streams, expected.streams, strict=True):
        np.testing.assert_array_equal(mine, theirs)
    np.testing.assert_array_equal(estimate.samples, same.samples)


def test_time_is_the_axis_that_grows_where_nothing_is_declared() -> None:
    for shape in ("BKT", "KBT", "BTK", "KT"):
        codes, _ = round_trip(wrapped(made(*SHAPES[shape])))
        assert [stream.size for stream in codes.streams] == [100] * 4
    # As many codebooks as the first clip has frames: declared or not, it is measured.
    codes, _ = round_trip(wrapped(made(_same, _same, books=200, num_codebooks=200)))
    assert len(codes.streams) == 200


def test_what_cannot_be_told_is_refused_in_one_line() -> None:
    fixed = made(lambda t: t[..., :12], lambda c: c)
    with pytest.raises(
        CodecError, match=r"shape \[1, 4, 12\].*declare num_codebooks, or codes_shape"
    ):
        wrapped(fixed)
    assert (
        len(round_trip(wrapped(made(lambda t: t[..., :100], _same, codes_shape="BKT")))[0].streams)
        == 4
    )


def test_levels_of_different_lengths_are_streams() -> None:
    def encode(tokens: torch.Tensor) -> list[torch.Tensor]:
        return [tokens[:, 0, ::4], tokens[:, 0, ::2], tokens[:, 0]]

    def decode(codes: list[torch.Tensor]) -> torch.Tensor:
        assert isinstance(codes, list)
        assert codes[0].dtype == torch.int64
        return codes[2][:, None]

    codes, _ = round_trip(wrapped(made(encode, decode)))
    assert [stream.size for stream in codes.streams] == [25, 50, 100]


def test_a_single_stream_without_axes() -> None:
    codes, _ = round_trip(wrapped(made(lambda t: t[0, 0], lambda c: c[None, None], books=1)))
    assert [stream.shape for stream in codes.streams] == [(100,)]


def test_what_is_sent_beside_the_codes_counts() -> None:
    model = made(lambda t: {"codes": t, "scale": t.float().mean()}, lambda c: c["codes"])
    codec = wrapped(model)
    codes, _ = round_trip(codec)
    assert len(codes.side_info) == 4
    assert "decode is given float32 [] beside the codes" in codec.notes[0]
    model.decode_takes = "codes"  # type: ignore[assignment]
    with pytest.raises(CodecError, match="cannot code a clip"):  # decode wants the dict
        wrapped(model)


def test_nothing_is_guessed_from_the_tokens_that_are_seen() -> None:
    model = made(_same, _same, codebook_size=None)
    codec = wrapped(model)
    codes, _ = round_trip(codec)
    assert codes.codebook_sizes == (0,) * 4
    assert np.isnan(codes.num_bits)
    assert "does not say how large its codebooks are" in codec.notes[0]


def test_codebooks_are_found_where_models_have_them() -> None:
    model = made(_same, _same, codebook_size=None)
    model.quantizer = nn.Module()
    model.quantizer.bins = 32
    assert (
        wrapped(model).encode([Waveform(tone(0.1, RATE)[None], RATE)])[0].codebook_sizes
        == (32,) * 4
    )
    model.codebook_sizes = [16, 8]  # type: ignore[assignment]
    with pytest.raises(CodecError, match="2 codebook sizes are declared, but encode gives 4"):
        wrapped(model)


def test_only_the_first_streams_where_it_says_that_it_can() -> None:
    model = made(_same, _same)
    with pytest.raises(UsageError, match="can_drop_streams = True"):
        wrapped(model, num_streams=2)
    model.can_drop_streams = True  # type: ignore[assignment]
    codes, _ = round_trip(wrapped(model, num_streams=2))
    assert codes.codebook_sizes == (16, 16)
    opened = open_instance(model, "Own@k=3")
    assert (opened.card.name, opened.drops_streams) == ("Own@k=3", True)
    with pytest.raises(CodecError, match="@k=5: it has 4 streams, give 1 to 4"):
        wrapped(model, num_streams=5)


def test_the_decoders_lengths_are_said() -> None:
    longer = wrapped(made(_same, _same))
    _, estimate = round_trip(longer, 0.501)
    assert isinstance(estimate, Fitted)
    assert estimate.excess == 32
    shorter = wrapped(made(_same, lambda c: c[..., :-1]))
    _, estimate = round_trip(shorter)
    assert isinstance(estimate, Fitted)
    assert estimate.excess == -HOP


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (lambda audio: audio[..., None].repeat(1, 1, 1, 3), "decode gave audio of shape"),
        (lambda audio: audio.int(), "decode gave int32 samples; give floats"),
        (lambda audio: {"text": "no"}, "decode gave a dict without audio"),
        (lambda audio: audio.repeat(1, 2, 1), r"give \[1, 1, time\]"),
    ],
)
def test_answers_that_are_no_audio_are_named(answer: Any, reason: str) -> None:
    model = made(_same, _same)
    audio = model.audio
    model.audio = lambda tokens: answer(audio(tokens))  # type: ignore[assignment, method-assign]
    with pytest.raises(CodecError, match=reason):
        wrapped(model)


@pytest.mark.parametrize(
    "answer",
    [
        lambda audio: audio[0, 0],
        lambda audio: audio[0],
        lambda audio: (audio, {}),
        lambda audio: SimpleNamespace(audio_values=audio),
        lambda audio: {"latents": audio.long(), "audio": audio.numpy()},
        lambda audio: audio.double(),
    ],
)
def test_audio_comes_in_many_forms(answer: Any) -> None:
    model = made(_same, _same)
    audio = model.audio
    model.audio = lambda tokens: answer(audio(tokens))  # type: ignore[assignment, method-assign]
    assert round_trip(wrapped(model))[1].samples.dtype == np.float32


def test_a_codec_without_torch_and_with_packets() -> None:
    class Packets:
        sample_rate = RATE
        input_shape = "CT"

        def encode(self, audio: Any) -> list[bytes]:
            assert isinstance(audio, np.ndarray)
            return [(one * 100).astype(np.int8).tobytes() for one in np.array_split(audio[0], 4)]

        def decode(self, codes: list[bytes]) -> Any:
            return np.frombuffer(b"".join(codes), np.int8).astype(np.float32) / 100

    codes, _ = round_trip(wrapped(Packets()))
    assert (len(codes.packets), codes.num_bits) == (4, 8 * 4000)


def test_the_owners_model_and_session_are_as_they_were() -> None:
    torch.set_flush_denormal(False)  # as a session has it that did not run SNAC before
    model = made(_same, _same).train()
    model.scale.requires_grad_()
    threads, state = torch.get_num_threads(), torch.random.get_rng_state()
    numbers = np.random.get_state()[1]
    round_trip(wrapped(model, num_threads=1))
    assert model.training
    assert all(part.training for part in model.modules())
    assert torch.is_grad_enabled()
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.random.get_rng_state(), state)
    assert (np.random.get_state()[1] == numbers).all()  # type: ignore[index]
    assert 1e-40 * torch.ones(1) > 0


def test_what_decode_draws_is_seeded() -> None:
    noisy = made(_same, _same)
    audio = noisy.audio
    noisy.audio = lambda tokens: audio(tokens) + 0.1 * torch.rand(1)  # type: ignore[method-assign]
    codec = wrapped(noisy)
    (codes,) = codec.encode([Waveform(tone(0.1, RATE)[None], RATE)])
    one, same, other = codec.decode([codes] * 3, [1, 1, 2])
    np.testing.assert_array_equal(one.samples, same.samples)
    assert not np.array_equal(one.samples, other.samples)


def test_fingerprints_tell_weights_settings_and_arguments_apart() -> None:
    def prints(model: object, **how: Any) -> str:
        return without_card(model, "own", How(**how)).fingerprint

    model = made(_same, _same)
    first = prints(model)
    assert first == prints(model)
    assert first != prints(model, arguments={"books": 4})
    model.books = 3
    assert prints(model) != first
    model.books = 4
    assert prints(model) == first
    with torch.no_grad():
        model.scale += 1
    assert prints(model) != first


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"sample_rate": 0}, "has no 'sample_rate'"),
        ({"codes_shape": "BKX"}, "codes_shape is 'BKX'"),
        ({"decode_takes": "some"}, "decode_takes is 'some'; use all, codes"),
        ({"channels": 2, "input_shape": "T"}, "has no channels"),
    ],
)
def test_what_makes_no_sense_is_refused(said: dict[str, Any], reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        wrapped(made(_same, _same, **said))


def test_what_is_missing_shows_the_smallest_codec() -> None:
    with pytest.raises(UsageError, match="a object has no 'encode' and no 'decode'") as caught:
        without_card(object(), "own:thing", How())
    assert "def encode(self, audio)" in caught.value.__notes__[0]


def test_codes_of_another_form_than_the_first_cost_their_clip() -> None:
    sizes = iter([4, 4, 3])
    model = made(lambda t: t[:, : next(sizes)], _same)
    codec = wrapped(model)
    with pytest.raises(SnacEvalError, match="those of its first clip were BKT with 4 codebook"):
        codec.encode([Waveform(tone(0.1, RATE)[None], RATE)])
