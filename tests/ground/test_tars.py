"""Archives whose headers lie, or that inflate without end."""

from __future__ import annotations

import gzip
import io
import tarfile
import zlib
from pathlib import Path

import pytest

from astrid_ml.inflating import MOST_BYTES
from astrid_ml.tars import ArchiveTooLargeError, Member, refuse_too_large, why_damaged


def member_of(size: int, kind: bytes = tarfile.REGTYPE) -> tarfile.TarInfo:
    member = tarfile.TarInfo("a\x1b.avro")
    member.size, member.type = size, kind
    return member


def test_a_plain_archive_that_ends_inside_a_member_is_damaged_and_a_compressed_one_may_swell(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    path.write_bytes(bytes(2000))
    refuse_too_large(member_of(2000), path, compressed=False)
    with pytest.raises(tarfile.ReadError, match=r"ends inside a\\x1b\.avro"):
        refuse_too_large(member_of(2001), path, compressed=False)
    refuse_too_large(member_of(MOST_BYTES), path, compressed=True)
    with pytest.raises(ArchiveTooLargeError, match="may inflate to 268435456") as caught:
        refuse_too_large(member_of(MOST_BYTES + 1), path, compressed=True)
    assert caught.value.member == "a\x1b.avro"


def test_a_header_in_data_of_its_own_is_not_read_by_the_gigabyte() -> None:
    for kind in (tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE):
        stream = io.BytesIO(gzip.compress(member_of(2**33, kind).tobuf(tarfile.GNU_FORMAT) + bytes(2000)))
        with (
            pytest.raises(tarfile.ReadError, match="a header of 8589934592"),
            tarfile.open(fileobj=stream, tarinfo=Member),
        ):
            pass


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (tarfile.ReadError("unexpected end of data"), "it ends too early"),
        (EOFError("Compressed file ended before the end-of-stream marker was reached"), "it ends too early"),
        (tarfile.ReadError("its end is not there"), "its end is not there"),
        (tarfile.ReadError("bad checksum"), "a header inside it is damaged"),
        (ValueError("invalid literal for int() with base 10: b'tarpax'"), "a header inside it is damaged"),
        (zlib.error("Error -3 while decompressing data"), "compressed data in it are damaged"),
        (OSError(5, "Input/output error"), "Input/output error"),
    ],
)
def test_a_damaged_archive_is_told_without_the_words_of_a_library(error: Exception, words: str) -> None:
    assert why_damaged(error) == words
