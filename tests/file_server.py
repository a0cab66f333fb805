"""A web server on 127.0.0.1 that serves a folder's files, with ranges, and fails as it is told.

A folder is a page of links.
"""

from __future__ import annotations

import contextlib
import hashlib
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote, unquote


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


def _page(folder: Path) -> bytes:
    names = sorted(one.name + "/" * one.is_dir() for one in folder.iterdir())
    return "".join(f'<a href="{quote(name)}">{name}</a>' for name in names).encode()


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
        def do_HEAD(self) -> None:
            self._answer(with_body=False)

        def do_GET(self) -> None:
            self._answer(with_body=True)

        def _answer(self, with_body: bool) -> None:
            file = folder / unquote(self.path.partition("?")[0].lstrip("/"))
            asked = self.headers.get("Range", "")
            if with_body:
                ranges.append(asked)
            first_byte, _, last_byte = asked.removeprefix("bytes=").partition("-")
            start = int(first_byte or 0)
            if with_body and len(ranges) <= len(refusals):
                self._refuse(refusals[len(ranges) - 1])
                return
            if not file.exists():
                self.send_error(404)
                return
            whole = _page(file) if file.is_dir() else file.read_bytes()
            body = whole[: int(last_byte) + 1] if last_byte else whole
            if start >= len(body):
                self.send_error(416)
                return
            self.send_response(206 if asked else 200)
            self.send_header("Content-Length", str(len(body) - start))
            self.send_header("Accept-Ranges", "bytes")
            self.send_header("ETag", hashlib.sha256(whole).hexdigest())
            if asked:
                self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(whole)}")
            self.end_headers()
            if not with_body:
                return
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
