"""Damaged files of users, told in words instead of a library's exception."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from astrid_ml.errors import UserError
from astrid_ml.found import found
from astrid_ml.inflating import SwollenError, refuse_swollen_parquet
from astrid_ml.reasons import plain, shortened

_NUMBER = re.compile(r"\[Errno -?\d+\] ")
_FEW = {
    RecursionError: "it is nested too deeply",
    MemoryError: "it takes more memory than there is",
    EOFError: "it ends too early",
    UnicodeDecodeError: "text that is no UTF-8",
    UnicodeEncodeError: "text that UTF-8 cannot hold",
}


# What readers of parquet say of bytes that were damaged, and what it means.
_OF_PARQUET = (
    (re.compile("thrift|page header", re.IGNORECASE), "a header inside it is damaged"),
    (re.compile("end of stream|EOF", re.IGNORECASE), "it ends too early"),
    (re.compile("dictionary bounds|not in dictionary", re.IGNORECASE), "values that are not in its dictionary"),
    (re.compile("snappy|zstd|lz4|decompress", re.IGNORECASE), "compressed data in it are damaged"),
    (
        re.compile("base64|enclosed in double quotes|Expecting value|delimiter: line"),
        "what is noted of its columns is damaged",
    ),
    (re.compile("magic bytes|footer", re.IGNORECASE), "its parquet footer cannot be read"),
)


# What astropy says of a damaged FITS file, and what it means.
_OF_FITS = (
    (re.compile(r"Keyword '([\w-]+)' not found"), r"the keyword \1 is missing"),
    (re.compile(r"Unparsable card \(([\w-]+)\)"), r"the keyword \1 cannot be read"),
    (re.compile(r"Extension ['(]+([\w-]+).* not found"), r"no extension \1"),
    (re.compile("No SIMPLE card|FITS header starts with"), "it does not begin as a FITS file"),
    (re.compile("missing END card"), "a header without its end"),
    (re.compile("Invalid value for BITPIX"), "a BITPIX that FITS does not have"),
    (re.compile("^Format .* is not recognized"), "a column whose format FITS does not have (TFORM)"),
    (re.compile("recformat|field names must|Column name must"), "a column without a name or a format (TTYPE, TFORM)"),
    (re.compile("compress|COMPRESSED_DATA", re.IGNORECASE), "compressed data in it are damaged"),
    (re.compile("No table found"), "it holds no table"),
)


def of_fits(error: BaseException) -> str:
    """What is wrong with a FITS file that could not be read.

    astropy believes a header until it computes with it: what Python says of that names no part of the file.

    >>> of_fits(KeyError("Keyword 'TFIELDS' not found.")), of_fits(TypeError("'NoneType' is not subscriptable"))
    ('the keyword TFIELDS is missing', 'its header does not fit its data')
    """
    said = str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
    for mark, words in _OF_FITS:
        if found := mark.search(said):
            return found.expand(words)
    return "its header does not fit its data" if isinstance(error, _COMPUTED) else in_words(error)


_COMPUTED = (TypeError, AttributeError, IndexError, AssertionError, ZeroDivisionError, OverflowError)


def in_words(error: BaseException) -> str:
    """What an exception says, without the names that Python gives it.

    Example:
        >>> in_words(KeyError("NAXIS2")), in_words(ValueError("could not convert"))
        ('NAXIS2 is not there', 'could not convert')
    """
    if isinstance(error, UserError):
        return str(error)
    if isinstance(error, KeyError) and len(error.args) == 1:
        return f"{error.args[0]} is not there"
    few = next((words for kind, words in _FEW.items() if isinstance(error, kind)), None)
    said = _NUMBER.sub("", plain(str(error)))
    return few or said or "its reader failed and said nothing"


def quiet() -> warnings.catch_warnings[None]:
    """A block in which libraries warn of nothing: their warnings on a user's file name lines of code, not the file."""
    return warnings.catch_warnings(action="ignore")


def of_parquet(error: BaseException) -> str:
    """What is wrong with a parquet file that could not be read.

    >>> of_parquet(OSError("Couldn't deserialize thrift: Invalid data"))
    'a header inside it is damaged'
    """
    said = in_words(error)
    return next((words for mark, words in _OF_PARQUET if mark.search(said)), said)


@contextmanager
def reading_parquet(path: Path) -> Iterator[None]:
    """A block that reads a parquet table of a user: what a library raises on a damaged one is told in words.

    Args:
        path: of the file, for the message.

    Raises:
        UserError: instead of what the library raised; memory that does not suffice is no damage.
    """
    try:
        refuse_swollen_parquet(path)
        yield
    except (UserError, MemoryError):
        raise
    except SwollenError as error:
        got, _, fix = f"{path.name}: {error}".rpartition(": ")
        raise UserError("a parquet table that fits its file", got, fix) from error
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        got = f"{path.name}: {shortened(of_parquet(error), 200)}"
        raise UserError("a whole parquet table", got, "fetch it again, or write it again") from error


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
        with quiet():
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
        said = of_fits(error) if "FITS" in what else in_words(error)
        got = f"{found(path)}, which cannot be read ({shortened(said, 200)})"
        raise UserError(what, got, "check that the file is whole, or write it again") from error
