"""Whether what was downloaded is a whole FITS file: looked at before it counts."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

from astrid_ml.errors import UserError
from astrid_ml.fits_headers import refuse_impossible
from astrid_ml.preprocessing.acquisition.client.errors import CorruptError
from astrid_ml.reasons import shortened

ZIPPED, FITS = b"\x1f\x8b", b"SIMPLE"


def refuse_no_fits(path: Path) -> None:
    """Refuse a page of text, a file that is cut short, headers that cannot be; a gzip file is read to its checksum.

    Args:
        path: plain or gzipped; nothing is asked of its name.

    Raises:
        CorruptError: it is no whole FITS file.
    """
    with path.open("rb") as stream:
        start = stream.read(256)
    inner = start
    if start[:2] == ZIPPED:
        try:
            with gzip.open(path) as stream:
                inner = stream.read(256)
                while stream.read(1 << 20):
                    pass
        except (OSError, EOFError, zlib.error) as error:
            raise CorruptError(
                "a whole gzip file", shortened(f"one that is damaged ({error})", 120), "it is fetched again"
            ) from error
    if not inner.startswith(FITS):
        kind = "a page of HTML" if b"<html" in inner.lower() or b"<!doctype" in inner.lower() else "no FITS file"
        raise CorruptError("a FITS image", f"{kind}: {inner[:40]!r}", "look at what the archive says at its address")
    try:
        refuse_impossible(path)
    except UserError as error:
        raise CorruptError("a whole FITS file", error.got, "it is fetched again") from error
