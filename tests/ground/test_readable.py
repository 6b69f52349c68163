"""What a library says of a damaged file is told in words; what the disk says goes on."""

from __future__ import annotations

import errno
import re
from pathlib import Path

import pytest

from astrid_ml.errors import UserError
from astrid_ml.readable import of_fits, reading


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (KeyError("SCI"), "SCI is not there"),
        (OSError("no END"), "no END"),
        (AttributeError("'_ValidHDU'"), "its header does not fit its data"),
        (ValueError(), "its reader failed and said nothing"),
        (RuntimeError("x.TProtocolException: Invalid\n data"), "Invalid data"),
        (RecursionError("maximum depth"), "it is nested too deeply"),
    ],
)
def test_whatever_a_library_raises_names_the_file_and_no_exception(
    tmp_path: Path, error: Exception, words: str
) -> None:
    (tmp_path / "a.fits").write_text("words\n")
    with pytest.raises(UserError, match="which cannot be read") as caught, reading(tmp_path / "a.fits"):
        raise error
    assert "text" in caught.value.got and caught.value.got.endswith(f"({words})")
    assert caught.value.__cause__ is error


def test_our_own_words_and_the_disks_go_on_as_they_are(tmp_path: Path) -> None:
    for error in (UserError("one", "another", "fix"), OSError(errno.EIO, "Input/output error")):
        with pytest.raises(type(error)) as caught, reading(tmp_path):
            raise error
        assert caught.value is error


DAMAGED = {
    "the keyword TFIELDS is missing": KeyError("Keyword 'TFIELDS' not found."),
    "the keyword TTYPE2 cannot be read": ValueError("Unparsable card (TTYPE2), fix it first with .verify('fix')."),
    "no extension SCI": KeyError("Extension 'SCI' not found."),
    "it does not begin as a FITS file": OSError(
        "No SIMPLE card found, this file does not appear to be a valid FITS file."
    ),
    "a column without a name or a format (TTYPE, TFORM)": KeyError("recformat"),
    "a column whose format FITS does not have (TFORM)": ValueError("Format 'zz' is not recognized."),
    "compressed data in it are damaged": ValueError("Unrecognized compression type: zz"),
    "its header does not fit its data": TypeError('can only concatenate str (not "int") to str'),
    "PCOUNT = -7": ValueError("PCOUNT = -7"),
}


@pytest.mark.parametrize("words", DAMAGED)
def test_a_damaged_fits_file_is_told_without_the_words_of_python(words: str, tmp_path: Path) -> None:
    assert of_fits(DAMAGED[words]) == words
    (tmp_path / "a.fits").write_bytes(b"SIMPLE  =                    T")
    with pytest.raises(UserError, match=re.escape(words)), reading(tmp_path / "a.fits", "a FITS image"):
        raise DAMAGED[words]
