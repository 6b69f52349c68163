"""Tar archives of users: no member is inflated without bound, and no header is taken at its word."""

from __future__ import annotations

import tarfile
from pathlib import Path
from typing import Any

from astrid_ml.inflating import most_inflated
from astrid_ml.printable import printable
from astrid_ml.readable import in_words
from astrid_ml.reasons import shortened

MOST_NAME = 2**20  # bytes of a member's further header
BUFFER = 2**16  # tarfile copies what is left of it at each header
_PLAIN = (tarfile.LNKTYPE, tarfile.SYMTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE)


class ArchiveTooLargeError(ValueError):
    """An archive of which nothing more is read; the message says why.

    Args:
        member: that cannot be passed.
        reason: of it.
    """

    def __init__(self, member: str, reason: str) -> None:
        super().__init__(reason)
        self.member = member


def refuse_too_large(member: tarfile.TarInfo, archive: Path, compressed: bool) -> None:
    """Refuse a member that ends beyond its archive, or inflates to hundreds of times the archive's size.

    Args:
        member: whose header was read.
        archive: that was read from its beginning.
        compressed: whether it inflates.

    Raises:
        ReadError: a plain archive ends inside it.
        ArchiveTooLargeError: nothing behind it can be reached but through it.
    """
    size, end = archive.stat().st_size, member.offset_data + member.size
    if end <= size:
        return
    if not compressed:
        raise tarfile.ReadError(f"it ends inside {shortened(printable(member.name), 80)}")
    most = most_inflated(size)
    if end > most:
        why = f"a member of {member.size} bytes in an archive that may inflate to {most}: what stands behind is lost"
        raise ArchiveTooLargeError(member.name, why)


_SAID = ("it ends inside", "a header of", "its end is not there", "bytes behind its end")  # of our own


def why_damaged(error: BaseException) -> str:
    """What is wrong with an archive that could not be read.

    >>> why_damaged(tarfile.ReadError("unexpected end of data")), why_damaged(ValueError("invalid literal for int()"))
    ('it ends too early', 'a header inside it is damaged')
    """
    said = str(error)
    if isinstance(error, tarfile.TarError) and said.startswith(_SAID):
        return said
    if isinstance(error, EOFError) or "end of data" in said or "ended before" in said or "truncated" in said:
        return "it ends too early"
    if isinstance(error, OSError) and error.errno is not None:
        return in_words(error)
    return "a header inside it is damaged" if isinstance(error, tarfile.TarError | ValueError) else _PACKED


_PACKED = "compressed data in it are damaged"


def no_file(member: tarfile.TarInfo) -> str | None:
    """Why a member that is called as a file is none; None for a file.

    >>> no_file(tarfile.TarInfo("a.avro")) is None
    True
    """
    if member.isfile():
        return None
    kinds = {
        tarfile.LNKTYPE: "a link",
        tarfile.SYMTYPE: "a link",
        tarfile.FIFOTYPE: "a pipe",
        tarfile.DIRTYPE: "a folder",
    }
    return f"{kinds.get(member.type, 'a device')} in an archive: pack the file itself"


class Member(tarfile.TarInfo):
    """A member whose header must be whole: tarfile takes a damaged one for the end of the archive."""

    def _proc_member(self, tarfile_: Any) -> Any:
        """A name or a list of properties that stands in data of its own is read whole: not gigabytes of it."""
        if not self.isreg() and self.type not in _PLAIN and self.size > MOST_NAME:
            raise tarfile.ReadError(f"a header of {self.size} bytes")
        return super()._proc_member(tarfile_)  # type: ignore[misc]

    @classmethod
    def fromtarfile(cls, tarfile_: Any) -> Member:
        try:
            return super().fromtarfile(tarfile_)  # type: ignore[no-any-return, misc, unused-ignore]
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]
            raise  # blocks of zeros: the end as it should be
        except tarfile.HeaderError as error:
            raise tarfile.ReadError("its end is not there") from error
