"""What a release owes: its tag's version, a changelog, and links that work on the index.

    python tools/release.py check v0.2.0               # held against pyproject and changelog
    python tools/release.py notes v0.2.0               # the changelog's section
    python tools/release.py address OWNER/NAME v0.2.0  # writes README.md and pyproject.toml

The version stands in pyproject.toml, and a tag is checked against it: a shallow clone, an archive
and the checkout that GitHub makes of an action have no tags, and build with the right version all
the same. ``address`` runs in the workflow's checkout alone: only there is it known where the
repository is, and the index shows the README where no relative link leads anywhere.
"""

from __future__ import annotations

import argparse
import re
import sys
import tomllib
from pathlib import Path

_LINK = re.compile(
    r"""(?P<before>\]\(|^\[[^\]]+\]:\ |(?:src|href|srcset)=["'])(?P<to>[^\s)"'>]+)""", re.MULTILINE
)
_ELSEWHERE = re.compile(r"[a-z][a-z0-9+.-]*:|//|#", re.IGNORECASE)
_PICTURES = (".png", ".svg", ".jpg", ".jpeg", ".gif", ".webp")


class ReleaseError(Exception):
    """Something that must be mended before a release; one line."""


def main() -> int:
    """Do what is asked. Exit code 1 and one line where something is amiss."""
    parser = argparse.ArgumentParser(description="check and prepare a release")
    parser.add_argument("--root", type=Path, default=Path())
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("check", "notes"):
        commands.add_parser(name).add_argument("tag")
    address = commands.add_parser("address")
    address.add_argument("repository", metavar="OWNER/NAME")
    address.add_argument("tag")
    address.add_argument("--server", default="https://github.com")
    options = parser.parse_args()
    try:
        if options.command == "address":
            at = f"{options.server}/{options.repository}"
            write_addresses(options.root, at, options.tag)
        elif options.command == "notes":
            print(section(options.root, version_of(options.tag)))
        else:
            print(check(options.root, options.tag))
    except ReleaseError as error:
        print(f"release: {error}", file=sys.stderr)
        return 1
    return 0


def version_of(tag: str) -> str:
    """``0.2.0`` of ``v0.2.0``."""
    if not re.fullmatch(r"v\d+\.\d+\.\d+((a|b|rc)\d+)?", tag):
        raise ReleaseError(f"tag '{tag}': give v and a version, such as v0.2.0")
    return tag[1:]


def check(root: Path, tag: str) -> str:
    """Raises ReleaseError where tag, pyproject.toml, CITATION.cff and CHANGELOG.md disagree."""
    version = version_of(tag)
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    if project["version"] != version:
        raise ReleaseError(f"pyproject.toml has version {project['version']}, the tag {version}")
    citation = root / "CITATION.cff"
    if citation.exists() and not re.search(
        rf"^version: [\"']?{re.escape(version)}[\"']?$", citation.read_text("utf-8"), re.MULTILINE
    ):
        raise ReleaseError(f"CITATION.cff has another version than {version}")
    if waiting := _sections(root).get("Unreleased", "").strip():
        first = waiting.splitlines()[0]
        raise ReleaseError(f"CHANGELOG.md: [Unreleased] is not empty ('{first}'): move it")
    section(root, version)
    return f"{project['name']} {version} may be released"


def section(root: Path, version: str) -> str:
    """What the changelog says of a version, without its heading."""
    if not (text := _sections(root).get(version, "").strip()):
        raise ReleaseError(f"CHANGELOG.md has no section '## [{version}] - YYYY-MM-DD'")
    return text


def _sections(root: Path) -> dict[str, str]:
    text = (root / "CHANGELOG.md").read_text(encoding="utf-8")
    parts = re.split(r"^## \[([^\]]+)\](?: - \d{4}-\d\d-\d\d)?$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def write_addresses(root: Path, at: str, tag: str) -> None:
    """Have the README's links lead to the repository, and the package say where that is."""
    readme, project = root / "README.md", root / "pyproject.toml"
    readme.write_text(absolute(readme.read_text("utf-8"), root, at, tag), encoding="utf-8")
    declared = project.read_text(encoding="utf-8")
    if "urls" in tomllib.loads(declared)["project"]:
        raise ReleaseError("pyproject.toml has [project.urls] already")
    urls = {
        "Repository": at,
        "Documentation": f"{at}/tree/{tag}/docs",
        "Changelog": f"{at}/blob/{tag}/CHANGELOG.md",
        "Issues": f"{at}/issues",
    }
    lines = "".join(f'{name} = "{url}"\n' for name, url in urls.items())
    project.write_text(f"{declared}\n[project.urls]\n{lines}", encoding="utf-8")


def absolute(text: str, root: Path, at: str, tag: str) -> str:
    """The text with each relative link led to the repository at this tag.

    Raises ReleaseError for a link to what is not there.
    """

    def lead(found: re.Match[str]) -> str:
        to = found["to"]
        if _ELSEWHERE.match(to):
            return found[0]
        path, mark, anchor = to.partition("#")
        if not (root / path).exists():
            raise ReleaseError(f"README.md links to {path}, which is not there")
        kind = "raw" if path.lower().endswith(_PICTURES) else "blob"
        return f"{found['before']}{at}/{kind}/{tag}/{path}{mark}{anchor}"

    return _LINK.sub(lead, text)


if __name__ == "__main__":
    sys.exit(main())
