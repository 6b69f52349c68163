"""Tables of light curves, ramps and predictions say what their columns mean."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from astropy.table import Table

from astrid_ml.checkpoint.predictions import read_predictions, write_predictions
from astrid_ml.described.formats import SUFFIXES
from astrid_ml.errors import UserError
from astrid_ml.preprocessing.lightcurves.commands.convert import ConvertCommand
from astrid_ml.preprocessing.lightcurves.simulate.command import SimulateLightcurves
from astrid_ml.preprocessing.ramps.commands.predict import PredictRamps
from astrid_ml.preprocessing.ramps.readers.options import RampOptions

pytestmark = pytest.mark.filterwarnings("ignore:.*did not parse as fits unit", "ignore:.*W50")
FORMATS = list(SUFFIXES)


def silent(path: Path) -> list[str]:
    """Columns of a parquet file without a description."""
    return [field.name for field in pq.read_schema(path) if b"description" not in (field.metadata or {})]


def test_converted_curves_are_described_and_written_a_row_an_epoch(tmp_path: Path) -> None:
    SimulateLightcurves(n=12, templates=3).run(tmp_path / "raw", seed=2)
    done = ConvertCommand(str(tmp_path / "raw"), str(tmp_path / "out"), format=FORMATS).run()
    part = min((tmp_path / "out" / "objects").glob("part-*.parquet"))
    known = {"object_id", "RA", "DEC", "mjd", "band", "wavelength", "flux", "flux_err", "phot_flag", "HOSTGAL_MAG_g"}
    assert not known & set(silent(part))
    objects = pd.read_parquet(part)
    nested = Table.read(part)
    assert str(nested["flux"].unit) == "36.3078 nJy" and nested["band"][0].tolist() == list(objects["band"][0])
    for form in FORMATS:
        epochs = Table.read(tmp_path / "out" / "epochs" / f"{part.stem}{SUFFIXES[form]}")
        assert len(epochs) == objects["mjd"].map(len).sum()
        assert [str(epochs[name].unit) for name in ("mjd", "RA", "wavelength", "flux")] == [
            "d",
            "deg",
            "um",
            "36.3078 nJy",
        ]
        np.testing.assert_allclose(epochs["flux"], np.concatenate(objects["flux"].to_list()))
        assert str(epochs["object_id"][0]) == objects["object_id"][0]
    again = ConvertCommand(str(tmp_path / "out" / "objects"), str(tmp_path / "again")).run()
    assert again["objects"] == done["objects"]  # what was written is read again
    with pytest.raises(UserError, match="format of ecsv, votable, fits"):
        ConvertCommand(str(tmp_path / "raw"), str(tmp_path / "no"), format="csv").run()


def test_jumps_are_described_in_each_format(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    steps = rng.normal(20, 5, (12, 24, 24)) * (rng.uniform(size=(12, 24, 24)) < 0.98) + 0.0
    steps[5, 8:10, 8] += 4000
    np.save(tmp_path / "ramp.npy", np.cumsum(steps, axis=0).astype(np.float32)[None])
    load = RampOptions(unit="e-", gain=1.0, read_noise=8.0, group_time=3.0)
    PredictRamps(str(tmp_path / "ramp.npy"), str(tmp_path / "out"), load, format=FORMATS).run()
    path = tmp_path / "out" / "ramp" / "jumps.parquet"
    assert silent(path) == []
    jumps = pd.read_parquet(path)
    for form in FORMATS:
        table = Table.read(path.with_suffix(SUFFIXES[form]))
        assert len(table) == len(jumps) and table.colnames == list(jumps.columns)
        assert str(table["amplitude"].unit) == "electron" and "0-based" in table["x"].description


def test_predictions_are_described_and_keep_their_schema(tmp_path: Path) -> None:
    table = pd.DataFrame(
        {"id": ["7", "8"], "score": [0.2, 0.9], "ra": [1.0, 2.0], "p_SNIa": [0.1, 0.2], "mine": [1, 2]}
    )
    write_predictions(table, tmp_path / "predictions.parquet", ("fits", "votable"))
    assert silent(tmp_path / "predictions.parquet") == ["mine"]
    assert read_predictions(tmp_path / "predictions.parquet")["id"].tolist() == ["7", "8"]
    assert pq.read_schema(tmp_path / "predictions.parquet").metadata[b"astrid.schema"] == b"2"
    for suffix in (".fits", ".vot"):
        read = Table.read(tmp_path / f"predictions{suffix}")
        assert read["score"].tolist() == [0.2, 0.9] and str(read["ra"].unit) == "deg"
        assert read["probability"].mask.all() and [str(value) for value in read["id"]] == ["7", "8"]
