"""What one step of training does, and what it changes."""

from __future__ import annotations

import copy
import math
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize
from torch.nn.utils.parametrizations import weight_norm

from snac_eval.codecs.snac import SNACConfig
from snac_eval.codecs.snac.layers import FreshNoise
from snac_eval.codecs.snac.model import SNAC
from snac_eval.codecs.snac.quantize import Quantized
from training.codebooks import CodebookReviver
from training.data import Corpus
from training.discriminators import Discriminators
from training.initialise import initialise, start_streams
from training.losses import (
    EnvelopeLoss,
    LoudnessLoss,
    SpectralLoss,
    WaveLoss,
    discriminator_loss,
    feature_matching_loss,
    generator_loss,
)
from training.spectra import Spectra


def build_model(config: dict[str, Any]) -> SNAC:
    """The model as it is trained: weight normalisation on every convolution.

    Raises SystemExit where the recipe's ``[model]`` cannot be.
    """
    try:
        model = SNAC(SNACConfig.from_dict(config["model"]))
    except ValueError as error:
        raise SystemExit(f"[model] of the recipe: {error}") from error
    initialise(model)
    for module in model.modules():
        if isinstance(module, nn.Conv1d | nn.ConvTranspose1d):
            weight_norm(module)
    return model


class Trainer:
    """Model, running average, optimiser and all else that a step changes; saves and loads it."""

    def __init__(self, config: dict[str, Any], device: str, seconds: float | None = None) -> None:
        torch.manual_seed(config["seed"])
        self.config = config
        self.device = device
        self.is_on_gpu = torch.device(device).type == "cuda"
        self.step = 0
        self.started = False
        self.seconds = seconds
        self.spent_s = 0.0
        self._began: float | None = None
        self.model = build_model(config).to(device)
        self.average = copy.deepcopy(self.model).eval().requires_grad_(False)
        # To look for them among all modules takes longer than a step's launch on a GPU.
        self._weights: list[Tensor] = list(self.model.parameters())
        self._means: list[Tensor] = list(self.average.parameters())
        self.optimiser = torch.optim.AdamW(
            self._groups(), betas=tuple(config["optimiser"]["betas"]), **self._on_gpu()
        )
        # Where torch's GradScaler would leave word: the fused optimiser then leaves the step out.
        self._not_finite = torch.zeros((), device=device)
        vars(self.optimiser)["found_inf"] = self._not_finite if self.is_on_gpu else None
        self.loss = SpectralLoss(config["model"]["sampling_rate"]).to(device)
        self.envelope_loss = EnvelopeLoss(config["model"]["sampling_rate"]).to(device)
        self.wave_loss = WaveLoss(config["model"]["sampling_rate"]).to(device)
        self.loudness_loss = LoudnessLoss(config["model"]["sampling_rate"]).to(device)
        tokens = config["codebook"]["revive_tokens"]
        self.reviver = CodebookReviver(self.model.quantizer.stages, tokens)
        self.adversary = Adversary(config, device) if config["adversarial"]["enabled"] else None

    def train_step(self, corpus: Corpus) -> dict[str, float]:
        """One optimiser step; returns its losses by name."""
        config, step = self.config, self.step
        # Noise and segments depend on seed and step alone, so a resumed run repeats them.
        torch.manual_seed(config["seed"] * 1_000_003 + step)
        gain = (config["gain_db"][0], config["gain_db"][1])
        seed = (config["seed"], step)
        audio = corpus.batch(config["batch_size"], config["segment_samples"], gain, seed)
        audio = audio.to(self.device)
        if step == 0 and not self.started:
            self.start_streams(corpus)
        self.set_learning_rate()
        losses = self.learn(audio)
        self.follow()
        return {name: float(value.detach()) for name, value in losses.items()}

    def learn(self, audio: Tensor) -> dict[str, Tensor]:
        """Forwards, backwards and the optimiser's step; nothing here waits for a GPU."""
        keep = self._streams_kept(len(audio))
        estimate, quantized = self.model(audio, FreshNoise(), keep)
        losses = self._losses(audio, estimate, quantized)
        losses["gradient_norm"] = self._update(losses)
        self.reviver.observe(quantized)
        return losses

    def follow(self) -> None:
        """What is done after each step: the running average, dead codebook entries, the count."""
        # Early on the running average would still hold the random start.
        decay = min(self.config["optimiser"]["average_decay"], (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            torch._foreach_lerp_(self._means, self._weights, 1 - decay)
        settings = self.config["codebook"]
        if self.progress < settings["revive_until"] and self.step % settings["revive_every"] == 0:
            self.reviver.revive(self.optimiser)
        self.step += 1

    def start_streams(self, corpus: Corpus) -> None:
        """Fit projections and codebooks to the corpus."""
        start, config = self.config["start"], self.config
        gain = (config["gain_db"][0], config["gain_db"][1])
        segments = (start["segments"], config["segment_samples"], gain, (config["seed"], 1 << 40))
        audio = corpus.batch(*segments)
        self.model.cpu()
        start_streams(self.model, audio, start["wave_streams"], start["first_wave_coefficient"])
        self.model.to(self.device)
        self.average.load_state_dict(self.model.state_dict())

    def _streams_kept(self, batch: int) -> Tensor:
        """How many streams each item may use: all of them, or now and then the first few alone.

        Without that the finer streams learn faster, and the coarsest learns nothing.
        """
        total = len(self.config["model"]["vq_strides"])
        few = torch.randint(1, total, (batch,), device=self.device)
        dropped = torch.rand(batch, device=self.device) < self.config["codebook"]["drop_finer"]
        return torch.where(dropped, few, total)

    def _losses(self, audio: Tensor, estimate: Tensor, quantized: Quantized) -> dict[str, Tensor]:
        spectra = Spectra(audio, estimate)
        mel, compressed = self.loss(audio, estimate, spectra)
        losses = {
            "mel": mel,
            "compressed_stft": compressed,
            "envelope": self.envelope_loss(audio, estimate, spectra),
            "loudness": self.loudness_loss(audio, estimate, spectra),
            "wave": self.wave_loss(audio, estimate, spectra),
            "commitment": quantized.commitment_loss,
            "codebook": quantized.codebook_loss,
            "spread": quantized.spread_loss,
        }
        if self.adversary and self.step >= self.config["adversarial"]["start_step"]:
            losses |= self.adversary.losses(audio, estimate)
        return losses

    def _update(self, losses: dict[str, Tensor]) -> Tensor:
        settings, weights = self.config["optimiser"], self.config["loss"]
        weights = {**self.config["adversarial"], **weights, "discriminator": 0.0}
        self.optimiser.zero_grad(set_to_none=True)
        total = torch.stack([weights[name] * loss for name, loss in losses.items()]).sum()
        total.backward()  # type: ignore[no-untyped-call]
        limit = settings["max_gradient_norm"]
        # The output layer's gradient is many times the others': clipped on its own.
        body, *others = self.optimiser.param_groups
        norms = [nn.utils.clip_grad_norm_(group["params"], limit) for group in (body, *others)]
        if self.is_on_gpu:
            self._not_finite.copy_(~torch.stack(norms).sum().isfinite())
        self.optimiser.step()
        return norms[0]

    def _on_gpu(self) -> dict[str, bool]:
        """What lets a CUDA graph hold the optimiser's step."""
        return {"fused": True, "capturable": True} if self.is_on_gpu else {}

    def _groups(self) -> list[dict[str, Any]]:
        """Parameters with their share of the learning rate.

        The output layer learns slower: its few small weights scale the whole waveform. Codebooks
        learn faster, to keep up with the encoder.
        """
        output = list(self.model.decoder.model[-2].parameters())
        codebooks = [stage.codebook.weight for stage in self.model.quantizer.stages]
        apart = {id(one) for one in (*output, *codebooks)}
        rest = [one for one in self.model.parameters() if id(one) not in apart]
        settings = self.config["optimiser"]
        groups: list[dict[str, Any]] = [
            {"params": rest, "share": 1.0},
            {"params": output, "share": settings["output_share"]},
            {"params": codebooks, "share": settings["codebook_share"]},
        ]
        for group in groups if self.is_on_gpu else ():
            group["lr"] = torch.zeros((), device=self.device)
        return groups

    @property
    def progress(self) -> float:
        """Share of the training that is done: of its time where that is given, or of its steps."""
        if self.seconds is not None:
            return min(1.0, self._time_spent() / self.seconds)
        return min(1.0, self.step / int(self.config["steps"]))

    def _time_spent(self) -> float:
        return self.spent_s + (time.monotonic() - self._began if self._began else 0.0)

    def start_clock(self) -> None:
        """Time counts from now on, and goes on from a checkpoint's."""
        self._began = time.monotonic()

    def set_learning_rate(self) -> None:
        """Warm up, then down along a cosine to the end of the training."""
        settings = self.config["optimiser"]
        high, low = settings["learning_rate"], settings["final_learning_rate"]
        warm = min(1.0, (self.step + 1) / settings["warmup_steps"])
        rate = warm * (low + (high - low) * (1 + math.cos(math.pi * self.progress)) / 2)
        for group in self.optimiser.param_groups:
            if isinstance(group["lr"], Tensor):
                group["lr"].fill_(group["share"] * rate)
            else:
                group["lr"] = group["share"] * rate

    @torch.no_grad()
    def start_from(self, folder: Path) -> None:
        """Begin with the weights of an exported model. Everything else begins afresh.

        Raises SystemExit where that model has another shape.
        """
        trained = SNAC.from_pretrained(folder)
        if trained.config != self.model.config:
            raise SystemExit(f"{folder}: its configuration differs from [model] of the recipe")
        self.started = True
        for name, value in trained.state_dict().items():
            module, _, attribute = name.rpartition(".")
            owner = self.model.get_submodule(module)
            if parametrize.is_parametrized(owner, attribute):
                setattr(owner, attribute, value.to(self.device))
            else:
                getattr(owner, attribute).copy_(value)
        self.average.load_state_dict(self.model.state_dict())

    def save(self, path: Path) -> None:
        """Write a checkpoint. If writing is cut short, the checkpoint before stays whole."""
        state = {
            "step": self.step,
            "spent_s": self._time_spent(),
            "config": self.config,
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "counts": self.reviver.counts,
            "pools": self.reviver.pools,
            "adversary": self.adversary.state_dict() if self.adversary else None,
        }
        temporary = path.with_suffix(".tmp")
        torch.save(state, temporary)
        temporary.replace(path)

    def load(self, path: Path) -> None:
        """Continue from a checkpoint. Where it has no adversary, ours starts afresh."""
        state = torch.load(path, map_location=self.device, weights_only=True)
        self.step, self.spent_s = state["step"], state["spent_s"]
        self.model.load_state_dict(state["model"])
        self.average.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.reviver.counts = state["counts"]
        self.reviver.pools = state["pools"]
        if self.adversary and state["adversary"]:
            self.adversary.load_state_dict(state["adversary"])


class Adversary(nn.Module):
    """The discriminators with their own optimiser."""

    def __init__(self, config: dict[str, Any], device: str) -> None:
        super().__init__()
        settings = config["adversarial"]
        self.discriminators = Discriminators(
            settings["channels"], settings["periods"], settings["windows"]
        ).to(device)
        self.optimiser = torch.optim.AdamW(
            self.discriminators.parameters(),
            settings["learning_rate"],
            betas=tuple(config["optimiser"]["betas"]),
        )

    def losses(self, audio: Tensor, estimate: Tensor) -> dict[str, Tensor]:
        """Train the discriminators on this pair, then judge the estimate for the generator."""
        self.discriminators.requires_grad_(True)
        own = discriminator_loss(self.discriminators(audio), self.discriminators(estimate.detach()))
        self.optimiser.zero_grad(set_to_none=True)
        own.backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        self.discriminators.requires_grad_(False)
        with torch.no_grad():
            real = self.discriminators(audio)
        fake = self.discriminators(estimate)
        return {
            "adversarial": generator_loss(fake),
            "feature_matching": feature_matching_loss(real, fake),
            "discriminator": own.detach(),
        }
