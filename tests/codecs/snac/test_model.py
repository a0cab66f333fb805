"""A model's codes and audio are those of its weights, whatever was done to it before."""

from __future__ import annotations

import copy
import io
import pickle
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from snac_eval.codecs.snac import SNAC
from snac_eval.codecs.snac.layers import FreshNoise, SeededNoise
from snac_eval.codecs.snac.watch import Watch
from tests.codecs.snac.models import SHAPES, equal, random_audio, random_model

AUDIO = random_audio(3000)


def _outcome(model: SNAC, audio: Tensor = AUDIO) -> list[Tensor]:
    """Codes of the audio and, of codes that are always the same, decoded audio."""
    config = model.config
    generator = torch.Generator().manual_seed(2)
    codes = [
        torch.randint(config.codebook_size, (1, 32 // stride), generator=generator)
        for stride in config.vq_strides
    ]
    dtype = next(model.parameters()).dtype
    return [*model.encode(audio.to(dtype)), model.decode(codes, seeds=[3])]


def _fresh(model: SNAC) -> SNAC:
    """Another model with the same weights, which never coded anything."""
    made = SNAC(model.config)
    made.load_state_dict({name: value.clone() for name, value in model.state_dict().items()})
    return made.to(next(model.parameters()).dtype).eval()


def _optimiser_step(model: SNAC) -> None:
    optimiser = torch.optim.AdamW(model.parameters(), 1e-2)
    estimate, quantized = model(AUDIO, SeededNoise([0]))
    (estimate.square().mean() + quantized.commitment_loss + quantized.codebook_loss).backward()
    optimiser.step()


def _step_in_inference_mode(model: SNAC) -> None:
    with torch.inference_mode():
        for parameter in model.parameters():
            parameter.mul_(1.1)


def _weight(model: SNAC) -> None:
    with torch.no_grad():
        model.encoder.block[1].block[0].block[1].weight[3] *= -2  # type: ignore[union-attr, index]
        model.decoder.model[2].block[1].weight[3] *= -2  # type: ignore[union-attr, index]


def _codebook(model: SNAC) -> None:
    with torch.no_grad():
        for stage in model.quantizer.stages:
            stage.codebook.weight[:20] = stage.codebook.weight[:20].flip(0)


def _data(model: SNAC) -> None:
    # Torch counts no write through .data; this is how averaged weights are often swapped in.
    for mine, other in zip(model.parameters(), random_model(seed=7).parameters(), strict=True):
        mine.data.copy_(other)


def _scaled_data(model: SNAC) -> None:
    for parameter in model.parameters():
        parameter.data.mul_(-2)


def _new_data(model: SNAC) -> None:
    for mine, other in zip(model.parameters(), random_model(seed=7).parameters(), strict=True):
        mine.data = other.detach().clone()


def _parameters(model: SNAC) -> None:
    for stage in model.quantizer.stages:
        stage.codebook.weight = nn.Parameter(stage.codebook.weight.detach().flip(0))
    output = model.decoder.model[-2]
    output.weight = nn.Parameter(-output.weight.detach())  # type: ignore[operator]


def _submodules(model: SNAC) -> None:
    other = random_model(seed=7)
    model.decoder = other.decoder
    model.encoder.block[1] = other.encoder.block[1]
    model.quantizer.quantizers[1] = other.quantizer.quantizers[1]


def _halved_and_back(model: SNAC) -> None:
    # Each on its own: the model itself is not told.
    model.encoder.bfloat16().float()
    model.quantizer.bfloat16().float()
    model.decoder.bfloat16().float()


def _weight_norm(model: SNAC) -> None:
    for module in list(model.modules()):
        if isinstance(module, nn.Conv1d | nn.ConvTranspose1d):
            weight_norm(module)
    with torch.no_grad():
        for name, value in model.named_parameters():
            if name.endswith("original0"):
                value[::2] *= -3


CHANGES: dict[str, Callable[[SNAC], object]] = {
    "load_state_dict": lambda model: model.load_state_dict(random_model(seed=7).state_dict()),
    "load_state_dict, assigned": lambda model: model.load_state_dict(
        random_model(seed=7).state_dict(), assign=True
    ),
    "load_state_dict of a part": lambda model: model.quantizer.load_state_dict(
        random_model(seed=7).quantizer.state_dict()
    ),
    "optimiser step": _optimiser_step,
    "optimiser step in training mode": lambda model: (model.train(), _optimiser_step(model)),
    "step in inference mode": _step_in_inference_mode,
    "a weight": _weight,
    "a codebook": _codebook,
    "written through .data": _data,
    "scaled through .data": _scaled_data,
    "other .data": _new_data,
    "parameters replaced": _parameters,
    "submodules replaced": _submodules,
    "bfloat16 and back": lambda model: model.bfloat16().float(),
    "bfloat16 and back, part by part": _halved_and_back,
    "float64": lambda model: model.double(),
}


@pytest.mark.parametrize("change", CHANGES)
def test_codes_are_those_of_a_fresh_model_after(change: str) -> None:
    model = random_model()
    before = _outcome(model)
    assert model.streamer() is model.streamer()
    CHANGES[change](model)
    after = _outcome(model)
    assert equal(after, _outcome(_fresh(model)))
    assert not equal(after, before)
    CHANGES[change](model)
    assert equal(_outcome(model), _outcome(_fresh(model)))


def test_weight_norm_is_seen_and_folded() -> None:
    model = random_model()
    _outcome(model)
    _weight_norm(model)
    after = _outcome(model)
    assert equal(after[:-1], model.encode_whole(AUDIO))
    assert not [name for name, _ in model.streamer().named_parameters()]


@pytest.mark.parametrize("shape", SHAPES)
def test_there_and_back_changes_nothing(shape: str) -> None:
    model = random_model(SHAPES[shape])
    before = _outcome(model)
    model.to(torch.float64)
    assert model.encode(AUDIO.double())[0].shape == before[0].shape
    assert equal(_outcome(model.to(torch.float32)), before)
    assert equal(_outcome(model.train()), before)
    assert equal(_outcome(model.eval()), before)


def test_unchanged_weights_keep_the_snapshot() -> None:
    model = random_model()
    kept = model.streamer()
    _outcome(model)
    model.encode_whole(AUDIO)
    model(AUDIO)[0].sum().backward()
    list(model.encode_stream([AUDIO]))
    with torch.no_grad(), torch.inference_mode():
        assert model.streamer() is kept
    assert model.train().streamer() is not model.streamer()
    again = model.eval().streamer()
    assert again is not kept
    # What torch counts is enough alone, where not one number changes.
    with torch.no_grad():
        model.quantizer.stages[0].codebook.weight.mul_(1)
    assert model.streamer() is not again


def _pickled(model: SNAC) -> SNAC:
    return pickle.loads(pickle.dumps(model))


def _saved(model: SNAC) -> SNAC:
    file = io.BytesIO()
    torch.save(model, file)
    file.seek(0)
    return torch.load(file, weights_only=False)  # type: ignore[no-any-return]


@pytest.mark.parametrize("copied", [copy.deepcopy, _pickled, _saved])
@pytest.mark.parametrize("change", ["a weight", "load_state_dict", "scaled through .data"])
def test_copies_share_nothing(copied: Callable[[SNAC], SNAC], change: str) -> None:
    model = random_model()
    before = _outcome(model)
    other = copied(model)
    shared = {t.untyped_storage().data_ptr() for t in model.state_dict().values()}
    shared |= {t.untyped_storage().data_ptr() for t in model.streamer().buffers()}
    _outcome(other)
    own = [*other.state_dict().values(), *other.streamer().buffers()]
    assert not shared & {t.untyped_storage().data_ptr() for t in own}
    assert len(pickle.dumps(model)) < 1.2 * len(pickle.dumps(_fresh(model)))
    CHANGES[change](model)
    assert equal(_outcome(other), before)
    assert not equal(_outcome(model), before)
    CHANGES[change](other)
    assert equal(_outcome(other), _outcome(_fresh(other)))


def test_the_snapshot_is_no_part_of_the_model() -> None:
    model = random_model()
    names, modules = set(model.state_dict()), len(list(model.modules()))
    _outcome(model)
    assert set(model.state_dict()) == names
    assert len(list(model.modules())) == modules
    storages = {t.untyped_storage().data_ptr() for t in model.state_dict().values()}
    streamer = model.streamer()
    assert not list(streamer.parameters())
    assert not storages & {t.untyped_storage().data_ptr() for t in streamer.buffers()}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_streamer_stays_what_the_model_was_and_stands_alone(shape: str) -> None:
    model = random_model(SHAPES[shape])
    streamer = model.streamer()
    codes = streamer.encode(AUDIO)
    decoded = streamer.decode(codes, SeededNoise([3]))
    assert torch.equal(model.decode(codes, seeds=[3]), decoded)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    copies = [streamer, copy.deepcopy(streamer), pickle.loads(pickle.dumps(streamer))]
    copies.append(copy.deepcopy(streamer).double().float())
    for one in copies:
        assert equal(one.encode(AUDIO), codes)
        assert torch.equal(one.decode(codes, SeededNoise([3])), decoded)
    wide = copies[1].double()
    assert wide.decode(codes, SeededNoise([3])).dtype == torch.float64
    other = random_model(SHAPES[shape], seed=7)
    streamer.load_state_dict(other.streamer().state_dict())
    assert equal(streamer.encode(AUDIO), other.encode(AUDIO))


def test_a_stream_goes_on_with_the_weights_it_began_with() -> None:
    model = random_model()
    audio = random_audio(60_000)
    expected = model.encode(audio)
    parts = model.encode_stream(audio.split(5000, dim=-1))
    begun = [next(parts)]
    _weight(model)
    whole = [torch.cat(one, dim=1) for one in zip(*begun, *parts, strict=True)]
    assert equal(whole, expected)
    assert not equal(model.encode(audio), expected)


@pytest.mark.parametrize("moved", [False, True])
def test_weights_made_in_inference_mode_are_never_taken_for_unchanged(moved: bool) -> None:
    model = random_model() if moved else None
    with torch.inference_mode():
        model = model.double() if model else random_model()
    _outcome(model)
    assert not Watch(model).is_unchanged()
    with torch.inference_mode():
        # No sample is touched and nothing is counted.
        for stage in model.quantizer.stages:
            stage.codebook.weight[3:9] *= -1
        model.encoder.block[0].weight[2] *= -1  # type: ignore[operator]
    assert equal(_outcome(model), _outcome(_fresh(model)))
    assert equal(_outcome(copy.deepcopy(model)), _outcome(model))


def test_what_is_made_in_inference_mode_can_be_used_outside() -> None:
    model = random_model()
    with torch.inference_mode():
        streamer = model.streamer()
    assert not any(buffer.is_inference() for buffer in streamer.buffers())
    assert equal(copy.deepcopy(streamer).double().float().encode(AUDIO), model.encode(AUDIO))


def test_codes_and_audio_can_be_trained_on() -> None:
    model = random_model()
    codes = model.encode(AUDIO)
    audio = model.decode(codes)
    (streamed,) = model.encode_stream([AUDIO])
    (sound,) = model.decode_stream([codes])
    whole = model.encode_whole(AUDIO)
    outcomes = [*codes, *streamed, *whole, audio, sound, model.decode_whole(codes, FreshNoise())]
    assert not any(one.is_inference() or one.requires_grad for one in outcomes)
    estimate = model.decoder(model.quantizer.decode(codes), FreshNoise())
    (estimate - audio).square().mean().backward()
    assert all(one.grad is not None for one in model.decoder.parameters())


def test_what_cannot_be_rearranged_is_refused() -> None:
    model = random_model()
    model.encode(AUDIO)
    model.encoder.block[1].block[0] = nn.Identity()  # type: ignore[index, operator]
    with pytest.raises(TypeError, match="Identity in the place of ResidualUnit"):
        model.encode(AUDIO)
    assert len(model.encode_whole(AUDIO)) == 3
    model = random_model()
    model.decoder.model[-2].register_forward_pre_hook(lambda module, inputs: inputs)  # type: ignore[operator]
    with pytest.raises(TypeError, match="with hooks"):
        model.streamer()


@pytest.mark.parametrize("shape", SHAPES)
def test_forward_gives_what_coding_gives_and_gradients(shape: str) -> None:
    model = random_model(SHAPES[shape])
    audio = random_audio(1001, batch=2)
    estimate, quantized = model(audio, SeededNoise([5, 6]))
    assert estimate.shape == audio.shape
    codes = model.encode(audio)
    assert equal(quantized.codes, codes)
    decoded = model.decode(codes, length=1001, seeds=[5, 6])
    torch.testing.assert_close(estimate.detach(), decoded, atol=1e-5, rtol=0)
    (estimate - audio).square().mean().backward()
    still = [n for n, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    assert not still


def test_forward_decodes_the_streams_that_are_kept() -> None:
    model = random_model()
    audio = random_audio(1152, batch=2)
    estimate, quantized = model(audio, SeededNoise([5, 6]), torch.tensor([1, 3]))
    whole, _ = model(audio, SeededNoise([5, 6]))
    first = model.decode([quantized.codes[0][:1]], seeds=[5])
    torch.testing.assert_close(estimate[:1].detach(), first, atol=1e-5, rtol=0)
    torch.testing.assert_close(estimate[1], whole[1])
    assert not torch.equal(estimate[0], whole[0])
    again, _ = model(audio)
    assert not torch.equal(again, model(audio)[0])


@pytest.mark.parametrize("shape", [(1, 2, 100), (1, 100), (100,)])
def test_audio_that_is_not_mono_batches_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"\[batch, 1, time\]"):
        random_model().encode(torch.zeros(shape))


def test_codes_that_do_not_fit_one_another_are_refused() -> None:
    model = random_model()
    codes = model.encode(AUDIO)
    for bad in ([*codes, codes[0]], [codes[0], codes[2]], [codes[1], codes[0]]):
        with pytest.raises(ValueError, match="must have the shapes"):
            model.decode(bad)
