"""Where things are kept, whether the hub can be reached, and the variables that matter."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from snac_eval.doctor.findings import Finding

_LOOK_S = 2.0
"""How long a cache is measured; a larger one is told as larger than what was seen."""
_HUB_S = 8.0
_SECRET = re.compile("token|secret|passw|pwd|key|auth|cred|cookie", re.IGNORECASE)
_VARIABLE = re.compile(
    "SNAC_EVAL_.*|HF_.*|HUGGING.*|TRANSFORMERS_.*|CUDA_.*|NUMBA_.*|OMP_NUM_THREADS|MKL_NUM_THREADS"
    "|(HTTPS?|NO|ALL)_PROXY|RAY_ADDRESS|PYTORCH_.*|COLUMNS|PYTHONPATH",
    re.IGNORECASE,
)


def place_findings() -> Iterator[Finding]:
    """Caches, the folder for temporary files and the current one."""
    from snac_eval.download import cache_dir

    yield _place("cache", cache_dir(), "set SNAC_EVAL_CACHE to a folder of yours")
    yield _place("temporary", Path(tempfile.gettempdir()), "set TMPDIR to a folder of yours", False)
    yield _place("here", Path.cwd(), "change to a folder of yours, or give --output", False)
    from huggingface_hub import constants

    yield _place("hub cache", Path(constants.HF_HUB_CACHE), "set HF_HOME to a folder of yours")


def hub_findings() -> Iterator[Finding]:
    """Whether the hub answers, asked once and for at most eight seconds."""
    from huggingface_hub import constants

    token = "set" if _has_token() else "none; public models need none"
    yield Finding("hub", "endpoint", constants.ENDPOINT, needed=False)
    yield Finding("hub", "token", token, needed=False)
    if constants.HF_HUB_OFFLINE:
        said = "not asked: HF_HUB_OFFLINE (or TRANSFORMERS_OFFLINE) is set"
        yield Finding("hub", "reachable", said, "absent", False, "unset it to download weights")
        return
    problem = _reach(constants.ENDPOINT)
    remedy = "set HF_ENDPOINT to a mirror, or HF_HOME to a cache that holds the weights"
    yield Finding(
        "hub",
        "reachable",
        problem or "yes",
        "absent" if problem else "ok",
        False,
        remedy if problem else "",
    )


def variable_findings() -> Iterator[Finding]:
    """Variables that change what snac-eval does; of secrets only that they are set."""
    for name, value in sorted(os.environ.items()):
        if _VARIABLE.fullmatch(name):
            said = "set, not shown" if _SECRET.search(name) else _without_user(value)
            yield Finding("variables", name, said, needed=False)


def _without_user(value: str) -> str:
    """A proxy may be written without the ``http://`` by which addresses are known elsewhere."""
    return value if "://" in value or "@" not in value else f"***@{value.rpartition('@')[2]}"


def _place(name: str, folder: Path, remedy: str, measured: bool = True) -> Finding:
    there = next(one for one in (folder, *folder.parents) if one.exists())
    free = f"{shutil.disk_usage(there).free / 2**30:.1f} GiB free"
    # A folder that is not there yet is made by whoever needs it.
    writable = there.is_dir() and os.access(there, os.W_OK | os.X_OK)
    size = "" if not measured else _size(folder) if folder.is_dir() else "not there yet, "
    said = f"{folder}: {size}{free}{'' if writable else ', cannot be written'}"
    if writable:
        return Finding("places", name, said)
    return Finding("places", name, said, "broken", True, remedy)


def _size(folder: Path) -> str:
    until = time.monotonic() + _LOOK_S
    total, more = 0, ""
    for base, _, files in os.walk(folder):
        total += sum(_file_size(os.path.join(base, file)) for file in files)
        if time.monotonic() > until:
            more = "more than "
            break
    return f"{more}{total / 2**30:.2f} GiB, "


def _file_size(path: str) -> int:
    try:
        return 0 if os.path.islink(path) else os.stat(path).st_size
    except OSError:
        return 0


def _has_token() -> bool:
    from huggingface_hub import get_token

    return get_token() is not None


def _reach(endpoint: str) -> str:
    """Why the hub cannot be reached; empty where it answers, whatever it says.

    A thread, because looking a name up has no time limit of its own.
    """
    answers = [f"no answer within {_HUB_S:.0f} s"]

    def ask() -> None:
        request = urllib.request.Request(endpoint, method="HEAD")
        try:
            urllib.request.urlopen(request, timeout=_HUB_S).close()
            answers.append("")
        except urllib.error.HTTPError as error:
            refused = error.code == 407 or error.code >= 500
            answers.append(f"answers {error.code} {error.reason}" if refused else "")
        except (OSError, ValueError) as error:
            answers.append(f"{getattr(error, 'reason', error)}")

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(_HUB_S)
    return answers[-1]
