"""What a row of a hub's dataset may read: its own bytes, and files of its own dataset.

It can name nothing else: no other file of this machine, no address, no other dataset.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from snac_eval.errors import AudioError, DatasetError
from snac_eval.writing import require_file

_PACKED = ("zip", "tar")


@dataclass(frozen=True, slots=True)
class OwnFiles:
    """The files of one dataset."""

    repository: str
    folder: Path | None
    """Where the dataset lies on this machine; None: on the hub."""

    def content(self, cell: object) -> bytes:
        """The bytes of a cell. Raises AudioError where it has none or may not have them."""
        content: object = None
        if isinstance(cell, Mapping):
            content, cell = cell.get("bytes"), cell.get("path")
        if isinstance(content, bytes) and content:
            return content
        if content is not None or not isinstance(cell, str) or not cell:
            raise AudioError("it holds no audio")
        address = self.address(cell)
        try:
            with importlib.import_module("fsspec").open(address, "rb") as file:
                read: bytes = file.read()
        except FileNotFoundError as error:
            raise AudioError(f"it names {cell!r}, which is not there") from error
        return read

    def address(self, named: str) -> str:
        """Where a file is that a row names, or a member of a packed file.

        Raises AudioError where that is none of the dataset's own.
        """
        *members, file = named.split("::")
        if all(member.partition("://")[0] in _PACKED for member in members):
            found = self._on_hub(file) if self.folder is None else self._below(self.folder, file)
            if found:
                return "::".join([*members, found])
        raise AudioError(f"it names {named!r}, which is no file of the dataset; that is not read")

    def check_data(self, builder: Any) -> None:  # noqa: ANN401 - datasets is untyped
        """Raise DatasetError where the dataset's own card names files elsewhere as its data."""
        for files in (builder.config.data_files or {}).values():
            for file in files:
                try:
                    self.address(str(file))
                except AudioError as error:
                    raise DatasetError(f"hf:{self.repository}: {error}") from error

    def _on_hub(self, file: str) -> str:
        own = tuple(f"hf://datasets/{self.repository}{end}" for end in "@/")
        return file if file.startswith(own) and ".." not in file.split("/") else ""

    def _below(self, folder: Path, file: str) -> str:
        if "://" in file or "\0" in file:
            return ""
        real, root = Path(os.path.realpath(folder / file)), Path(os.path.realpath(folder))
        # In the hub's cache, a snapshot's files are links to the blobs beside it.
        blobs = [root.parents[1] / "blobs"] if root.parent.name == "snapshots" else []
        if not any(real.is_relative_to(one) for one in (root, *blobs)):
            return ""
        try:
            require_file(real)
        except FileNotFoundError as error:
            raise AudioError(f"it names {file!r}, which is not there") from error
        except OSError as error:
            raise AudioError(f"it names {file!r}: {error.strerror}") from error
        return str(real)
