"""This machine: devices, cores, the memory of this process, and the facts that a run notes."""

from __future__ import annotations

import math
import os
import platform
import resource
import subprocess
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from snac_eval.errors import UsageError

DEVICES = ("auto", "cpu", "cuda", "mps")
_MIB = 1 << 20
_OLDER = "allow_tf32"
_SMALLEST = math.ulp(0.0)


def resolve_device(requested: str) -> str:
    """``cpu``, ``cuda`` or ``mps`` for what the user asked; ``auto`` takes the fastest there is.

    Raises UsageError for a device that this machine lacks. ``auto`` on a Linux machine without a
    GPU's device file answers without importing torch, which takes seconds.
    """
    if requested not in DEVICES:
        raise UsageError(f"unknown device '{requested}'; use one of {', '.join(DEVICES)}")
    if requested == "cpu" or (requested == "auto" and _surely_no_gpu()):
        return "cpu"
    import torch

    present = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if requested == "auto":
        return next((name for name, there in present.items() if there), "cpu")
    if not present[requested]:
        raise UsageError(f"--device {requested}: torch finds no such device here; use --device cpu")
    return requested


def set_up_torch(device: str, num_threads: int) -> None:
    """Bound torch's threads on a CPU (0: as many as torch likes), treat tiny numbers as zero, and
    compute in float32.

    Quiet passages end in denormal numbers, which slow a CPU down many times.
    """
    import torch

    if device == "cpu" and num_threads:
        torch.set_num_threads(num_threads)
    torch.set_flush_denormal(True)
    compute_in_float32()


@contextmanager
def torch_set_up(device: str, num_threads: int) -> Iterator[None]:
    """:func:`set_up_torch` for a block: torch is as it was afterwards."""
    import torch

    threads, precision = torch.get_num_threads(), torch.get_float32_matmul_precision()
    keeps_tiny = _SMALLEST * 1.0 != 0.0
    with in_float32(device):
        if device == "cpu":
            torch.set_num_threads(num_threads or threads)
            torch.set_float32_matmul_precision("highest")
        torch.set_flush_denormal(True)
        try:
            yield
        finally:
            torch.set_flush_denormal(not keeps_tiny)
            if device == "cpu":
                torch.set_num_threads(threads)
                torch.set_float32_matmul_precision(precision)


@contextmanager
def tiny_numbers_kept() -> Iterator[None]:
    """Undo for a block, in this thread, that :func:`set_up_torch` treats tiny numbers as zero: what
    is computed then is what a process without torch computes."""
    torch = sys.modules.get("torch")
    if torch is None or _SMALLEST * 1.0 != 0.0:
        yield
        return
    torch.set_flush_denormal(False)
    try:
        yield
    finally:
        torch.set_flush_denormal(True)


def compute_in_float32() -> None:
    """Have torch compute float32 in float32, on every device of this process.

    By default it rounds what cuDNN convolves to TensorFloat-32, with 10 bits of mantissa, and a
    user can have matrix products rounded as well. Warns where that was asked for, once.
    """
    import torch

    asked_for = _rounded_on_purpose()
    if getattr(torch.backends, "fp32_precision", "none") != "none":
        torch.backends.fp32_precision = "none"  # type: ignore[attr-defined]
    torch.backends.cudnn.allow_tf32 = False
    torch.set_float32_matmul_precision("highest")
    if asked_for:
        warnings.warn(
            f"torch was told to round float32 ({asked_for}); snac-eval computes in float32 and"
            " turned that off for this process",
            stacklevel=3,
        )


@contextmanager
def in_float32(device: str) -> Iterator[None]:
    """Have torch compute float32 in float32 meanwhile, whatever this process asked for.

    Where all of torch was told to round, by the newer of its settings, matrix products stay exact.
    """
    if device == "cpu":
        yield
        return
    before: list[tuple[Any, str, Any]] = []
    try:
        for place, name, exact in _precisions():
            before.append((place, name, getattr(place, name)))
            setattr(place, name, exact)
        yield
    finally:
        for place, name, value in reversed(before):
            setattr(place, name, value)


