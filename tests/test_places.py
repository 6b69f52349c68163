"""Names and places that a file system cannot hold are refused; what is made of a file is named for it alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from astrid_ml.errors import UserError
from astrid_ml.places import NAME_BYTES, check_name, check_place, distinct_names
from astrid_ml.printable import printable


@pytest.mark.parametrize("name", ["a", "night 1, é", "a.b", "x" * NAME_BYTES])
def test_a_name_that_a_file_can_have_is_taken(name: str) -> None:
    assert check_name(name) == name


@pytest.mark.parametrize("name", ["", " ", ".", "..", "../../x", "a/b", "a\\b", "a\0b", "a\x1b[31m", "a\nb", "é" * 150])
def test_a_name_that_no_file_can_have_is_refused(name: str) -> None:
    with pytest.raises(UserError) as caught:
        check_name(name)
    assert "\x1b" not in str(caught.value) and "\0" not in str(caught.value)


@pytest.mark.parametrize("place", ["", "a\0b", "x" * 300, "a/" + "é" * 200, "ab/" * 2000])
def test_a_place_that_no_file_system_holds_is_refused(place: str) -> None:
    with pytest.raises(UserError, match="output_dir"):
        check_place(place, "output_dir")


def test_a_place_is_a_path() -> None:
    assert check_place("a/b (1)", "output_dir") == Path("a/b (1)")


def test_files_of_one_name_have_names_of_their_own() -> None:
    given = [
        Path(text)
        for text in ("in/a/exp1.fits", "in/b/exp1.fits", "in/b/exp1.fits.gz", "in/c/EXP2.fits", "in/exp2.asdf")
    ]
    names = distinct_names(given)
    assert len({name.casefold() for name in names}) == len(given)
    assert names == distinct_names(given)
    long = distinct_names([Path("n" * 240 + ".fits"), Path("n" * 240 + ".asdf")])
    assert len(set(long)) == 2 and all(len(name) < 200 for name in long)


def test_text_moves_no_cursor() -> None:
    assert printable("a\x1b[2Jb\u202ec") == "a\\x1b[2Jb\\u202ec"
    assert printable("night 1\té\n") == "night 1\té\n"
