"""The recipe repeats itself, resumes where it stopped, and exports what the harness loads."""

from __future__ import annotations

import itertools
import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from snac_eval.codecs.snac.layers import FreshNoise, Snake1d, _SnakeWithGradient
from snac_eval.codecs.snac.model import SNAC
from snac_eval.codecs.snac.quantize import _unevenness
from tests.conftest import tone
from training.data import Corpus, DeviceCorpus
from training.export import export
from training.initialise import cosines, num_coefficients, spherical_kmeans
from training.losses import EnvelopeLoss, LoudnessLoss, SpectralLoss, WaveLoss
from training.spectra import power, spectrum
from training.train import _judge, read_config, train
from training.trainer import Trainer, build_model

CONFIG = Path(__file__).parents[1] / "training" / "config.toml"
GPU_CONFIG = CONFIG.with_name("config_gpu.toml")


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def tiny(**changes: int) -> dict[str, Any]:
    """The shipped recipe at a size that trains in moments."""
    config = tomllib.loads(CONFIG.read_text())
    config["model"] |= {"encoder_dim": 4, "decoder_dim": 32, "codebook_size": 16}
    config["model"] |= {"encoder_rates": [2, 2, 2, 2], "decoder_rates": [2, 2, 2, 2]}
    config["start"] |= {"segments": 4, "wave_streams": 1, "first_wave_coefficient": 0}
    config |= {"batch_size": 2, "segment_samples": 2560, "steps": 8}
    config["log"] |= {"every_steps": 2, "validate_every_steps": 4, "checkpoint_every_steps": 4}
    config["log"] |= {"validation_clips": 2, "validation_seconds": 1.0}
    config["adversarial"] |= {"channels": 4, "periods": [2], "windows": [256]}
    return {**config, **changes}


@pytest.fixture
def speech(tmp_path: Path) -> Path:
    """Three short FLAC files."""
    folder = tmp_path / "speech"
    folder.mkdir()
    for index in range(3):
        soundfile.write(folder / f"{index}.flac", tone(1.5, seed=index), 16000)
    return folder


def _losses(config: dict[str, Any], data: Path, run: Path, resume: bool = False) -> list[float]:
    return [step["mel"] for step in train(config, data, None, run, resume, "cpu")]


def test_resume_goes_on_as_if_never_stopped(speech: Path, tmp_path: Path) -> None:
    whole = _losses(tiny(), speech, tmp_path / "whole")
    interrupted = train(tiny(), speech, None, tmp_path / "run", False, "cpu")
    begun = [next(interrupted)["mel"] for _ in range(5)]  # the checkpoint is of step 4
    interrupted.close()
    assert begun == whole[:5]
    assert _losses(tiny(), speech, tmp_path / "run", resume=True) == whole[4:]
    with pytest.raises(SystemExit, match="--resume"):
        _losses(tiny(), speech, tmp_path / "run")


def test_training_may_be_given_its_time(speech: Path, tmp_path: Path) -> None:
    config = tiny(steps=10**9)
    config["log"]["every_steps"] = 10**9
    losses = list(train(config, speech, None, tmp_path / "run", False, "cpu", seconds=0.5))
    assert losses
    (line,) = (tmp_path / "run" / "log.jsonl").read_text().splitlines()
    assert json.loads(line)["step"] == len(losses)
    assert json.loads(line)["mel"] == pytest.approx(np.mean([one["mel"] for one in losses]), 1e-3)
    # Its time is over, also for whoever goes on with it.
    again = train(config, speech, None, tmp_path / "run", True, "cpu", seconds=0.5)
    assert list(again) == []


def test_the_learning_rate_follows_the_time_that_is_given() -> None:
    trainer = Trainer(tiny(), "cpu", seconds=10)
    settings = trainer.config["optimiser"]
    trainer.step, rates = 10**6, []
    for spent in (0, 5, 10):
        trainer.spent_s = spent
        trainer.set_learning_rate()
        rates.append(trainer.optimiser.param_groups[0]["lr"])
    high, low = settings["learning_rate"], settings["final_learning_rate"]
    assert rates == pytest.approx([high, (high + low) / 2, low])


