"""A hub on 127.0.0.1 that repositories are made on, committed to and read from, as the client asks.

Regular files and large ones (LFS: ``*.parquet``), pull requests, private repositories, tokens. The
hub's newer storage of large files (xet) is not there, and the client is told not to use it.
"""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

TOKENS = {"hf_me": "me", "hf_reader": "reader"}
"""Whose each is."""
Files = dict[str, bytes]


@dataclass
class Repo:
    """A repository: the files of its main branch, and those of each pull request."""

    private: bool = False
    files: Files = field(default_factory=lambda: {".gitattributes": b"*.parquet filter=lfs"})
    requests: list[Files] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)
    count: int = 1

    @property
    def commit(self) -> str:
        """What its main branch points to."""
        return f"{self.count:040x}"


class Hub:
    """What is on it."""

    def __init__(self) -> None:
        self.repos: dict[str, Repo] = {}
        """By kind and name: ``datasets/me/scores``."""
        self.large: dict[str, bytes] = {}
        self.asked: list[str] = []
        """Each request: its method and its path."""
        self.endpoint = ""

    def seen_by(self, user: str | None, name: str) -> Repo | None:
        """The repository, where this user may see it."""
        repo = self.repos.get(name)
        return repo if repo and (not repo.private or name.split("/")[1] == user) else None


