"""A release is refused where tag, version and changelog disagree; its README leads somewhere."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from tools import release

_PROJECT = '[project]\nname = "x"\nversion = "0.2.0"\n'
_CHANGES = "# Changelog\n\n## [Unreleased]\n\n## [0.2.0] - 2026-11-26\n\n### Added\n\n- A.\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository that may be released."""
    (tmp_path / "pyproject.toml").write_text(_PROJECT)
    (tmp_path / "CHANGELOG.md").write_text(_CHANGES)
    (tmp_path / "CITATION.cff").write_text("cff-version: 1.2.0\nversion: 0.2.0\n")
    (tmp_path / "docs").mkdir()
    for name in ("docs/a.md", "docs/b.png"):
        (tmp_path / name).touch()
    return tmp_path


def test_what_agrees_is_released_with_its_notes(root: Path) -> None:
    assert release.check(root, "v0.2.0") == "x 0.2.0 may be released"
    assert release.section(root, "0.2.0") == "### Added\n\n- A."


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("pyproject.toml", "0.2.0", "0.2.1", "pyproject.toml has version 0.2.1, the tag 0.2.0"),
        ("CITATION.cff", "0.2.0", "0.1.0", "CITATION.cff has another version"),
        ("CHANGELOG.md", "[0.2.0]", "[0.1.0]", r"no section '## \[0.2.0\]"),
        ("CHANGELOG.md", "## [0.2.0]", "- B.\n\n## [0.2.0]", r"\[Unreleased\] is not empty"),
    ],
    ids=["version", "citation", "no section", "unreleased"],
)
def test_what_disagrees_is_named(root: Path, file: str, old: str, new: str, said: str) -> None:
    path = root / file
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(release.ReleaseError, match=said):
        release.check(root, "v0.2.0")
    with pytest.raises(release.ReleaseError, match="tag 'latest': give v and a version"):
        release.check(root, "latest")


def test_relative_links_lead_to_the_repository(root: Path) -> None:
    (root / "README.md").write_text(
        "[a](docs/a.md#x) ![b](docs/b.png) [c](#y) [d](https://d) <img src='docs/b.png'>\n"
        "[e]: docs/a.md\n"
    )
    release.write_addresses(root, "https://h/o/n", "v0.2.0")
    assert (root / "README.md").read_text() == (
        "[a](https://h/o/n/blob/v0.2.0/docs/a.md#x) ![b](https://h/o/n/raw/v0.2.0/docs/b.png)"
        " [c](#y) [d](https://d) <img src='https://h/o/n/raw/v0.2.0/docs/b.png'>\n"
        "[e]: https://h/o/n/blob/v0.2.0/docs/a.md\n"
    )
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    assert project["urls"]["Changelog"] == "https://h/o/n/blob/v0.2.0/CHANGELOG.md"
    (root / "README.md").write_text("[f](docs/f.md)")
    with pytest.raises(release.ReleaseError, match=r"links to docs/f\.md, which is not there"):
        release.absolute("[f](docs/f.md)", root, "https://h/o/n", "v0.2.0")


def test_our_own_readme_leads_to_what_is_there() -> None:
    root = Path(__file__).resolve().parents[2]
    text = release.absolute((root / "README.md").read_text("utf-8"), root, "https://h/o/n", "v1")
    assert "https://h/o/n/blob/v1/docs/" in text
