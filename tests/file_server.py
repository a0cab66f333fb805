"""A web server on 127.0.0.1 that serves a folder's files, with ranges, and fails as it is told."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import BinaryIO


def send(stream: BinaryIO, body: bytes, drip_s: float) -> None:
    """Write the body, at once or with ``drip_s`` seconds between any two bytes."""
    if not drip_s:
        stream.write(body)
        return
    with contextlib.suppress(OSError):  # who asked has gone
        for byte in body:
            stream.write(bytes([byte]))
            stream.flush()
            time.sleep(drip_s)


@contextmanager
def serve(
    folder: Path,
    cut_first_at: int | None = None,
    refusals: Sequence[int] = (),
    headers: Mapping[str, str] | None = None,
    drip_s: float = 0.0,
    drip_headers: bool = False,
) -> Iterator[tuple[str, list[str]]]:
    """Yields the address and the ranges asked for, one per request, empty for none.

    The first answers have the statuses ``refusals``, with ``headers``. The first answer with
    content ends after ``cut_first_at`` bytes. ``drip_s`` seconds lie between any two bytes,
    with ``drip_headers`` of the headers too.
    """
    ranges: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            file = folder / self.path.lstrip("/")
            asked = self.headers.get("Range", "")
            ranges.append(asked)
            start = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
            if len(ranges) <= len(refusals):
                self._refuse(refusals[len(ranges) - 1])
                return
            if not file.is_file():
                self.send_error(404)
                return
            body = file.read_bytes()
            if start >= len(body):
                self.send_error(416)
                return
            self.send_response(206 if asked else 200)
            self.send_header("Content-Length", str(len(body) - start))
            self.end_headers()
            first = len(ranges) == len(refusals) + 1
            self._write(body[start : cut_first_at if first and cut_first_at else len(body)])

        def flush_headers(self) -> None:
            if drip_headers:
                self._write(b"".join(self.__dict__.pop("_headers_buffer", [])))
            else:
                super().flush_headers()

        def _write(self, body: bytes) -> None:
            send(self.wfile, body, drip_s)

        def _refuse(self, status: int) -> None:
            self.send_response(status)
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=lambda: server.serve_forever(0.01), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", ranges
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
