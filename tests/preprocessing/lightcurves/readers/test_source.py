"""A file belongs to one reader, and the message for one that nobody knows lists all of them."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from astrid_ml.errors import UserError
from astrid_ml.preprocessing.lightcurves.curves.source import CurveSource
from astrid_ml.preprocessing.lightcurves.readers import converted
from astrid_ml.preprocessing.lightcurves.readers.recognise import all_readers, find_curves, known, recognise

TABLES = {
    "curve_files": ["time", "mag", "magerr", "band"],
    "elasticc": ["SNID", "MJD", "BAND", "FLUXCAL", "FLUXCALERR"],
    "plasticc": ["object_id", "mjd", "passband", "flux", "flux_err"],
    "ztf": ["oid", "mjd", "fid", "magpsf", "sigmapsf", "isdiffpos"],
}


@pytest.mark.parametrize("kind", TABLES)
def test_a_table_is_recognised_by_one_reader_alone(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    pd.DataFrame({name: [1.0, 2.0] for name in TABLES[kind]}).to_csv(path, index=False)
    taken = [reader.kind for reader in all_readers() if reader.recognise(path) is not None]
    assert taken[0] == kind and set(taken[1:]) <= {"guessed"}  # which is asked last
    source = recognise(path)
    assert isinstance(source, CurveSource) and source.reader.kind == kind and source.inputs[0] == path


def test_nobody_takes_damaged_or_foreign_files(tmp_path: Path) -> None:
    names = ("a.parquet", "b.avro", "c.tar.gz", "d.csv", "e.csv.gz", "f.fits", "g.dat", ".hidden.csv")
    for name in names:
        (tmp_path / name).write_bytes(b"\x00\xffneither")
        assert recognise(tmp_path / name) is None, name
    with pytest.raises(UserError, match="parquet of astrid convert"):
        find_curves([tmp_path])


def test_kinds_are_unique_and_all_are_named_in_the_message() -> None:
    kinds = [reader.kind for reader in all_readers()]
    assert len(set(kinds)) == len(kinds) == 11
    assert all(reader.known_as in known() for reader in all_readers())
    assert converted.READERS[0] in all_readers()
