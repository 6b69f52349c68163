"""Numbers that surveys write where they know nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from astrid_ml.preprocessing.lightcurves.curves.ingest import Account
from astrid_ml.preprocessing.lightcurves.curves.missing import (
    OTHER_FEATURES,
    SENTINELS,
    limits_of,
    masked,
    static_columns,
)
from astrid_ml.preprocessing.lightcurves.readers.recognise import find_curves


@pytest.mark.parametrize("kind", ["f4", "f8", "i8"])
def test_sentinels_are_missing_in_every_type_and_their_neighbours_are_not(kind: str) -> None:
    sentinels = np.array(SENTINELS).astype(kind)
    for name in OTHER_FEATURES:
        if not name.endswith(("RA", "DEC")):
            assert np.isnan(masked(sentinels, name)).all()
    near = (np.array(SENTINELS) + 1).astype(kind)
    assert masked(near, "VPEC").tolist() == near.tolist()


@pytest.mark.parametrize("name", [name for name in OTHER_FEATURES if not name.endswith(("RA", "DEC"))])
def test_what_nobody_can_measure_is_missing(name: str) -> None:
    """SNANA's issue 1210: -9.02 for a photometric redshift, 99 and 9999 for a magnitude, -0.3 for its error."""
    low, high = limits_of(name)
    assert np.isnan(masked(np.array([9999.0, 1e10, -1e10]), name)).all()
    if np.isfinite(low):
        assert np.isnan(masked(np.array([low - 0.02, -9.02]), name)).all()
    if np.isfinite(high):
        assert np.isnan(masked(np.array([high + 0.02, 99.0]), name)).all()
    usual = {"MAG_": 22.5, "ERR": 0.1, "LOGMASS": 10.3, "ELLIPTICITY": 0.3}
    value = next((number for word, number in usual.items() if word in name), 0.5)
    assert masked(np.array([value], dtype=np.float32), name) == pytest.approx([value])


def test_sentinels_of_hosts_in_a_header_are_missing(real_data: Path) -> None:
    head = real_data.parent / "cases" / "lightcurves" / "host-sentinels" / "A_HEAD.FITS"
    if not head.is_file():
        pytest.skip("no cases beside the real files")
    (table,) = find_curves([head]).sources[0].read(Account())
    objects = table.objects.set_index("object_id")
    expected = {
        "HOSTGAL_ELLIPTICITY": [np.nan, np.nan, np.nan, 0.3],
        "HOSTGAL_MAGERR_u": [np.nan, 0.1, np.nan, np.nan],
        "HOSTGAL_PHOTOZ": [np.nan, np.nan, 0.3, np.nan],
        "HOSTGAL_MAG_g": [np.nan, np.nan, np.nan, 22.0],
        "DEC": [-9.0] * 4,
    }
    for name, values in expected.items():
        np.testing.assert_allclose(objects[name].to_numpy(dtype=float), values, rtol=1e-6)


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
