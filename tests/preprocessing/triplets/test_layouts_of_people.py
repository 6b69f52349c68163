"""Stamps as people keep them in HDF5 groups, in a file for each channel, with shuffled tables and named channels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.io import fits
from made.strangers import N, nested, stamps, table

from astrid_ml.errors import UserError
from astrid_ml.pipeline.writer import MemorySource, MemoryUnitWriter
from astrid_ml.preprocessing.alerts.files import table_has_cutouts
from astrid_ml.preprocessing.triplets.containers.grouped import groups_in
from astrid_ml.preprocessing.triplets.containers.stacks import read_stack
from astrid_ml.preprocessing.triplets.pipeline import TripletsPipeline

IDS = table()["candid"].astype(str).tolist()
NAMES = ("science", "template", "difference")
SHUFFLED = [3, 0, 5, 1, 4, 2]


def _read(folder: Path, **said: Any) -> MemorySource:
    pipeline, writer = TripletsPipeline(**said), MemoryUnitWriter()
    for unit in pipeline.plan([folder]):
        assert not unit.missing, unit.missing
        pipeline.process(unit, writer, 0)
    return writer.source()


def _same(source: MemorySource, order: list[int] | None = None, ids: bool = True) -> None:
    places = list(range(N)) if order is None else order
    assert not ids or source.index["id"].tolist() == [IDS[place] for place in places]
    assert source.index["label"].astype(int).tolist() == [int(table()["label"][place]) for place in places]
    np.testing.assert_allclose(source.gather("stamps", np.arange(len(places))), stamps()[places], rtol=1e-6)


def _npz(folder: Path, order: tuple[int, ...], names: list[str]) -> None:
    np.savez(folder / "triplets.npz", triplets=stamps()[:, list(order)], channels=np.array(names))


def _hdf5(folder: Path, order: tuple[int, ...], names: list[str]) -> None:
    with h5py.File(folder / "triplets.h5", "w") as file:
        file["triplets"] = stamps()[:, list(order)]
        file["triplets"].attrs["channels"] = names


def _hdf5_of_the_file(folder: Path, order: tuple[int, ...], names: list[str]) -> None:
    with h5py.File(folder / "triplets.h5", "w") as file:
        file["triplets"] = stamps()[:, list(order)]
        file.attrs["channel_order"] = ",".join(names)


def _zarr(folder: Path, order: tuple[int, ...], names: list[str]) -> None:
    zarr = pytest.importorskip("zarr")
    root = zarr.open(str(folder / "triplets.zarr"), mode="w")
    array = root.create_array("triplets", shape=stamps().shape, dtype="f4")
    array[:] = stamps()[:, list(order)]
    array.attrs["channels"] = names


WRITERS = {"npz": _npz, "hdf5": _hdf5, "attribute of the file": _hdf5_of_the_file, "zarr": _zarr}


@pytest.mark.parametrize("form", WRITERS)
@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 0, 2)])
def test_the_container_says_the_order_of_its_channels(tmp_path: Path, form: str, order: tuple[int, ...]) -> None:
    WRITERS[form](tmp_path, order, [NAMES[place] for place in order])
    table().to_csv(tmp_path / "candidates.csv", index=False)
    _same(_read(tmp_path))


def test_an_order_that_was_said_is_held_against_what_the_container_names(tmp_path: Path) -> None:
    names = ["difference", "template", "science"]
    np.savez(tmp_path / "triplets.npz", triplets=stamps()[:, [2, 1, 0]], channels=np.array(names))
    table().to_csv(tmp_path / "candidates.csv", index=False)
    with pytest.raises(UserError, match="names difference, template, science"):
        _read(tmp_path, channels=["science", "reference", "difference"])
    _same(_read(tmp_path, channels=["diff", "ref", "sci"]))
    _same(_read(tmp_path, channels=None))


def test_the_usual_order_is_believed_where_it_was_said(tmp_path: Path) -> None:
    np.savez(tmp_path / "triplets.npz", triplets=stamps(), channels=np.array(["g", "r", "i"]))
    table().to_csv(tmp_path / "candidates.csv", index=False)
    _same(_read(tmp_path, channels=["science", "reference", "difference"]))


def test_channels_of_other_names_are_refused_until_the_order_is_said(tmp_path: Path) -> None:
    _hdf5(tmp_path, (0, 1, 2), ["g", "r", "i"])
    table().to_csv(tmp_path / "candidates.csv", index=False)
    with pytest.raises(UserError, match="with the channels g, r, i"):
        TripletsPipeline().plan([tmp_path])
    _same(_read(tmp_path, channels=["sci", "ref", "diff"]))


@pytest.mark.parametrize("kind", ["csv", "csv with a name", "parquet"])
def test_a_shuffled_table_with_its_index_is_refused_until_its_meaning_is_said(tmp_path: Path, kind: str) -> None:
    np.save(tmp_path / "triplets.npy", stamps())
    shuffled = table().iloc[SHUFFLED]
    if kind == "parquet":
        shuffled.to_parquet(tmp_path / "candidates.parquet")
    else:
        shuffled.to_csv(tmp_path / "candidates.csv", index_label="index" if "name" in kind else None)
    name = "Unnamed: 0" if kind == "csv" else "index"
    with pytest.raises(UserError, match="numbers its rows in another order"):
        TripletsPipeline().plan([tmp_path])
    _same(_read(tmp_path, columns={"row": name}))
    with pytest.raises(UserError, match="with each of 0 to 5 once"):
        TripletsPipeline(columns={"row": "fid"}).plan([tmp_path])


@pytest.mark.parametrize("kept", [range(N), range(2, N + 2)])
def test_an_index_in_order_is_no_trouble(tmp_path: Path, kept: range) -> None:
    np.save(tmp_path / "triplets.npy", stamps())
    table().set_index(pd.Index(kept)).to_csv(tmp_path / "candidates.csv")
    _same(_read(tmp_path))


def test_ids_as_the_index_of_a_parquet_table_are_read(tmp_path: Path) -> None:
    np.save(tmp_path / "triplets.npy", stamps())
    table().set_index("candid").to_parquet(tmp_path / "candidates.parquet")
    _same(_read(tmp_path))


@pytest.mark.parametrize("form", ["candid", "candid_", "number", "stamp"])
def test_a_group_for_each_sample(tmp_path: Path, form: str) -> None:
    with h5py.File(tmp_path / "stamps.h5", "w") as file:
        for row in SHUFFLED:
            name = {"number": str(row), "candid_": f"candid_{IDS[row]}"}.get(form, IDS[row])
            group = file.create_group(name)
            group.attrs["label"] = int(table()["label"][row])
            if form == "stamp":
                group["triplet"] = stamps()[row].transpose(1, 2, 0)
            else:
                for channel, image in zip(NAMES, stamps()[row], strict=True):
                    group[channel] = image
    _same(_read(tmp_path), ids=form != "number")
    table().iloc[::-1].drop(columns="label" if form == "number" else []).to_csv(
        tmp_path / "candidates.csv", index=False
    )
    if form != "number":
        _same(_read(tmp_path))


def test_a_file_for_each_sample(tmp_path: Path) -> None:
    for row in range(N):
        with h5py.File(tmp_path / f"{IDS[row]}.h5", "w") as file:
            for channel, image in zip(NAMES, stamps()[row], strict=True):
                file[channel] = image
            assert groups_in(file) == ["/"]
    table().iloc[SHUFFLED].to_csv(tmp_path / "candidates.csv", index=False)
    _same(_read(tmp_path))


def test_a_group_that_declares_gigabytes_costs_itself_unread(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "stamps.h5", "w") as file:
        for row in range(N):
            group = file.create_group(IDS[row])
            for channel, image in zip(NAMES, stamps()[row], strict=True):
                if row == 3:
                    group.create_dataset(channel, shape=(200_000, 200_000), dtype="f4", chunks=(100, 100))
                else:
                    group[channel] = image
    source = _read(tmp_path)
    assert source.index["id"].tolist() == [name for row, name in enumerate(IDS) if row != 3]


def test_a_group_that_lacks_an_image_costs_itself(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "stamps.h5", "w") as file:
        for row in range(N):
            group = file.create_group(IDS[row])
            for channel, image in zip(NAMES, stamps()[row], strict=True):
                group[channel] = image[:5] if row == 2 else image
            if row == 4:
                del group["difference"], group["template"], group["science"]
    pipeline, writer = TripletsPipeline(), MemoryUnitWriter()
    for unit in pipeline.plan([tmp_path]):
        pipeline.process(unit, writer, 0)
    assert writer.source().index["id"].tolist() == [name for row, name in enumerate(IDS) if row not in (2, 4)]
    assert [drop.reason for drop in writer.drops] == ["science stamp: no pixel that is a measurement"]


@pytest.mark.parametrize("names", [("science", "template", "difference"), ("train_sci", "train_ref", "train_diff")])
def test_a_file_for_each_channel(tmp_path: Path, names: tuple[str, ...]) -> None:
    for place, name in enumerate(names):
        np.save(tmp_path / f"{name}.npy", stamps()[:, place])
    table().to_csv(tmp_path / "train_candidates.csv", index=False)
    units = TripletsPipeline(rows_per_unit=4).plan([tmp_path])
    assert len(units) == 2 and all(len(unit.inputs) == 4 for unit in units)
    _same(_read(tmp_path, rows_per_unit=4))


def test_cutouts_as_nested_lists_with_a_label_are_stamps_of_somebody(tmp_path: Path) -> None:
    columns = {f"cutout{name.title()}": nested(stamps()[:, place]) for place, name in enumerate(NAMES)}
    rows = table().to_dict("list") | columns
    pq.write_table(pa.table(rows), tmp_path / "stamps.parquet")
    assert table_has_cutouts(tmp_path / "stamps.parquet") is False
    _same(_read(tmp_path))
    for more in ({"candidate": [{"jd": 1.0}] * N}, {"i:jd": [1.0] * N}, {"publisher": ["ZTF"] * N}):
        pq.write_table(pa.table(rows | more), tmp_path / "packets.parquet")
        assert table_has_cutouts(tmp_path / "packets.parquet")


def test_vizier_columns_of_positions(tmp_path: Path) -> None:
    np.save(tmp_path / "triplets.npy", stamps())
    rows = (
        table()
        .drop(columns=["ra", "dec"])
        .assign(_RAJ2000=10.5, RAJ2000="00 42 00.0", _DEJ2000=-5.5, DEJ2000="-05 30 00")
    )
    for kept in (rows, rows.drop(columns=["_RAJ2000", "_DEJ2000"]), rows.drop(columns=["RAJ2000", "DEJ2000"])):
        kept.to_csv(tmp_path / "candidates.csv", index=False)
        index = _read(tmp_path).index
        np.testing.assert_allclose(index[["ra", "dec"]].to_numpy(float), [[10.5, -5.5]] * N)


def test_fits_stamps_with_named_extensions_in_any_order(tmp_path: Path) -> None:
    for row in range(N):
        images = [fits.ImageHDU(stamps()[row, place], name=NAMES[place]) for place in (2, 0, 1)]
        mask = fits.ImageHDU(np.zeros(stamps().shape[2:], np.uint8), name="MASK")
        fits.HDUList([fits.PrimaryHDU(), mask, *images]).writeto(tmp_path / f"{IDS[row]}.fits")
    table().to_csv(tmp_path / "candidates.csv", index=False)
    _same(_read(tmp_path))


def test_fits_stamps_without_a_table_are_called_by_their_files(tmp_path: Path) -> None:
    for row in range(N):
        images = [fits.ImageHDU(stamps()[row, place], name=NAMES[place]) for place in (2, 0, 1)]
        fits.HDUList([fits.PrimaryHDU(), *images]).writeto(tmp_path / f"{IDS[row]}.fits.gz")
    fits.writeto(tmp_path / "frame.fits", stamps()[0, 0])
    source = _read(tmp_path, rows_per_unit=4)
    assert source.index["id"].tolist() == IDS and "label" not in source.index
    assert source.index["source"].tolist() == [f"{name}.fits.gz" for name in IDS]
    np.testing.assert_allclose(source.gather("stamps", np.arange(N)), stamps(), rtol=1e-6)


def _groups(folder: Path, names: list[str], attributes: dict[str, Any] | None = None) -> None:
    """A group for each stamp, a cube in each, channels last."""
    with h5py.File(folder / "stamps.h5", "w") as file:
        file.attrs.update(attributes or {})
        for name, stamp in zip(names, stamps(), strict=True):
            file.create_group(name)["stamp"] = np.moveaxis(stamp, 0, -1)


def test_groups_that_count_from_one_are_in_that_order(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "stamps.h5", "w") as file:
        for row in range(12):
            file.create_group(f"stamp_{row + 1}")["stamp"] = np.moveaxis(stamps()[0], 0, -1) * (row + 1)
    pd.DataFrame({"label": [row % 2 for row in range(12)]}).to_csv(tmp_path / "labels.csv", index=False)
    source = _read(tmp_path)
    read = source.gather("stamps", np.arange(12))
    np.testing.assert_allclose(read[10] / read[0], 11.0, rtol=1e-4)
    assert source.index["label"].astype(int).tolist() == [row % 2 for row in range(12)]


def test_named_groups_beside_a_table_without_ids_are_refused(tmp_path: Path) -> None:
    _groups(tmp_path, [f"stamp_{number}" for number in (0, 1, 2, 3, 4, 9)])
    pd.DataFrame({"label": [0, 1] * 3}).to_csv(tmp_path / "labels.csv", index=False)
    with pytest.raises(UserError, match=r"columns\.id"):
        _read(tmp_path)


def test_the_channels_of_grouped_cubes_are_those_that_the_file_names(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "stamps.h5", "w") as file:
        file.attrs["channels"] = ["difference", "template", "science"]
        for name, stamp in zip(IDS, stamps(), strict=True):
            file.create_group(name)["stamp"] = np.moveaxis(stamp[::-1], 0, -1)
    source = _read(tmp_path)
    order = [IDS.index(name) for name in source.index["id"]]
    np.testing.assert_allclose(source.gather("stamps", np.arange(N)), stamps()[order], rtol=1e-6)


def test_a_count_under_channels_is_no_list_of_names(tmp_path: Path) -> None:
    _groups(tmp_path, IDS, {"channels": 3})
    assert len(_read(tmp_path).index) == N


def test_prefixes_that_differ_are_parts_of_the_names(tmp_path: Path) -> None:
    names = [f"real_{row}" for row in range(3)] + [f"bogus_{row}" for row in range(3)]
    _groups(tmp_path, names)
    assert sorted(_read(tmp_path).index["id"]) == sorted(names)


def test_an_image_counts_beside_an_attribute_of_its_name(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "stamps.h5", "w") as file:
        for name, stamp in zip(IDS, stamps(), strict=True):
            group = file.create_group(name)
            group.attrs["science"] = f"{name}.fits"
            for channel, image in zip(NAMES, stamp, strict=True):
                group[channel] = image
    source = _read(tmp_path)
    assert len(source.index) == N and np.isfinite(source.gather("stamps", np.arange(N))).all()


def test_a_stamp_without_the_id_that_others_have_is_said(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "stamps.h5", "w") as file:
        for row, (name, stamp) in enumerate(zip(IDS, stamps(), strict=True)):
            group = file.create_group(f"{row}")
            group["stamp"] = np.moveaxis(stamp, 0, -1)
            if row != 3:
                group.attrs["candid"] = int(name)
    table().iloc[SHUFFLED].to_csv(tmp_path / "candidates.csv", index=False)
    with pytest.raises(UserError, match="an id for each stamp"):
        _read(tmp_path)


def test_groups_of_sets_are_no_samples(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "sets.h5", "w") as file:
        for part in ("train", "test"):
            group = file.create_group(part)
            group["images"] = np.moveaxis(stamps(), 1, -1)
            group["metadata"], group["labels"] = np.zeros((N, 25)), np.zeros((N, 2))
        assert groups_in(file) == []


def test_lists_whose_mean_length_is_whole_are_of_different_lengths(tmp_path: Path) -> None:
    cut = [
        stamps()[row, 0][:-1] if row % 2 else np.vstack([stamps()[row, 0], stamps()[row, 0][:1]]) for row in range(4)
    ]
    column = pa.array([image.tolist() for image in cut])
    pq.write_table(pa.table({"candid": IDS[:4], "science": column}), tmp_path / "ragged.parquet")
    with pytest.raises(ValueError, match="different lengths"):
        read_stack(tmp_path / "ragged.parquet", "science", 0, 4)