def test_a_recipe_builds_on_another() -> None:
    base, own = read_config(CONFIG), tomllib.loads(GPU_CONFIG.read_text())
    config = read_config(GPU_CONFIG)
    assert config["batch_size"] == own["batch_size"] != base["batch_size"]
    assert config["model"] == base["model"]
    assert config["loss"] == {**base["loss"], **own["loss"]}


def test_adversarial_steps_change_both_sides(speech: Path, tmp_path: Path) -> None:
    config = tiny()
    config["adversarial"]["enabled"] = True
    steps = list(train(config, speech, None, tmp_path / "run", False, "cpu"))
    assert all(np.isfinite(list(step.values())).all() for step in steps)
    assert steps[0]["discriminator"] != steps[-1]["discriminator"]
    assert steps[0]["feature_matching"] > 0


def test_validation_scores_are_logged(tmp_path: Path, shared_data: Path) -> None:
    data = shared_data / "LibriSpeech" / "test-mini" / "1867"
    list(train(tiny(), data, data, tmp_path / "run", False, "cpu"))
    log = (tmp_path / "run" / "log.jsonl").read_text()
    assert log.count("val_pesq_wb") == 2


def test_export_is_what_the_harness_loads(speech: Path, tmp_path: Path) -> None:
    config = tiny()
    _losses(config, speech, tmp_path / "run")
    export(tmp_path / "run", tmp_path / "model")
    model = SNAC.from_pretrained(tmp_path / "model")
    trainer = Trainer(config, "cpu")
    trainer.load(tmp_path / "run" / "checkpoint.pt")
    audio = torch.from_numpy(tone(0.5))[None, None]
    with torch.inference_mode():
        exported = model.encoder(model.pad(audio))
        trained = trainer.average.encoder(trainer.average.pad(audio))
    torch.testing.assert_close(exported, trained, atol=2e-2, rtol=2e-2)
    with pytest.raises(SystemExit, match="no checkpoint"):
        export(tmp_path / "nothing", tmp_path / "model")


def test_exported_model_can_be_trained_on(speech: Path, tmp_path: Path) -> None:
    _losses(tiny(), speech, tmp_path / "first")
    export(tmp_path / "first", tmp_path / "model")
    trainer = Trainer(tiny(), "cpu")
    trainer.start_from(tmp_path / "model")
    audio = torch.from_numpy(tone(0.5))[None, None]
    model = SNAC.from_pretrained(tmp_path / "model")
    with torch.inference_mode():
        expected = model.encoder(model.pad(audio))
        for mine in (trainer.model, trainer.average):
            torch.testing.assert_close(
                mine.encoder(mine.pad(audio)), expected, atol=1e-4, rtol=1e-4
            )
    more = train(tiny(), speech, None, tmp_path / "more", False, "cpu", tmp_path / "model")
    assert np.isfinite([step["mel"] for step in more]).all()
    other = tiny()
    other["model"] |= {"encoder_dim": 8}
    with pytest.raises(SystemExit, match="differs"):
        Trainer(other, "cpu").start_from(tmp_path / "model")


def test_codebooks_are_revived(speech: Path) -> None:
    trainer = Trainer(tiny(), "cpu")
    corpus = Corpus.load(speech, 16000)
    for _ in range(3):
        trainer.train_step(corpus)
    codebook = trainer.model.quantizer.stages[0].codebook.weight
    before = codebook.detach().clone()
    trainer.reviver.counts[0] = torch.tensor([10.0] * 7 + [0.0] * 9)
    trainer.reviver.revive(trainer.optimiser)
    assert torch.equal(codebook[:7], before[:7])
    assert (codebook[7:] != before[7:]).any(dim=1).all()
    # Revived entries point where the encoder's vectors do.
    directions, seen = (
        torch.nn.functional.normalize(vectors)
        for vectors in (codebook[7:].detach(), trainer.reviver.pools[0])
    )
    assert (directions @ seen.t()).max(dim=1).values.min() > 0.95
    trainer.reviver.revive(trainer.optimiser)
    assert trainer.reviver.counts[0].sum() == 0


def test_the_untrained_model_is_a_transform_codec() -> None:
    """Without its quantiser it gives speech back, but for the highest tones."""
    torch.manual_seed(0)
    model = build_model(tiny())
    audio = torch.from_numpy(tone(1.0))[None, None]
    coefficients = num_coefficients(model)
    assert coefficients == 16
    with torch.no_grad():
        latents = model.encoder(audio)
        estimate = model.decoder(latents, FreshNoise())
    error = (estimate - audio)[..., 200:-200].square().mean() / audio.square().mean()
    assert error < 0.1


