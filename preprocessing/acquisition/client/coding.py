"""The bytes of a file as they lie on its server, whatever the server does to them on the way."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from urllib3.exceptions import HTTPError

from astrid_ml.preprocessing.acquisition.client.errors import ArchiveError
from astrid_ml.preprocessing.acquisition.client.stop import rest
from astrid_ml.printable import printable
from astrid_ml.reasons import shortened

if TYPE_CHECKING:
    from requests import Response

ZIPPED = ("gzip", "x-gzip")
BROKEN = (HTTPError, ConnectionError, TimeoutError, zlib.error)  # a full disk is none of these


def coding_of(response: Response, url: str) -> str:
    """How the bytes must be unpacked before they are those of the file; empty where they are those already.

    Servers call a file that lies zipped on their disk (``a.fits.gz``) coded by gzip: its bytes are what we want.

    Args:
        response: whose body is not read yet.
        url: that was asked for.

    Raises:
        ArchiveError: it was asked for plain bytes, and gives some of a kind that nobody needs for files.
    """
    said = response.headers.get("Content-Encoding", "").strip().lower()
    if said in ("", "identity") or (said in ZIPPED and _is_zipped(url, response)):
        return ""
    if said in ZIPPED:
        return "gzip"
    got = f"Content-Encoding {printable(said)[:40]} of {shortened(printable(url), 100)}"
    raise ArchiveError("a file as it lies there, or by gzip", got, "ask the archive")


def _is_zipped(url: str, response: Response) -> bool:
    paths = [urlsplit(one) for one in (url, str(response.url))]
    return any(part.lower().endswith(".gz") for one in paths for part in (one.path, one.query))


def as_they_come(response: Response, size: int, decode: bool) -> Iterator[bytes]:
    """Bytes of a body as soon as some are there: who waits for whole pieces never looks at the time of a slow server.

    Args:
        response: whose body is not read yet.
        size: bytes of a piece at most.
        decode: unpack what came packed.
    """
    while piece := response.raw.read1(size, decode_content=decode):
        rest(0)
        yield piece


def pieces_of(response: Response, coding: str, size: int) -> Iterator[bytes]:
    """The body in pieces of at most ``size`` bytes, however much a piece unpacks to.

    Args:
        response: whose body is not read yet.
        coding: of :func:`coding_of`.
        size: bytes.
    """
    raw = as_they_come(response, size, decode=False)
    if not coding:
        yield from raw
        return
    unpack = zlib.decompressobj(31)
    for packed in raw:
        while packed:
            piece = unpack.decompress(packed, size)
            packed = unpack.unconsumed_tail
            if piece:
                yield piece
    if not unpack.eof:
        raise zlib.error("its end is missing")
