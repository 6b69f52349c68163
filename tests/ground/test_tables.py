"""User tables: every kind and delimiter, units honoured, no row dropped unseen."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from astropy import units
from astropy.table import Table

from astrid_ml.csv_text import read_csv_text
from astrid_ml.errors import UserError
from astrid_ml.tables import read_table

ASKED = {"object_id": "text", "ra": "deg", "dec": "deg"}
NAMES = ["SN 2014J", "SN#2", "ATLAS#12 # new", "007"]
RA, DEC = [149.890275, 10.5, 359.999, 0.0], [69.5, -3.25, 0.0, -89.0]


def frame() -> pd.DataFrame:
    return pd.DataFrame({"object_id": NAMES, "ra": RA, "dec": DEC})


def write(kind: str, path: Path) -> Path:
    table = Table.from_pandas(frame())
    table["ra"].unit = table["dec"].unit = units.deg
    if kind in (",", ";", "\t", "|"):
        frame().to_csv(path, sep=kind, index=False)
    elif kind == "blanks":
        path.write_text(
            "\n".join(["object_id   ra dec", *(f'"{n}" {r}   {d}' for n, r, d in zip(NAMES, RA, DEC, strict=True))])
        )
    elif kind == "commented header":
        path.write_text("# made by hand\n# object_id,ra,dec\n" + frame().to_csv(index=False, header=False))
    elif kind == "byte order mark":
        path.write_bytes(b"\xef\xbb\xbf" + frame().to_csv(index=False).encode())
    elif kind == "gz":
        path.write_bytes(gzip.compress(frame().to_csv(index=False).encode()))
    elif kind == "parquet":
        frame().to_parquet(path)
    elif kind == "ecsv,":
        table.write(path, format="ascii.ecsv", delimiter=",")
    else:
        table.write(path, format=kind)
    return path


KINDS = [",", ";", "\t", "|", "blanks", "commented header", "byte order mark", "gz", "parquet"]
KINDS += ["ascii.ecsv", "ecsv,", "votable", "fits"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("ending", ["csv", "odd", "parquet"])
def test_every_kind_is_read_whatever_its_ending(kind: str, ending: str, tmp_path: Path) -> None:
    read = read_table(write(kind, tmp_path / f"a (1).{ending}"), ASKED)
    assert read.rows["object_id"].tolist() == NAMES
    np.testing.assert_allclose(read.rows["ra"], RA)
    np.testing.assert_allclose(read.rows["dec"], DEC)
    assert read.dropped == ()


@pytest.mark.parametrize("kind", ["ascii.ecsv", "votable"])
def test_units_of_the_file_are_honoured(kind: str, tmp_path: Path) -> None:
    table = Table({"object_id": ["a"], "ra": [1.0] * units.hourangle, "dec": [0.5] * units.rad})
    table.write(tmp_path / "t", format=kind)
    rows = read_table(tmp_path / "t", ASKED).rows
    assert rows["ra"].tolist() == pytest.approx([15.0])
    assert rows["dec"].tolist() == pytest.approx([28.6478897565])


def test_radians_of_a_fits_table_become_degrees(tmp_path: Path) -> None:
    table = Table({"object_id": ["a"], "ra": [1.0] * units.rad, "dec": [30.0] * units.arcmin})
    table.write(tmp_path / "t", format="fits")
    rows = read_table(tmp_path / "t", ASKED).rows
    assert (rows["ra"][0], rows["dec"][0]) == pytest.approx((57.29577951, 0.5))


def test_a_unit_that_is_no_angle_is_refused(tmp_path: Path) -> None:
    Table({"object_id": ["a"], "ra": [1.0] * units.m, "dec": [0.5] * units.deg}).write(
        tmp_path / "t", format="ascii.ecsv"
    )
    with pytest.raises(UserError, match="has it in m"):
        read_table(tmp_path / "t", ASKED)


def test_each_row_that_cannot_be_used_is_counted_with_its_reason(tmp_path: Path) -> None:
    text = (
        "object_id,ra,dec,mag\ngood,1,2,20\n,1,2,20\nb,x,2,20\nc,1,,20\nd,inf,2,20\ne,1,2,20,9\nf,1,2,faint\ng,3,4,\n"
    )
    (tmp_path / "t.csv").write_text(text)
    read = read_table(tmp_path / "t.csv", ASKED, {"mag": "number"})
    assert read.rows["object_id"].tolist() == ["good", "g"]
    assert np.isnan(read.rows["mag"][1])
    assert dict(read.dropped) == {
        2: "object_id is empty",
        3: "ra is no number: 'x'",
        4: "dec is empty",
        5: "ra is no number: 'inf'",
        6: "5 values for 4 columns",
        7: "mag is no number: 'faint'",
    }
    account = read.account()
    assert (account["rows"], account["rows_dropped"]) == (2, 6)


def test_ids_stay_text(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("id,label\n007,1\n1e5,0\nNA,1\n")
    assert read_table(tmp_path / "t.csv", {"id": "text"}).rows["id"].tolist() == ["007", "1e5", "NA"]
    pd.DataFrame({"id": [7, 8], "x": [1, 2]}).to_parquet(tmp_path / "t.parquet")
    assert read_table(tmp_path / "t.parquet", {"id": "text"}).rows["id"].tolist() == ["7", "8"]
    pd.DataFrame({"id": [7.0, np.nan]}).to_parquet(tmp_path / "f.parquet")
    read = read_table(tmp_path / "f.parquet", {"id": "text"})
    assert (read.rows["id"].tolist(), read.dropped) == (["7"], ((2, "id is empty"),))


def test_names_that_differ_by_case_are_found(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("Object_ID,RA,Dec\na,1,2\n")
    assert list(read_table(tmp_path / "t.csv", ASKED).rows) == ["object_id", "ra", "dec"]
    (tmp_path / "t.csv").write_text("object_id,RA,Ra,dec\na,1,1,2\n")
    with pytest.raises(UserError, match="one column ra"):
        read_table(tmp_path / "t.csv", ASKED)


def test_a_masked_value_is_empty(tmp_path: Path) -> None:
    table = Table({"object_id": ["a", "b"], "ra": [1.0, 2.0], "dec": [1.0, 2.0]}, masked=True)
    table["ra"].mask = [True, False]
    for kind in ("ascii.ecsv", "votable"):
        table.write(tmp_path / kind, format=kind)
        read = read_table(tmp_path / kind, ASKED)
        assert (read.rows["object_id"].tolist(), read.dropped) == (["b"], ((1, "ra is empty"),))


def test_vector_columns_of_fits_are_left_out(tmp_path: Path) -> None:
    Table({"object_id": ["a"], "ra": [1.0], "dec": [2.0], "stamp": np.zeros((1, 3, 3))}).write(tmp_path / "t.fits")
    assert list(read_table(tmp_path / "t.fits", ASKED).rows) == ["object_id", "ra", "dec"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "a table in CSV.*which is empty"),
        (b"\x00\x01\x02\xff\xfe", "a table in CSV"),
        (b"PAR1 cut off", "a table in CSV"),
        (b"a,b\n1,2\n", "without object_id, ra, dec"),
        (b"# %ECSV 1.0\n# ---\n# datatype:\n", "a table in CSV"),
        (b"<?xml version='1.0'?><html/>", "a table in CSV"),
    ],
)
def test_what_is_no_table_is_refused_in_words(content: bytes, words: str, tmp_path: Path) -> None:
    (tmp_path / "t").write_bytes(content)
    with pytest.raises(UserError, match=words):
        read_table(tmp_path / "t", ASKED)
    with pytest.raises(UserError, match="a folder at"):
        read_table(tmp_path, ASKED)
    with pytest.raises(UserError, match="nothing at"):
        read_table(tmp_path / "absent", ASKED)


def test_a_million_rows_take_seconds_not_minutes(tmp_path: Path) -> None:
    """The fast parser reads it: quotes and hashes are no reason for a slow one."""
    n = 200_000
    lines = [f'"SN#{i}",{i % 360},{i % 90}\n' for i in range(n)]
    (tmp_path / "t.csv").write_text("object_id,ra,dec\n" + "".join(lines))
    read = read_table(tmp_path / "t.csv", ASKED)
    assert len(read.rows) == n and read.rows["object_id"][n - 1] == f"SN#{n - 1}"


def test_places_that_are_not_on_the_sky_are_dropped_with_the_reason(tmp_path: Path) -> None:
    path = tmp_path / "positions.csv"
    path.write_text("object_id,ra,dec\na,400,95\nb,-10,-90\nc,10,-90.5\nd,1e300,0\n")
    read = read_table(path, {"object_id": "text", "ra": "deg", "dec": "deg"})
    assert read.rows["object_id"].tolist() == ["b"]
    assert read.dropped == (
        (1, "dec lies outside -90 to 90 deg: '95.0'"),
        (3, "dec lies outside -90 to 90 deg: '-90.5'"),
        (4, "ra lies outside -360 to 720 deg: '1e+300'"),
    )


@pytest.mark.parametrize("content", [b'{"a": 1}', b"[1, 2]", b'\n {"a":\n {}}'])
def test_a_json_text_is_called_so(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "quality.json").write_bytes(content)
    with pytest.raises(UserError, match="a JSON text"):
        read_table(tmp_path / "quality.json", ASKED)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("# id, snr\na,5\nb,6\n", ["id", "snr"]),
        ("#id snr\na 5\nb 6\n", ["id", "snr"]),
        ("# made in 2014, by hand\nid,snr\na,5\n", ["id", "snr"]),
        ("# 3 4\n1 2\n", ["1", "2"]),
        ("# id,\na,5\n", ["a", "5"]),
        ("# id,snr,x\na,5\n", ["a", "5"]),
        ("# id,name\na,b\n", ["a", "b"]),
    ],
)
def test_a_comment_names_columns_where_it_stands_above_numbers(text: str, names: list[str]) -> None:
    rows, _, bad = read_csv_text(text, {}, ())
    assert list(rows.columns) == names and not bad
