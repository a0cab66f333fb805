"""What this process takes and may use, and which device it computes on."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest

from snac_eval import machine
from snac_eval.errors import UsageError


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the system tells the peak alone")
def test_peak_memory_keeps_what_was_freed_and_the_resident_set_does_not() -> None:
    # In a process of its own: what earlier tests left to the allocator is not given back.
    program = (
        "import numpy as np; from snac_eval.machine import *;"
        " block = np.ones(64 << 20, dtype=np.uint8); full = resident_memory_mib(); del block;"
        " print(full, peak_memory_mib(), resident_memory_mib())"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    full, peak, left = map(float, done.stdout.split())
    assert peak > full - 1
    assert left < full - 32


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the system tells no other figure")
def test_peak_memory_of_a_child_is_not_its_parents() -> None:
    block = np.ones(256 << 20, dtype=np.uint8)
    program = "from snac_eval.machine import peak_memory_mib; print(peak_memory_mib())"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert float(done.stdout) < block.nbytes / (1 << 20)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="the system confines no process")
def test_cores_are_those_that_the_process_is_confined_to() -> None:
    program = (
        "import os; from snac_eval.machine import num_cores;"
        " os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); print(num_cores())"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert int(done.stdout) == 1
    assert machine.num_cores() == len(os.sched_getaffinity(0))


def test_hardware_names_the_machine() -> None:
    facts = machine.hardware("cpu")
    assert facts["cores"] == os.cpu_count()
    assert set(facts) == {"machine", "system", "cpu", "cores"}


def test_a_device_that_there_is_not_is_refused() -> None:
    with pytest.raises(UsageError, match="unknown device 'tpu'"):
        machine.resolve_device("tpu")
    assert machine.resolve_device("cpu") == "cpu"


TORCH_SETTINGS = """
import json, torch, warnings
from snac_eval.machine import in_float32, set_up_torch

def now():
    return torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32

def for_a_while():
    before = now()
    with in_float32("cuda"):
        inside = now()
    with in_float32("cpu"):
        assert now() == before
    try:
        with in_float32("cuda"):
            raise KeyError
    except KeyError:
        assert now() == before
    return before, inside

def from_now_on():
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        set_up_torch("cpu", 1)
        set_up_torch("cpu", 1)
    return (*now(), torch.get_float32_matmul_precision(), [str(one.message) for one in said])

found = [for_a_while()]
torch.backends.cuda.matmul.allow_tf32 = True
found.append(for_a_while())
torch.backends.cuda.matmul.allow_tf32 = False
found.append(from_now_on())
torch.backends.cuda.matmul.allow_tf32 = True
found.append(from_now_on())
print(json.dumps(found))
"""


def test_float32_is_float32_and_what_was_chosen_otherwise_is_said_once() -> None:
    # In a process of its own, which starts with what torch chooses.
    done = subprocess.run([sys.executable, "-c", TORCH_SETTINGS], capture_output=True, check=True)
    as_torch_has_it, as_was_chosen, quiet, told = json.loads(done.stdout)
    assert as_torch_has_it == [[True, False], [False, False]]
    assert as_was_chosen == [[True, True], [False, False]]
    assert quiet == [False, False, "highest", []]
    *settings, (said,) = told
    assert settings == [False, False, "highest"]
    assert re.search("'high'|'tf32'", said)
    assert "turned that off" in said
