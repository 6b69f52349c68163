"""Errors of the machine, which no file is to blame for: a full disk, a mount that went, a store that cannot be written.

A unit whose file is bad is counted with its reason and the others go on. Where the machine fails, the same would be
said of every unit that follows, so the run stops, says what to do, and keeps what is finished.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

from astrid_ml.errors import UserError

ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# A disk or a mount that does not answer. Not every system knows every name.
LOST = tuple(
    getattr(errno, name)
    for name in (
        "EIO ESTALE ENODEV ENOTCONN ENXIO ETIMEDOUT EHOSTDOWN EHOSTUNREACH ENETDOWN ENETUNREACH EREMOTEIO ESHUTDOWN "
        "ECONNABORTED ECONNRESET ECONNREFUSED ENOMEDIUM ENOLINK ECOMM EPROTO EBADMSG EUCLEAN"
    ).split()
    if hasattr(errno, name)
)
RIGHTS = (errno.EACCES, errno.EROFS, errno.EPERM)
# A name that no file can have, or a way that ends at a file or in a circle of links.
NO_PLACE = (errno.ENAMETOOLONG, errno.ELOOP, errno.ENOTDIR)
FILES_OPEN = (errno.EMFILE, errno.ENFILE)
# How libraries tell of a full disk without the number: numpy, HDF5, torch.
_FULL = re.compile(r"No space left on device|\d+ requested and \d+ written|errno = 28\b|file write failed")
LOOKED_AT = 50  # inputs that are looked for before a mount is said to be gone


def causes(error: BaseException) -> Iterator[BaseException]:
    """An error, and those that it was raised from: readers say in their own words what the disk said to them."""
    seen: set[int] = set()
    now: BaseException | None = error
    while now is not None and id(now) not in seen:
        seen.add(id(now))
        yield now
        now = now.__cause__ or now.__context__


def machine_fault(error: BaseException, store: Path) -> OSError | None:
    """The machine's error behind an error of a unit; None where the unit's own files are to blame.

    Args:
        error: what the unit ended with.
        store: a right that is missing there is the machine's; one that a raw file lacks is the file's.

    Example:
        >>> wrapped = ValueError("no FITS file")
        >>> wrapped.__cause__ = OSError(errno.EIO, "Input/output error")
        >>> machine_fault(wrapped, Path("store"))
        OSError(5, 'Input/output error')
        >>> machine_fault(ValueError("no FITS file"), Path("store")) is None
        True
    """
    for cause in causes(error):
        if _FULL.search(str(cause)):
            return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if not isinstance(cause, OSError):
            continue
        if cause.errno in (*ROOM, *LOST, *FILES_OPEN, errno.EROFS):
            return cause
        if cause.errno in RIGHTS and cause.filename is not None and _below(cause.filename, store):
            return cause
    return None


def explained(error: OSError, store: Path) -> Exception:
    """What the user can do about an error of the machine; the error itself where that is nothing.

    Args:
        error: what the system said.
        store: the folder that is written.
    """
    words = error.strerror or str(error)
    where = error.filename if isinstance(error.filename, str | os.PathLike) else None
    place = Path(os.fspath(where)) if where is not None else store
    if error.errno in ROOM:
        fix = "free space, or choose a folder on another disk, and run again: what is finished is kept"
        return UserError("room on the disk for what is made", f"{store}: {words}", fix)
    if error.errno in LOST:
        fix = "see whether the disk or the mount answers, and run again: finished units are kept"
        return UserError("disks and mounts that answer until all is read and written", f"{place}: {words}", fix)
    if error.errno in FILES_OPEN:
        fix = "raise the limit (ulimit -n), or run fewer workers, and run again: finished units are kept"
        return UserError("files that can be opened", f"{place}: {words}", fix)
    if error.errno in RIGHTS and where is not None and not _below(where, store) and not _below(store, place):
        return UserError("raw files that can be read", f"{place}: {words}", "change its rights, or name other files")
    if error.errno in RIGHTS:
        return UserError("a folder that can be written", f"{store}: {words}", "choose one of yours")
    if error.errno == errno.ENOENT and where is not None and not _below(where, store):
        fix = "see whether the mount is there, leave the files in place, and run again: finished units are kept"
        return UserError("raw files that stay until all are read", f"{place}: {words}", fix)
    if error.errno is not None:
        return UserError("files and folders that can be read and written", f"{place}: {words}", "check that path")
    return error


def of_command(error: BaseException) -> UserError | None:
    """What the user can do about an error that ended a command; None where the machine is not to blame."""
    if isinstance(error, OSError) and error.errno in NO_PLACE and isinstance(error.filename, str | os.PathLike):
        name = os.fspath(error.filename)
        got = f"{name if len(name) <= 200 else name[:197] + '...'}: {error.strerror}"
        return UserError("names of files and folders that can stand on this disk", got, "check that path")
    found = machine_fault(error, Path("/"))  # any place that cannot be written is the user's to change
    if found is None:
        return None
    words = found.strerror or str(found)
    place = f"{os.fsdecode(found.filename)}: " if isinstance(found.filename, str | bytes | os.PathLike) else ""
    if found.errno in ROOM:
        fix = "free space or choose another folder, and run the same command again"
        return UserError("room on the disk for the results", f"{place}{words}", fix)
    if found.errno in (*RIGHTS, errno.EROFS):
        fix = "change the rights, or choose another folder"
        return UserError("files and folders that can be read and written", f"{place}{words}", fix)
    fix = "see whether the disk answers (or ulimit -n), and run the same command again"
    return UserError("a disk that answers until all is read and written", f"{place}{words}", fix)


def refuse_lost_files(raw: Sequence[Path], inputs: Iterable[Path]) -> None:
    """Refuse to count a file that vanished where all of them did: then the mount went, not the file.

    Args:
        raw: files and folders that the user named.
        inputs: of all units.

    Raises:
        UserError: a place that was named is gone, or none of the files is there.
    """
    gone = [str(path) for path in raw if not path.exists()]
    looked = list(islice(inputs, LOOKED_AT))
    if gone or (len(looked) > 1 and not any(path.exists() for path in looked)):
        fix = "mount it again, or put the files back, and run again: finished units are kept"
        got = f"nothing at {gone[0]}" if gone else f"no file left below {', '.join(map(str, raw))}"
        raise UserError("raw files that stay until all are read", got, fix)


def _below(path: str | bytes | os.PathLike[str], folder: Path) -> bool:
    return Path(os.path.abspath(os.fsdecode(path))).is_relative_to(os.path.abspath(folder))