def _precisions() -> Iterator[tuple[Any, str, object]]:
    """Where torch keeps how it computes float32, under which name, and what to put there. To be
    asked for one after the other: torch 2.9 and later refuse to read the older name where it does
    not agree with the newer one, and what several operations share overrules the older one."""
    import torch

    cudnn: Any = torch.backends.cudnn
    matmul: Any = torch.backends.cuda.matmul
    for shared in (torch.backends, cudnn):
        if getattr(shared, "fp32_precision", "none") not in ("none", "ieee"):
            yield shared, "fp32_precision", "none"
    for place in (cudnn, matmul):
        try:
            getattr(place, _OLDER)
        except RuntimeError:
            parts = (cudnn.conv, cudnn.rnn) if place is cudnn else (matmul,)
            yield from ((part, "fp32_precision", "ieee") for part in parts)
        else:
            yield place, _OLDER, False


def _rounded_on_purpose() -> str:
    """Which setting of torch, other than its defaults, rounds float32; empty where none does."""
    import torch

    # torch 2.9 and later refuse to read the older setting where the newer one was used.
    for place in ("torch.backends", "torch.backends.cuda.matmul"):
        found = torch.backends if place == "torch.backends" else torch.backends.cuda.matmul
        if (value := getattr(found, "fp32_precision", "none")) not in ("none", "ieee"):
            return f"{place}.fp32_precision is '{value}'"
    if (value := torch.get_float32_matmul_precision()) != "highest":
        return f"its float32 matmul precision is '{value}'"
    return ""


def num_cores() -> int:
    """Cores that this process may use: fewer than the machine has, where it is confined to some."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def peak_memory_mib() -> float:
    """Largest resident set of this process so far, in MiB.

    Linux's own figure where there is one: ``getrusage`` there also counts what the parent had
    resident when it started this process.
    """
    if (kib := _proc_status("VmHWM")) is not None:
        return kib / 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / _MIB if sys.platform == "darwin" else peak / 1024


def resident_memory_mib() -> float:
    """Resident set of this process now, in MiB; its peak where the system does not tell."""
    kib = _proc_status("VmRSS")
    return peak_memory_mib() if kib is None else kib / 1024


def gpu_peak_memory_mib(device: str) -> float:
    """What torch had allocated on a GPU at most, in MiB; NaN for other devices."""
    if device != "cuda":
        return math.nan
    import torch

    return float(torch.cuda.max_memory_allocated() / _MIB)


def hardware(device: str) -> dict[str, Any]:
    """CPU, all of the machine's cores, system and, for ``cuda``, the GPU's name, if it is here and
    not elsewhere in a cluster."""
    facts: dict[str, Any] = {
        "machine": platform.machine(),
        "system": platform.platform(),
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
    }
    if device == "cuda":
        import torch

        if torch.cuda.is_available():
            facts["gpu"] = torch.cuda.get_device_name()
    return facts


def commit() -> str:
    """The commit of the checkout that this is, ``-dirty`` after it where files differ; empty where
    it is none."""
    root = Path(__file__).resolve().parents[1]
    if not (root / ".git").exists():
        return ""
    command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=40"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown: git did not answer"


def _surely_no_gpu() -> bool:
    nodes = ("/dev/nvidiactl", "/dev/dxg", "/dev/kfd")
    return sys.platform == "linux" and not any(Path(node).exists() for node in nodes)


def _proc_status(key: str) -> int | None:
    """A number of ``/proc/self/status``, in KiB; None where there is no such file or key."""
    status = Path("/proc/self/status")
    if not status.is_file():
        return None
    lines = (line.split() for line in status.read_text().splitlines())
    return next((int(words[1]) for words in lines if words[0] == f"{key}:"), None)


def _cpu_model() -> str:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor()
