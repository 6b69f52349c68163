"""Tables come back from every format with their values, units, descriptions and UCDs: by astropy, pandas, stilts."""

from __future__ import annotations

import io
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from astropy.table import Table

from astrid_ml.described.columns import ColumnMeaning, TableMeaning
from astrid_ml.described.formats import astropy_table, formats_of, write_described, write_formats_of
from astrid_ml.described.parquet import ParquetMeaning
from astrid_ml.errors import UserError
from astrid_ml.table_files import TableWriter, write_table

# FITS' standard has no multiples of a unit but powers of ten, and no electron: astropy says so when it reads them.
pytestmark = pytest.mark.filterwarnings("ignore:.*did not parse as fits unit", "ignore:.*W50")
MEANING = TableMeaning("forced")
ALL = ("ecsv", "votable", "fits")


def rows(n: int = 3) -> pd.DataFrame:
    """Every type that a table of ours has, with values missing."""
    return pd.DataFrame(
        {
            "object_id": pd.array(["a", 'b, "c" #', None], dtype="string"),
            "ra": [0.0, 359.999999999, 180.0],
            "dec": [-90.0, 90.0, 0.0],
            "flux": [1.5, np.nan, -1e-12],
            "flux_err": np.array([1, 2, np.nan], np.float32),
            "mag": [20.0, np.nan, np.nan],
            "detected": [True, False, True],
            "in_domain": pd.array([True, None, False], dtype="boolean"),
            "label": pd.array([1, None, 0], dtype="Int8"),
            "flags": np.array([0, 4, 5], np.int32),
            "mine": [1, 2, 3],
        }
    ).head(n)


def numbers(column: Any) -> list[float]:
    """Values with NaN where there is none."""
    return [float("nan") if value is None or np.ma.is_masked(value) else float(value) for value in column]


@pytest.mark.parametrize("name", ["forced.parquet", "forced.ecsv", "forced.vot", "forced.fits"])
def test_values_units_descriptions_and_ucds_come_back_by_astropy(tmp_path: Path, name: str) -> None:
    table = rows()
    written = write_described(table, tmp_path / "forced.parquet", MEANING, ALL)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(path.name for path in written)
    read = Table.read(tmp_path / name)
    assert read.colnames == list(table.columns)
    for column in read.itercols():
        meaning = MEANING.column(column.name)
        assert " ".join((column.description or "").split()) == meaning.description  # VOTable breaks lines
        assert column.meta.get("ucd", "") == meaning.ucd
    assert [str(read[name].unit) for name in ("ra", "mag")] == ["deg", "mag"]
    assert str(read["flux"].unit) == "36.3078 nJy"
    for number in ("ra", "dec", "flux", "flux_err", "label", "flags", "mine"):
        np.testing.assert_array_equal(numbers(read[number]), table[number].to_numpy(dtype=float, na_value=np.nan))
    assert read["detected"].tolist() == [True, False, True]
    texts = [str(value) for value in read["object_id"]]
    assert texts[:2] == ["a", 'b, "c" #']


def test_pandas_and_pyarrow_see_units_too(tmp_path: Path) -> None:
    path = tmp_path / "forced.parquet"
    write_described(rows(), path, MEANING)
    read = pd.read_parquet(path)
    pd.testing.assert_frame_equal(read, rows())
    assert read.attrs["units"]["ra"] == "deg" and read.attrs["ucds"]["dec"] == "pos.eq.dec;meta.main"
    assert pq.read_schema(path).field("ra").metadata[b"unit"] == b"deg"
    content = pq.read_schema(path).metadata[b"IVOA.VOTable-Parquet.content"].decode()
    assert '<FIELD name="ra" datatype="double" unit="deg" ucd="pos.eq.ra;meta.main">' in content


def test_a_file_that_grows_batch_by_batch_says_the_same(tmp_path: Path) -> None:
    with TableWriter(tmp_path / "t.parquet", {"own": "1"}, describes=ParquetMeaning(MEANING)) as writer:
        writer.write(rows(1))
        writer.write(rows(3).assign(object_id="a longer name"))
    read = Table.read(tmp_path / "t.parquet")
    assert str(read["ra"].unit) == "deg" and read["object_id"].dtype.itemsize == 4 * 13
    assert pq.read_schema(tmp_path / "t.parquet").metadata[b"own"] == b"1"
    [path] = write_formats_of(tmp_path / "t.parquet", MEANING, ("fits",))
    assert len(Table.read(path)) == 4
    write_table(rows(), tmp_path / "plain.parquet")  # of our own use: says nothing
    assert b"PANDAS_ATTRS" not in (pq.read_schema(tmp_path / "plain.parquet").metadata or {})


def test_a_table_without_rows_keeps_columns_and_units(tmp_path: Path) -> None:
    for path in write_described(rows(0), tmp_path / "none.parquet", MEANING, ALL):
        read = Table.read(path)
        assert (len(read), read.colnames, str(read["ra"].unit)) == (0, list(rows().columns), "deg")


