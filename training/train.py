"""Train a small SNAC. Resumes where it stopped; the same seed repeats the same losses.

With ``--start`` it begins with an exported model's weights::

    python -m training.train --data DIR [--validation DIR] [--run runs/train_mini] [--resume]
    python -m training.train --data DIR --start codecs/snac_16khz_mini --run runs/longer
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import time
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parametrize
from torch.nn.utils.parametrizations import weight_norm

from snac_eval.codecs.snac.layers import FreshNoise, NoiseBlock, ResidualUnit
from snac_eval.codecs.snac.model import SNAC, SNACConfig
from snac_eval.codecs.snac.quantize import Quantized, VectorQuantizer
from training.data import Corpus
from training.discriminators import Discriminators
from training.losses import (
    EnvelopeLoss,
    SpectralLoss,
    discriminator_loss,
    feature_matching_loss,
    generator_loss,
)
from training.validate import Validation

_CONFIG = Path(__file__).with_name("config.toml")


def build_model(config: dict[str, Any]) -> SNAC:
    """The model with weight normalisation on every convolution, as it is trained."""
    table: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in config["model"].items()
    }
    model = SNAC(SNACConfig(**table))
    initialise(model)
    for module in model.modules():
        if isinstance(module, nn.Conv1d | nn.ConvTranspose1d):
            weight_norm(module)
    scale_gains(model)
    return model


@torch.no_grad()
def initialise(model: SNAC) -> None:
    """Keep the signal's variance through the layers, so that codes matter from the first step.

    With torch's defaults the biases outweigh quiet speech, and the decoder settles on the average
    spectrum for thousands of steps.
    """
    for module in model.modules():
        if isinstance(module, nn.Conv1d | nn.ConvTranspose1d):
            transposed = isinstance(module, nn.ConvTranspose1d)
            overlap = module.stride[0] if transposed else 1
            taps = module.in_channels // module.groups * module.kernel_size[0] / overlap
            module.weight.normal_(std=taps**-0.5)
            if module.bias is not None:
                module.bias.zero_()
    separate_streams(model)


@torch.no_grad()
def scale_gains(model: SNAC) -> None:
    """Quiet residual branches and noise; amplitudes of speech outside and of about 1 inside.

    Only gains are scaled: Adam's steps are of one size, so a direction of small numbers would be
    thrown about by them.
    """
    for module in model.modules():
        if isinstance(module, ResidualUnit):
            _scale(module.block[-1], 0.3)
        elif isinstance(module, NoiseBlock):
            _scale(module.linear, 0.1)
    _scale(model.encoder.block[0], 10.0)
    _scale(model.decoder.model[0], 2.5)
    _scale(model.decoder.model[-2], 0.05)


def _scale(module: nn.Module, factor: float) -> None:
    module.get_parameter("parametrizations.weight.original0").mul_(factor)


def separate_streams(model: SNAC) -> None:
    """Give each stream an orthonormal share of the latent space to start with.

    Projecting there and back is then a true projection: what one stream takes from the residual
    neither grows nor comes back, and the reconstruction loss falls about three times as fast.
    """
    stages = model.quantizer._stages()
    channels, width = stages[0].in_proj.in_channels, stages[0].in_proj.out_channels
    basis = torch.linalg.qr(torch.randn(channels, channels))[0]
    for index, stage in enumerate(stages):
        share = basis[:, [(width * index + offset) % channels for offset in range(width)]]
        stage.in_proj.weight.copy_(share.t().unsqueeze(-1))
        # Directions have length 1, while 8 numbers of variance 1 have the square root of 8.
        stage.out_proj.weight.copy_(share.unsqueeze(-1) * width**0.5)


@torch.no_grad()
def centre_streams(model: SNAC, audio: Tensor) -> None:
    """Move each stream's vectors around zero: all to one side, their angles would say little."""
    residual = model.encoder(audio)
    for stage in model.quantizer._stages():
        vectors = stage.project(residual)
        stage.in_proj.get_parameter("bias").sub_(vectors.mean(dim=(0, 2)))
        centred = functional.normalize(stage.project(residual), dim=1)
        residual = residual - stage.expand(centred)


