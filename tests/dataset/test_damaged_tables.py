"""Tables of users that are damaged where no library looks for it: each is refused in words."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.io import fits

from astrid_ml.checkpoint.predictions import read_predictions
from astrid_ml.errors import UserError
from astrid_ml.preprocessing.differencing.frame.chips import chips_of
from astrid_ml.preprocessing.differencing.frame.manifest import read_manifest
from astrid_ml.preprocessing.roman.job.old_dataset import plan
from astrid_ml.tables import read_table


@pytest.mark.parametrize("notes", [b'{"columns": [{}], "index_columns": []}', b"{", b"no JSON"])
def test_notes_of_pandas_that_are_damaged_refuse_the_table(notes: bytes, tmp_path: Path) -> None:
    path = tmp_path / "table.parquet"
    table = pa.Table.from_pandas(pd.DataFrame({"id": ["a"], "score": [0.5]}))
    pq.write_table(table.replace_schema_metadata({b"pandas": notes}), path)
    with pytest.raises(UserError, match="which is damaged"):
        read_predictions(path)


@pytest.mark.parametrize(("key", "value"), [("TFIELDS", 10**9), ("NAXIS2", 10**12)])
def test_a_fits_table_that_declares_what_no_file_holds_is_refused(key: str, value: int, tmp_path: Path) -> None:
    path = tmp_path / "table.fits"
    column = fits.Column("ra", "D", array=np.arange(3.0))
    fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU.from_columns([column])]).writeto(path)
    whole = path.read_bytes()
    place = whole.index(f"{key:8}=".encode(), 2880)
    changed = f"{key:8}= {value:>20}".ljust(80).encode()
    path.write_bytes(whole[:place] + changed + whole[place + 80 :])
    with pytest.raises(UserError, match="a whole FITS file"):
        read_table(path, {"ra": "ra"})


def test_a_name_with_a_null_character_and_a_list_that_was_cut_are_refused(tmp_path: Path) -> None:
    (tmp_path / "manifest.csv").write_text("science,reference\na\0.fits,b.fits\n")
    with pytest.raises(UserError, match="null character"):
        read_manifest(tmp_path / "manifest.csv")
    names = "jid,image_filename,id,sexcat_x,sexcat_y,label"
    (tmp_path / "master_index.csv").write_text(names + "\n")
    with pytest.raises(UserError, match=r"a master_index\.csv with"):
        plan(tmp_path / "master_index.csv")


def test_a_unit_that_astropy_cannot_tell_the_shape_of_is_no_chip(tmp_path: Path) -> None:
    path = tmp_path / "frame.fits"
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(np.zeros((64, 64)), name="SCI")]).writeto(path)
    whole = path.read_bytes()
    place = whole.index(b"NAXIS2  =", 2880)
    path.write_bytes(whole[:place] + b"NAXIS1  " + whole[place + 8 :])
    assert chips_of({"path": str(path)}) == []
