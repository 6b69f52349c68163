"""Catalogues of every kind say the same; of a HATS folder only what is near is read."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from astropy.table import Table
from astropy_healpix import HEALPix

from astrid_ml.crossmatch.catalogue import SkyCatalogue, catalogue_names, open_catalogue
from astrid_ml.crossmatch.join import columns_beside, joined_pairs
from astrid_ml.crossmatch.match import match_places
from astrid_ml.crossmatch.places import Given, SkyPlaces
from astrid_ml.errors import UserError

RNG = np.random.default_rng(8)
ROWS = pd.DataFrame(
    {
        "source": np.arange(400),
        "ra": RNG.uniform(0, 360, 400),
        "dec": np.degrees(np.arcsin(RNG.uniform(-1, 1, 400))),
        "g": RNG.normal(18, 1, 400).round(3),
        "variable": RNG.uniform(size=400) < 0.5,
        "kind": RNG.choice(["star", "galaxy"], 400),
    }
)
HERE = SkyPlaces(ROWS[["ra", "dec"]].to_numpy()[::7].copy())


def hats(folder: Path, order: int = 2, nested: bool = False) -> Path:
    """A HATS folder of the rows."""
    cells = HEALPix(1 << order, order="nested").lonlat_to_healpix(*(ROWS[c].to_numpy() * _deg() for c in ("ra", "dec")))
    for cell in np.unique(cells):
        place = folder / "dataset" / f"Norder={order}" / f"Dir={cell // 10_000 * 10_000}"
        file = place / (f"Npix={cell}/part0.parquet" if nested else f"Npix={cell}.parquet")
        file.parent.mkdir(parents=True, exist_ok=True)
        ROWS[cells == cell].rename(columns={"ra": "lon", "dec": "lat"}).to_parquet(file, index=False)
    (folder / "hats.properties").write_text("#HATS catalog\nobs_collection=rows\nhats_col_ra=lon\nhats_col_dec=lat\n")
    return folder


def _deg() -> object:
    from astropy import units

    return units.deg


@pytest.fixture(params=["csv", "csv.gz", "parquet", "fits", "ecsv", "vot", "hats", "hats of folders"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    kind = request.param
    path = tmp_path / f"rows.{kind}"
    if kind.startswith("hats"):
        return hats(tmp_path / "rows", nested=kind != "hats")
    if kind == "csv.gz":
        path.write_bytes(gzip.compress(ROWS.to_csv(index=False).encode()))
    elif kind == "csv":
        ROWS.to_csv(path, index=False)
    elif kind == "parquet":
        ROWS.to_parquet(path, index=False)
    else:
        Table.from_pandas(ROWS).write(path, format={"vot": "votable", "ecsv": "ascii.ecsv"}.get(kind, kind))
    return path


def opened(path: Path, given: Given | None = None, near: SkyPlaces = HERE) -> SkyCatalogue:
    return open_catalogue(path, "rows", given or Given(), near, 1.0)


def test_every_kind_gives_the_same_matches_and_columns(place: Path) -> None:
    catalogue = opened(place)
    table, meanings = columns_beside(len(HERE), catalogue, match_places(HERE, catalogue.places, 1.0))
    assert table["rows_matched"].all() and (table["rows_match_n"] == 1).all()
    assert table["rows_source"].tolist() == ROWS["source"].tolist()[::7]
    assert table["rows_g"].tolist() == ROWS["g"].tolist()[::7]
    assert table["rows_kind"].tolist() == ROWS["kind"].tolist()[::7]
    assert [bool(value) for value in table["rows_variable"]] == ROWS["variable"].tolist()[::7]
    assert meanings["rows_match_distance"].unit == "arcsec"


def test_nothing_is_null_and_never_zero(tmp_path: Path) -> None:
    ROWS.to_parquet(tmp_path / "rows.parquet", index=False)
    here = SkyPlaces(np.array([[1.0, 89.99], [np.nan, 0.0], ROWS[["ra", "dec"]].to_numpy()[3]]))
    catalogue = opened(tmp_path / "rows.parquet", near=here)
    table, _ = columns_beside(3, catalogue, match_places(here, catalogue.places, 1.0))
    assert table["rows_matched"].tolist() == [False, False, True] and table["rows_match_n"].tolist() == [0, 0, 1]
    for name in ("source", "g", "variable", "kind", "match_distance"):
        assert table[f"rows_{name}"].isna().tolist() == [True, True, False], name
    assert table["rows_source"].dtype == "Int64" and table["rows_source"][2] == 3


def test_all_pairs_carry_both_sides_and_duplicates(tmp_path: Path) -> None:
    twice = pd.concat([ROWS.head(3), ROWS.head(3).assign(source=lambda t: t.source + 1000)], ignore_index=True)
    twice.to_csv(tmp_path / "rows.csv", index=False)
    here = SkyPlaces(ROWS[["ra", "dec"]].to_numpy()[:2].copy())
    catalogue = opened(tmp_path / "rows.csv", near=here)
    pairs = match_places(here, catalogue.places, 1.0)
    table, _ = joined_pairs(pd.DataFrame({"id": ["a", "b"]}), catalogue, pairs, ["source"])
    assert table["id"].tolist() == ["a", "a", "b", "b"] and table["rows_source"].tolist() == [0, 1000, 1, 1001]
    nearest, _ = columns_beside(2, catalogue, pairs)
    assert nearest["rows_match_n"].tolist() == [2, 2] and nearest["rows_source"].tolist() == [0, 1]


def test_only_tiles_near_the_places_are_read(tmp_path: Path) -> None:
    folder, whole = hats(tmp_path / "rows"), SkyPlaces(ROWS[["ra", "dec"]].to_numpy())
    assert 0 < len(opened(folder, near=SkyPlaces(whole.sky[:1])).places) < 60
    rng = np.random.default_rng(1)
    for sky in np.column_stack([rng.uniform(0, 360, 60), rng.uniform(-90, 90, 60)]):  # on borders of tiles too
        at = SkyPlaces(sky[None])
        read = open_catalogue(folder, "rows", Given(), at, 10_800.0)
        assert len(match_places(at, read.places, 10_800.0).second) == len(match_places(at, whole, 10_800.0).second)


def test_a_folder_far_from_all_places_gives_columns_without_values(tmp_path: Path) -> None:
    folder = hats(tmp_path / "rows", order=4)
    nowhere = SkyPlaces(np.array([[np.nan, np.nan]]))
    catalogue = opened(folder, near=nowhere)
    table, _ = columns_beside(1, catalogue, match_places(nowhere, catalogue.places, 1.0))
    assert "rows_g" in table and not table["rows_matched"].any()


@pytest.mark.parametrize("suffix", ["csv", "parquet", "fits"])
def test_an_empty_catalogue_matches_nothing(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"rows.{suffix}"
    if suffix == "fits":
        Table.from_pandas(ROWS.head(0).drop(columns="kind")).write(path)
    elif suffix == "csv":
        ROWS.head(0).to_csv(path, index=False)
    else:
        ROWS.head(0).to_parquet(path, index=False)
    catalogue = opened(path)
    table, _ = columns_beside(len(HERE), catalogue, match_places(HERE, catalogue.places, 1.0))
    assert not table["rows_matched"].any() and table["rows_g"].isna().all()


def test_what_is_no_catalogue_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="the catalogue rows"):
        opened(tmp_path / "none.csv")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="HATS folder with dataset/Norder"):
        opened(tmp_path / "empty")
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 and nothing else")
    with pytest.raises(UserError, match="the catalogue rows in parquet"):
        opened(tmp_path / "broken.parquet")
    ROWS.assign(match_n=1).to_csv(tmp_path / "rows.csv", index=False)
    catalogue = opened(tmp_path / "rows.csv")
    pairs = match_places(HERE, catalogue.places, 1.0)
    with pytest.raises(UserError, match=r"columns\.rows=\[\.\.\.\]"):
        columns_beside(len(HERE), catalogue, pairs)
    with pytest.raises(UserError, match="did you mean source"):
        columns_beside(len(HERE), catalogue, pairs, ["sourc"])


def test_names_of_catalogues_differ() -> None:
    assert catalogue_names(["/x/Gaia DR3 (1).vot.gz"]) == ["Gaia_DR3_1"]
    with pytest.raises(UserError, match="ps1 twice"):
        catalogue_names(["a/ps1.csv", "b/ps1.fits"])
    with pytest.raises(UserError, match="whose file has a name"):
        catalogue_names(["a/.csv"])


@pytest.mark.parametrize(
    ("units", "ra", "dec"),
    [
        ("deg\tdeg\tmag\tmas", "15.0", "-30.5"),
        ('"h:m:s"\t"d:m:s"\tmag\tmas', "01 00 00.0", "-30 30 00"),
        ("h\tdeg\tmag\tmas", "1.0", "-30.5"),
    ],
)
def test_tables_of_vizier_are_read_with_their_units(tmp_path: Path, units: str, ra: str, dec: str) -> None:
    lines = ["#RESOURCE=yCat", "#Column\tRAdeg", "", "RAdeg\tDEdeg\tgmag\te_RAJ2000", units, "-----\t---\t--\t-"]
    rows = [f"{ra}\t{dec}\t17.25\t100", f"{ra}\t{dec}\t\t200"]
    (tmp_path / "rows.tsv").write_text("\n".join([*lines, *rows, ""]))
    catalogue = opened(tmp_path / "rows.tsv")
    np.testing.assert_allclose(catalogue.places.sky, [[15.0, -30.5]] * 2)
    table = catalogue.take(np.array([0, 1]), ["gmag"])
    assert table["gmag"].tolist()[0] == 17.25 and np.isnan(table["gmag"][1])
    assert catalogue.meanings["gmag"].unit == "mag" and catalogue.meanings["e_RAJ2000"].unit == "mas"


def test_rows_of_dashes_elsewhere_are_data(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("ra,dec,note\n1.0,2.0,a\n--,--,---\n3.0,4.0,b\n")
    places = opened(tmp_path / "rows.csv").places
    assert places.sky[[0, 2]].tolist() == [[1.0, 2.0], [3.0, 4.0]] and np.isnan(places.sky[1]).all()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda content: content[:-30], "its parquet footer cannot be read"),
        (lambda content: content[:-8] + b"\xff\xff\xff\x7fPAR1", "its parquet footer cannot be read"),
        (lambda content: content[:-60] + b"\xff" * 40 + content[-20:], "damaged|cannot be read"),
    ],
)
def test_a_damaged_parquet_catalogue_says_why(change: Callable[[bytes], bytes], words: str, tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    ROWS.to_parquet(path)
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(UserError, match=words) as told:
        opened(path)
    assert str(path) in told.value.got and told.value.fix == "copy or make it again"


def test_a_tile_that_is_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    tile = tmp_path / "hats" / "dataset" / "Norder=0" / "Dir=0" / "Npix=0.parquet"
    tile.parent.mkdir(parents=True)
    os.mkfifo(tile)
    with pytest.raises(
        UserError,
        match=r"tiles that are parquet files; got dataset/Norder=0/Dir=0/Npix=0.parquet: a FIFO, which is no file",
    ):
        opened(tmp_path / "hats")


def test_tiles_that_lie_elsewhere_are_followed(tmp_path: Path) -> None:
    (tmp_path / "disk" / "Dir=0").mkdir(parents=True)
    ROWS.to_parquet(tmp_path / "disk" / "Dir=0" / "Npix=0.parquet")
    for name, link, target in (("file", "Dir=0/Npix=0.parquet", "disk/Dir=0/Npix=0.parquet"), ("folder", "", "disk")):
        tiles = tmp_path / name / "dataset" / "Norder=0"
        (tiles / link).parent.mkdir(parents=True)
        (tiles / link).symlink_to(tmp_path / target)
        assert len(opened(tmp_path / name).files) == 1
