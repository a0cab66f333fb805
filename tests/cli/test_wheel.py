"""The built wheel carries its cards, clips and weights, and works away from the checkout."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.cli.helpers import command, run_process, scores

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-index"]
    subprocess.run(
        [*build, "--no-build-isolation", "--wheel-dir", str(folder), str(ROOT)], check=True
    )
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def site(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with nothing but the installed wheel."""
    target = tmp_path_factory.mktemp("site")
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*install, "--target", str(target), str(wheel)], check=True)
    return target


def test_wheel_holds_the_data_and_stays_small(wheel: Path) -> None:
    assert wheel.stat().st_size < 16e6
    names = zipfile.ZipFile(wheel).namelist()
    for folder in ("codecs", "datasets"):
        here = [path for path in (ROOT / folder).rglob("*") if path.is_file()]
        assert here
        for path in here:
            assert f"snac_eval/data/{path.relative_to(ROOT).as_posix()}" in names
    tops = {name.partition("/")[0] for name in names}
    assert not tops & {"tests", "training", "tools", "codecs", "datasets", "reports"}


def test_installed_wheel_runs(site: Path, tmp_path: Path) -> None:
    where = subprocess.run(
        [*command()[:1], "-c", "import snac_eval; print(snac_eval.__file__)"],
        env={"PYTHONPATH": str(site)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert where.stdout.startswith(str(site))
    run = ["run", "--model", "opus_6kbps", "--dataset", "demo", "--metrics", "mel_dac_paper"]
    done = run_process(*run, "--output", tmp_path / "run", "--workers", "0", path=site)
    assert done.returncode == 0, done.stderr
    assert set(scores(tmp_path / "run")["status"]) == {"ok"}


def test_root_data_folders_hold_no_python() -> None:
    for folder in ("codecs", "datasets", "reports"):
        assert not list((ROOT / folder).rglob("*.py"))
