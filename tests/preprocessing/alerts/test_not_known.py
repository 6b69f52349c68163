"""What a packet does not say is null: a sign, an exposure, a number, a pixel."""

from __future__ import annotations

import copy
import dataclasses
import gzip
import io
from collections import Counter
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from made.messages import rubin_packet

from astrid_ml.errors import UserError
from astrid_ml.pipeline.writer import MemoryUnitWriter
from astrid_ml.preprocessing.alerts.fields.angles import degrees_of
from astrid_ml.preprocessing.alerts.fields.keys import first_of, values_of
from astrid_ml.preprocessing.alerts.fields.numbers import measured
from astrid_ml.preprocessing.alerts.fields.times import UNKNOWN_DAY, mjd_of
from astrid_ml.preprocessing.alerts.fields.unsaid import absent_key, unsaid
from astrid_ml.preprocessing.alerts.packet import PacketError, packet_record, possible, read_packet
from astrid_ml.preprocessing.alerts.planes import PlanesOfCutouts
from astrid_ml.preprocessing.alerts.samples import TEXTS, UnitSamples
from astrid_ml.preprocessing.surveys.describe import survey_of
from astrid_ml.preprocessing.surveys.registry import surveys_of
from astrid_ml.preprocessing.surveys.survey import PacketKeys

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


def filled(packet: dict[str, Any], value: float, rows: int = 4) -> dict[str, Any]:
    """The packet with a number in the last rows of its stamps."""
    packet = copy.deepcopy(packet)
    for key in ("cutoutScience", "cutoutTemplate", "cutoutDifference"):
        raw = gzip.decompress(packet[key]["stampData"]).replace(b"SIMPLE  = 'T'", b"SIMPLE  =   T")
        with fits.open(io.BytesIO(raw), ignore_missing_simple=True) as hdus:
            image = np.array(hdus[0].data, dtype=np.float32)
        image[-rows:] = value
        made = io.BytesIO()
        fits.PrimaryHDU(image).writeto(made)
        packet[key] = {"stampData": made.getvalue()}
    return packet


@pytest.mark.parametrize("value", [-999.0, -9999.0, 1e30, -1e30])
def test_numbers_that_mark_missing_pixels_are_no_data(make_packet: Any, value: float) -> None:
    packet, account = make_packet(1), Counter[str]()
    record, stamps = read_packet(filled(packet, value), None, account)
    assert np.isnan(stamps[:, -4:]).all() and record["n_nan"] == 3 * 4 * 63
    np.testing.assert_array_equal(stamps[:, :-4], read_packet(packet)[1][:, :-4])
    assert account["pixels_without_data_marked_by_a_number"] == 3 * 4 * 63


def test_what_everybody_knows_as_no_data_stays_as_it_was_sent(make_packet: Any) -> None:
    """ZTF's own network has seen the templates' -3.4e38: without it the recorded scores would not come out."""
    account = Counter[str]()
    record, stamps = read_packet(filled(make_packet(1), -3.4e38), None, account)
    assert (stamps[:, -4:] < -1e38).all() and record["n_nan"] == 3 * 4 * 63 and not +account


MARKED = {"magpsf": 99.0, "sigmapsf": -999.0, "magzpsci": -999.0, "ssdistnr": -999.0, "sgscore1": -999.0, "scorr": -999}


def test_numbers_that_mark_nothing_are_null_and_counted(make_packet: Any) -> None:
    account = Counter[str]()
    record, _ = read_packet(make_packet(1, **MARKED, distnr=-1.5, fwhm=99.0), None, account)
    names = ["magpsf", "sigmapsf", "magzpsci", "ssdistnr", "sgscore1", "snr"]
    assert [record[name] for name in names] == [None] * 6 and account["numbers_that_mark_no_value"] == 6
    assert (record["distnr"], record["fwhm"], record["drb"]) == (-1.5, 99.0, 0.9)


def mine(ztf: dict[str, Any], **event: Any) -> dict[str, Any]:
    """A packet of :data:`MINE` with the cutouts of another."""
    values = {"mjd": 60000.25, "ra": 20.0, "dec": -5.5, "sn": -7.0}
    return {"candid": 1, "scope": 1, "event": values | event} | {k: v for k, v in ztf.items() if k.startswith("cutout")}


def described(**keys: Any) -> dict[str, Any]:
    return MINE | {"packet": MINE["packet"] | keys}  # type: ignore[operator]


TIMES: dict[str, tuple[dict[str, Any], Any, float | None]] = {
    "a date under MJD": ({}, "2023-02-25T06:00:00", 60000.25),
    "ISO": ({"time_format": "iso"}, "2023-02-25 06:00:00.000000", 60000.25),
    "another zone": ({"time_format": "iso"}, "2023-02-25T08:00:00+02:00", 60000.25),
    "BTJD": ({"time_format": "days", "time_zero": 2457000.0}, 3000.75, 60000.25),
    "a number as text": ({}, "60000.25", 60000.25),
    "a day alone": ({}, "2023-02-25", None),
    "a number for a date": ({"time_format": "iso"}, 60000.25, None),
}


