"""A model hub on 127.0.0.1: enough of the protocol to download files of one repository."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.file_server import send

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@contextmanager
def serve_hub(
    repository: str, folder: Path, commit: str = COMMIT, drip_s: float = 0.0
) -> Iterator[str]:
    """Serve the files of ``folder`` as ``repository`` and yield the endpoint's address.

    ``drip_s`` seconds lie between any two bytes.
    """
    prefix = f"/{repository}/resolve/"

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self._answer(with_body=False)

        def do_GET(self) -> None:
            self._answer(with_body=True)

        def _answer(self, with_body: bool) -> None:
            if f"{self.path.partition('?')[0]}/".startswith(f"/api/models/{repository}/"):
                tree = [
                    {"type": "file", "path": path.name, "oid": "0", "size": path.stat().st_size}
                    for path in folder.iterdir()
                ]
                info = {"id": repository, "sha": commit, "siblings": []}
                self._send(json.dumps(tree if "/tree/" in self.path else info))
                return
            revision, _, name = self.path.removeprefix(prefix).partition("/")
            asked = revision if len(revision) == 40 else commit
            file = folder / name
            if not self.path.startswith(prefix) or not file.is_file():
                self.send_response(404)
                self.send_header("X-Error-Code", "EntryNotFound")
                self.send_header("X-Repo-Commit", asked)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            body = file.read_bytes()
            self.send_response(200)
            self.send_header("ETag", f'"{hashlib.sha256(body).hexdigest()}"')
            self.send_header("X-Repo-Commit", asked)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if with_body:
                send(self.wfile, body, drip_s)

        def _send(self, text: str) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