@contextmanager
def serve_writable_hub() -> Iterator[Hub]:
    """Serve an empty hub, whose ``endpoint`` is the address."""
    hub = Hub()
    handler = type("Handler", (_Handler,), {"hub": hub})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=lambda: server.serve_forever(0.01), daemon=True)
    thread.start()
    hub.endpoint = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def use_hub(monkeypatch: pytest.MonkeyPatch, endpoint: str, cache: str, token: str = "") -> None:
    """Have the client of this process ask this hub, and keep what comes in a cache of its own."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", endpoint)
    template = f"{endpoint}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", cache)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", f"{cache}/token")
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    if token:
        monkeypatch.setenv("HF_TOKEN", token)


class _Answer(Exception):  # noqa: N818 - it ends a request, whatever it says
    def __init__(self, status: int, content: object = b"", **headers: str) -> None:
        super().__init__(status)
        self.status, self.headers = status, headers
        self.body = content if isinstance(content, bytes) else json.dumps(content).encode()


class _Handler(BaseHTTPRequestHandler):
    hub: Hub

    def do_HEAD(self) -> None:
        self._work()

    do_GET = do_POST = do_PUT = do_HEAD  # noqa: N815 - as the base class calls them

    def _work(self) -> None:
        place = urlsplit(self.path)
        self.hub.asked.append(f"{self.command} {place.path}")
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        try:
            parts = [unquote(part) for part in place.path.strip("/").split("/")]
            self._route(parts, body, "create_pr=1" in place.query)
        except _Answer as answer:
            self._send(answer)

    def _route(self, parts: list[str], body: bytes, is_request: bool) -> None:
        if parts == ["api", "repos", "create"]:
            self._create(json.loads(body))
        if parts == ["api", "validate-yaml"]:
            raise _Answer(200, {"errors": [], "warnings": []})
        if parts[0] == "lfs":
            if hashlib.sha256(body).hexdigest() != parts[1]:
                raise _Answer(400)
            self.hub.large[parts[1]] = body
            raise _Answer(200)
        if parts[-3:] == ["lfs", "objects", "batch"]:
            self._batch(json.loads(body))
        if parts[0] == "api":
            self._api("/".join(parts[1:4]), parts[4:], body, is_request)
        kind = [] if parts[0] == "datasets" else ["models"]
        found = [*kind, *parts]
        self._resolve("/".join(found[:3]), found[4], "/".join(found[5:]))

    def _user(self) -> str | None:
        word = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if word and word not in TOKENS:
            raise _Answer(401, **{"X-Error-Message": "Invalid credentials in Authorization header"})
        return TOKENS.get(word)

    def _create(self, asked: Mapping[str, Any]) -> None:
        if (user := self._user()) is None or asked["organization"] != user:
            raise _Answer(403 if user else 401, **{"X-Error-Message": "You don't have the rights"})
        name = f"{asked['type']}s/{user}/{asked['name']}"
        there = name in self.hub.repos
        if not there:
            self.hub.repos[name] = Repo(private=asked.get("visibility") == "private")
        raise _Answer(409 if there else 200, {"url": f"{self.hub.endpoint}/{name}"})

    def _repo(self, name: str) -> Repo:
        repo = self.hub.seen_by(self._user(), name)
        if repo is None:
            raise _Answer(404, **{"X-Error-Code": "RepoNotFound"})
        return repo

    def _api(self, name: str, rest: list[str], body: bytes, is_request: bool) -> None:
        repo = self._repo(name)
        what, revision = rest[0] if rest else "revision", rest[1] if len(rest) > 1 else "main"
        if revision not in ("main", repo.commit):
            raise _Answer(404, **{"X-Error-Code": "RevisionNotFound"})
        if what == "revision":
            files = [{"rfilename": path, "size": len(text)} for path, text in repo.files.items()]
            identity = name.partition("/")[2]
            facts = {"id": identity, "sha": repo.commit, "private": repo.private, "tags": []}
            raise _Answer(200, {**facts, "siblings": files})
        if not is_request and name.split("/")[1] != self._user():
            raise _Answer(403, **{"X-Error-Message": "Forbidden: you must be a writer"})
        if what == "preupload":
            asked = [one["path"] for one in json.loads(body)["files"]]
            modes = {True: "lfs", False: "regular"}
            said = [
                {
                    "path": path,
                    "shouldIgnore": False,
                    "uploadMode": modes[path.endswith(".parquet")],
                }
                for path in asked
            ]
            raise _Answer(200, {"files": said})
        self._commit(repo, name, [json.loads(line) for line in body.splitlines()], is_request)

    def _commit(self, repo: Repo, name: str, lines: list[dict[str, Any]], is_request: bool) -> None:
        header = next(one["value"] for one in lines if one["key"] == "header")
        if header.get("parentCommit", repo.commit) != repo.commit:
            raise _Answer(412, {"error": "the branch has been updated"})
        files = dict(repo.files)
        for one in lines:
            value = one["value"]
            if one["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif one["key"] == "lfsFile":
                files[value["path"]] = self.hub.large[value["oid"]]
            elif one["key"] == "deletedFile":
                del files[value["path"]]
        repo.messages.append(header["summary"])
        if is_request:
            repo.requests.append(files)
        else:
            repo.files, repo.count = files, repo.count + 1
        page = f"{self.hub.endpoint}/{name.removeprefix('models/')}"
        request = f"{page}/discussions/{len(repo.requests)}"
        raise _Answer(
            200,
            {"commitUrl": f"{page}/commit/{repo.commit}", "commitOid": repo.commit}
            | {"pullRequestUrl": request, "success": True},
        )

    def _batch(self, asked: Mapping[str, Any]) -> None:
        objects = [
            {"oid": one["oid"], "size": one["size"]}
            | {"actions": {"upload": {"href": f"{self.hub.endpoint}/lfs/{one['oid']}"}}}
            for one in asked["objects"]
        ]
        raise _Answer(200, {"transfer": "basic", "objects": objects})

    def _resolve(self, name: str, revision: str, path: str) -> None:
        repo = self._repo(name)
        if path not in repo.files:
            raise _Answer(404, **{"X-Error-Code": "EntryNotFound", "X-Repo-Commit": repo.commit})
        content = repo.files[path]
        digest = hashlib.sha256(content).hexdigest()
        raise _Answer(200, content, **{"ETag": f'"{digest}"', "X-Repo-Commit": repo.commit})

    def _send(self, answer: _Answer) -> None:
        self.send_response(answer.status)
        headers = {"Content-Type": "application/json", "Content-Length": str(len(answer.body))}
        for name, value in {**headers, **answer.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        return
