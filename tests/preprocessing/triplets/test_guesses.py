"""What is guessed of somebody's table and array: units of positions, columns of labels, axes, order of channels."""

from __future__ import annotations

import json
from itertools import permutations
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest
from astropy.io import fits
from astropy.table import Table
from made.strangers import N, stamps, table

from astrid_ml.errors import UserError
from astrid_ml.pipeline.writer import MemoryUnitWriter
from astrid_ml.preprocessing.triplets.containers.stacks import stacks_in
from astrid_ml.preprocessing.triplets.containers.units import units_in
from astrid_ml.preprocessing.triplets.normalised import UNDONE, normalised_as
from astrid_ml.preprocessing.triplets.pipeline import TripletsPipeline

RA, DEC = np.array([10.0, 70.0, 130.0, 190.0, 250.0, 350.0]), np.array([-60.0, -30.0, 0.0, 30.0, 60.0, 80.0])
UNITS = {"rad": (np.pi / 180, np.pi / 180), "hourangle": (1 / 15, 1.0), "deg": (1.0, 1.0), "arcsec": (3600.0, 3600.0)}


def _index(folder: Path, **said: Any) -> pd.DataFrame:
    pipeline, writer = TripletsPipeline(**said), MemoryUnitWriter()
    for unit in pipeline.plan([folder]):
        assert not unit.missing, unit.missing
        pipeline.process(unit, writer, 0)
    return writer.source().index.reset_index(drop=True)


def _sky(unit: str) -> dict[str, Any]:
    ra, dec = UNITS[unit]
    return {"ra": RA * ra, "dec": DEC * dec}


def _same_sky(index: pd.DataFrame) -> None:
    np.testing.assert_allclose(index["ra"], RA)
    np.testing.assert_allclose(index["dec"], DEC)


@pytest.mark.parametrize("form", ["ecsv", "vot", "fits", "parquet"])
@pytest.mark.parametrize("unit", UNITS)
def test_the_unit_of_a_table_is_read(tmp_path: Path, form: str, unit: str) -> None:
    np.save(tmp_path / "a.npy", stamps())
    rows = Table.from_pandas(table().assign(**_sky(unit)))
    rows["ra"].unit, rows["dec"].unit = unit, "deg" if unit == "hourangle" else unit
    if (form, unit) == ("fits", "hourangle"):
        rows["ra"].unit = "h"  # FITS has no other word for it
    rows.write(tmp_path / f"a.{form}", **({"format": "votable"} if form == "vot" else {}))
    _same_sky(_index(tmp_path))


@pytest.mark.parametrize("form", ["npz", "h5"])
@pytest.mark.parametrize("unit", UNITS)
def test_the_unit_that_a_container_says_is_read(tmp_path: Path, form: str, unit: str) -> None:
    said = {"ra": {"unit": unit}, "dec": {"unit": "deg" if unit == "hourangle" else unit}}
    if form == "npz":
        np.savez(tmp_path / "a.npz", stamps=stamps(), columns=np.array(json.dumps(said)), **_sky(unit))
    else:
        with h5py.File(tmp_path / "a.h5", "w") as file:
            file["stamps"] = stamps()
            for name, values in _sky(unit).items():
                file[name] = values
                file[name].attrs["units"] = said[name]["unit"]
    path = tmp_path / f"a.{form}"
    assert units_in(path, stacks_in(path)) == {name: about["unit"] for name, about in said.items()}
    _same_sky(_index(tmp_path))


@pytest.mark.parametrize("own", ["no json", "[1]", '{"ra": 3}', ["a", "b"], 5])
def test_an_array_called_columns_that_says_nothing_is_no_unit(tmp_path: Path, own: Any) -> None:
    np.savez(tmp_path / "a.npz", stamps=stamps(), columns=np.array(own), ra=RA, dec=DEC)
    _same_sky(_index(tmp_path))


