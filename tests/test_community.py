"""What a hosting site reads of this repository keeps the site's own schemas."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
import yaml
from check_jsonschema import main as check
from click.testing import CliRunner

ROOT = Path(__file__).parents[1]
FORMS = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))


def _keeps(schema: str, *files: Path) -> None:
    done = CliRunner().invoke(check, ["--builtin-schema", f"vendor.{schema}", *map(str, files)])
    assert done.exit_code == 0, done.output


def test_issue_forms() -> None:
    _keeps("github-issue-config", *(one for one in FORMS if one.stem == "config"))
    _keeps("github-issue-forms", *(one for one in FORMS if one.stem != "config"))


@pytest.mark.parametrize("name", ["bug", "wrong_number", "codec"])
def test_forms_ask_for_the_doctor(name: str) -> None:
    form = yaml.safe_load((ROOT / ".github" / "ISSUE_TEMPLATE" / f"{name}.yml").read_text())
    (doctor,) = [one for one in form["body"] if one.get("id") == "doctor"]
    assert "snac-eval doctor" in doctor["attributes"]["description"]


def test_a_wrong_number_comes_with_its_manifest() -> None:
    form = yaml.safe_load((ROOT / ".github" / "ISSUE_TEMPLATE" / "wrong_number.yml").read_text())
    (manifest,) = [one for one in form["body"] if one.get("id") == "manifest"]
    assert manifest["validations"]["required"]


def test_the_citation_is_of_this_version() -> None:
    _keeps("citation-file-format", ROOT / "CITATION.cff")
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert (cited["version"], cited["license"]) == (project["version"], project["license"])
