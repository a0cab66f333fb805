"""Models of transformers that a codec's package builds upon, with all of their weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from snac_eval.errors import CheckpointError
from snac_eval.hub import quiet_transformers


def load_pretrained(model_class: str, folder: Path) -> Any:  # noqa: ANN401 - untyped
    """A model in float32 on the CPU, of a folder that has its configuration and weights.

    Raises CheckpointError where weights are missing or of another shape, for which transformers
    would take random ones, and whatever transformers raises for broken files.
    """
    import torch

    model, report = getattr(quiet_transformers(), model_class).from_pretrained(
        folder, local_files_only=True, dtype=torch.float32, output_loading_info=True
    )
    for problem in ("missing_keys", "mismatched_keys", "error_msgs"):
        if found := report.get(problem):
            example = sorted(map(str, found))[0]
            raise CheckpointError(
                f"{folder}: not the weights of this {model_class}: {len(found)}"
                f" {problem.replace('_', ' ')}, such as {example}"
            )
    return model.eval()
