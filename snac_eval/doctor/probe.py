"""Imports the modules that it is given, and says of each how that went: a line of JSON.

Runs in a process of its own, ``python -m snac_eval.doctor.probe MODULE...``, for an import may end
it.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import warnings
from typing import Any


def main(modules: list[str]) -> None:
    """Import them in this order; what they print does not reach our lines."""
    lines = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    warnings.simplefilter("ignore")
    for module in modules:
        print(json.dumps({"module": module, **_imported(module)}), file=lines, flush=True)


def _imported(module: str) -> dict[str, Any]:
    try:
        found = importlib.import_module(module)
        return {"error": "", "devices": _devices(found) if module == "torch" else {}}
    except BaseException as error:  # noqa: BLE001 - whatever it raises is the answer
        return {"error": f"{type(error).__name__}: {error}", "devices": {}}


def _devices(torch: Any) -> dict[str, Any]:  # noqa: ANN401 - a module that may be half there
    """What torch thinks of this machine."""
    devices: dict[str, Any] = {
        "cuda_build": torch.version.cuda or "",
        "cuda": bool(torch.cuda.is_available()),
        "mps": bool(torch.backends.mps.is_available()),
        "threads": torch.get_num_threads(),
        "gpus": [],
    }
    if devices["cuda"]:
        for index in range(torch.cuda.device_count()):
            gpu = torch.cuda.get_device_properties(index)
            capability = f"compute capability {gpu.major}.{gpu.minor}"
            devices["gpus"].append(f"{gpu.name}, {gpu.total_memory / 2**30:.0f} GiB, {capability}")
        devices["works"] = float(torch.ones(8, device="cuda").sum()) == 8.0
    return devices


if __name__ == "__main__":
    main(sys.argv[1:])