def test_transform_rows_are_orthonormal_and_overlap_cancels() -> None:
    rows = cosines(16, 16)
    torch.testing.assert_close(rows @ rows.t(), torch.eye(16), atol=1e-5, rtol=0)
    audio = torch.randn(160, generator=torch.Generator().manual_seed(0))
    coefficients = audio.unfold(0, 32, 16) @ rows.t()
    back = torch.zeros(160)
    for frame, values in enumerate(coefficients):
        back[16 * frame : 16 * frame + 32] += values @ rows
    torch.testing.assert_close(back[16:-16], audio[16:-16], atol=1e-5, rtol=0)


def test_a_model_too_narrow_for_the_transform_is_refused() -> None:
    config = tiny()
    config["model"] |= {"encoder_rates": [4, 4, 4, 5], "decoder_rates": [5, 4, 4, 4]}
    with pytest.raises(SystemExit, match="raise encoder_dim"):
        build_model(config)


def test_streams_start_on_what_they_code(speech: Path) -> None:
    trainer = Trainer(tiny(), "cpu")
    trainer.train_step(Corpus.load(speech, 16000))
    audio = Corpus.load(speech, 16000).batch(4, 2560, (0.0, 0.0), (1, 1))
    with torch.no_grad():
        latents = trainer.model.encoder(audio)
        far = [latents]
        for count in range(1, 6):
            kept = trainer.model.quantizer(latents, torch.full((4,), count))
            far.append(latents - kept.latents)
    sizes = [float(one.square().sum()) for one in far]
    assert all(later < earlier for earlier, later in itertools.pairwise(sizes))


def test_kmeans_finds_the_directions_that_there_are() -> None:
    torch.manual_seed(0)
    wanted = torch.eye(4)
    vectors = wanted.repeat(50, 1) * (1 + torch.rand(200, 1)) + 0.01 * torch.randn(200, 4)
    codes, centroids = spherical_kmeans(vectors, 8)
    nearest = torch.nn.functional.normalize(centroids)[codes]
    assert (nearest * wanted.repeat(50, 1)).sum(1).min() > 0.99


@pytest.mark.parametrize("loss", [WaveLoss(16000), LoudnessLoss(16000)])
def test_what_is_heard_is_compared(loss: torch.nn.Module) -> None:
    speech, other = (torch.from_numpy(tone(1.0, seed=seed))[None, None] for seed in (0, 1))
    near = speech + 0.01 * other
    assert float(loss(speech, speech)) < 0.05
    assert float(loss(speech, speech)) < float(loss(speech, near)) < float(loss(speech, other))


def test_wave_loss_of_silence_is_one() -> None:
    speech = torch.from_numpy(tone(1.0))[None, None]
    assert float(WaveLoss(16000)(speech, 0 * speech)) == pytest.approx(1.0, abs=0.05)
    assert float(WaveLoss(16000)(speech, -speech)) > 1.5


def test_envelope_loss_knows_equal_and_unrelated_contours() -> None:
    loss = EnvelopeLoss(16000)
    speech, other = (torch.from_numpy(tone(1.0, seed=seed))[None, None] for seed in (0, 1))
    assert float(loss(speech, speech)) == pytest.approx(0, abs=1e-5)
    assert float(loss(speech, 0.5 * speech)) == pytest.approx(0, abs=1e-2)
    flat = torch.randn(1, 1, 16000, generator=torch.Generator().manual_seed(0))
    assert float(loss(speech, flat)) > 0.5
    assert float(loss(torch.zeros_like(speech), other)) == 0.0


def test_spread_loss_is_least_where_directions_are_even() -> None:
    generator = torch.Generator().manual_seed(0)
    even = torch.nn.functional.normalize(torch.randn(4, 8, 500, generator=generator), dim=1)
    same = even[:1, :, :1].expand(4, 8, 500)
    assert float(_unevenness(even)) < 0.01
    assert float(_unevenness(same)) > 0.9


