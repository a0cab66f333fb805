"""Train a small SNAC. Resumes where it stopped; on a CPU the same seed repeats the same losses.

With ``--start`` it begins with an exported model's weights. On a GPU it may be given its time::

    python -m training.train --data DIR [--run runs/train_mini] [--resume]
    python -m training.train --data DIR --start codecs/snac_16khz_mini --run runs/longer
    python -m training.train --data DIR --config training/config_gpu.toml --seconds 400
"""

from __future__ import annotations

import argparse
import json
import time
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

from training.data import Corpus
from training.trainer import Trainer
from training.validate import Validation

_CONFIG = Path(__file__).with_name("config.toml")


def read_config(path: Path) -> dict[str, Any]:
    """A recipe. It may name a ``base`` beside it, whose values it then has but for its own."""
    own = tomllib.loads(path.read_text(encoding="utf-8"))
    if "base" not in own:
        return own
    config = read_config(path.with_name(own.pop("base")))
    for name, value in own.items():
        config[name] = config[name] | value if isinstance(value, dict) else value
    return config


def train(
    config: dict[str, Any],
    data: Path,
    validation: Path | None,
    run: Path,
    resume: bool,
    device: str,
    start: Path | None = None,
    seconds: float | None = None,
) -> Iterator[dict[str, float]]:
    """Train to the last step, or for so many ``seconds``, and yield losses by name.

    They are each step's, on a GPU the means of those between two lines of the log. Log and
    checkpoints go into the folder ``run``. Raises SystemExit where it holds a checkpoint that is
    not to be continued (``resume``).
    """
    run.mkdir(parents=True, exist_ok=True)
    checkpoint, log, every = run / "checkpoint.pt", run / "log.jsonl", config["log"]
    trainer = Trainer(config, device, seconds)
    if resume and checkpoint.exists():
        trainer.load(checkpoint)
    elif checkpoint.exists():
        raise SystemExit(f"{checkpoint} exists; continue it with --resume or choose another --run")
    elif start is not None:
        trainer.start_from(start)
    corpus = Corpus.load(data, config["model"]["sampling_rate"], without=config["held_out"])
    judge = _judge(config, data, validation)
    print(f"{corpus.duration_s / 60:.0f} minutes of speech, from step {trainer.step}", flush=True)
    take = _steps(trainer, corpus)
    trainer.start_clock()
    started, first, from_step = time.monotonic(), trainer.progress, trainer.step
    sums, logged, done = dict[str, float](), trainer.step, trainer.progress >= 1
    while not done:
        before = trainer.step
        losses = take()
        yield losses
        taken, done = trainer.step - before, trainer.progress >= 1  # once: what ends is logged
        for name, value in losses.items():
            sums[name] = sums.get(name, 0.0) + value * taken
        if done or _passed(every["every_steps"], before, trainer.step):
            spent, count = time.monotonic() - started, trainer.step - logged
            pace = round(spent / (trainer.step - from_step), 4)
            record: dict[str, Any] = {"step": trainer.step, "s_per_step": pace}
            record |= {name: value / count for name, value in sums.items()}
            sums, logged = {}, trainer.step
            if judge and (done or _passed(every["validate_every_steps"], before, trainer.step)):
                record |= judge(trainer.average, device)
            _log(log, record, spent * (1 - trainer.progress) / (trainer.progress - first) / 60)
        if done or _passed(every["checkpoint_every_steps"], before, trainer.step):
            trainer.save(checkpoint)


def _steps(trainer: Trainer, corpus: Corpus) -> Callable[[], dict[str, float]]:
    """What takes a step, or on a GPU as many as lie between two lines of the log."""
    if not trainer.is_on_gpu or trainer.adversary:
        return lambda: trainer.train_step(corpus)
    from training.gpu.graph import GraphedSteps  # Triton is there on GPUs alone

    if trainer.step == 0 and not trainer.started:
        trainer.start_streams(corpus)
    return GraphedSteps(trainer, corpus, trainer.config["log"]["every_steps"])


def _passed(every: int, before: int, now: int) -> bool:
    return now // every > before // every


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
    parser.add_argument(
        "--seconds", type=float, help="train for so long, however many steps that makes"
    )
    options = parser.parse_args()
    # Denormal numbers in the decoder's quiet stretches slow a CPU down many times.
    torch.set_flush_denormal(True)
    config = read_config(options.config)
    arguments = (options.data, options.validation, options.run, options.resume, options.device)
    for _ in train(config, *arguments, start=options.start, seconds=options.seconds):
        pass


if __name__ == "__main__":
    main()
