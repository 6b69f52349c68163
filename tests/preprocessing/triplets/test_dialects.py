"""What strangers' tables and arrays say in their own dialects is read right, or refused in words."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from astropy.coordinates import SkyCoord

from astrid_ml.cli.main import run as astrid
from astrid_ml.dataset.prepared import PreparedDataset
from astrid_ml.errors import UserError
from astrid_ml.pipeline.engine import prepare_dataset
from astrid_ml.preprocessing.labels import TruthLabel
from astrid_ml.preprocessing.stamps import MARKS, without_marks
from astrid_ml.preprocessing.triplets.columns import refuse_repeated, without_impossible
from astrid_ml.preprocessing.triplets.pipeline import TripletsPipeline
from astrid_ml.preprocessing.triplets.whose import contradictions

N, SIDE = 24, 21
Change = Callable[[pd.DataFrame], pd.DataFrame]


def stamps() -> np.ndarray[Any, np.dtype[np.float32]]:
    y, x = np.mgrid[:SIDE, :SIDE] - SIDE // 2
    noise = np.random.default_rng(1).normal(0, 5, (N, 3, SIDE, SIDE))
    return np.asarray(noise + 300 * np.exp(-(y**2 + x**2) / 5), dtype=np.float32)


def table() -> pd.DataFrame:
    random = np.random.default_rng(2)
    return pd.DataFrame(
        {
            "candid": 1_000_000_000_000_000_000 + 7 * np.arange(N),
            "objectId": [f"ZTF20aaaaa{chr(97 + k)}a" for k in range(N)],
            "label": np.arange(N) % 2,
            "ra": random.uniform(0, 360, N),
            "dec": random.uniform(-30, 80, N),
            "jd": 2459000.5 + np.arange(N),
            "fid": np.arange(N) % 3 + 1,
        }
    )


def prepared(folder: Path, array: Any, rows: pd.DataFrame, **options: Any) -> PreparedDataset:
    raw = folder / "raw"
    raw.mkdir(parents=True)
    if isinstance(array, dict):
        np.savez(raw / "triplets.npz", **array)
    else:
        np.save(raw / "triplets.npy", array)
    rows.to_csv(raw / "candidates.csv", index=False)
    pipeline, labels = TripletsPipeline(**options), TruthLabel()
    made = prepare_dataset(pipeline, [raw], folder / "store", name="stamps", labeller=labels, progress=False)
    return PreparedDataset(made.path)


def hours(rows: pd.DataFrame) -> pd.DataFrame:
    sky = SkyCoord(rows["ra"], rows["dec"], unit="deg")
    ra = sky.ra.to_string(unit="hour", sep=":", precision=5)
    return rows.assign(ra=ra, dec=sky.dec.to_string(sep=":", precision=4, alwayssign=True))


SAME: dict[str, Change] = {
    "JD called mjd": lambda rows: rows.rename(columns={"jd": "mjd"}),
    "MJD called jd": lambda rows: rows.assign(jd=rows["jd"] - 2400000.5),
    "hours and degrees": hours,
    "letters": lambda rows: hours(rows).assign(
        ra=lambda t: t["ra"].str.replace(":", "h", n=1).str.replace(":", "m") + "s"
    ),
    "ztfg": lambda rows: rows.drop(columns="fid").assign(band=np.array(["ztfg", "ztfr", "ztfi"])[np.arange(N) % 3]),
}


@pytest.mark.parametrize("name", SAME)
def test_the_same_in_other_words(tmp_path: Path, name: str) -> None:
    rows = table()
    index = prepared(tmp_path, stamps(), SAME[name](rows)).index
    np.testing.assert_allclose(index["mjd"], rows["jd"] - 2400000.5, atol=1e-6)
    np.testing.assert_allclose(index["ra"], rows["ra"], atol=1e-6)
    np.testing.assert_allclose(index["dec"], rows["dec"], atol=1e-6)
    assert index["filter"].tolist() == np.array(["g", "r", "i"])[np.arange(N) % 3].tolist()
    assert index["id"].tolist() == rows["candid"].astype(str).tolist()


def test_values_that_nothing_has_are_null_and_counted(tmp_path: Path) -> None:
    rows = table()
    rows.loc[3, ["ra", "dec"]] = -999.0
    rows.loc[4, "jd"] = -999.0
    rows.loc[5, "fid"] = -999
    rows.loc[6, "label"] = -999
    rows.loc[7, "dec"] = 124.0
    dataset = prepared(tmp_path, stamps(), rows)
    index = dataset.index
    assert index.isna()[["ra", "dec", "mjd", "filter", "label"]].sum().tolist() == [1, 2, 1, 1, 1]
    counts = dataset.meta["counts"]
    assert [counts[f"impossible_values_of_{name}"] for name in ("ra", "dec", "mjd")] == [1, 2, 1]
    assert dataset.meta["counts"]["samples"] == N


def test_preparing_tells_what_was_left_out_and_what_was_null(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = table()
    rows.loc[7, "dec"] = 124.0
    rows = rows.assign(candid=[rows["candid"].iloc[0], *rows["candid"].iloc[:-1]])
    (tmp_path / "raw").mkdir()
    np.save(tmp_path / "raw" / "triplets.npy", stamps())
    rows.to_csv(tmp_path / "raw" / "candidates.csv", index=False)
    words = ["prepare", "preprocessing=triplets", f"paths.raw={tmp_path}/raw", f"paths.data={tmp_path}/store"]
    assert astrid([*words, "label=truth"]) == 0
    said = capsys.readouterr().out
    assert "left out, " in said and f"samples: {N - 1}\n" in said and "impossible values of dec: 1\n" in said


@pytest.mark.parametrize("value", [-999.0, -9999.0, -99999.0, 1e30, 3e38, np.inf, np.nan])
def test_numbers_that_mark_missing_pixels_are_no_data(tmp_path: Path, value: float) -> None:
    array = stamps()
    array[:, :, :, 16:] = value
    dataset = prepared(tmp_path, array, table())
    [(_, read)] = dataset.groups("stamps", np.arange(N))
    assert np.isnan(read[..., 16:]).all()
    np.testing.assert_array_equal(read[..., :16], stamps()[..., :16])
    assert (dataset.index["stamp_w"] == 16).all()


def test_a_number_that_is_not_many_pixels_or_not_the_lowest_is_kept() -> None:
    few, above = stamps(), stamps()
    few[0, 0, 3, 4] = MARKS[0]
    above[:, :, 0] = MARKS[0]
    above[:, :, 1, 1] = -5000
    assert without_marks(few) == (few, 0) and without_marks(above) == (above, 0)


def test_columns_of_ids_that_tell_nothing_apart_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="do not survive as floats"):
        prepared(tmp_path, stamps(), table().assign(candid=lambda t: t["candid"].astype(float)))
    with pytest.raises(UserError, match=r"23 of 24 rows of t\.csv with a candid of another row\."):
        refuse_repeated(table().assign(candid=1), {"id": "candid"}, "t.csv")
    refuse_repeated(table().iloc[[0, 0, *range(1, N)]], {"id": "candid"}, "t.csv")  # given twice: left out by name
    refuse_repeated(table(), {}, "t.csv")


@pytest.mark.parametrize("axes", ["ncyx", "nyxc", "yxcn", "cyxn", "cnyx", "yxnc"])
def test_every_order_of_axes_is_told_by_the_shape(tmp_path: Path, axes: str) -> None:
    array = np.transpose(stamps(), ["ncyx".index(letter) for letter in axes])
    dataset = prepared(tmp_path, array, table())
    [(_, read)] = dataset.groups("stamps", np.arange(N))
    np.testing.assert_array_equal(read, stamps())


def test_arrays_of_unknown_names_are_refused_with_what_to_say(tmp_path: Path) -> None:
    parts = dict(zip(("new", "old", "sub"), np.moveaxis(stamps(), 1, 0), strict=True))
    with pytest.raises(UserError) as caught:
        prepared(tmp_path, parts, table())
    assert "preprocessing.stack=[new,old,sub]" in caught.value.fix
    (tmp_path / "again").mkdir()
    dataset = prepared(tmp_path / "again", parts, table(), stack=("new", "old", "sub"))
    [(_, read)] = dataset.groups("stamps", np.arange(N))
    np.testing.assert_array_equal(read, stamps())


def test_nothing_impossible_leaves_the_records_as_they_are() -> None:
    records = pd.DataFrame({"ra": [1.0], "dec": [np.nan], "mjd": [6e4]})
    assert without_impossible(records)[0] is records


SIGNS = np.where(np.arange(N) % 4 == 0, -1, 1)
WORDS: dict[str, tuple[str, Any]] = {
    "t and f": ("isdiffpos", np.where(SIGNS > 0, "t", "f")),
    "1 and -1": ("isdiffpos", SIGNS),
    "1 and 0": ("isdiffpos", (SIGNS > 0).astype(int)),
    "true": ("isdiffpos", SIGNS > 0),
    "negative": ("isNegative", SIGNS < 0),
    "sign": ("sign", SIGNS),
    "plus and minus": ("sign", np.where(SIGNS < 0, "-", "+")),
    "of BOOM": ("is_diffpos", SIGNS > 0),
}


@pytest.mark.parametrize("name", WORDS)
@pytest.mark.parametrize(("survey", "turned"), [("ztf", False), ("rubin", True), (None, False)])
def test_signs_are_read_and_stamps_stand_as_the_survey_has_them(
    tmp_path: Path, name: str, survey: str | None, turned: bool
) -> None:
    column, values = WORDS[name]
    array = stamps()
    array[SIGNS < 0, 2] *= -1
    rows = table().drop(columns="fid").assign(objectId=[f"obj{k}" for k in range(N)], **{column: values})
    dataset = prepared(tmp_path, array, rows, survey=survey)
    [(_, read)] = dataset.groups("stamps", np.arange(N))
    np.testing.assert_array_equal(read, stamps() if turned else array)
    assert dataset.index["sign"].tolist() == SIGNS.tolist()
    counts = {name: n for name, n in dataset.meta["counts"].items() if "negative" in name}
    told = {"ztf": "difference_stamps_negative_at_the_centre", None: "negative_detections_of_unknown_convention"}
    assert counts == ({told[survey]: int((SIGNS < 0).sum())} if survey in told else {})


def test_stamps_beside_a_sign_of_our_own_are_turned_already(tmp_path: Path) -> None:
    own = {"peak_snr": 5.0, "stamp_h": 21, "stamp_w": 21}  # columns that export writes
    rows = table().drop(columns="fid").assign(sign=SIGNS, isNegative=SIGNS < 0, objectId="x", **own)
    dataset = prepared(tmp_path, stamps(), rows, survey="rubin")
    [(_, read)] = dataset.groups("stamps", np.arange(N))
    np.testing.assert_array_equal(read, stamps())
    assert dataset.index["sign"].tolist() == SIGNS.tolist()


def test_a_survey_that_sends_negatives_needs_their_sign(tmp_path: Path) -> None:
    rows = table().drop(columns="fid").assign(objectId=[f"o{row}" for row in range(N)])
    for survey, count in (("rubin", N), ("ztf", 0)):
        dataset = prepared(tmp_path / survey, stamps(), rows, survey=survey)
        assert dataset.meta["counts"].get("detections_of_unknown_sign", 0) == count


def test_a_word_that_is_no_sign_is_null_and_counted(tmp_path: Path) -> None:
    dataset = prepared(tmp_path, stamps(), table().assign(isdiffpos=["maybe", "", *["t"] * (N - 2)]))
    assert dataset.index["sign"].isna().sum() == dataset.meta["counts"]["detections_of_unknown_sign"] == 2


@pytest.mark.parametrize("fid", ["of a survey", "of nobody", "unknown number"])
def test_filters_that_are_numbers_need_their_survey(tmp_path: Path, fid: str) -> None:
    rows = table() if fid == "of a survey" else table().assign(objectId="x" if fid == "of nobody" else "ZTF20aaaaaaa")
    rows = rows.assign(fid=77) if fid == "unknown number" else rows
    dataset = prepared(tmp_path, stamps(), rows)
    lost = 0 if fid == "of a survey" else N
    assert dataset.index["filter"].isna().sum() == lost
    assert dataset.meta["counts"].get("filters_whose_number_nobody_explains", 0) == lost


def test_names_of_another_survey_are_counted(tmp_path: Path) -> None:
    dataset = prepared(tmp_path, stamps(), table().drop(columns="fid").assign(mission="hst"))
    assert dataset.meta["counts"]["objects_of_hst_whose_names_ztf_gives"] == N
    assert set(dataset.index["mission"]) == {"hst"} and callable(contradictions)


@pytest.mark.parametrize(("values", "other"), [((1, 2), 2), ((1, -1), -1), ((1.0, 2.0), 2)])
def test_labels_of_which_nobody_says_what_they_mean_are_refused_and_mapped(
    tmp_path: Path, values: tuple[float, float], other: int
) -> None:
    rows = table().assign(label=np.where(np.arange(N) % 2, values[0], values[1]))
    with pytest.raises(UserError) as caught:
        prepared(tmp_path, stamps(), rows)
    assert f"'label.mapping={{{other}:0,1:1}}'" in caught.value.fix
    words = ["prepare", "preprocessing=triplets", f"paths.raw={tmp_path}/raw", f"paths.data={tmp_path}/said"]
    if isinstance(values[0], int):
        assert astrid([*words, "label=column", "label.column=label", f"label.mapping={{{other}:0,1:1}}"]) == 0
        index = PreparedDataset(next((tmp_path / "said").glob("run-*"))).index
        assert index["label"].tolist() == (np.arange(N) % 2).tolist()


@pytest.mark.parametrize(
    ("axes", "shape"), [("ncyx", (N, -1)), ("nyxc", (N, -1)), ("ncyx", (N, 3, -1)), ("nyxc", (N, -1, 3))]
)
def test_flat_arrays_are_refused_with_the_axes_that_read_them(
    tmp_path: Path, axes: str, shape: tuple[int, ...]
) -> None:
    array = np.transpose(stamps(), ["ncyx".index(letter) for letter in axes]).reshape(shape)
    with pytest.raises(UserError) as caught:
        prepared(tmp_path, array, table())
    assert f"preprocessing.axes={axes}" in caught.value.fix or f"or {axes}" in caught.value.fix
    (tmp_path / "again").mkdir()
    dataset = prepared(tmp_path / "again", array, table(), axes=axes)
    [(_, read)] = dataset.groups("stamps", np.arange(N))
    np.testing.assert_array_equal(read, stamps())
