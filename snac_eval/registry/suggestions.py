"""What was meant by a path that stands where a name belongs."""

from __future__ import annotations

import os
from pathlib import Path

from snac_eval.errors import readable

_LISTS = frozenset({".csv", ".json", ".jsonl", ".ndjson"})
_PROTOCOLS = frozenset({"abfs", "az", "file", "ftp", "gcs", "gs", "http", "https", "s3", "sftp"})


def meant_by(name: str, what: str) -> str:
    """How a codec or a dataset that lies at this path is named; nothing where it is no path.

    ``name`` ends before its first colon: of an address it is the protocol.
    """
    if what == "dataset" and name in _PROTOCOLS:
        return f"audio at an address is folder:{name}://..., a list of clips manifest:{name}://..."
    path = os.path.expanduser(name)
    if not (name.startswith(("/", "./", "../", "~")) or _exists(path)):
        return ""
    shown = readable(name)
    if what == "dataset":
        return _dataset(Path(path), shown)
    return _codec(Path(path), shown) if what == "codec" else ""


def _dataset(path: Path, shown: str) -> str:
    if path.is_dir():
        return f"did you mean 'folder:{shown}'?"
    if path.suffix.lower() in _LISTS:
        return f"did you mean 'manifest:{shown}'?"
    if path.is_file():
        return f"a dataset is a folder: did you mean 'folder:{readable(path.parent)}'?"
    return f"there is no such file; a folder of audio is folder:{shown}"


def _codec(path: Path, shown: str) -> str:
    if path.suffix == ".py":
        return f"a codec of your own is '{shown}:CLASS', with the name of its class"
    if path.is_dir():
        return (
            f"reconstructions in a folder are 'files:{shown}'; a folder of weights goes to"
            " --weights, beside the --model that they are of"
        )
    return "a folder of reconstructions is files:DIR, a codec of your own MODULE:CLASS"


def _exists(path: str) -> bool:
    try:
        return os.path.exists(path)
    except ValueError:  # a zero byte
        return False