@pytest.mark.parametrize("name", TIMES)
def test_times_in_the_forms_that_people_write(make_packet: Any, name: str) -> None:
    keys, value, mjd = TIMES[name]
    record, wrong = possible(read_packet(mine(make_packet(1), mjd=value), surveys_of([described(**keys)]))[0])
    assert (record["mjd"], wrong) == (mjd, [] if mjd else ["mjd"])


def test_a_text_with_its_zone_is_utc_whatever_the_scale(make_packet: Any) -> None:
    known = surveys_of([described(time_format="iso") | {"time": {"scale": "tai"}}])
    said, plain = (
        read_packet(mine(make_packet(1), mjd=f"2023-02-25T06:00:00{zone}"), known)[0]["mjd"] for zone in ("Z", "")
    )
    assert said == 60000.25 and round((said - plain) * 86400) == 37


@pytest.mark.parametrize(
    ("keys", "ra", "dec"),
    [
        ({}, "01:20:00", "-05:30:00"),
        ({}, "01h20m00s", "-05d30m00s"),
        ({}, "20.0", "-5.5"),
        ({"position_unit": "deg"}, "20:00:00", "-05:30:00"),
        ({"position_unit": "hourangle"}, 20 / 15, -5.5),
        ({"position_unit": "rad"}, np.deg2rad(20.0), np.deg2rad(-5.5)),
    ],
)
def test_positions_in_the_forms_that_people_write(make_packet: Any, keys: dict[str, Any], ra: Any, dec: Any) -> None:
    record, _ = read_packet(mine(make_packet(1), ra=ra, dec=dec), surveys_of([described(**keys)]))
    np.testing.assert_allclose([record["ra"], record["dec"]], [20.0, -5.5], rtol=1e-12)


@pytest.mark.parametrize("wrong", [{"ra": "1:75:00"}, {"ra": "west"}, {"mjd": "yesterday"}, {"mjd": [1]}])
def test_texts_that_are_neither_lose_the_packet_with_the_reason(make_packet: Any, wrong: dict[str, Any]) -> None:
    with pytest.raises(PacketError, match="a value that cannot be read"):
        read_packet(mine(make_packet(1), **wrong), surveys_of([MINE]))


@pytest.mark.parametrize("keys", [{"time_format": "days"}, {"time_zero": 2457000.0},
                                  {"time_format": "days", "time_zero": 57000.0}])  # fmt: skip
def test_days_need_their_zero(keys: dict[str, Any]) -> None:
    with pytest.raises(UserError, match="a time_zero of days, as a Julian date"):
        survey_of(described(**keys), "mine")


def counts_of(
    convention: dict[str, Any], sign: int | None, height: float, sizes: list[tuple[int, int]]
) -> Counter[str]:
    """What is counted of stamps with a source of that height at the centre."""
    writer = MemoryUnitWriter()
    samples = UnitSamples(writer)
    stamp = survey_of(MINE | {"stamp": {"size": 21, "pixel_scale": 1.0, **convention}}, "mine").stamp
    for number, (rows, columns) in enumerate(sizes):
        image = np.random.default_rng(number).normal(size=(3, 21, 21)).astype(np.float32)
        image[2, 9:12, 9:12] += height
        known = {"id": str(number), "group_id": str(number), "mission": "myscope", "sign": sign, "n_nan": 0}
        record = dict.fromkeys(TEXTS, None) | known | {"stamp_h": rows, "stamp_w": columns}
        samples.add(record, image, PlanesOfCutouts(), stamp)
    samples.write()
    return writer.counts


@pytest.mark.parametrize(("convention", "sign", "height", "told"), [
    ({"negative": "positive"}, -1, -50.0, 3), ({"negative": "positive"}, None, -50.0, 3),
    ({"negative": "negative"}, -1, -50.0, 3), ({"negative": "negative"}, None, -50.0, 0),
    ({}, -1, -50.0, 0), ({"negative": "positive"}, -1, 50.0, 0), ({"negative": "positive"}, 1, 0.0, 0),
])  # fmt: skip
def test_stamps_against_the_description_of_their_sign_are_counted(
    convention: dict[str, Any], sign: int | None, height: float, told: int
) -> None:
    counts = counts_of(convention, sign, height, [(21, 21)] * 3)
    assert counts.get("difference_stamps_negative_at_the_centre", 0) == told


def test_stamps_of_another_size_than_described_are_not_called_cut() -> None:
    assert counts_of({}, 1, 9.0, [(20, 20)] * 3)["stamps_of_20_x_20_where_myscope_is_described_with_21"] == 3
    cut = counts_of({}, 1, 9.0, [(21, 21), (21, 21), (20, 20), (21, 4)])
    assert cut["stamps_cut_at_an_edge"] == 2 and not any("described" in name for name in cut)


