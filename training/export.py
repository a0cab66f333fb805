"""Write a run's averaged weights as a model folder: config.json and half-precision safetensors.

python -m training.export --run runs/train_mini --out codecs/snac_16khz_mini
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch
from safetensors.torch import save_file

from snac_eval.codecs.snac.checkpoint import fold_weight_norm
from training.trainer import build_model


def export(run: Path, out: Path) -> None:
    """Write the model of the folder ``run`` into the folder ``out``.

    Raises SystemExit where the run has no checkpoint.
    """
    checkpoint = run / "checkpoint.pt"
    if not checkpoint.is_file():
        raise SystemExit(f"{checkpoint}: no checkpoint; train first")
    state = torch.load(checkpoint, map_location="cpu", weights_only=True)
    model = build_model(state["config"])
    model.load_state_dict(state["average"])
    weights = fold_weight_norm(model.state_dict())
    out.mkdir(parents=True, exist_ok=True)
    halves = {name: value.detach().half().contiguous() for name, value in weights.items()}
    save_file(halves, out / "model.safetensors", metadata={"step": str(state["step"])})
    (out / "config.json").write_text(json.dumps(model.config.to_dict(), indent=2) + "\n")
    size = (out / "model.safetensors").stat().st_size / 1e6
    print(f"step {state['step']}: {sum(v.numel() for v in halves.values())} weights, {size:.2f} MB")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--run", type=Path, required=True, help="folder of the training run")
    parser.add_argument("--out", type=Path, required=True, help="folder of the model")
    options = parser.parse_args()
    export(options.run, options.out)


if __name__ == "__main__":
    main()
