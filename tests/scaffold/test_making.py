"""What ``snac-eval new`` writes is found, keeps its own tests and has nothing to lint."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from snac_eval.cli.main import main
from snac_eval.scaffold.making import KINDS, make_package

LONG = "a_name_of_thirty_letters_to_it"


def install(package: Path, site: Path) -> None:
    """As pip does for ``-e``: its entry points are found, and so are its modules."""
    facts = tomllib.loads((package / "pyproject.toml").read_text())["project"]
    metadata = site / f"{facts['name'].replace('-', '_')}-{facts['version']}.dist-info"
    metadata.mkdir(parents=True)
    named = f"Metadata-Version: 2.1\nName: {facts['name']}\nVersion: {facts['version']}\n"
    (metadata / "METADATA").write_text(named)
    lines = []
    for group, entries in facts["entry-points"].items():
        lines += [f"[{group}]", *(f"{name} = {value}" for name, value in entries.items())]
    (metadata / "entry_points.txt").write_text("\n".join([*lines, ""]))
    with (site / "paths").open("a") as file:
        file.write(f"{package}\n")


def test_packages_pass_their_own_tests_and_lint(tmp_path: Path) -> None:
    names = dict(zip(KINDS, ("my_codec", "my_metric", LONG), strict=True))
    packages = [tmp_path / name for name in names.values()]
    for kind, name in names.items():
        assert main(["new", kind, name, "-o", str(tmp_path / name)]) == 0
        install(tmp_path / name, tmp_path / "site")
    tools = ([sys.executable, "-m", "ruff", "check"], [sys.executable, "-m", "ruff", "format"])
    for tool in (tools[0], [*tools[1], "--check"]):
        done = subprocess.run([*tool, *packages], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout
    paths = [str(tmp_path / "site"), *map(str, packages)]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error"]
    done = subprocess.run(
        [*command, "--import-mode=importlib", *(package / "tests" for package in packages)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    # The contract's checks, less those that need a GPU, two channels, batches or more streams.
    assert "15 passed, 4 skipped" in done.stdout


def test_the_next_steps_are_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "here"
    assert main(["new", "codec", "my_codec", "--output", str(folder)]) == 0
    said = capsys.readouterr().out
    assert f"{folder}/pyproject.toml" in said
    assert f"pip install -e {folder}" in said
    assert "snac-eval run --model my_codec --dataset demo" in said
    for path in folder.rglob("*"):
        assert "[[" not in path.name
        assert path.is_dir() or "[[ " not in path.read_text()


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("My-Codec", "is no name for a package"),
        ("../up", "is no name for a package"),
        ("class", "is no name for a package"),
        (f"{LONG}s", "is no name for a package"),
        ("torch", "is the name of a package that is installed"),
        ("json", "is the name of a package that is installed"),
        ("snac_24khz", "there is a codec 'snac_24khz' already"),
        ("fine", "is there already"),
    ],
)
def test_what_cannot_be_made_is_one_line(
    name: str, reason: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "folder"
    if name == "fine":
        folder.mkdir()
        (folder / "mine").touch()
    assert main(["new", "codec", name, "-o", str(folder)]) == 2
    error = capsys.readouterr().err
    assert reason in error
    assert error.count("\n") == 1
    assert not (folder / "pyproject.toml").exists()


def test_an_empty_folder_may_be_there(tmp_path: Path) -> None:
    assert len(make_package("metric", "my_metric", tmp_path)) == 5
