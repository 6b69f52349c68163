"""What a packet does not say is null: a sign, an exposure, a number, a pixel."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from made.messages import rubin_packet

from astrid_ml.preprocessing.alerts.packet import read_packet
from astrid_ml.preprocessing.surveys.describe import survey_of
from astrid_ml.preprocessing.surveys.registry import surveys_of

MINE = {
    "name": "MyScope",
    "mission": "myscope",
    "source": ["our own handbook"],
    "recognise": {"packet_fields": ["scope", "event.sn"]},
    "stamp": {"size": 63, "pixel_scale": 0.7, "negative": "negative"},
    "packet": {
        "keys": {
            "id": ["candid"],
            "time": ["event.mjd"],
            "ra": ["event.ra"],
            "dec": ["event.dec"],
            "snr": ["event.sn"],
        },
        "time_format": "mjd",
        "reference": "middle",
    },
}


@pytest.mark.parametrize(("snr", "sign"), [(-7.0, -1), (7.0, None), (-999.0, None), (float("nan"), None)])
def test_a_description_without_a_key_of_the_sign(make_packet: Any, snr: float, sign: int | None) -> None:
    ztf = make_packet(1)
    event = {"mjd": 60000.0, "ra": 10.0, "dec": 20.0, "sn": snr}
    cutouts = {key: value for key, value in ztf.items() if key.startswith("cutout")}
    assert survey_of(MINE, "mine").mission == "myscope"
    record, stamps = read_packet({"candid": 1, "scope": 1, "event": event, **cutouts}, surveys_of([MINE]))
    sent = read_packet(ztf)[1]
    assert record["sign"] == sign
    np.testing.assert_array_equal(stamps[2], -sent[2] if sign == -1 else sent[2])


@pytest.mark.parametrize(("said", "sign"), [("t", 1), ("f", -1), (None, None), (-1, -1)])
def test_ztf_says_the_sign_or_it_is_null(make_packet: Any, said: Any, sign: int | None) -> None:
    assert read_packet(make_packet(1, isdiffpos=said))[0]["sign"] == sign


@pytest.mark.parametrize(("said", "flux", "sign"), [(None, -500.0, -1), (None, 500.0, 1), (True, 500.0, -1),
                                                    (False, -500.0, 1), (None, None, None)])  # fmt: skip
def test_rubins_flux_says_the_sign_where_nothing_else_does(said: Any, flux: Any, sign: int | None) -> None:
    packet = rubin_packet(3)
    packet["diaSource"] |= {"isNegative": said, "psfFlux": flux, "snr": 8.0}
    assert read_packet(packet)[0]["sign"] == sign


@pytest.mark.parametrize("exposure", [-999.0, 0.0, float("nan"), float("inf"), None])
def test_no_exposure_is_the_start(make_packet: Any, exposure: Any) -> None:
    record, _ = read_packet(make_packet(1, exptime=exposure))
    assert (record["mjd"], record["time_ref"]) == (2459000.5 - 2400000.5, "start of exposure")


@pytest.mark.parametrize("band", ["r", "LSST_r", "lsst_r", "r_03"])
def test_rubins_names_of_a_filter_are_one(band: str) -> None:
    packet = rubin_packet(3)
    packet["diaSource"] |= {"band": band}
    assert read_packet(packet)[0]["filter"] == "r"
