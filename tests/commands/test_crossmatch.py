"""``astrid crossmatch`` as a stranger types it: tables, a prepared dataset, and what can be wrong with them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from astropy.table import Table

from astrid_ml.commands.crossmatch import CrossmatchCommand
from astrid_ml.dataset.derived import add_columns
from astrid_ml.dataset.prepared import PreparedDataset
from astrid_ml.errors import UserError
from astrid_ml.pipeline.engine import prepare_dataset
from astrid_ml.preprocessing.triplets.pipeline import TripletsPipeline
from astrid_ml.preprocessing.triplets.simulate import SimulateTriplets


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """``mine.csv`` of four places, one without a position, and two catalogues."""
    mine = pd.DataFrame(
        {"name": list("abcd"), "ra": [359.99999, 10.0, 20.0, np.nan], "dec": [0.0, 89.9999, -30.0, 1.0]}
    )
    mine.assign(mjd=[60_310.0, 60_310.0, np.nan, 60_310.0]).to_csv(tmp_path / "mine.csv", index=False)
    gaia = Table({"ra": [0.00001, 190.0, 20.0], "dec": [0.0, 89.9999, -30.0], "g": [15.5, 16.5, 17.5]})
    for name, unit in (("ra", "deg"), ("dec", "deg"), ("g", "mag")):
        gaia[name].unit = unit
    gaia.write(tmp_path / "gaia.vot", format="votable")
    pd.DataFrame({"RAJ2000": [20.0001, 20.0], "DEJ2000": [-30.0, -30.0], "z": [1, 2]}).to_csv(
        tmp_path / "sdss.csv", index=False
    )
    return tmp_path


def run(here: Path, **settings: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    given = {
        "catalogues": [str(here / "gaia.vot"), str(here / "sdss.csv")],
        "input": str(here / "mine.csv"),
        **settings,
    }
    summary = CrossmatchCommand(output_dir=str(here / "out"), **given).run()
    return summary, json.loads((here / "out" / "report.json").read_text())


def test_columns_of_two_catalogues_stand_beside_the_rows(here: Path) -> None:
    summary, report = run(here, format=["fits", "votable", "ecsv"])
    assert summary["matched"] == {"gaia": 3, "sdss": 1}
    table = pd.read_parquet(here / "out" / "matches.parquet")
    assert table["name"].tolist() == list("abcd")
    assert table["gaia_g"].tolist()[:3] == [15.5, 16.5, 17.5] and np.isnan(table["gaia_g"][3])
    assert table["gaia_match_distance"].round(3).tolist()[:3] == [0.072, 0.72, 0.0]
    assert table["sdss_match_n"].tolist() == [0, 0, 2, 0] and table["sdss_z"][2] == 2 and pd.isna(table["sdss_z"][0])
    assert report["without_position"] == 1 and report["sdss"]["several"] == 1
    assert report["sdss"]["assumed"] == ["RAJ2000: deg", "DEJ2000: deg"]
    for name in ("matches.parquet", "matches.fits", "matches.vot", "matches.ecsv"):
        read = Table.read(here / "out" / name)
        assert str(read["gaia_g"].unit) == "mag" and str(read["gaia_match_distance"].unit) == "arcsec"


def test_all_pairs_go_into_a_table_for_each_catalogue(here: Path) -> None:
    run(here, matches="all", catalogue_radius={"sdss": 0.1})
    assert pd.read_parquet(here / "out" / "gaia.parquet")["name"].tolist() == list("abc")
    pairs = pd.read_parquet(here / "out" / "sdss.parquet")
    assert pairs["sdss_z"].tolist() == [2] and not (here / "out" / "matches.parquet").exists()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"input": None}, "input=TABLE, or dataset=PREPARED; got neither"),
        ({"matches": "best"}, "matches=nearest or matches=all"),
        ({"radius": 1.0, "epoch": {"gia": 2016.0}}, "did you mean gaia"),
        ({"columns": {"gaia": ["h"]}}, "columns of gaia: ra, dec, g"),
        ({"catalogues": ["none.csv"]}, "the catalogue none"),
        ({"sigma": 3.0}, "errors of positions for sigma"),
        ({"format": "vot"}, "format of ecsv, votable, fits"),
        ({"ra": {"input": "name"}, "dec": {"input": "dec"}}, "row 1: name is 'a'"),
    ],
)
def test_what_cannot_be_matched_is_refused(here: Path, settings: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        run(here, **settings)
    assert not (here / "out" / "matches.parquet").exists()


def test_a_side_without_errors_counts_as_exact_and_is_named(here: Path) -> None:
    _, report = run(here, sigma=3.0, error={"gaia": 0.1, "sdss": 0.1})
    assert "positions of the rows without errors: taken as exact" in report["gaia"]["assumed"]


def test_proper_motions_bring_stars_to_the_time_of_the_row(here: Path) -> None:
    star = {"ra": [19.9977], "dec": [-30.0], "pmra": [1000.0], "pmdec": [0.0]}  # 7.2 arcsec west in 2016
    pd.DataFrame(star).to_csv(here / "star.csv", index=False)
    mine = pd.DataFrame(
        {"ra": [20.0, 20.0], "dec": [-30.0, -30.0], "mjd": [51_544.5 + 365.25 * year for year in (23.17, 16)]}
    )
    mine.to_csv(here / "mine.csv", index=False)
    _, report = run(here, catalogues=[str(here / "star.csv")], epoch={"star": 2016.0})
    assert pd.read_parquet(here / "out" / "matches.parquet")["star_matched"].tolist() == [True, False]
    assert report["star"]["proper_motions"] == "applied" and "pmra: mas / yr" in report["star"]["assumed"]
    _, report = run(here, catalogues=[str(here / "star.csv")])
    assert report["star"]["matched"] == 0 and report["star"]["proper_motions"] == "no epoch of both"


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    raw, store = tmp_path_factory.mktemp("raw"), tmp_path_factory.mktemp("store")
    SimulateTriplets(n=12, prevalence=0.5).run(raw, seed=1)
    return prepare_dataset(TripletsPipeline(), [raw], store, name="demo", progress=False).path


def test_samples_of_a_dataset_get_the_columns(dataset: Path, tmp_path: Path) -> None:
    index = PreparedDataset(dataset).index
    table = index[["ra", "dec"]].assign(colour=np.arange(len(index)) / 10).iloc[::2]
    table.to_parquet(tmp_path / "mine.parquet", index=False)
    command = CrossmatchCommand([str(tmp_path / "mine.parquet")], str(tmp_path / "out"), dataset=str(dataset))
    command.run()
    made = PreparedDataset(tmp_path / "out" / "dataset")
    assert made.fingerprint != PreparedDataset(dataset).fingerprint and made.meta["derived"]["from"] != made.fingerprint
    first = table.drop_duplicates(["ra", "dec"]).set_index(["ra", "dec"])[
        "colour"
    ]  # samples of one object share a place
    known = [first.get((ra, dec), np.nan) for ra, dec in zip(index["ra"], index["dec"], strict=True)]
    np.testing.assert_array_equal(made.index["mine_colour"], known)
    assert 0 < np.isfinite(known).sum() < len(index)
    pd.testing.assert_frame_equal(made.index[index.columns], pd.DataFrame(index))
    rows = np.arange(len(index))
    assert made.gather("stamps", rows).tobytes() == PreparedDataset(dataset).gather("stamps", rows).tobytes()
    command.run()  # the same again: nothing to do
    (tmp_path / "mine.parquet").unlink()
    table.assign(colour=0.0).to_parquet(tmp_path / "mine.parquet", index=False)
    with pytest.raises(UserError, match="choose another output_dir"):
        command.run()
    with pytest.raises(UserError, match="columns that the samples do not have"):
        add_columns(made, made.index[["mine_colour"]], tmp_path / "again", {})
    with pytest.raises(UserError, match="leave it out for a dataset"):
        CrossmatchCommand(["a.csv"], "o", dataset=str(dataset), matches="all").run()
