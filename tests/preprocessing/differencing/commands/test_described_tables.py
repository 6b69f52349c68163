"""Every table that the verbs of difference images leave says what each of its columns means, in each format."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from astropy.table import Table

from astrid_ml.described.formats import SUFFIXES
from astrid_ml.errors import UserError
from astrid_ml.preprocessing.differencing.commands.associate import AssociateCommand
from astrid_ml.preprocessing.differencing.commands.depth import DepthCommand
from astrid_ml.preprocessing.differencing.commands.difference import DifferenceCommand
from astrid_ml.preprocessing.differencing.commands.forced import ForcedCommand
from astrid_ml.preprocessing.differencing.commands.inject import InjectCommand
from astrid_ml.preprocessing.differencing.commands.recover import RecoverCommand
from astrid_ml.preprocessing.differencing.frame.load import Frame
from astrid_ml.preprocessing.differencing.subtract.steps import Direct

pytestmark = pytest.mark.filterwarnings("ignore:.*did not parse as fits unit", "ignore:.*W50")
FORMATS = list(SUFFIXES)
TABLES = (
    "difference/candidates", "many/candidates", "many/one/candidates", "forced/forced", "associate/candidates",
    "associate/objects", "depth/depth", "inject/truth", "recover/recover", "recover/sources",
)  # fmt: skip


@pytest.fixture(scope="module")
def written(pair_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of each verb's output."""
    out = tmp_path_factory.mktemp("tables")
    science, reference = (str(pair_folder / f"{side}.fits") for side in ("science", "reference"))
    truth = str(pair_folder / "truth.csv")
    rows = [{"name": name, "science": science, "reference": reference, "truth": truth} for name in ("one", "two")]
    pd.DataFrame(rows).to_csv(out / "pairs.csv", index=False)
    frames = (Frame(science), Frame(reference))
    zero = Frame(science, zero_point=25.0, mjd=60000.0, filter="r")
    DifferenceCommand(zero, Frame(reference), str(out / "difference"), truth=truth, format=FORMATS).run()
    DifferenceCommand(Frame(None), Frame(None), str(out / "many"), input=str(out / "pairs.csv"), format=FORMATS).run()
    candidates = pd.read_parquet(out / "difference" / "candidates.parquet")
    places = candidates[["ra", "dec"]].head(5).assign(object_id=[f"o{i}" for i in range(5)])
    places.to_csv(out / "places.csv", index=False)
    image = str(out / "difference" / "difference.fits")
    ForcedCommand(image, str(out / "places.csv"), str(out / "forced"), format=FORMATS).run()
    AssociateCommand(str(out / "difference"), str(out / "associate"), format=FORMATS).run()
    DepthCommand(image, str(out / "depth"), format=FORMATS).run()
    InjectCommand(frames[0], str(out / "inject"), n=3, margin=20, poisson=False, format=FORMATS).run()
    ways = {"direct": Direct()}
    RecoverCommand(str(out / "recover"), str(out / "pairs.csv"), subtractions=ways, format=FORMATS).run()
    return out


@pytest.mark.parametrize("name", TABLES)
def test_every_column_is_described_in_every_format(written: Path, name: str) -> None:
    path = written / f"{name}.parquet"
    schema = pq.read_schema(path)
    silent = [field.name for field in schema if b"description" not in (field.metadata or {})]
    assert not silent
    whole = pd.read_parquet(path)
    for form in FORMATS:
        table = Table.read(path.with_suffix(SUFFIXES[form]))
        assert (len(table), table.colnames) == (len(whole), list(whole.columns))
        assert not [column.name for column in table.itercols() if not column.description], form
        for place in ("ra", "dec"):
            if place in table.colnames:
                assert str(table[place].unit) == "deg" and table[place].meta["ucd"].startswith("pos.eq")
                np.testing.assert_array_equal(np.ma.filled(table[place], np.nan), whole[place])


def test_candidates_have_errors_of_their_places_and_magnitudes(written: Path) -> None:
    table = pd.read_parquet(written / "difference" / "candidates.parquet")
    assert (table[["x_err", "y_err", "ra_err", "dec_err", "mag_err"]] > 0).all().all()
    np.testing.assert_allclose(table["x_err"] * table["snr"].abs(), table["x_err"][0] * abs(table["snr"][0]))
    np.testing.assert_allclose(table["mag_err"], 1.0857362 * table["flux_err"] / table["flux"].abs())
    assert table.attrs["units"]["x"] == "pix" and "0-based" in table.attrs["descriptions"]["x"]
    assert "AB zero point 25" in table.attrs["descriptions"]["flux"]


def test_an_object_of_one_candidate_has_its_errors_and_of_several_smaller_ones(written: Path, tmp_path: Path) -> None:
    table = pd.read_parquet(written / "difference" / "candidates.parquet").head(4)
    objects = pd.read_parquet(written / "associate" / "objects.parquet")
    one = objects[objects["n_candidates"] == 1]
    assert len(one) and (one["ra_err"] > 0).all()
    again = pd.concat([table, table.assign(id=table["id"] + "b", mjd=60001.0)], ignore_index=True)
    again.to_parquet(tmp_path / "candidates.parquet", index=False)
    AssociateCommand(str(tmp_path / "candidates.parquet"), str(tmp_path / "out"), radius=0.1).run()
    twice = pd.read_parquet(tmp_path / "out" / "objects.parquet")
    known = table.assign(key=table["ra"].round(7)).set_index("key")["ra_err"]
    for _, row in twice.iterrows():
        assert row["ra_err"] == pytest.approx(known[round(row["ra"], 7)] / np.sqrt(2), rel=1e-6)
    plain = again.drop(columns=["ra_err", "dec_err"])
    plain.to_parquet(tmp_path / "candidates.parquet", index=False)
    AssociateCommand(str(tmp_path / "candidates.parquet"), str(tmp_path / "old")).run()
    assert pd.read_parquet(tmp_path / "old" / "objects.parquet")["ra_err"].isna().all()


def test_a_wrong_format_is_refused_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="did you mean votable"):
        AssociateCommand(str(tmp_path), str(tmp_path / "out"), format="votabel").run()
    assert not (tmp_path / "out").exists()
