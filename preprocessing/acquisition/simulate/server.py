"""A simulated archive on this machine: questions and files over HTTP, with the faults that archives have."""

from __future__ import annotations

import json
import sys
import threading
import time
import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import numpy as np
import pandas as pd

from astrid_ml.errors import UserError
from astrid_ml.nearest import nearest
from astrid_ml.preprocessing.acquisition.simulate.command import FILES, OBSERVATIONS
from astrid_ml.sky import separation, unit_vectors

# What may go wrong with the first request for a file; the next one goes well.
FAULTS = ("slow", "truncated", "429", "500", "wrong_length", "wrong_checksum", "dies", "html")
COLUMNS = (
    "mission",
    "filter",
    "id",
    "ra",
    "dec",
    "start",
    "end",
    "exposure",
    "depth",
    "footprint",
    "instrument",
    "bytes",
)


@dataclass
class ArchiveServer:
    """Serves what ``astrid simulate what=archive`` made, on a free port of this machine's own address.

    ``/observations?ra=&dec=&radius=&mission=&filter=`` gives a table as JSON, ``/products?id=`` the file of one of
    them with its size and checksum, ``/files/NAME`` its bytes, also from a place on.

    Args:
        folder: of the archive.
        faults: of ``FAULTS``; each file has one of them, by its name.
        delay: seconds before each answer.
        asked: how often each address was asked for; filled by the server.

    Example:
        >>> import tempfile
        >>> from urllib.request import urlopen
        >>> from astrid_ml.preprocessing.acquisition.simulate.command import SimulateArchive
        >>> place = Path(tempfile.mkdtemp())
        >>> made = SimulateArchive(n=1, nights=1, shape=(128, 128)).run(place, 1)
        >>> row = pd.read_csv(place / "observations.csv").iloc[0]
        >>> with ArchiveServer(place) as server:
        ...     answer = urlopen(f"{server.url}/observations?ra={row.ra}&dec={row.dec}&radius=0.1").read()
        >>> len(json.loads(answer)["observations"])
        4
    """

    folder: Path
    faults: Sequence[str] = ()
    delay: float = 0.0
    asked: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        refuse_unknown_faults(self.faults)
        try:
            self.table = pd.read_csv(self.folder / OBSERVATIONS, keep_default_na=False, na_values=[""])
        except (OSError, ValueError) as error:
            got = f"{self.folder} without a readable {OBSERVATIONS}"
            fix = "make one: astrid simulate what=archive output_dir=FOLDER"
            raise UserError("the folder of a simulated archive", got, fix) from error
        self.lock = threading.Lock()

    @property
    def host(self) -> str:
        """``127.0.0.1:PORT``, while it serves."""
        return f"127.0.0.1:{self._server.server_address[1]}"

    @property
    def url(self) -> str:
        """Where it serves."""
        return f"http://{self.host}"

    def __enter__(self) -> ArchiveServer:
        handler = type("Handler", (_Handler,), {"archive": self})
        self._server = _Server(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def observations(self, query: dict[str, list[str]]) -> list[dict[str, Any]]:
        """Rows within the radius of a place, of the missions and filters that are asked for.

        Args:
            query: ra, dec, radius (deg); mission and filter separated by commas; first, last (MJD).
        """
        ra, dec, radius = (float(query[name][0]) for name in ("ra", "dec", "radius"))
        table = self.table
        places = unit_vectors(table[["ra", "dec"]].to_numpy(dtype=float))
        near = separation(unit_vectors(np.array([[ra, dec]])), places) <= radius * 3600
        for name in ("mission", "filter"):
            if query.get(name):
                near &= table[name].astype(str).isin(query[name][0].split(",")).to_numpy()
        if "first" in query:
            near &= (table["end"] >= float(query["first"][0])).to_numpy()
        if "last" in query:
            near &= (table["start"] <= float(query["last"][0])).to_numpy()
        rows = table.loc[near, list(COLUMNS)].astype(object)
        return [{str(k): v for k, v in row.items()} for row in rows.where(rows.notna(), None).to_dict("records")]

    def products(self, query: dict[str, list[str]]) -> list[dict[str, Any]]:
        """The file of an observation.

        Args:
            query: id.
        """
        rows = self.table[self.table["id"] == query["id"][0]]
        return [
            {"name": row["file"], "path": f"/{FILES}/{row['file']}", "bytes": row["bytes"], "checksum": row["checksum"]}
            for row in rows.to_dict("records")
        ]

    def fault(self, path: str) -> str:
        """What goes wrong with a request for a file; empty where nothing does."""
        if not self.faults or self.asked[path] > 1:
            return ""
        return self.faults[zlib.crc32(path.encode()) % len(self.faults)]


def refuse_unknown_faults(names: Sequence[str]) -> None:
    """Refuse what no server here does wrong.

    Args:
        names: of faults.

    Raises:
        UserError: names the nearest one.
    """
    for name in names:
        if name not in FAULTS:
            raise UserError(f"faults among {', '.join(FAULTS)}", name, nearest(name, FAULTS) or "choose some")


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is no error of the server, and nothing to be printed."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    archive: ArchiveServer

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing is logged."""

    def do_GET(self) -> None:
        """Answer a question, or give a file."""
        parts = urlsplit(self.path)
        path = unquote(parts.path)
        with self.archive.lock:
            self.archive.asked[path] += 1
        time.sleep(self.archive.delay)
        try:
            self._answer(path, parse_qs(parts.query))
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def _answer(self, path: str, query: dict[str, list[str]]) -> None:
        questions = {"/observations": self.archive.observations, "/products": self.archive.products}
        if path in questions:
            try:
                said = {path.strip("/"): questions[path](query)}
            except (KeyError, ValueError) as error:
                self._send(400, {}, f"a question that cannot be answered: {error!r}".encode())
                return
            self._send(200, {"Content-Type": "application/json"}, json.dumps(said, default=str).encode())
            return
        file = self.archive.folder / FILES / Path(path).name
        if path.startswith(f"/{FILES}/") and file.is_file():
            self._file(path, file.read_bytes())
        else:
            self._send(404, {}, b"nothing here")

    def _file(self, path: str, content: bytes) -> None:
        fault = self.archive.fault(path)
        if fault in ("429", "500"):
            self._send(int(fault), {"Retry-After": "0"}, b"busy")
            return
        if fault == "html":
            self._send(200, {"Content-Type": "text/html"}, b"<!DOCTYPE html><html>maintenance</html>")
            return
        headers, status, begin = {"ETag": f'"{zlib.crc32(content)}"'}, 200, 0
        asked = self.headers.get("Range", "")
        if asked.startswith("bytes=") and self.headers.get("If-Range", headers["ETag"]) == headers["ETag"]:
            begin = int(asked.removeprefix("bytes=").rstrip("-"))
            if begin >= len(content):
                self._send(416, {}, b"")
                return
            status, headers["Content-Range"] = 206, f"bytes {begin}-{len(content) - 1}/{len(content)}"
        part = content[begin:]
        changed = {
            "truncated": part[: len(part) // 2],
            "wrong_length": part + bytes(1000),
            "wrong_checksum": part[:-1] + bytes([part[-1] ^ 1]),
        }
        self._send(status, headers, changed.get(fault, part), fault)

    def _send(self, status: int, headers: dict[str, str], body: bytes, fault: str = "") -> None:
        self.send_response(status)
        for name, text in (headers | {"Content-Length": str(len(body))}).items():
            self.send_header(name, text)
        self.end_headers()
        if fault == "dies":
            self.wfile.write(body[: len(body) // 2])
            self.wfile.flush()
            self.close_connection = True
            self.connection.shutdown(2)
            return
        step = 1 + len(body) // 5 if fault == "slow" else max(1, len(body))
        for start in range(0, len(body), step):
            self.wfile.write(body[start : start + step])
            time.sleep(0.05 if fault == "slow" else 0)
