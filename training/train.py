"""Train a small SNAC. Resumes where it stopped; the same seed repeats the same losses.

With ``--start`` it begins with an exported model's weights::

    python -m training.train --data DIR [--run runs/train_mini] [--resume]
    python -m training.train --data DIR --start codecs/snac_16khz_mini --run runs/longer
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import time
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize
from torch.nn.utils.parametrizations import weight_norm

from snac_eval.codecs.snac import SNACConfig
from snac_eval.codecs.snac.layers import FreshNoise
from snac_eval.codecs.snac.model import SNAC
from snac_eval.codecs.snac.quantize import Quantized, VectorQuantizer
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
from training.validate import Validation

_CONFIG = Path(__file__).with_name("config.toml")


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


@dataclass
class CodebookReviver:
    """Moves codebook entries that no token chose to where the encoder's vectors are.

    Each stream is judged once it has seen four tokens per entry.
    """

    stages: Sequence[VectorQuantizer]
    """One per stream, coarse to fine."""
    counts: list[Tensor] = field(default_factory=list)
    """How often each entry was chosen since the stream was last judged, ``[entries]`` each."""
    pools: list[Tensor] = field(default_factory=list)
    """The latest vectors that each stream looked up, ``[n, codebook_dim]`` each."""

    def __post_init__(self) -> None:
        self.counts = [torch.zeros(stage.codebook.num_embeddings) for stage in self.stages]
        self.pools = [stage.codebook.weight.detach()[:0].clone() for stage in self.stages]

    def observe(self, quantized: Quantized) -> None:
        """Remember the vectors and count the codes of this batch."""
        for index, (codes, vectors) in enumerate(
            zip(quantized.codes, quantized.vectors, strict=True)
        ):
            size = len(self.counts[index])
            recent = torch.cat([vectors.transpose(1, 2).flatten(0, 1), self.pools[index]])
            self.pools[index] = recent[: 2 * size]
            self.counts[index] += torch.bincount(codes.flatten().cpu(), minlength=size)

    def revive(self, optimiser: torch.optim.Optimizer) -> None:
        """Move the unused entries of every stream that is to be judged."""
        for index, counts in enumerate(self.counts):
            if counts.sum() >= 4 * len(counts):
                self._place(index, counts == 0, optimiser)

    @torch.no_grad()
    def _place(self, index: int, which: Tensor, optimiser: torch.optim.Optimizer) -> None:
        pool, codebook = self.pools[index], self.stages[index].codebook
        # Look-up minds angles only, so lengths of vectors and of entries drift apart.
        length = codebook.weight.norm(dim=1).mean() / pool.norm(dim=1).mean()
        chosen = pool[torch.randint(len(pool), (int(which.sum()),))]
        jitter = 0.02 * chosen.norm(dim=1, keepdim=True) * torch.randn_like(chosen)
        codebook.weight[which] = length * (chosen + jitter)
        for name in ("exp_avg", "exp_avg_sq"):
            if name in optimiser.state[codebook.weight]:
                optimiser.state[codebook.weight][name][which] = 0
        self.counts[index].zero_()


class Trainer:
    """Model, running average, optimiser and all else that a step changes; saves and loads it."""

    def __init__(self, config: dict[str, Any], device: str) -> None:
        torch.manual_seed(config["seed"])
        self.config = config
        self.device = device
        self.step = 0
        self.started = False
        self.model = build_model(config).to(device)
        self.average = copy.deepcopy(self.model).eval().requires_grad_(False)
        settings = config["optimiser"]
        self.optimiser = torch.optim.AdamW(self._groups(), betas=tuple(settings["betas"]))
        self.loss = SpectralLoss(config["model"]["sampling_rate"]).to(device)
        self.envelope_loss = EnvelopeLoss(config["model"]["sampling_rate"]).to(device)
        self.wave_loss = WaveLoss(config["model"]["sampling_rate"]).to(device)
        self.loudness_loss = LoudnessLoss(config["model"]["sampling_rate"]).to(device)
        self.reviver = CodebookReviver(self.model.quantizer.stages)
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
            self._start_streams(corpus)
        keep = self._streams_kept(len(audio))
        estimate, quantized = self.model(audio, FreshNoise(), keep)
        losses = self._losses(audio, estimate, quantized)
        losses["gradient_norm"] = self._update(losses)
        self.reviver.observe(quantized)
        if step < config["codebook"]["revive_until"] * config["steps"]:
            self.reviver.revive(self.optimiser)
        self.step += 1
        return {name: float(value.detach()) for name, value in losses.items()}

    def _start_streams(self, corpus: Corpus) -> None:
        start, config = self.config["start"], self.config
        gain = (config["gain_db"][0], config["gain_db"][1])
        segments = (start["segments"], config["segment_samples"], gain, (config["seed"], 1 << 40))
        audio = corpus.batch(*segments).to(self.device)
        start_streams(self.model, audio, start["wave_streams"], start["first_wave_coefficient"])
        self.average.load_state_dict(self.model.state_dict())

    def _streams_kept(self, batch: int) -> Tensor:
        """How many streams each item may use: all of them, or now and then the first few alone.

        Without that the finer streams learn faster, and the coarsest learns nothing.
        """
        total = len(self.config["model"]["vq_strides"])
        few = torch.randint(1, total, (batch,))
        dropped = torch.rand(batch) < self.config["codebook"]["drop_finer"]
        return torch.where(dropped, few, total).to(self.device)

    def _losses(self, audio: Tensor, estimate: Tensor, quantized: Quantized) -> dict[str, Tensor]:
        mel, compressed = self.loss(audio, estimate)
        losses = {
            "mel": mel,
            "compressed_stft": compressed,
            "envelope": self.envelope_loss(audio, estimate),
            "loudness": self.loudness_loss(audio, estimate),
            "wave": self.wave_loss(audio, estimate),
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
        body, *others = self.optimiser.param_groups
        for group in others:
            nn.utils.clip_grad_norm_(group["params"], limit)
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
        """Parameters with their share of the learning rate.

        The output layer learns slower: its few small weights scale the whole waveform. Codebooks
        learn faster, to keep up with the encoder.
        """
        output = list(self.model.decoder.model[-2].parameters())
        codebooks = [stage.codebook.weight for stage in self.model.quantizer.stages]
        apart = {id(one) for one in (*output, *codebooks)}
        rest = [one for one in self.model.parameters() if id(one) not in apart]
        settings = self.config["optimiser"]
        return [
            {"params": rest, "share": 1.0},
            {"params": output, "share": settings["output_share"]},
            {"params": codebooks, "share": settings["codebook_share"]},
        ]

    def _learning_rate(self) -> float:
        settings = self.config["optimiser"]
        high, low = settings["learning_rate"], settings["final_learning_rate"]
        warm = min(1.0, (self.step + 1) / settings["warmup_steps"])
        progress = min(1.0, self.step / self.config["steps"])
        return float(warm * (low + (high - low) * (1 + math.cos(math.pi * progress)) / 2))

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
        self.step = state["step"]
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
    """Train to the last step and yield each step's losses by name.

    Log and checkpoints go into the folder ``run``. Raises SystemExit where it holds a checkpoint
    that is not to be continued (``resume``).
    """
    run.mkdir(parents=True, exist_ok=True)
    checkpoint, log, every = run / "checkpoint.pt", run / "log.jsonl", config["log"]
    trainer = Trainer(config, device)
    if resume and checkpoint.exists():
        trainer.load(checkpoint)
    elif checkpoint.exists():
        raise SystemExit(f"{checkpoint} exists; continue it with --resume or choose another --run")
    elif start is not None:
        trainer.start_from(start)
    held_out = config["held_out"]
    corpus = Corpus.load(data, config["model"]["sampling_rate"], without=held_out)
    judge = _judge(config, data, validation)
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


def _judge(config: dict[str, Any], data: Path, validation: Path | None) -> Validation | None:
    if validation is not None:
        return Validation.load(validation, config)
    there = [speaker for speaker in config["held_out"] if (data / speaker).is_dir()]
    return Validation.load(data, config, there) if there else None


def _log(path: Path, record: dict[str, Any], minutes_left: float) -> None:
    shown = {k: round(v, 4) if isinstance(v, float) else v for k, v in record.items()}
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(shown) + "\n")
    print(shown, f"{minutes_left:.0f} min left", flush=True)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, required=True, help="folder of FLAC files to train on")
    parser.add_argument(
        "--validation",
        type=Path,
        help="folder of FLAC files to score, never to train on (default: speakers held out)",
    )
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