@dataclass
class CodebookReviver:
    """Starts codebooks on encoder output, and puts entries that nothing chose back there.

    Each stream is judged once it has seen four tokens per entry.
    """

    stages: list[VectorQuantizer]
    counts: list[Tensor] = field(default_factory=list)
    pools: list[Tensor] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.counts = [torch.zeros(stage.codebook.num_embeddings) for stage in self.stages]
        self.pools = [stage.codebook.weight.detach()[:0].clone() for stage in self.stages]

    def observe(self, quantized: Quantized) -> None:
        """Remember the vectors and count the codes of this batch."""
        for index, (codes, vectors) in enumerate(
            zip(quantized.codes, quantized.directions, strict=True)
        ):
            size = len(self.counts[index])
            recent = torch.cat([vectors.transpose(1, 2).flatten(0, 1), self.pools[index]])
            self.pools[index] = recent[: 2 * size]
            self.counts[index] += torch.bincount(codes.flatten().cpu(), minlength=size)

    def start(self, optimiser: torch.optim.Optimizer) -> None:
        """Place every entry on a remembered vector."""
        for index in range(len(self.stages)):
            everything = torch.ones(len(self.counts[index]), dtype=torch.bool)
            self._place(index, everything, 1.0, optimiser)

    def revive(self, optimiser: torch.optim.Optimizer) -> None:
        """Place the entries of each stream that stayed unused for long enough."""
        for index, counts in enumerate(self.counts):
            if counts.sum() >= 4 * len(counts):
                length = float(self.stages[index].codebook.weight.detach().norm(dim=1).mean())
                self._place(index, counts == 0, length, optimiser)

    @torch.no_grad()
    def _place(
        self, index: int, which: Tensor, length: float, optimiser: torch.optim.Optimizer
    ) -> None:
        pool, codebook = self.pools[index], self.stages[index].codebook
        chosen = pool[torch.randint(len(pool), (int(which.sum()),))]
        codebook.weight[which] = length * (chosen + 0.02 * torch.randn_like(chosen))
        for name in ("exp_avg", "exp_avg_sq"):
            if name in optimiser.state[codebook.weight]:
                optimiser.state[codebook.weight][name][which] = 0
        self.counts[index].zero_()


