"""A small server for one listening test: its folder to read, and a place to post answers to."""

from __future__ import annotations

import contextlib
import errno
import json
import re
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BufferedIOBase
from pathlib import Path
from socketserver import TCPServer
from typing import Any, BinaryIO, cast
from urllib.parse import unquote

from snac_eval.errors import UsageError, one_line
from snac_eval.listening.answers import MAX_POST_BYTES, AnswersFile
from snac_eval.listening.shapes import PAGE_FILE

ANSWERS_PATH = "/answers"
FACTS_PATH = "/serve.json"
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".wav": "audio/wav",
    ".yaml": "text/plain; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}
MAX_CONNECTIONS = 256
MAX_HEADER_BYTES = 16 * 1024
REQUEST_S = 20.0
"""In this time a request must be here, and a connection without one is closed."""
_SILENCE_S = 30.0
_DRAINED_BYTES, _DRAINED_S = 1024 * 1024, 1.0
_BLOCK = 65536
_RANGE = re.compile(r"bytes=(\d{0,15})-(\d{0,15})")
_STRANGE = re.compile(r'[\x00-\x1f\x7f\\:*?"<>|]')


class ListeningServer(ThreadingHTTPServer):
    """Serves what lies in ``folder``, and keeps what is posted in ``answers``."""

    daemon_threads = True
    request_queue_size = MAX_CONNECTIONS

    def __init__(
        self, host: str, port: int, folder: Path, test_id: str, answers: AnswersFile
    ) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.folder = folder.resolve()
        self.answers = answers
        self.facts = json.dumps({"test": test_id, "answers": ANSWERS_PATH[1:]}).encode()
        self._places = threading.BoundedSemaphore(MAX_CONNECTIONS)
        self._waiting: dict[socket.socket, float] = {}
        super().__init__((host, port), _Handler)

    @property
    def address(self) -> str:
        """Where a browser finds the test."""
        host, port = self.server_address[:2]
        name = socket.gethostname() if host in ("0.0.0.0", "::") else str(host)
        return f"http://{f'[{name}]' if ':' in name else name}:{port}/"

    def server_bind(self) -> None:
        """Without the base's question to the network what this machine is called."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = "", self.server_address[1]

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - the base's
        """One thread a connection, as long as there are not too many of them."""
        if self._places.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:  # noqa: ANN401
        """Give the place back when the connection is over."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._waiting.pop(request, None)
            self._places.release()

    def wait_for(self, request: socket.socket) -> None:
        """From now on its next request must be here within :data:`REQUEST_S`."""
        self._waiting[request] = time.monotonic() + REQUEST_S

    def has_come(self, request: socket.socket) -> None:
        """All of its request is here."""
        self._waiting.pop(request, None)

    def service_actions(self) -> None:
        """Cut off who sends too slowly: a limit on single reads would let one byte a time pass."""
        now = time.monotonic()
        for request, until in list(self._waiting.items()):
            if until < now:
                self._waiting.pop(request, None)
                with contextlib.suppress(OSError):
                    request.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - the base's
        """A connection that broke is no error of ours; anything else is said on one line."""
        error = sys.exc_info()[1]
        if error is not None and not isinstance(error, OSError):
            print(f"snac-eval: a request failed: {one_line(error)}", file=sys.stderr)


@contextmanager
def serving(
    folder: Path, test_id: str, answers: AnswersFile, host: str, port: int
) -> Iterator[ListeningServer]:
    """Listen at this address; port 0 takes a free one. Nothing is answered before
    ``serve_forever``. Raises UsageError where the address cannot be had."""
    try:
        server = ListeningServer(host, port, folder, test_id, answers)
    except (OSError, OverflowError) as error:
        if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
            raise UsageError(f"port {port} of {host} is taken; give another by --port") from error
        raise UsageError(f"{host}, port {port}: no address to serve at: {error}") from error
    with server:
        yield server


class _Headers:
    """What is read of a request before its body, and no more of it than it may have."""

    def __init__(self, stream: BufferedIOBase) -> None:
        self._stream, self._left = stream, MAX_HEADER_BYTES

    def readline(self, size: int = -1) -> bytes:
        line = self._stream.readline(min(size, self._left + 1))
        self._left -= len(line)
        if self._left < 0:
            raise HTTPException("too many headers")
        return line