def test_fits_has_no_letters_beyond_ascii(tmp_path: Path) -> None:
    table = pd.DataFrame({"object_id": ["η Car"], "amplitude": [3.0]})
    write_described(table, tmp_path / "t.parquet", TableMeaning("jumps"), ALL)
    assert str(Table.read(tmp_path / "t.fits")["object_id"][0]) == "? Car"
    assert str(Table.read(tmp_path / "t.fits")["amplitude"].unit) == "electron"
    assert str(Table.read(tmp_path / "t.ecsv")["object_id"][0]) == "η Car"


def test_names_of_columns_beyond_ascii_are_spelt_out_and_said(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    names = ["ra", "Δ", "delta", "σ_é", "°", "Δ mag", "δ"]
    table = pd.DataFrame({name: [float(number)] for number, name in enumerate(names)})
    own = {"Δ": ColumnMeaning("mag", "Größe", "phot.mag")}
    written = write_described(table, tmp_path / "t.parquet", TableMeaning(None, own=own), ALL)
    fits = Table.read(written[-1])
    assert fits.colnames == ["ra", "delta_2", "delta", "sigma_e", "_", "delta mag", "delta_3"]
    assert [float(fits[name][0]) for name in fits.colnames] == list(range(7)) and str(fits["delta_2"].unit) == "mag"
    votable = Table.read(tmp_path / "t.vot", use_names_over_ids=True)
    assert votable.colnames == Table.read(tmp_path / "t.ecsv").colnames == names
    assert "the column Δ is called delta_2 in FITS" in capfd.readouterr().err


def test_numbers_that_files_write_for_nothing_are_nobodys(tmp_path: Path) -> None:
    table = pd.DataFrame({"mine: 0": pd.array([999999, None, -1], dtype="Int64"), "b": pd.array([7, None, 0], "UInt8")})
    write_described(table, tmp_path / "t.parquet", TableMeaning(None), ALL)
    for suffix in ("ecsv", "vot", "fits"):
        read = Table.read(tmp_path / f"t.{suffix}")
        first, second = (numbers(column) for column in read.itercols())
        np.testing.assert_array_equal(first, [999999, np.nan, -1])
        np.testing.assert_array_equal(second, [7, np.nan, 0])


def test_the_same_rows_make_the_same_bytes(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        write_described(rows(), tmp_path / folder / "t.parquet", MEANING, ALL)
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes(), path.name


def test_texts_that_no_format_can_hold_are_written_out_and_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ["a\x1b[2J\x00", "two\nlines\tand", "\uffff", "x" * 5_000_000, "sound"]
    table = pd.DataFrame({"id": names, "od\x07d": [1, 2, 3, 4, 5]})
    _, *files = write_described(table, tmp_path / "t.parquet", TableMeaning(), ALL)
    assert pd.read_parquet(tmp_path / "t.parquet")["id"].tolist() == names
    assert "4 texts of id" in capsys.readouterr().err
    for file in files:
        assert file.stat().st_size < 100_000
        back = Table.read(file)
        found = [str(value).strip() for value in back["id"]]
        assert found[0] == r"a\x1b[2J\x00" and found[1] == r"two\x0alines\x09and" and found[4] == "sound"
        assert len(found[3]) == 1000 and found[2] == r"\uffff"
        assert back.colnames == ["id", "od_x07d" if file.suffix == ".vot" else r"od\x07d"]  # there an ID of XML's


def test_lists_become_texts_for_astropy() -> None:
    table = astropy_table(pd.DataFrame({"a": [[1, 2], None]}), TableMeaning())
    assert [str(value) for value in table["a"]] == ["[1, 2]", ""]


@pytest.mark.parametrize("wrong", ["csv", ["fits", "hdf5"], "FITS", ""])
def test_a_format_that_is_not_written_is_named(wrong: Any) -> None:
    with pytest.raises(UserError, match="ecsv, votable, fits"):
        formats_of(wrong)


@pytest.mark.skipif(shutil.which("stilts") is None, reason="stilts (Debian's package of that name) is not installed")
@pytest.mark.parametrize(("suffix", "flux"), [("vot", "36.307806nJy"), ("fits", "36.3078 nJy")])
def test_stilts_sees_units_descriptions_and_ucds(tmp_path: Path, suffix: str, flux: str) -> None:
    write_described(rows(), tmp_path / "forced.parquet", MEANING, ALL)
    file = tmp_path / f"forced.{suffix}"

    def stilts(*words: str) -> list[dict[str, str]]:
        command = ["stilts", "tpipe", f"in={file}", *words, "omode=out", "ofmt=csv"]
        text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        lines = pd.read_csv(io.StringIO(text), dtype=str, keep_default_na=False)
        return [{str(key): str(value) for key, value in row.items()} for row in lines.to_dict("records")]

    columns = {row["Name"]: row for row in stilts("cmd=meta name units ucd description")}
    assert list(columns) == list(rows().columns)
    assert (columns["ra"]["Units"], columns["ra"]["UCD"]) == ("deg", "pos.eq.ra;meta.main")
    assert columns["flux"]["Units"] == flux
    assert columns["flux"]["Description"] == MEANING.column("flux").description
    values = stilts()
    assert [row["ra"] for row in values] == ["0.0", "359.999999999", "180.0"]
    assert [row["label"] for row in values] == ["1", "", "0"]
    assert [row["flux"] for row in values] == ["1.5", "", "-1.0E-12"]
