"""An archive on this machine: recorded answers and made files, with every fault that servers have."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from astrid_ml.preprocessing.acquisition.client.client import ArchiveClient

Reply = tuple[int, dict[str, str], bytes]
Clients = Callable[..., ArchiveClient]  # settings -> a client that may ask the server


@dataclass
class PlayedArchive:
    """What the server has, and what it was asked.

    Args:
        files: path -> bytes, served with ranges.
        pages: path -> function of (method, query, body) that gives status, headers, body.
        faults: path -> what goes wrong at the next requests: a status (503), ``die`` (half a file, then the
            connection ends), ``short`` (a length that is too small), ``html``, ``flip`` (another byte), ``slow``.
        asked: requests by path.
        ranges: (path, first byte asked for).
        drips: path -> seconds for which its body goes on after its content, without a length.
        drop: bytes of it at a time.
        most: requests at the same time.
        validators: whether files have an ETag.
        delay: seconds before each answer.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    pages: dict[str, Callable[[str, dict[str, list[str]], str], Reply]] = field(default_factory=dict)
    faults: dict[str, list[int | str]] = field(default_factory=dict)
    asked: Counter[str] = field(default_factory=Counter)
    agents: set[str] = field(default_factory=set)
    ranges: list[tuple[str, int]] = field(default_factory=list)
    redirects: dict[str, str] = field(default_factory=dict)
    drips: dict[str, float] = field(default_factory=dict)
    drop: int = 5000
    most: int = 0
    validators: bool = True
    delay: float = 0.0
    url: str = ""

    @property
    def host(self) -> str:
        """As lists of allowed hosts have it."""
        return self.url.removeprefix("http://")


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is no error."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    archive: PlayedArchive
    lock = threading.Lock()
    now = 0

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def _answer(self) -> None:
        archive, parts = self.archive, urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        with self.lock:
            type(self).now += 1
            archive.most = max(archive.most, self.now)
            archive.asked[parts.path] += 1
            archive.agents.add(self.headers.get("User-Agent", ""))
            waiting = archive.faults.get(parts.path)
            fault = waiting.pop(0) if waiting else None
        try:
            time.sleep(archive.delay)
            self._with(fault, parts.path, parse_qs(parts.query), body)
        except (BrokenPipeError, ConnectionResetError):
            pass
        finally:
            with self.lock:
                type(self).now -= 1

    def _with(self, fault: int | str | None, path: str, query: dict[str, list[str]], body: str) -> None:
        archive = self.archive
        if isinstance(fault, int):
            self._send(fault, {"Retry-After": "0"} if fault == 429 else {}, b"busy")
        elif fault == "html":
            self._send(200, {"Content-Type": "text/html"}, b"<!DOCTYPE html><html>maintenance</html>")
        elif path in archive.redirects:
            self._send(302, {"Location": archive.redirects[path]}, b"")
        elif path in archive.drips:
            self._drip(*archive.pages[path](self.command, query, body), archive.drips[path])
        elif path in archive.pages:
            self._send(*archive.pages[path](self.command, query, body))
        elif path in archive.files:
            self._file(fault, path)
        else:
            self._send(404, {}, b"nothing here")

    def _file(self, fault: int | str | None, path: str) -> None:
        content, status = self.archive.files[path], 200
        headers = {"ETag": f'"{hash(content)}"'} if self.archive.validators else {}
        if fault == "flip":
            content = content[:-1] + bytes([content[-1] ^ 1])
        begin, size = 0, len(content)
        asked = self.headers.get("Range")
        if asked and self.headers.get("If-Range", headers.get("ETag")) == headers.get("ETag"):
            begin = int(asked.removeprefix("bytes=").rstrip("-"))
            self.archive.ranges.append((path, begin))
            if begin >= size:
                self._send(416, {}, b"")
                return
            status, headers["Content-Range"] = 206, f"bytes {begin}-{size - 1}/{size}"
        part = content[begin:]
        if fault == "short":
            part = part[: len(part) // 2]
        if fault == "die":
            self._begin(status, headers | {"Content-Length": str(len(part))})
            self.wfile.write(part[: len(part) // 2])
            self.wfile.flush()
            self.close_connection = True
            self.connection.shutdown(2)
            return
        self._send(status, headers, part, slow=fault == "slow")

    def _drip(self, status: int, headers: dict[str, str], body: bytes, seconds: float) -> None:
        self._begin(status, headers | {"Connection": "close"})
        self.close_connection = True
        self.wfile.write(body)
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.wfile.write(b"." * self.archive.drop)
            time.sleep(0.02)

    def _begin(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, text in headers.items():
            self.send_header(name, text)
        self.end_headers()

    def _send(self, status: int, headers: dict[str, str], body: bytes, slow: bool = False) -> None:
        self._begin(status, headers | {"Content-Length": str(len(body))})
        pieces = [body[i : i + 1 + len(body) // 5] for i in range(0, len(body), 1 + len(body) // 5)] if slow else [body]
        for piece in pieces:
            self.wfile.write(piece)
            time.sleep(0.05 if slow else 0)


@contextmanager
def serving(archive: PlayedArchive) -> Iterator[PlayedArchive]:
    """Serve an archive on a free port of this machine; ``archive.url`` says where."""
    handler = type("Handler", (_Handler,), {"archive": archive, "lock": threading.Lock(), "now": 0})
    server = _Server(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    archive.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield archive
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def mashup(answers: dict[str, bytes]) -> Callable[[str, dict[str, list[str]], str], Reply]:
    """MAST's service of questions: the answer of each service by its name; what was asked is kept in ``questions``."""

    def page(method: str, query: dict[str, list[str]], body: str) -> Reply:
        asked = json.loads(unquote(body).removeprefix("request="))
        QUESTIONS.append(asked)
        return 200, {"Content-Type": "application/json"}, answers[asked["service"]]

    return page


QUESTIONS: list[dict[str, Any]] = []