class _Handler(BaseHTTPRequestHandler):
    server: ListeningServer
    protocol_version = "HTTP/1.1"
    timeout = _SILENCE_S
    wbufsize = -1

    def handle_one_request(self) -> None:
        self.server.wait_for(self.connection)
        super().handle_one_request()

    def parse_request(self) -> bool:
        stream = self.rfile
        self.rfile = cast(BufferedIOBase, _Headers(stream))
        try:
            return super().parse_request()
        finally:
            self.rfile = stream

    def do_GET(self) -> None:
        self.server.has_come(self.connection)
        if self._has_body():
            self.close_connection = True  # nobody reads it
        if self._place == FACTS_PATH:
            self._send(200, self.server.facts, "application/json", {"Cache-Control": "no-store"})
            return
        path = readable_file(self.server.folder, self._place)
        if path is None:
            self._say(404, "not found")
            return
        with path.open("rb") as file:
            self._send_file(file, path)

    do_HEAD = do_GET  # noqa: N815 - the base's name

    def do_OPTIONS(self) -> None:
        """A page that lies elsewhere may post here, as its browser asks beforehand."""
        self.server.has_come(self.connection)
        allowed = {"Access-Control-Allow-Methods": "POST"}
        allowed |= {"Access-Control-Allow-Headers": "Content-Type"}
        self._send(204, b"", "", allowed)

    def do_POST(self) -> None:
        if self._place != ANSWERS_PATH:
            self._refuse(404, "answers are posted to /answers")
            return
        if self._refuses_length():
            return
        if self.headers.get_content_type() != "application/json":
            self._refuse(415, "an answer is application/json")
            return
        length = int(self.headers["Content-Length"])
        body = self.rfile.read(length)
        self.server.has_come(self.connection)
        if len(body) < length:
            self.close_connection = True
            return
        reply = self.server.answers.keep(body)
        self._say(reply.status, reply.words)

    def handle_expect_100(self) -> bool:
        """Who asks first whether a post is welcome hears at once that it is too long."""
        return not self._refuses_length() and super().handle_expect_100()

    @property
    def _place(self) -> str:
        return self.path.partition("#")[0].partition("?")[0]

    def _has_body(self) -> bool:
        return "Content-Length" in self.headers or "Transfer-Encoding" in self.headers

    def _refuses_length(self) -> bool:
        lengths = self.headers.get_all("Content-Length", [])
        if len(lengths) != 1 or "Transfer-Encoding" in self.headers:
            self._refuse(411, "a post says how long it is")
        elif not re.fullmatch(r"[0-9]{1,20}", lengths[0]):
            self._refuse(400, "a length is a number")
        elif int(lengths[0]) > MAX_POST_BYTES:
            self._refuse(413, f"an answer has at most {MAX_POST_BYTES} bytes")
        else:
            return False
        return True

    def _refuse(self, status: int, words: str) -> None:
        """Answer without the body. A little of it is read and forgotten: closing at once would take
        the answer from whoever is still sending."""
        self.close_connection = True
        self._say(status, words)
        self.wfile.flush()
        end = time.monotonic() + _DRAINED_S
        left = _DRAINED_BYTES
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_WR)
            self.connection.settimeout(_DRAINED_S / 4)
            while left > 0 and time.monotonic() < end:
                read = len(self.connection.recv(_BLOCK))
                left = left - read if read else 0

    def _send_file(self, file: BinaryIO, path: Path) -> None:
        size = file.seek(0, 2)
        span = asked_range(self.headers.get("Range", ""), size)
        headers = {"Accept-Ranges": "bytes", "Cache-Control": "no-cache"}
        if span is None:
            self._send(416, b"", "", {"Content-Range": f"bytes */{size}"})
            return
        first, last = span
        is_part = "Range" in self.headers and (first, last) != (0, size - 1)
        if is_part:
            headers["Content-Range"] = f"bytes {first}-{last}/{size}"
        kind = TYPES[path.suffix.lower()]
        self._begin(206 if is_part else 200, last - first + 1, kind, headers)
        if self.command == "HEAD":
            return
        file.seek(first)
        left = last - first + 1
        while left and (block := file.read(min(_BLOCK, left))):
            self.wfile.write(block)
            left -= len(block)
        if left:
            self.close_connection = True

    def _say(self, status: int, words: str) -> None:
        content = json.dumps({"kept": True} if status == 200 else {"error": words}).encode()
        self._send(status, content, "application/json", {"Cache-Control": "no-store"})

    def _send(self, status: int, content: bytes, kind: str, headers: dict[str, str]) -> None:
        self._begin(status, len(content), kind, headers)
        if self.command != "HEAD":
            self.wfile.write(content)

    def _begin(self, status: int, length: int, kind: str, headers: dict[str, str]) -> None:
        self.send_response(status)
        if kind:
            self.send_header("Content-Type", kind)
        if status != 204:
            self.send_header("Content-Length", str(length))
        if getattr(self, "path", "").startswith(ANSWERS_PATH):
            self.send_header("Access-Control-Allow-Origin", "*")
        for name, value in (headers | _SAFE).items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """The base's refusals (no such method, bad requests), without a page of HTML."""
        self.close_connection = True
        self._say(code, message or "bad request")

    def version_string(self) -> str:
        return "snac-eval"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        """Nothing: who listened from which address is nobody's business."""


_SAFE = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def readable_file(folder: Path, place: str) -> Path | None:
    """The file of a request's path, if it lies in the folder and is of a kind that tests have.

    Neither ``..``, however it is written, nor a link leads out of it; hidden files are none.
    """
    try:
        whole = unquote(place, errors="strict")
    except UnicodeDecodeError:
        return None
    names = (whole if whole != "/" else f"/{PAGE_FILE}").split("/")
    if names[0] or len(names) < 2 or _STRANGE.search(whole):
        return None
    if any(not name or name.startswith(".") for name in names[1:]):
        return None
    try:
        path = folder.joinpath(*names[1:]).resolve(strict=True)
        found = path.is_relative_to(folder) and path.is_file()
    except OSError:
        return None
    return path if found and path.suffix.lower() in TYPES else None


def asked_range(header: str, size: int) -> tuple[int, int] | None:
    """First and last byte that a Range header asks for: all where it is no single range; None where
    there are no such bytes."""
    found = _RANGE.fullmatch(header.strip())
    if found is None or not (found[1] or found[2]):
        return 0, size - 1
    if not found[1]:
        length = min(int(found[2]), size)
        return (size - length, size - 1) if length else None
    first, last = int(found[1]), min(int(found[2] or size - 1), size - 1)
    if found[2] and int(found[2]) < first:
        return 0, size - 1  # no range at all, says RFC 9110
    return (first, last) if first < size else None
