"""Models of transformers from a folder, with all of their weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from snac_eval.errors import CheckpointError


def load_pretrained(
    model_class: Any,  # noqa: ANN401 - transformers' models are typed as Any
    folder: Path,
    weights: Path,
) -> Any:  # noqa: ANN401
    """A model in float32 on the CPU, of a folder that has its configuration and ``weights``.

    Raises CheckpointError where weights are missing or of another shape, for which transformers
    would take random ones, and whatever transformers raises for broken files.
    """
    import torch

    model, report = model_class.from_pretrained(
        folder, local_files_only=True, dtype=torch.float32, output_loading_info=True
    )
    for problem in ("missing_keys", "mismatched_keys", "error_msgs"):
        if found := report.get(problem):
            example = sorted(map(str, found))[0]
            raise CheckpointError(
                f"{weights}: not the weights of this {model_class.__name__}: {len(found)}"
                f" {problem.replace('_', ' ')}, such as {example}"
            )
    return model.eval()
