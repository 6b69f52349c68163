"""What a library says of a damaged file is told in words; what the disk says goes on."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from astrid_ml.errors import UserError
from astrid_ml.readable import reading


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (KeyError("SCI"), "SCI is not there"),
        (OSError("no END"), "no END"),
        (AttributeError("'_ValidHDU'"), "'_ValidHDU'"),
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
