"""What is guessed of somebody's table and array: units of positions, columns of labels, axes, order of channels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from astropy.table import Table
from made.strangers import stamps, table

from astrid_ml.errors import UserError
from astrid_ml.pipeline.writer import MemoryUnitWriter
from astrid_ml.preprocessing.triplets.pipeline import TripletsPipeline

RA, DEC = np.array([10.0, 70.0, 130.0, 190.0, 250.0, 350.0]), np.array([-60.0, -30.0, 0.0, 30.0, 60.0, 80.0])
UNITS = {"rad": (np.pi / 180, np.pi / 180), "hourangle": (1 / 15, 1.0), "deg": (1.0, 1.0), "arcsec": (3600.0, 3600.0)}


def _index(folder: Path, **said: Any) -> pd.DataFrame:
    pipeline, writer = TripletsPipeline(**said), MemoryUnitWriter()
    for unit in pipeline.plan([folder]):
        assert not unit.missing, unit.missing
        pipeline.process(unit, writer, 0)
    return writer.source().index.reset_index(drop=True)


def _sky(unit: str) -> dict[str, Any]:
    ra, dec = UNITS[unit]
    return {"ra": RA * ra, "dec": DEC * dec}


def _same_sky(index: pd.DataFrame) -> None:
    np.testing.assert_allclose(index["ra"], RA)
    np.testing.assert_allclose(index["dec"], DEC)


@pytest.mark.parametrize("form", ["ecsv", "vot", "fits", "parquet"])
@pytest.mark.parametrize("unit", UNITS)
def test_the_unit_of_a_table_is_read(tmp_path: Path, form: str, unit: str) -> None:
    np.save(tmp_path / "a.npy", stamps())
    rows = Table.from_pandas(table().assign(**_sky(unit)))
    rows["ra"].unit, rows["dec"].unit = unit, "deg" if unit == "hourangle" else unit
    if (form, unit) == ("fits", "hourangle"):
        rows["ra"].unit = "h"  # FITS has no other word for it
    rows.write(tmp_path / f"a.{form}", **({"format": "votable"} if form == "vot" else {}))
    _same_sky(_index(tmp_path))


@pytest.mark.parametrize(("unit", "words"), [("rad", "radians or degrees"), ("hourangle", "hours or degrees")])
@pytest.mark.parametrize("where", ["table", "container"])
def test_positions_all_over_the_sky_need_their_unit(tmp_path: Path, unit: str, words: str, where: str) -> None:
    if where == "table":
        np.save(tmp_path / "a.npy", stamps())
        table().assign(**_sky(unit)).to_csv(tmp_path / "a.csv", index=False)
    else:
        np.savez(tmp_path / "a.npz", stamps=stamps(), **_sky(unit))
    with pytest.raises(UserError, match=rf"{words}(?s:.*)preprocessing\.position_unit={unit}"):
        _index(tmp_path)
    _same_sky(_index(tmp_path, position_unit=unit))
    assert _index(tmp_path, position_unit="deg")["ra"].tolist() == (_sky(unit)["ra"]).tolist()
