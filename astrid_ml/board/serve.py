"""A server of the site for this machine alone, which builds it again when runs change."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

HOST = "127.0.0.1"
NAMES = (HOST, "localhost")
# A report of a run may hold drawings and a script of its own, and asks for nothing.
POLICY = "default-src 'none'; img-src data: 'self'; style-src 'unsafe-inline'; script-src 'self' 'unsafe-inline'"


class Pages(SimpleHTTPRequestHandler):
    """Files of the site, asked by this machine under its own name; no other page may read them."""

    def send_head(self) -> Any:
        """Refuse who comes by another name, a page elsewhere that was made to point here, and what lies elsewhere."""
        if (self.headers.get("Host") or "").rpartition(":")[0] not in NAMES:
            self.send_error(403, "this board answers to 127.0.0.1 alone")
            return None
        home = Path(self.directory).resolve()
        try:
            place = Path(self.translate_path(self.path)).resolve()
        except (ValueError, OSError, RuntimeError):  # a byte that no name has, a circle of links
            place = home.parent
        if not place.is_relative_to(home):  # a link that leads out of the site
            self.send_error(404)
            return None
        return super().send_head()

    def list_directory(self, path: Any) -> None:
        """No lists of files."""
        self.send_error(404)

    def end_headers(self) -> None:
        """Nothing is kept, nothing is framed, nothing is fetched from elsewhere."""
        self.send_header("Cache-Control", "no-store")
        self.send_header("Content-Security-Policy", f"{POLICY}; frame-ancestors 'none'")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Referrer-Policy", "no-referrer")
        super().end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing on the terminal."""


class Server:
    """Serves a folder until :meth:`close`.

    Args:
        folder: of the site.
        port: 0 for any that is free.

    Raises:
        OSError: the port is taken.
    """

    def __init__(self, folder: Path, port: int) -> None:
        self.http = ThreadingHTTPServer((HOST, port), partial(Pages, directory=str(folder)))
        self.http.daemon_threads = True
        self._thread = threading.Thread(target=self.http.serve_forever, name="board", daemon=True)
        self._thread.start()

    @property
    def address(self) -> str:
        """Where the page is."""
        return f"http://{HOST}:{self.http.server_address[1]}/"

    def close(self) -> None:
        """End it."""
        self.http.shutdown()
        self.http.server_close()
        self._thread.join()


def watch(
    last: Any, state: Callable[[], Any], build: Callable[[], None], stop: threading.Event, seconds: float
) -> None:
    """Build again at each change, until told to stop.

    Args:
        last: the state before the first build: what has changed during a build is built at the next look.
        state: what changes when runs change.
        build: builds.
        stop: ends it.
        seconds: between two looks.
    """
    while not stop.wait(seconds):
        now = state()
        if now != last:
            build()
            last = now