def test_nothing_said_is_nothing() -> None:
    assert degrees_of(None, "ra") is None and measured(None) is None and measured(-999) is None
    assert mjd_of("2023-02-25", "mjd") == (UNKNOWN_DAY, False)


def counted(packet: dict[str, Any], described: Any = None) -> tuple[dict[str, Any], Counter[str]]:
    account = Counter[str]()
    return read_packet(packet, surveys_of(described), account)[0], +account


@pytest.mark.parametrize(("band", "name"), [("g", "g"), ("ztf_r", "r"), ("I", "i"), (None, None), ("clear", "unknown")])
def test_the_filter_of_a_database_is_a_name(make_packet: Any, band: str | None, name: str | None) -> None:
    assert counted(make_packet(1, fid=None, band=band))[0]["filter"] == name


@pytest.mark.parametrize(("said", "sign"), [(True, 1), (False, -1)])
def test_rubins_sign_in_a_database_whose_flux_is_absolute(said: bool, sign: int) -> None:
    packet = rubin_packet(3)
    packet["diaSource"] = {**packet["diaSource"], "psfFlux": 500.0, "snr": 8.0, "isdiffpos": said}
    del packet["diaSource"]["isNegative"]
    record, account = counted(packet)
    assert record["sign"] == sign and "signs_that_only_flux_or_snr_tells" not in account
    np.testing.assert_array_equal(read_packet(packet)[1][2], sign * read_packet(rubin_packet(3))[1][2])
    del packet["diaSource"]["isdiffpos"]
    record, account = counted(packet)
    assert record["sign"] == 1 and account["signs_that_only_flux_or_snr_tells"] == 1


def of_mine(event: dict[str, Any], ztf: dict[str, Any], **fields: Any) -> tuple[dict[str, Any], Counter[str]]:
    """What is read of a packet of ``MyScope`` whose description says some things more."""
    cutouts = {key: value for key, value in ztf.items() if key.startswith("cutout")}
    said: dict[str, Any] = dict(MINE)
    said["bands"] = {"w": {"aliases": ["white"]}}
    said["packet"] = said["packet"] | {"keys": said["packet"]["keys"] | fields}
    whole = {"mjd": 6e4, "dec": 2.0, "sn": -9.0, **event}
    return counted({"candid": 1, "scope": 1, "event": whole, **cutouts}, [said])


def test_a_key_that_no_packet_has_is_refused_or_counted(make_packet: Any) -> None:
    ztf = make_packet(1)
    with pytest.raises(
        PacketError, match=r"no event.alpha, where the description of MyScope has ra: event has mjd, dec"
    ):
        of_mine({"ra": 1.0}, ztf, ra=["event.alpha"])
    with pytest.raises(PacketError, match=r"no event.decl, .* has dec: did you mean dec"):
        of_mine({"ra": 1.0}, ztf, dec=["event.decl"])
    record, account = of_mine({"ra": None}, ztf)
    assert record["ra"] is None and account["packets_without_ra_at_event.ra"] == 1
    _, account = of_mine({"ra": 1.0, "band": "blue"}, ztf, filter=["event.band"], object=["event.name"])
    assert account["filters_that_myscope_is_not_described_with"] == 1
    assert account["packets_without_object_at_event.name"] == 1
    record, account = of_mine(
        {"ra": 1.0, "band": "white", "name": "a"}, ztf, filter=["event.band"], object=["event.name"]
    )
    assert record["filter"] == "w" and account == {"signs_that_only_flux_or_snr_tells": 1}


def test_a_time_of_hundreds_of_digits_is_none(make_packet: Any) -> None:
    record, wrong = possible(read_packet(make_packet(1, jd=10**400))[0])
    assert record["mjd"] is None and wrong == ["mjd"]


def test_the_first_field_that_holds_something_counts() -> None:
    keys = PacketKeys({"id": ("candid", "inner.candid", "_id")})
    assert first_of({"candid": None, "inner": {"candid": ""}, "_id": 5}, keys, "id") == 5
    assert list(values_of({"candid": 0, "inner": "no record", "_id": 5}, keys, "id")) == [("candid", 0), ("_id", 5)]
    assert first_of({}, keys, "id") is None and first_of({"candid": 1}, keys, "time") is None


def test_packets_of_packaged_surveys_may_lack_what_own_ones_may_not(make_packet: Any) -> None:
    packet, ztf = make_packet(1), surveys_of().named("ztf")
    del packet["candidate"]["ra"], packet["candidate"]["isdiffpos"]
    assert absent_key(packet, ztf) == ""
    assert unsaid(packet, packet_record(packet, ztf), ztf) == {"packets_without_ra_at_candidate.ra": 1}
    own = dataclasses.replace(ztf, pixel_scale=2.0)
    assert absent_key(packet, own).startswith("no candidate.ra, where the description of ZTF has ra: ")
    assert absent_key({**packet, "candidate": {}}, own) == ""  # cutouts alone
