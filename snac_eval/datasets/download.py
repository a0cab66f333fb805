"""Download an archive, go on where a download stopped, check it, and unpack it safely.

pooch picks the place, checks the digest and reports progress; it does not resume, so it is given
a downloader that does: what has arrived is kept in a ``.part`` file and asked for no second time.
"""

from __future__ import annotations

import os
import shutil
import tarfile
import tempfile
import zlib
from pathlib import Path
from typing import Any

from snac_eval.errors import DownloadError

_CHUNK = 1 << 20
_TIMEOUT_S = 30


def cache_dir() -> Path:
    """Where corpora are kept: ``SNAC_EVAL_CACHE``, else the user's cache folder."""
    from platformdirs import user_cache_path

    chosen = os.environ.get("SNAC_EVAL_CACHE")
    return Path(chosen) if chosen else user_cache_path("snac-eval")


def fetch(url: str, known_hash: str, folder: Path, show_progress: bool, ways_out: str) -> Path:
    """The file at ``url`` in ``folder``, downloaded unless it is there already and intact.

    ``known_hash`` is ``md5:...`` or ``sha256:...``. Raises DownloadError, ending with
    ``ways_out``, when it cannot be had or is not what was expected; a damaged download is removed,
    an unfinished one kept for the next attempt.
    """
    import pooch
    import requests
    import urllib3

    name = url.rpartition("/")[2]
    part = folder / f"{name}.part"

    def download(url: str, output_file: Any, _: Any) -> None:  # noqa: ANN401 - pooch's protocol
        _download_rest(url, part, show_progress)
        shutil.move(part, output_file)

    pooch.get_logger().setLevel("ERROR")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return Path(pooch.retrieve(url, known_hash, name, folder, downloader=download))
    # First: some of requests' own exceptions are ValueErrors too.
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
        detail = " ".join(str(error).split())[:200]
        raise DownloadError(
            f"{url}: cannot be downloaded ({detail}); try again to go on, or {ways_out}"
        ) from error
    except ValueError as error:
        (folder / name).unlink(missing_ok=True)
        raise DownloadError(
            f"{url}: checksum differs from the published {known_hash}; nothing was kept, try again"
            f" or {ways_out}"
        ) from error


def unpack(archive: Path, folder: Path, inner: str) -> Path:
    """Unpack a tar archive and move its folder ``inner`` to ``folder``, whole or not at all.

    Members that would land outside are refused (PEP 706's ``data`` filter). Raises DownloadError
    for a damaged or hostile archive.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".unpacking-") as temporary:
        try:
            with tarfile.open(archive) as tar:
                tar.extractall(temporary, filter="data")
            (Path(temporary) / inner).replace(folder)
        except (tarfile.TarError, zlib.error, EOFError, OSError) as error:
            detail = " ".join(str(error).split())[:200]
            raise DownloadError(
                f"{archive}: cannot be unpacked ({detail}); remove it and run again"
            ) from error
    return folder


def _download_rest(url: str, part: Path, show_progress: bool) -> None:
    import requests
    from tqdm import tqdm

    have = part.stat().st_size if part.exists() else 0
    headers = {"Accept-Encoding": "identity"}  # the bytes that the checksum is of
    if have:
        headers["Range"] = f"bytes={have}-"
    with requests.get(url, headers=headers, stream=True, timeout=_TIMEOUT_S) as response:
        if response.status_code == requests.codes.requested_range_not_satisfiable:
            return  # all of it had arrived; the checksum decides
        response.raise_for_status()
        resumed = response.status_code == requests.codes.partial_content
        have = have if resumed else 0
        left = int(response.headers.get("Content-Length", 0))
        bar = tqdm(
            total=have + left or None,
            initial=have,
            unit="B",
            unit_scale=True,
            desc=part.stem,
            disable=not show_progress,
        )
        with bar, part.open("ab" if resumed else "wb") as file:
            # read1 gives what has arrived: where the connection breaks, none of it is lost.
            while chunk := response.raw.read1(_CHUNK):
                file.write(chunk)
                bar.update(len(chunk))
        if left and part.stat().st_size < have + left:
            raise OSError(
                f"the connection ended after {part.stat().st_size} of {have + left} bytes"
            )
