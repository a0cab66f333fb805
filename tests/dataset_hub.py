"""A hub of one dataset on 127.0.0.1: what a client asks before it streams, and ranges of files."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@contextmanager
def serve_dataset(repository: str, folder: Path) -> Iterator[str]:
    """Serve ``folder`` as the dataset ``repository`` and yield the endpoint's address."""
    api, files = f"/api/datasets/{repository}", f"/datasets/{repository}/resolve/{COMMIT}/"

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            path = unquote(self.path).partition("?")[0]
            file = folder / path.removeprefix(files)
            if path in (api, f"{api}/revision/{COMMIT}"):
                self._json({"id": repository, "sha": COMMIT, "siblings": [], "tags": []})
            elif path.startswith(f"{api}/tree/{COMMIT}"):
                self._tree(folder / path.removeprefix(f"{api}/tree/{COMMIT}").lstrip("/"))
            elif path.startswith(files) and file.is_file():
                self._file(file.read_bytes())
            else:
                self._send(404, b"", {"X-Error-Code": "EntryNotFound"})

        def _tree(self, place: Path) -> None:
            kinds = {True: "file", False: "directory"}
            entries = [
                {"type": kinds[path.is_file()], "oid": "0", "size": path.stat().st_size}
                | {"path": path.relative_to(folder).as_posix()}
                for path in sorted(place.iterdir())
            ]
            self._json(entries)

        def _file(self, body: bytes) -> None:
            headers = {"ETag": f'"{hashlib.sha256(body).hexdigest()}"', "Accept-Ranges": "bytes"}
            asked = self.headers.get("Range")
            if asked is None:
                self._send(200, body, headers)
                return
            first, _, last = asked.removeprefix("bytes=").partition("-")
            part = body[int(first) : int(last or len(body)) + 1]
            end = int(first) + len(part) - 1
            self._send(206, part, headers | {"Content-Range": f"bytes {first}-{end}/{len(body)}"})

        def _json(self, content: object) -> None:
            self._send(200, json.dumps(content).encode(), {"Content-Type": "application/json"})

        def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
            self.send_response(status)
            length = {"Content-Length": str(len(body)), "X-Repo-Commit": COMMIT}
            for name, value in {**headers, **length}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=lambda: server.serve_forever(0.01), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
