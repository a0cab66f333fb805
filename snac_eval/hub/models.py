"""Models that metrics ask: a repository of the hub, or a folder that the user named."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from snac_eval.audio import file_sha256
from snac_eval.errors import WeightsUnavailable
from snac_eval.hub.codecs import NEEDS_WEIGHTS
from snac_eval.hub.repository import (
    REPOSITORY,
    WEIGHT_FILES,
    Repository,
    no_weights,
    of_hub,
    weights_in,
)
from snac_eval.reading.names import user_path


@dataclass(frozen=True)
class HubModel:
    """A model that a metric asks: a repository of the hub, or a folder that the user named."""

    repository: str
    variable: str
    """Environment variable that names a folder to take instead of the repository."""
    revision: str | None = None
    """The commit that is taken; None: the main branch, whatever it holds that day."""
    files: tuple[str, ...] = WEIGHT_FILES
    """Names that its weights may have; the first that is there is taken."""

    @cached_property
    def folder(self) -> Path:
        """Where the model's files are, downloaded first if need be. Raises WeightsUnavailable."""
        if (given := self._given) is None:
            return self._hub.folder()
        if weights_in(given, self.files) is None:
            raise WeightsUnavailable(
                f"{no_weights(given, self.files)}; it must be a folder of '{self.repository}'"
                f" (see {self.variable})"
            )
        return given

    @property
    def source(self) -> str:
        """What a fingerprint names; the digest beside it says which commit's weights they are."""
        return self.repository

    def get(self) -> Path:
        """The folder, as :attr:`folder`."""
        return self.folder

    @property
    def weights(self) -> Path:
        """The file of the weights in :attr:`folder`. Raises WeightsUnavailable."""
        if (file := weights_in(self.folder, self.files)) is None:
            raise WeightsUnavailable(no_weights(self.folder, self.files))
        return file

    @property
    def digest(self) -> str:
        """SHA-256 of the weights, shortened; ``absent`` where they are not on this machine."""
        given = self._given
        file = self._hub.cached_weights() if given is None else weights_in(given, self.files)
        return "absent" if file is None else file_sha256(file)[:16]

    @property
    def state(self) -> str:
        """What ``snac-eval list`` shows: empty where the weights are on this machine."""
        return NEEDS_WEIGHTS if self.digest == "absent" else ""

    @property
    def remedy(self) -> tuple[str, ...]:
        """Ways to get the weights; empty where they are on this machine."""
        if not self.state:
            return ()
        hub = of_hub(self.repository, self.revision or "")
        return (*hub, f"{self.variable}=DIR, a folder of its files")

    @property
    def _given(self) -> Path | None:
        given = os.environ.get(self.variable)
        return user_path(given) if given else None

    @property
    def _hub(self) -> Repository:
        way_out = f"set {self.variable} to a folder of its files"
        return Repository(self.repository, self.revision, way_out, self.files)


def model_named(repository: str, prefix: str) -> HubModel | None:
    """The model of this repository, which ``PREFIX_OWNER_MODEL_WEIGHTS`` may name a folder for;
    None for what is no OWNER/MODEL."""
    if not REPOSITORY.fullmatch(repository):
        return None
    own = re.sub(r"\W", "_", repository).upper()
    return HubModel(repository, f"{prefix}_{own}_WEIGHTS")


def quiet_transformers() -> Any:  # noqa: ANN401 - transformers' models are typed as Any
    """The package ``transformers``, told to draw no bars and to say nothing but errors."""
    import transformers

    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()
    return transformers