class Trainer:
    """Everything that a step changes, and how it is kept."""

    def __init__(self, config: dict[str, Any], device: str) -> None:
        torch.manual_seed(config["seed"])
        self.config = config
        self.device = device
        self.step = 0
        self.codebook_start = config["codebook"]["start_step"]
        self.model = build_model(config).to(device)
        self.average = copy.deepcopy(self.model).eval().requires_grad_(False)
        settings = config["optimiser"]
        self.optimiser = torch.optim.AdamW(self._groups(), betas=tuple(settings["betas"]))
        self.loss = SpectralLoss(config["model"]["sampling_rate"]).to(device)
        self.envelope_loss = EnvelopeLoss(config["model"]["sampling_rate"]).to(device)
        self.reviver = CodebookReviver(self.model.quantizer._stages())
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
        bypass = step < self.codebook_start
        if step == self.codebook_start:
            self.reviver.start(self.optimiser)
        if step == 0 and self.codebook_start >= 0:
            centre_streams(self.model, audio)
        quantized = self.model.quantizer(self.model.encoder(audio), bypass)
        estimate = self.model.decoder(quantized.latents, FreshNoise())
        losses = self._losses(audio, estimate, quantized)
        if bypass:
            losses["commitment"] = losses["codebook"] = audio.new_zeros(())
        losses["gradient_norm"] = self._update(losses)
        self.reviver.observe(quantized)
        if not bypass and step < config["codebook"]["revive_until"] * config["steps"]:
            self.reviver.revive(self.optimiser)
        self.step += 1
        return {name: float(value.detach()) for name, value in losses.items()}

    def _losses(self, audio: Tensor, estimate: Tensor, quantized: Quantized) -> dict[str, Tensor]:
        mel, compressed = self.loss(audio, estimate)
        losses = {
            "mel": mel,
            "compressed_stft": compressed,
            "envelope": self.envelope_loss(audio, estimate),
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
        for group in self.optimiser.param_groups:
            group["lr"] = group["share"] * self._learning_rate()
        self.optimiser.zero_grad(set_to_none=True)
        total = torch.stack([weights[name] * loss for name, loss in losses.items()]).sum()
        total.backward()  # type: ignore[no-untyped-call]
        limit = settings["max_gradient_norm"]
        # The output layer's gradient is many times the others': clipped on its own.
        body, output = self.optimiser.param_groups
        nn.utils.clip_grad_norm_(output["params"], limit)
        norm = nn.utils.clip_grad_norm_(body["params"], limit)
        self.optimiser.step()
        # Early on the running average would still hold the random start.
        decay = min(settings["average_decay"], (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            pairs = zip(self.average.parameters(), self.model.parameters(), strict=True)
            for mean, now in pairs:
                mean.lerp_(now, 1 - decay)
        return norm

    def _groups(self) -> list[dict[str, Any]]:
        """The output layer learns slower: its few small weights scale the whole waveform."""
        output = list(self.model.decoder.model[-2].parameters())
        rest = [p for p in self.model.parameters() if all(p is not one for one in output)]
        share = self.config["optimiser"]["output_share"]
        return [{"params": rest, "share": 1.0}, {"params": output, "share": share}]

    def _learning_rate(self) -> float:
        settings = self.config["optimiser"]
        high, low = settings["learning_rate"], settings["final_learning_rate"]
        warm = min(1.0, (self.step + 1) / settings["warmup_steps"])
        progress = min(1.0, self.step / self.config["steps"])
        return float(warm * (low + (high - low) * (1 + math.cos(math.pi * progress)) / 2))

    def start_from(self, folder: Path) -> None:
        """Begin with the weights of an exported model of the same shape; everything else afresh."""
        trained = SNAC.from_pretrained(folder)
        if trained.config != self.model.config:
            raise SystemExit(f"{folder}: its configuration differs from [model] of the recipe")
        self.codebook_start = -1  # its codebooks are good: no bypass, no new start
        for name, value in trained.state_dict().items():
            module, _, attribute = name.rpartition(".")
            owner = self.model.get_submodule(module)
            if parametrize.is_parametrized(owner, attribute):
                setattr(owner, attribute, value.to(self.device))
            else:
                owner.get_parameter(attribute).data.copy_(value)
        self.average.load_state_dict(self.model.state_dict())

    def save(self, path: Path) -> None:
        """Write a checkpoint whole, or keep the one before."""
        state = {
            "step": self.step,
            "codebook_start": self.codebook_start,
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
        """Continue from a checkpoint. An adversary that it lacks starts afresh."""
        state = torch.load(path, map_location=self.device, weights_only=True)
        self.step = state["step"]
        self.codebook_start = state.get("codebook_start", self.codebook_start)
        self.model.load_state_dict(state["model"])
        self.average.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.reviver.counts = [counts.cpu() for counts in state["counts"]]
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


def train(
    config: dict[str, Any],
    data: Path,
    validation: Path | None,
    run: Path,
    resume: bool,
    device: str,
    start: Path | None = None,
) -> Iterator[dict[str, float]]:
    """Train to the last step, yielding each step's losses; writes log and checkpoints into run."""
    run.mkdir(parents=True, exist_ok=True)
    checkpoint, log, every = run / "checkpoint.pt", run / "log.jsonl", config["log"]
    trainer = Trainer(config, device)
    if resume and checkpoint.exists():
        trainer.load(checkpoint)
    elif checkpoint.exists():
        raise SystemExit(f"{checkpoint} exists; continue it with --resume or choose another --run")
    elif start is not None:
        trainer.start_from(start)
    corpus = Corpus.load(data, config["model"]["sampling_rate"])
    judge = Validation.load(validation, config) if validation else None
    print(f"{corpus.duration_s / 60:.0f} minutes of speech, from step {trainer.step}", flush=True)
    started, first = time.monotonic(), trainer.step
    sums: dict[str, float] = {}
    while trainer.step < config["steps"]:
        losses = trainer.train_step(corpus)
        yield losses
        for name, value in losses.items():
            sums[name] = sums.get(name, 0.0) + value / every["every_steps"]
        done = trainer.step == config["steps"]
        if trainer.step % every["every_steps"] == 0:
            pace = (time.monotonic() - started) / (trainer.step - first)
            left = pace * (config["steps"] - trainer.step) / 60
            record: dict[str, Any] = {"step": trainer.step, "s_per_step": round(pace, 3), **sums}
            sums = {}
            if judge and (trainer.step % every["validate_every_steps"] == 0 or done):
                record |= judge(trainer.average, device)
            _log(log, record, left)
        if done or trainer.step % every["checkpoint_every_steps"] == 0:
            trainer.save(checkpoint)


def _log(path: Path, record: dict[str, Any], minutes_left: float) -> None:
    shown = {k: round(v, 4) if isinstance(v, float) else v for k, v in record.items()}
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(shown) + "\n")
    print(shown, f"{minutes_left:.0f} min left", flush=True)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, required=True, help="folder of FLAC files to train on")
    parser.add_argument("--validation", type=Path, help="folder of FLAC files to score, only")
    parser.add_argument("--run", type=Path, default=Path("runs/train_mini"))
    parser.add_argument("--config", type=Path, default=_CONFIG)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--resume", action="store_true", help="continue the run's checkpoint")
    parser.add_argument("--start", type=Path, help="folder of an exported model to begin with")
    options = parser.parse_args()
    # Denormal numbers in the decoder's quiet stretches slow a CPU down many times.
    torch.set_flush_denormal(True)
    config = tomllib.loads(options.config.read_text(encoding="utf-8"))
    arguments = (options.data, options.validation, options.run, options.resume, options.device)
    for _ in train(config, *arguments, start=options.start):
        pass


if __name__ == "__main__":
    main()
