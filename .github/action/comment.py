"""Put a Markdown file on the pull request of this workflow, in one comment that is kept up to date.

    python comment.py FILE --name NAME

Standard library alone, for it runs on machines that have no ``gh``. The token comes as
``INPUT_TOKEN``. Where the comment may not be written, as on a pull request from a fork, one notice
says so and the exit code stays 0: the verdict is not the comment's affair.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

MOST_CHARACTERS = 60_000
"""Of a comment; GitHub takes 65,536."""
_PAGE = 100
_TIMEOUT_S = 30


def main() -> int:
    """Comment, or say in one line why not."""
    parser = argparse.ArgumentParser(description="comment on the pull request")
    parser.add_argument("file", type=Path)
    parser.add_argument("--name", required=True)
    options = parser.parse_args()
    if (number := pull_request()) is None:
        print("no pull request, so no comment")
        return 0
    marker = f"<!-- snac-eval: {options.name} -->"
    try:
        print(f"commented: {write(number, marker, body(options.file, marker))}")
    except urllib.error.HTTPError as error:
        print(refused(error))
    except (OSError, ValueError) as error:
        print(f"::warning::no comment on the pull request: {one_line(error)}")
    return 0


def pull_request() -> int | None:
    """The number of the pull request that started this workflow."""
    event = json.loads(Path(os.environ["GITHUB_EVENT_PATH"]).read_text(encoding="utf-8"))
    number = (event.get("pull_request") or {}).get("number")
    return number if isinstance(number, int) else None


def body(file: Path, marker: str) -> str:
    """The comment: its marker, the report, where the page lies."""
    text = file.read_text(encoding="utf-8", errors="replace")
    if len(text) > MOST_CHARACTERS:
        whole = text[:MOST_CHARACTERS].rpartition("\n")[0]
        text = f"{whole}\n\n(cut here; the summary of the workflow has all of it)\n"
    server, run = os.environ["GITHUB_SERVER_URL"], os.environ["GITHUB_RUN_ID"]
    address = f"{server}/{os.environ['GITHUB_REPOSITORY']}/actions/runs/{run}"
    return f"{marker}\n{text}\n[the page, the scores and a new baseline]({address}#artifacts)\n"


def write(number: int, marker: str, text: str) -> str:
    """Change the comment that has this marker, or write the first. Returns its address."""
    issues = f"/repos/{os.environ['GITHUB_REPOSITORY']}/issues"
    if (known := _find(f"{issues}/{number}/comments", marker)) is not None:
        answer = _ask("PATCH", f"{issues}/comments/{known}", {"body": text})
    else:
        answer = _ask("POST", f"{issues}/{number}/comments", {"body": text})
    return str(answer["html_url"])


def refused(error: urllib.error.HTTPError) -> str:
    """What GitHub shows: a notice where the token may not, else a warning."""
    if error.code in (401, 403, 404):
        return (
            f"::notice::no comment on the pull request (HTTP {error.code}): the token may"
            " not write it. Give the job permissions: pull-requests: write; a fork never has them"
        )
    return f"::warning::no comment on the pull request: {one_line(error)}"


def one_line(error: BaseException) -> str:
    """Fit for a workflow command."""
    return " ".join(str(error).split()).replace("%", "%25")


def _find(path: str, marker: str) -> int | None:
    page = 1
    while True:
        comments = _ask("GET", f"{path}?per_page={_PAGE}&page={page}")
        for one in comments:
            if (one.get("body") or "").startswith(marker):
                return int(one["id"])
        if len(comments) < _PAGE:
            return None
        page += 1


def _ask(method: str, path: str, content: dict[str, str] | None = None) -> Any:  # noqa: ANN401 - JSON
    request = urllib.request.Request(
        os.environ["GITHUB_API_URL"] + path,
        method=method,
        data=json.dumps(content).encode() if content else None,
        headers={
            "Accept": "application/vnd.github+json",
            "Authorization": f"Bearer {os.environ['INPUT_TOKEN']}",
            "Content-Type": "application/json",
            "X-GitHub-Api-Version": "2022-11-28",
        },
    )
    with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:
        return json.load(answer)


if __name__ == "__main__":
    sys.exit(main())
