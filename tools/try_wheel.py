"""The wheel alone, as one who meets it first has it: installed in an empty environment, then the
first page of the documents followed in an empty folder.

    python -m tools.try_wheel dist/*.whl
    python -m tools.try_wheel --tag v0.2.0     # clones that tag, builds and checks the wheel first

Prints what each part took. Exit code 1 names the command that failed. Commands of the page that
install are left out, for that is done; whatever else it says is run as it stands. Needs the
packages ``build``, ``markdown-it-py``, ``pyyaml`` and ``twine``.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.docs.reading import Step, steps

ROOT = Path(__file__).resolve().parents[1]
PAGE = "docs/start.md"
TORCH_INDEX = "https://download.pytorch.org/whl/cpu"
_INSTALLS = ("pip", "pipx", "python", "python3", "source", "conda", "git", "make", "apt-get", "cd")


def main() -> int:
    """Install and follow."""
    parser = argparse.ArgumentParser(description="try the wheel in an empty environment")
    given = parser.add_mutually_exclusive_group(required=True)
    given.add_argument("wheel", nargs="?", type=Path)
    given.add_argument("--tag", help="build the wheel from this tag")
    parser.add_argument("--page", default=PAGE, help=f"document to follow (default {PAGE})")
    parser.add_argument("--torch-index", default=TORCH_INDEX)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="snac-eval-wheel-") as name:
        folder = Path(name)
        try:
            root = _clone(options.tag, folder / "clone") if options.tag else ROOT
            wheel = options.wheel or _build(root, options.tag, folder / "dist")
            programs = install(wheel.resolve(), root, folder / "environment", options.torch_index)
            with _timed(f"{options.page} from the wheel, in an empty folder"):
                follow(root / options.page, programs, folder / "empty")
        except subprocess.CalledProcessError as error:
            print(f"failed (exit code {error.returncode}): {_shown(error.cmd)}", file=sys.stderr)
            return 1
    return 0


def install(wheel: Path, root: Path, environment: Path, torch_index: str) -> Path:
    """Make an environment of the wheel and what it needs. Returns the folder of its programs."""
    megabytes = wheel.stat().st_size / 1e6
    with _timed(f"install {wheel.name} ({megabytes:.1f} MB)"):
        subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
        pip = [str(environment / "bin" / "pip"), "install", "--quiet", "--no-cache-dir"]
        pip += ["-c", str(root / "constraints.txt")]
        subprocess.run([*pip, "--no-deps", "--index-url", torch_index, "torch"], check=True)
        subprocess.run([*pip, str(wheel)], check=True)
        subprocess.run([*pip[:1], "check"], check=True)
    print(f"the environment takes {_size(environment) / 1e9:.2f} GB on disk")
    return environment / "bin"


def follow(page: Path, programs: Path, folder: Path) -> None:
    """Do what the page says in a folder that is empty at first. Raises CalledProcessError."""
    folder.mkdir()
    for step in steps(page):
        if step.kind == "file":
            (folder / step.name).parent.mkdir(parents=True, exist_ok=True)
            (folder / step.name).write_text(step.text, encoding="utf-8")
        elif step.kind == "python":
            _run([str(programs / "python"), "-c", step.text], programs, folder, step)
        elif step.kind == "command" and step.text.split()[0] in _INSTALLS:
            print(f"left out: {step.text}")
        elif step.kind == "command":
            _run(["bash", "-euo", "pipefail", "-c", step.text], programs, folder, step)


def _run(command: Sequence[str], programs: Path, folder: Path, step: Step) -> None:
    print(f"{step.line}: {step.text}", flush=True)
    surroundings = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    surroundings["PATH"] = f"{programs}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(command, cwd=folder, env=surroundings, check=False)
    if done.returncode != step.exit_code:
        raise subprocess.CalledProcessError(done.returncode, command)


def _clone(tag: str, folder: Path) -> Path:
    with _timed(f"clone {tag}"):
        clone = ["git", "clone", "--quiet", "--depth", "1", "--branch", tag]
        subprocess.run([*clone, f"file://{ROOT}", str(folder)], check=True)
    return folder


def _build(root: Path, tag: str, folder: Path) -> Path:
    """sdist, and from it the wheel; both checked."""
    with _timed("build sdist and wheel, and check them"):
        python = [sys.executable]
        subprocess.run([*python, "tools/release.py", "check", tag], cwd=root, check=True)
        subprocess.run([*python, "-m", "build", "--outdir", str(folder), str(root)], check=True,
                       stdout=subprocess.DEVNULL)  # fmt: skip
        files = sorted(map(str, folder.iterdir()))
        subprocess.run([*python, "-m", "twine", "check", "--strict", *files], check=True)
        again = folder.with_name("again")
        subprocess.run([*python, "-m", "build", "--wheel", "--outdir", str(again), str(root)],
                       check=True, stdout=subprocess.DEVNULL)  # fmt: skip
    (wheel,) = folder.glob("*.whl")
    (sdist,) = folder.glob("*.tar.gz")
    same = wheel.read_bytes() == (again / wheel.name).read_bytes()
    print(
        f"sdist {sdist.stat().st_size / 1e6:.1f} MB; its wheel is the tree's, to the byte: {same}"
    )
    if not same:
        raise subprocess.CalledProcessError(1, ["cmp", str(wheel), str(again / wheel.name)])
    return wheel


@contextmanager
def _timed(what: str) -> Iterator[None]:
    start = time.monotonic()
    print(f"== {what}", flush=True)
    yield
    print(f"== {time.monotonic() - start:.0f} s: {what}", flush=True)


def _size(folder: Path) -> int:
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file())


def _shown(command: Sequence[str]) -> str:
    return " ".join(str(word) for word in command)


if __name__ == "__main__":
    sys.exit(main())
