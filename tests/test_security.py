"""SECURITY.md names tests that are there, and what it says of the code itself is so."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
UNPICKLED = {
    "snac_eval/codecs/wrapping/carried.py": "an object of the user's, on its way to a worker",
    "snac_eval/run/batching.py": "the run's settings, on their way to a process of its own",
    "snac_eval/run/engines/worker.py": "what a worker of this run coded",
}
"""Files that read pickles, all made by the same run."""


def _calls() -> Iterator[tuple[str, str, dict[str, object]]]:
    """File, what is called, and its arguments that are constants by name, of the whole package."""
    for path in sorted((ROOT / "snac_eval").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                given = {
                    word.arg: word.value.value
                    for word in node.keywords
                    if word.arg and isinstance(word.value, ast.Constant)
                }
                yield path.relative_to(ROOT).as_posix(), ast.unparse(node.func), given


CALLS = list(_calls())


def test_every_test_that_it_names_is_there() -> None:
    named = re.findall(r"`(tests/[\w./]+)`", TEXT)
    assert len(named) > 15
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_torch_reads_weights_alone() -> None:
    loads = [
        (file, given) for file, name, given in CALLS if name.endswith(("torch.load", "jit.load"))
    ]
    unsafe = [file for file, given in loads if given.get("weights_only") is not True]
    assert unsafe == ["snac_eval/metrics/cdpam.py"]
    assert "`cdpam`" in TEXT


def test_pickles_are_of_the_same_run() -> None:
    readers = {
        file for file, name, _ in CALLS if re.fullmatch(r"pickle\.(load|loads|Unpickler)", name)
    }
    assert readers == set(UNPICKLED)
    arrays = [given for _, name, given in CALLS if name in ("np.load", "numpy.load")]
    assert arrays
    assert not any(given.get("allow_pickle") for given in arrays)


def test_no_shell_and_no_code_of_others() -> None:
    for file, name, given in CALLS:
        assert name not in ("os.system", "os.popen", "eval", "exec", "yaml.load"), file
        assert not given.get("shell"), file
        assert not given.get("trust_remote_code"), file