@pytest.mark.parametrize(("unit", "words"), [("rad", "radians or degrees"), ("hourangle", "hours or degrees")])
@pytest.mark.parametrize("where", ["table", "container"])
def test_positions_all_over_the_sky_need_their_unit(tmp_path: Path, unit: str, words: str, where: str) -> None:
    if where == "table":
        np.save(tmp_path / "a.npy", stamps())
        table().assign(**_sky(unit)).to_csv(tmp_path / "a.csv", index=False)
    else:
        np.savez(tmp_path / "a.npz", stamps=stamps(), **_sky(unit))
    with pytest.raises(UserError, match=rf"{words}(?s:.*)preprocessing\.position_unit={unit}"):
        _index(tmp_path)
    _same_sky(_index(tmp_path, position_unit=unit))
    assert _index(tmp_path, position_unit="deg")["ra"].tolist() == (_sky(unit)["ra"]).tolist()


def _scenes(count: int = 12, side: int = 21) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Science, reference, difference of stars, with the noise of a deep reference."""
    random = np.random.default_rng(4)
    sky, noise = random.normal(100, 3, (count, side, side)), random.normal(0, 1, (count, side, side))
    science = sky + random.normal(0, 3, (count, side, side))
    science[::2, 10, 10] += 300
    return np.stack([science, sky + noise, science - sky], axis=1).astype(np.float32)


ORDERS = {"sci,ref,diff": (0, 1, 2), "sci,diff,ref": (0, 2, 1), "ref,sci,diff": (1, 0, 2), "diff,sci,ref": (2, 0, 1),
          "ref,diff,sci": (1, 2, 0), "diff,ref,sci": (2, 1, 0)}  # fmt: skip
LONG = {"sci": "science", "ref": "reference", "diff": "difference"}


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("form", ["first", "last", "samples_last", "fits"])
def test_stamps_that_contradict_the_usual_order_are_refused(tmp_path: Path, order: str, form: str) -> None:
    turned = _scenes()[:, list(ORDERS[order])]
    if form == "fits":
        for place, cube in enumerate(turned):
            fits.PrimaryHDU(cube).writeto(tmp_path / f"s{place}.fits")
        pd.DataFrame({"id": [f"s{place}" for place in range(len(turned))]}).to_csv(tmp_path / "a.csv", index=False)
    else:
        axes = {"first": (0, 1, 2, 3), "last": (0, 2, 3, 1), "samples_last": (2, 3, 1, 0)}[form]
        np.save(tmp_path / "a.npy", turned.transpose(axes))
    words = order.split(",")
    if words[0] != "sci":  # the science image stands where it was thought: nobody can tell the others
        named = ",".join(LONG[word] for word in words)
        with pytest.raises(UserError, match=rf"preprocessing\.channels=(?s:.*)\[{named}\](?s:.*) where it is right"):
            _index(tmp_path)
    said = _index(tmp_path, channels=["sci", "ref", "diff"])
    assert len(said) == len(turned) and len(_index(tmp_path, channels=words)) == len(turned)


def test_what_tells_no_order_is_read(tmp_path: Path) -> None:
    """Noise, normalised stamps, and detections that faded, whose difference is turned over."""
    scenes = _scenes()
    faded = scenes * np.array([1, 1, -1], dtype=np.float32)[:, None, None]
    norms = np.linalg.norm(scenes, axis=(2, 3), keepdims=True)
    cases = {"noise": stamps(), "norm": (scenes / norms)[:, [1, 0, 2]], "few": scenes[:7][:, [1, 0, 2]], "faded": faded}
    for name, array in cases.items():
        folder = tmp_path / name
        folder.mkdir()
        np.savez(folder / "a.npz", stamps=array, isdiffpos=["f" if name == "faded" else "t"] * len(array))
        assert len(_index(folder)) == len(array)


@pytest.mark.parametrize(
    ("columns", "label"),
    [
        ({"x": 100.0 + np.arange(N), "y": 200.0 + np.arange(N), "is_real": [1, 0] * 3}, [1, 0] * 3),
        ({"target": [f"M{n}" for n in range(N)], "class": ["SN", "AGN"] * 3}, ["SN", "AGN"] * 3),
        ({"y": [1, 0] * 3}, [1, 0] * 3),
        ({"target": ["real", "bogus"] * 3}, [1, 0] * 3),
        ({"y": np.arange(N)}, None),
        ({"Label": [1, 0] * 3, "y": [0, 1] * 3}, [1, 0] * 3),
    ],
)
def test_a_column_that_may_be_something_else_is_a_label_of_two_values(
    tmp_path: Path, columns: dict[str, Any], label: list[Any] | None
) -> None:
    np.save(tmp_path / "a.npy", stamps())
    table().drop(columns="label").assign(**columns).to_csv(tmp_path / "a.csv", index=False)
    index = _index(tmp_path)
    assert (index["label"].tolist() if "label" in index else None) == label


@pytest.mark.parametrize("axes", list(permutations("ncyx")))
def test_as_many_samples_as_pixels_leave_one_answer_or_none(tmp_path: Path, axes: tuple[str, ...]) -> None:
    cube = np.random.default_rng(1).normal(size=(21, 3, 21, 21)).astype(np.float32)
    np.save(tmp_path / "a.npy", cube.transpose(["ncyx".index(letter) for letter in axes]))
    if axes.index("c") in (1, 3):  # samples first, as anybody has them who puts channels there
        [unit] = TripletsPipeline().plan([tmp_path])
        assert not unit.missing
    else:
        with pytest.raises(UserError, match="no order of axes"):
            TripletsPipeline().plan([tmp_path])


ISO = [f"2023-02-25T{2 * n:02d}:00:00" for n in range(N)]
DAYS = [60000 + n / 12 for n in range(N)]


@pytest.mark.parametrize(
    ("columns", "days"),
    [
        ({"mjd": ISO}, DAYS),
        ({"jd": [f"{text}Z" for text in ISO]}, DAYS),
        ({"date": [text.replace("T", " ") for text in ISO]}, DAYS),
        ({"obsdate": [ISO[0], None, *ISO[2:]]}, [DAYS[0], None, *DAYS[2:]]),
        ({"date": ["25/02/2023"] * N}, [None] * N),
        ({"date": ["2023-02-25"] * N}, [None] * N),  # without a time of the day
        ({"mjd": DAYS, "date": ISO[::-1]}, DAYS),
    ],
)
def test_dates_are_times(tmp_path: Path, columns: dict[str, Any], days: list[float | None]) -> None:
    np.save(tmp_path / "a.npy", stamps())
    table().drop(columns="jd").assign(**columns).to_csv(tmp_path / "a.csv", index=False)
    index = _index(tmp_path)
    np.testing.assert_allclose(index["mjd"].astype(float), [np.nan if day is None else day for day in days], atol=1e-6)
    assert ("date" in index) == (("date" in columns and index["mjd"].isna().all()) or len(columns) == 2)


def test_a_time_that_is_none_is_told_by_its_column(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", stamps())
    table().assign(jd="soon").to_csv(tmp_path / "a.csv", index=False)
    with pytest.raises(ValueError, match=r"jd: no time: .*soon"):
        _index(tmp_path)


def test_pickled_objects_are_told_by_their_array(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", stamps=stamps(), candid=table()["candid"].astype(str).to_numpy(dtype=object))
    [unit] = TripletsPipeline().plan([tmp_path])
    words = "candid holds pickled objects, which are not read: save it as text, .astype(str)"
    assert unit.missing == (f"a container that can be read: {words}",)


@pytest.mark.parametrize("kind", ["zscore", "minmax_signed", "bytes", "minmax"])
def test_stamps_that_were_normalised_are_recognised(kind: str) -> None:
    raw = _scenes()
    low, high = raw.min((2, 3), keepdims=True), raw.max((2, 3), keepdims=True)
    each = (raw - low) / (high - low)
    least, most = low.min(1, keepdims=True), high.max(1, keepdims=True)
    made = {
        "zscore": (raw - raw.mean((2, 3), keepdims=True)) / raw.std((2, 3), keepdims=True),
        "minmax_signed": 2 * each - 1,
        "bytes": np.rint((raw - least) / (most - least) * 255),
        "minmax": each,
    }[kind]
    assert set(normalised_as(made.astype(np.float32))) == {kind} and set(normalised_as(raw)) == {"none"}
    assert set(normalised_as(np.rint(raw))) == {"none"} and UNDONE[kind] == ("sigma",)
