"""Numbers that mean nothing in catalogues."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from astrid_ml.crossmatch.catalogue import open_catalogue
from astrid_ml.crossmatch.join import columns_beside, joined_pairs
from astrid_ml.crossmatch.marks import is_mark, without_marks
from astrid_ml.crossmatch.match import match_places
from astrid_ml.crossmatch.places import Given, SkyPlaces
from astrid_ml.described.columns import ColumnMeaning


def test_only_the_very_numbers_are_marks() -> None:
    assert is_mark([-999, -9999.0, 99.0, 999.0, -1e30, np.inf, -0.9999995e9, np.float32(-0.9999995e9)]).all()
    assert not is_mark([-998.9, -1000, 0, 12.5, 98.9, np.nan, 1e9, -1e9]).any()


def nulls(values: list[float], name: str = "z", unit: str = "") -> list[bool]:
    meanings = {name: ColumnMeaning(unit)} if unit else {}
    return [bool(value) for value in without_marks(pd.DataFrame({name: values}), meanings)[0][name].isna()]


def test_marks_far_below_a_column_are_null_and_values_among_others_are_kept() -> None:
    assert nulls([-999.0, 0.5, np.nan, -9999.0]) == [True, False, True, True]
    assert nulls([-999, 3, 4]) == [True, False, False]
    assert nulls([-999.0, -999.0]) == [True, True]
    assert nulls([-999.0, -700.0, 20.0]) == [False, False, False]  # km / s, say
    assert nulls([99.0, 999.0, -99.0, 1.0]) == [False] * 4
    assert nulls([-0.9999995e9, 15.0]) == [True, False]


@pytest.mark.parametrize("name", ["gmag", "rMeanPSFMag", "psfMag_r", "phot_g_mean_mag", "e_gmag", "mag_err", "MagErr"])
def test_magnitudes_of_99_and_their_errors_are_null(name: str) -> None:
    assert nulls([99.0, 99.999, -99.9, 17.0, 1e30, -26.7], name) == [True, True, True, False, True, False]


def test_a_unit_says_what_a_magnitude_is_and_a_name_only_without_one() -> None:
    assert nulls([99.0, 17.0], "g", "mag") == [True, False]
    assert nulls([99.0, 17.0], "gmag", "Jy") == [False, False]
    assert nulls([99.0, 17.0], "image_x") == [False, False] and nulls([99.0], "magnification") == [False]


def test_ids_stay_whole_and_texts_and_flags_are_left_alone() -> None:
    table = pd.DataFrame({"source": [2**60 + 1, -999], "kind": ["-999", "star"], "flag": [True, False]})
    found, count = without_marks(table, {})
    assert found["source"][0] == 2**60 + 1 and pd.isna(found["source"][1]) and count == {"source": 1}
    assert found["kind"].tolist() == ["-999", "star"] and found["flag"].tolist() == [True, False]


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_match_of_a_mark_is_null_and_counted(tmp_path: Path, suffix: str) -> None:
    table = pd.DataFrame({"ra": [1.0, 2.0, 3.0], "dec": 1.0, "mag": [-999.0, 17.0, 99.0], "id": [-999, 5, 6]})
    path = tmp_path / f"c.{suffix}"
    table.to_csv(path, index=False) if suffix == "csv" else table.to_parquet(path, index=False)
    here = SkyPlaces(table[["ra", "dec"]].to_numpy())
    catalogue = open_catalogue(path, "c", Given(), here, 1.0)
    pairs = match_places(here, catalogue.places, 1.0)
    beside, _ = columns_beside(3, catalogue, pairs)
    assert beside["c_matched"].all() and beside["c_mag"].isna().tolist() == [True, False, True]
    assert beside["c_id"].isna().tolist() == [True, False, False] and beside["c_id"][2] == 6
    assert dict(catalogue.unknown) == {"mag": 2, "id": 1}
    all_pairs, _ = joined_pairs(pd.DataFrame({"name": list("abc")}), catalogue, pairs)
    assert all_pairs["c_mag"].isna().tolist() == [True, False, True]
