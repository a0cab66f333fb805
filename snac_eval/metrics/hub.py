"""Models of the Hugging Face hub that metrics ask: where their weights are, and which they are."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from snac_eval.audio import file_sha256
from snac_eval.errors import WeightsUnavailable

_FILES = ["*.json", "*.txt", "model.safetensors", "pytorch_model.bin"]
_WEIGHTS = ("model.safetensors", "pytorch_model.bin")


@dataclass(frozen=True)
class HubModel:
    """A repository of the hub, or the folder that the environment's ``variable`` names instead."""

    repository: str
    variable: str

    @cached_property
    def folder(self) -> Path:
        """Where the model's files are, downloaded first if need be. Raises WeightsUnavailable."""
        if given := os.environ.get(self.variable):
            return self._checked(Path(given))
        from huggingface_hub import snapshot_download

        if (cached := self._cached()) is not None:
            return cached
        try:
            return self._checked(Path(snapshot_download(self.repository, allow_patterns=_FILES)))
        except WeightsUnavailable:
            raise
        except Exception as error:
            detail = " ".join(str(error).split())[:200] or type(error).__name__
            raise WeightsUnavailable(
                f"cannot get '{self.repository}' from the hub or its cache ({detail}); set HF_HOME"
                f" to a filled cache, HF_ENDPOINT to a mirror, or {self.variable} to a folder of it"
            ) from error

    @property
    def digest(self) -> str:
        """SHA-256 of the weights, shortened; ``absent`` where they are not on this machine."""
        given = os.environ.get(self.variable)
        folder = Path(given) if given else self._cached()
        file = None if folder is None else _weights(folder)
        return "absent" if file is None else file_sha256(file)[:16]

    @property
    def state(self) -> str:
        """What ``snac-eval list`` shows: empty where the weights are on this machine."""
        return "needs weights (hub)" if self.digest == "absent" else ""

    def _checked(self, folder: Path) -> Path:
        if _weights(folder) is None:
            raise WeightsUnavailable(
                f"{folder}: holds neither {' nor '.join(_WEIGHTS)}; it must be a folder of"
                f" '{self.repository}' (see {self.variable})"
            )
        return folder

    def _cached(self) -> Path | None:
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import LocalEntryNotFoundError

        try:
            found = snapshot_download(self.repository, allow_patterns=_FILES, local_files_only=True)
        except LocalEntryNotFoundError:
            return None
        return Path(found) if _weights(Path(found)) is not None else None


def quiet_transformers() -> Any:  # noqa: ANN401 - transformers' models are typed as Any
    """The library, which draws no bars of its own: a run has one."""
    import transformers

    transformers.utils.logging.disable_progress_bar()
    return transformers


def _weights(folder: Path) -> Path | None:
    return next((folder / name for name in _WEIGHTS if (folder / name).is_file()), None)
