"""What others' machines read of this repository keeps their rules: the action, workflows, recipes,
the Dockerfile, shell scripts."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement

from tests.docs.reading import steps
from tools import lint_workflows

pytest.importorskip("check_jsonschema", reason="of the extra dev")

ROOT = Path(__file__).resolve().parents[2]
RECIPES = ROOT / "docs" / "recipes"
WORKFLOWS = [*sorted((ROOT / ".github" / "workflows").glob("*.yml")), RECIPES / "github.yml"]
SCRIPTS = [*RECIPES.glob("*.sh"), *(ROOT / ".github" / "action").glob("*.sh"), ROOT / ".ci" / "run"]
BIN = Path(sys.executable).parent


@pytest.mark.parametrize(
    ("schema", "files"),
    [
        ("github-workflows", WORKFLOWS),
        ("github-actions", [ROOT / "action.yml"]),
        ("gitlab-ci", [RECIPES / "gitlab.yml"]),
    ],
    ids=["workflows", "action", "gitlab"],
)
def test_schemas_hold(schema: str, files: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    from check_jsonschema import main

    arguments = ["--builtin-schema", f"vendor.{schema}", *map(str, files)]
    with pytest.raises(SystemExit) as ended:
        main([*arguments, "--data-transform", "gitlab-ci"] if "gitlab" in schema else arguments)
    assert ended.value.code == 0, capsys.readouterr().out


def test_github_would_take_the_workflows(tmp_path: Path) -> None:
    if lint_workflows.command() is None:
        pytest.skip("needs actionlint: python tools/lint_workflows.py --fetch")
    wrong = tmp_path / "wrong.yml"
    wrong.write_text("on: push\njobs: {a: {runs-on: x, steps: [{run: 'echo ${{ nosuch.x }}'}]}}\n")
    tool = [sys.executable, ROOT / "tools" / "lint_workflows.py"]
    done = subprocess.run([*tool, *WORKFLOWS, wrong], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    lines = [line for line in done.stdout.splitlines() if not line.startswith(str(wrong))]
    assert lines == []


@pytest.mark.parametrize("file", [*WORKFLOWS, ROOT / "action.yml"], ids=lambda path: path.name)
def test_no_expression_gets_into_a_script_and_actions_are_pinned(file: Path) -> None:
    found = list(_steps(yaml.safe_load(file.read_text("utf-8"))))
    assert found
    for step in found:
        assert "${{" not in step.get("run", ""), step
        assert step.get("uses", "x@v1").partition("@")[2], step


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda path: path.name)
def test_a_token_may_do_no_more_than_is_said(file: Path) -> None:
    workflow = yaml.safe_load(file.read_text("utf-8"))
    for name, job in workflow["jobs"].items():
        assert "permissions" in workflow or "permissions" in job, f"{file.name}: {name}"


def test_the_index_trusts_one_job_alone() -> None:
    jobs = yaml.safe_load((ROOT / ".github/workflows/release.yml").read_text("utf-8"))["jobs"]
    trusted = [name for name, job in jobs.items() if "id-token" in job["permissions"]]
    assert trusted == ["publish"]
    assert jobs["publish"]["environment"] == "pypi"
    assert not any("checkout" in step.get("uses", "") for step in jobs["publish"]["steps"])


def test_the_dockerfile_passes_hadolint(tmp_path: Path) -> None:
    if not (BIN / "hadolint").exists():
        pytest.skip("needs hadolint, of the extra dev")
    (tmp_path / "Dockerfile").write_text("FROM debian\nRUN cd /\n")
    for file, code in ((ROOT / "Dockerfile", 0), (tmp_path / "Dockerfile", 1)):
        done = subprocess.run([BIN / "hadolint", file], capture_output=True, text=True, check=False)
        assert done.returncode == code, done.stdout


def test_the_container_is_built_of_what_the_wheel_is() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    built = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    needed = {
        "constraints.txt",
        "pyproject.toml",
        project["project"]["readme"],
        *project["project"]["license-files"],
        *built["packages"],
        *(path.partition("/")[0] for path in built["force-include"]),
    }
    lines = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    assert {line[1:] for line in lines if line.startswith("!")} == needed


def test_all_data_is_in_the_wheel_but_submitted_results_and_all_files_in_the_sdist() -> None:
    targets = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["hatch"]["build"]
    listed = targets["targets"]["wheel"]["force-include"]
    assert {path for path in listed if path.startswith("reports")} == {
        f"reports/{path.name}" for path in (ROOT / "reports").iterdir() if path.name != "results"
    }
    if not (ROOT / ".git").exists():
        pytest.skip("git says what all files are")
    tracked = subprocess.run(
        ["git", "ls-tree", "--name-only", "HEAD"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    kept = {*targets["targets"]["sdist"]["only-include"], ".gitignore"}
    assert kept >= set(tracked.stdout.split())


def test_the_dev_container_is_the_checkout_with_its_tests() -> None:
    container = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text("utf-8"))
    assert container["image"].partition(":")[2]
    makefile = (ROOT / "Makefile").read_text("utf-8")
    venv = re.findall(r"^VENV +\?= (\S+)$", makefile, re.MULTILINE)[0]
    assert container["updateContentCommand"] == f"make {venv}/.ready"
    assert f"/{venv}/bin:" in container["remoteEnv"]["PATH"]


def test_the_conda_recipe_needs_what_the_wheel_needs() -> None:
    own = {"matplotlib": "matplotlib-base", "soundfile": "pysoundfile", "soxr": "soxr-python",
           "torch": "pytorch"}  # fmt: skip
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    needed = {f"python {project['requires-python']}", "numba", "ai-edge-litert"}
    for one in map(Requirement, project["dependencies"]):
        needed.add(f"{own.get(one.name, one.name)} {one.specifier}")
    recipe = yaml.safe_load((ROOT / "recipe" / "recipe.yaml").read_text("utf-8"))
    context = recipe["context"]
    run = [one.replace("${{ python_min }}", context["python_min"])
           for one in recipe["requirements"]["run"]]  # fmt: skip
    assert set(run) == needed
    assert context["version"] == project["version"]
    environment = yaml.safe_load((ROOT / "recipe" / "environment.yml").read_text("utf-8"))
    packages = [one for one in environment["dependencies"] if isinstance(one, str)]
    assert {one for one in packages if not one.startswith(("python ", "pip", "pytorch"))} < needed


def test_the_documents_workflow_is_one_that_github_takes(tmp_path: Path) -> None:
    ((name, text),) = [(one.name, one.text) for one in steps(ROOT / "docs" / "action.md")
                       if one.kind == "file"]  # fmt: skip
    assert name.startswith(".github/workflows/")
    version = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    recipe = (RECIPES / "github.yml").read_text("utf-8")
    given, same = (
        next(step for step in _steps(yaml.safe_load(one)) if "snac-eval" in step.get("uses", ""))
        for one in (text, recipe)
    )
    assert given["with"] == same["with"]
    assert given["uses"] == same["uses"] == f"OWNER/snac-eval@v{version}"
    action = yaml.safe_load((ROOT / "action.yml").read_text("utf-8"))
    page = (ROOT / "docs" / "action.md").read_text("utf-8")
    assert set(given["with"]) <= set(action["inputs"])
    for one in (*action["inputs"], *action["outputs"]):
        assert f"`{one}`" in page, one


def test_shell_scripts_pass_shellcheck() -> None:
    if (program := shutil.which("shellcheck")) is None:
        pytest.skip("needs shellcheck: apt-get install shellcheck")
    done = subprocess.run([program, *SCRIPTS], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def _steps(node: Any) -> Any:  # noqa: ANN401 - whatever YAML holds
    if isinstance(node, dict):
        if "run" in node or "uses" in node:
            yield node
        for value in node.values():
            yield from _steps(value)
    elif isinstance(node, list):
        for one in node:
            yield from _steps(one)
