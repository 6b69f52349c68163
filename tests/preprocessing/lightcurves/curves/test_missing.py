"""Numbers that surveys write where they know nothing."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from astrid_ml.preprocessing.lightcurves.curves.missing import OTHER_FEATURES, SENTINELS, masked, static_columns


@pytest.mark.parametrize("kind", ["f4", "f8", "i8"])
def test_sentinels_are_missing_in_every_type_and_their_neighbours_are_not(kind: str) -> None:
    sentinels = np.array(SENTINELS).astype(kind)
    assert np.isnan(masked(sentinels, "VPEC")).all()
    near = (np.array(SENTINELS) + 1).astype(kind)
    assert masked(near, "VPEC").tolist() == near.tolist()


@pytest.mark.parametrize("name", ["RA", "HOSTGAL_RA"])
def test_a_right_ascension_may_be_counted_from_minus_180(name: str) -> None:
    given = np.array([-180.0, -99.0, -9.0, 0.0, 360.0, -999.0, 999.0, 361.0])
    assert np.isnan(masked(given, name)).tolist() == [False] * 5 + [True] * 3


@pytest.mark.parametrize("name", ["DEC", "HOSTGAL_DEC"])
def test_minus_nine_degrees_are_a_declination(name: str) -> None:
    given = np.array([-90.0, -9.0, 90.0, -99.0, -999.0, 90.5])
    assert np.isnan(masked(given, name)).tolist() == [False] * 3 + [True] * 3


def test_static_columns_leave_out_what_is_no_feature() -> None:
    table = pd.DataFrame(
        {"SNID": ["a", "b"], "DECL": [-9.0, 10.0], "MWEBV": [-9.0, 0.02], "SIM_TRUTH": [1, 2], "PEAKMJD": [6e4, 6e4]}
    )
    found = static_columns(table)
    assert found.columns.tolist() == ["DEC", "MWEBV"]
    assert found["DEC"].tolist() == [-9.0, 10.0]
    assert found["MWEBV"].isna().tolist() == [True, False]
    assert table.columns.tolist()[1] == "DECL"  # the caller's table stays as it is


def test_dec_wins_over_decl_where_both_are_there() -> None:
    found = static_columns(pd.DataFrame({"DECL": [1.0], "DEC": [2.0]}))
    assert found.to_dict("list") == {"DEC": [2.0]}


def test_every_value_has_its_error_beside_it() -> None:
    errors = {name for name in OTHER_FEATURES if name.endswith("_ERR") or "_MAGERR_" in name}
    values = {name.removesuffix("_ERR").replace("_MAGERR_", "_MAG_") for name in errors}
    assert values <= set(OTHER_FEATURES)
    assert len(set(OTHER_FEATURES)) == 37