def test_snake_gradient_is_exact() -> None:
    x = torch.randn(2, 3, 5, dtype=torch.double, requires_grad=True)
    alpha = (torch.rand(1, 3, 1, dtype=torch.double) + 0.5).requires_grad_()
    assert torch.autograd.gradcheck(_SnakeWithGradient.apply, (x, alpha))
    snake = Snake1d(3)
    with torch.inference_mode():
        quiet = snake(x.float())
    torch.testing.assert_close(quiet, snake(x.float()))


@pytest.mark.parametrize(("size", "hop"), [(64, 16), (512, 128), (410, 205)])
def test_spectra_and_their_gradients_are_torchs(size: int, hop: int) -> None:
    generator = torch.Generator().manual_seed(0)
    audio = torch.randn(2, 1999, dtype=torch.double, generator=generator).requires_grad_()
    window = torch.hann_window(size, dtype=torch.double)
    theirs = torch.stft(audio, size, hop, window=window, return_complex=True).mT
    ours = spectrum(audio, window, hop)
    torch.testing.assert_close(ours, theirs)
    weights = torch.randn(theirs.shape, dtype=torch.double, generator=generator)
    expected = (theirs.real**2 + theirs.imag**2) * weights + theirs.real
    given = power(ours) * weights + ours.real
    gradients = [torch.autograd.grad(one.sum(), audio)[0] for one in (given, expected)]
    torch.testing.assert_close(*gradients)


def test_loss_is_zero_for_equal_audio() -> None:
    audio = torch.from_numpy(tone(0.5))[None, None]
    assert [float(one) for one in SpectralLoss(16000)(audio, audio)] == [0.0, 0.0]


def test_held_out_speakers_are_scored_and_not_trained_on(tmp_path: Path) -> None:
    for index, speaker in enumerate(("11", "22", "33")):
        (tmp_path / speaker).mkdir()
        soundfile.write(tmp_path / speaker / "a.flac", tone(1.2, seed=index), 16000)
    config = tiny(held_out=["22"])  # type: ignore[arg-type]
    config["log"]["validation_clips"] = 1
    rest = Corpus.load(tmp_path, 16000, without=["22"]).utterances
    assert len(rest) == 2
    judge = _judge(config, tmp_path, None)
    assert judge is not None
    only = Corpus.load(tmp_path, 16000, only=["22"]).utterances[0]
    np.testing.assert_array_equal(judge.clips[0, 0].numpy(), only[:16000] / np.float32(32768))
    assert not any(np.array_equal(one, only) for one in rest)
    assert _judge(tiny(), tmp_path, None) is None
    with pytest.raises(SystemExit, match=r"no \.flac files of 44"):
        Corpus.load(tmp_path, 16000, only=["44"])


def ramps() -> DeviceCorpus:
    """Two utterances, of rising and of falling numbers."""
    rising = np.arange(3000, dtype=np.int16)
    return DeviceCorpus.of(Corpus([rising, 20000 - rising[:2000]], 16000), "cpu")


def test_segments_for_a_gpu_are_pieces_of_utterances() -> None:
    torch.manual_seed(0)
    batch = ramps().batch(200, 500, (0.0, 0.0), (1.0, 1.0))[:, 0] * 32768
    steps = batch.diff(dim=1)
    rises = (steps == 1).all(dim=1)
    assert torch.equal(rises, ~(steps == -1).all(dim=1))
    # Every moment is as likely: 2,496 of them begin a rising segment, 1,496 a falling one.
    assert 100 < int(rises.sum()) < 150
    quieter = ramps().batch(200, 500, (-6.0, -6.0), (1.0, 1.0))[:, 0] * 32768
    assert float(quieter.diff(dim=1).abs().mean()) == pytest.approx(10**-0.3, rel=1e-3)


def test_half_of_the_segments_play_at_another_rate() -> None:
    torch.manual_seed(0)
    batch = ramps().batch(200, 500, (0.0, 0.0), (1.1, 1.2))[:, 0] * 32768
    rates = batch.diff(dim=1).abs().mean(dim=1)
    others = rates[(rates - 1).abs() > 1e-3]
    assert 70 < len(others) < 130
    assert float(others.min()) > 1.099
    assert float(others.max()) < 1.201


def test_data_that_cannot_serve_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"no \.flac files"):
        Corpus.load(tmp_path, 16000)
    soundfile.write(tmp_path / "a.flac", tone(0.5, 8000), 8000)
    with pytest.raises(SystemExit, match="8000 Hz"):
        Corpus.load(tmp_path, 16000)
