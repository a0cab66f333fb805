"""The machine: CPU, memory, and what torch makes of its devices."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from snac_eval.doctor.findings import Finding, Status

_CUDA_WHEELS = "https://pytorch.org/get-started/locally/"


def machine_findings(devices: Mapping[str, Any]) -> Iterator[Finding]:
    """``devices`` is what torch said; empty where it could not be asked."""
    from snac_eval.machine import hardware, num_cores

    facts = hardware("cpu")
    yield Finding("machine", "system", f"{facts['system']} ({facts['machine']})", needed=False)
    yield Finding("machine", "CPU", str(facts["cpu"]) or "unknown", needed=False)
    yield Finding("machine", "cores", f"{num_cores()} of {facts['cores']}", needed=False)
    yield Finding("machine", "memory", _memory(), needed=False)
    yield from _gpus(devices)
    yield from _tools()


def _memory() -> str:
    file = Path("/proc/meminfo")
    if not file.is_file():
        try:
            total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        except (AttributeError, OSError, ValueError):
            return "unknown"
        return f"{total / 2**30:.1f} GiB"
    lines = (line.split() for line in file.read_text().splitlines())
    kib = {words[0]: int(words[1]) for words in lines if len(words) > 1}
    total, free = kib.get("MemTotal:", 0), kib.get("MemAvailable:", 0)
    return f"{total / 2**20:.1f} GiB, {free / 2**20:.1f} GiB available"


def _gpus(devices: Mapping[str, Any]) -> Iterator[Finding]:
    if not devices:
        return  # torch is broken, which stands among the versions
    build = devices["cuda_build"]
    if devices["cuda"]:
        for gpu in devices["gpus"]:
            works = bool(devices.get("works"))
            status: Status = "ok" if works else "broken"
            yield Finding("machine", "GPU", f"{gpu}; torch built for CUDA {build}", status, False)
    elif devices["mps"]:
        yield Finding("machine", "GPU", "Apple MPS, which torch can use", needed=False)
    elif not _has_driver():
        said = "none: codecs run on the CPU"
        yield Finding("machine", "GPU", said, "absent", False)
    elif build:
        said = f"NVIDIA driver, but torch (built for CUDA {build}) finds no device"
        yield Finding("machine", "GPU", said, "broken", False, "update the driver: nvidia-smi")
    else:
        said = "NVIDIA driver, but this torch is built without CUDA"
        yield Finding("machine", "GPU", said, "broken", False, f"install torch as {_CUDA_WHEELS}")


def _has_driver() -> bool:
    return Path("/dev/nvidiactl").exists() or shutil.which("nvidia-smi") is not None


def _tools() -> Iterator[Finding]:
    compilers = [name for name in ("cc", "gcc", "clang", "cl") if shutil.which(name)]
    said = compilers[0] if compilers else "none; pip needs one to build pesq where it has no wheel"
    yield Finding("machine", "C compiler", said, "ok" if compilers else "absent", False)
    yield Finding("machine", "ffmpeg", "not needed: PyAV brings its own", needed=False)
    yield Finding("machine", "Python build", platform.python_compiler(), needed=False)
