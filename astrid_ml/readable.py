"""Damaged files of users, told in words instead of a library's exception."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from astrid_ml.errors import UserError
from astrid_ml.found import found


@contextmanager
def reading(path: Path, what: str = "a FITS file") -> Iterator[None]:
    """A block that reads a file: whatever a library raises on a damaged one is told in words.

    astropy checks a card when it is asked for, and the data when they are: it raises anything from OSError to
    AttributeError. What the disk says of itself goes on as it is.

    Args:
        path: of the file, for the message.
        what: it has to be.

    Raises:
        UserError: instead of what the library raised.
    """
    try:
        yield
    except UserError:
        raise
    except MemoryError as error:
        fix = "cut out the part that you need, or use a machine with more memory"
        got = f"{found(path)}, which takes more than there is"
        raise UserError(f"{what} that fits into this machine's memory", got, fix) from error
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        said = " ".join(str(error).split()) or "nothing is said"
        got = f"{found(path)}, which cannot be read ({type(error).__name__}: {said[:200]})"
        raise UserError(what, got, "check that the file is whole, or write it again") from error
