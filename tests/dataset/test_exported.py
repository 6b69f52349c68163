"""A dataset as files of other tools, and back: the same stamps, ids, groups and labels."""

from __future__ import annotations

import json
from pathlib import Path

import fastavro
import h5py
import numpy as np
import pandas as pd
import pytest
from astropy.io import fits
from made.alerts import SCHEMA, make_packet
from made.messages import mongo

from astrid_ml.commands.export import FORMS, ExportCommand
from astrid_ml.crossmatch.catalogue import open_catalogue
from astrid_ml.crossmatch.places import Given, SkyPlaces
from astrid_ml.dataset import exported
from astrid_ml.dataset.prepared import PreparedDataset
from astrid_ml.errors import UserError
from astrid_ml.pipeline.engine import prepare_dataset
from astrid_ml.preprocessing.alerts.pipeline import AlertsPipeline
from astrid_ml.preprocessing.labels import TruthLabel
from astrid_ml.preprocessing.triplets.pipeline import TripletsPipeline
from astrid_ml.preprocessing.triplets.simulate import SimulateTriplets
from astrid_ml.types import Form


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> PreparedDataset:
    folder = tmp_path_factory.mktemp("export")
    SimulateTriplets(n=12, missions=("ztf",), prevalence=0.5).run(folder, seed=2)
    made = prepare_dataset(
        TripletsPipeline(), [folder], folder / "store", name="sim", labeller=TruthLabel(), progress=False
    )
    return PreparedDataset(made.path)


@pytest.mark.parametrize("form", FORMS)
def test_there_and_back(form: Form, dataset: PreparedDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exported, "BATCH", 5)
    monkeypatch.setattr(exported, "MOST_ROWS", 4)
    out = tmp_path / "out"
    done = ExportCommand(str(dataset.path), form, str(out)).run()
    assert done["samples"] == 12
    back = prepare_dataset(
        TripletsPipeline(), [out], tmp_path / "store", name="back", labeller=TruthLabel(), progress=False
    )
    read = PreparedDataset(back.path)
    assert not back.units_failed and len(read.index) == 12
    order = read.index.set_index("id").index.get_indexer(pd.Index(dataset.index["id"]))
    rows = np.arange(12)
    np.testing.assert_array_equal(read.gather("stamps", rows)[order], dataset.gather("stamps", rows))
    same = read.index.iloc[order].reset_index(drop=True)
    for name in ("id", "group_id", "mission", "filter", "artefact"):
        assert same[name].fillna("").tolist() == dataset.index[name].fillna("").tolist(), name
    for name in ("label", "ra", "dec", "mjd", "snr", "peak_snr", "stamp_h"):
        np.testing.assert_allclose(same[name].astype(float), dataset.index[name].astype(float), rtol=1e-6)
    assert set(same["sky"]) == {"subtracted"}  # the simulator's, though ZTF keeps it


def test_what_other_tools_see(dataset: PreparedDataset, tmp_path: Path) -> None:
    for form in FORMS:
        ExportCommand(str(dataset.path), form, str(tmp_path)).run()
    with np.load(tmp_path / "stamps.npz") as arrays:
        assert arrays["stamps"].shape == (12, 3, 63, 63) and arrays["channels"].tolist() == list(dataset.channels)
    with h5py.File(tmp_path / "stamps.h5") as file:
        assert list(file["stamps"].attrs["channels"]) == list(dataset.channels)
    with fits.open(tmp_path / "stamps" / "0000003.fits") as hdus:
        assert [hdu.name for hdu in hdus] == ["PRIMARY", "SCIENCE", "REFERENCE", "DIFFERENCE"]
        assert hdus[0].header["ID"] == dataset.index["id"].iloc[3]
    assert pd.read_parquet(tmp_path / "stamps.parquet", columns=["id", "label"]).shape == (12, 2)
    here = SkyPlaces(dataset.index[["ra", "dec"]].to_numpy())
    hats = open_catalogue(tmp_path / "stamps.hats", "own", Given(), here, 1.0)
    assert len(hats.places) == 12 and "label" in hats.columns


def test_sizes_apart_and_what_cannot_be_written(tmp_path: Path) -> None:
    packets = [make_packet(n + 1, bool(n % 2)) for n in range(3)]
    with (tmp_path / "a.avro").open("wb") as stream:
        fastavro.writer(stream, SCHEMA, packets)
    made = prepare_dataset(AlertsPipeline(), [tmp_path / "a.avro"], tmp_path, name="alerts", progress=False)
    done = ExportCommand(str(made.path), "npz", str(tmp_path / "out")).run()
    assert done["written"] == "stamps.npz"
    with np.load(tmp_path / "out" / "stamps.npz") as arrays:
        assert arrays["sky"].tolist() == ["included"] * 3 and np.isnan(arrays["rb"]).all()
    with pytest.raises(UserError, match="did you mean npz"):
        ExportCommand(str(made.path), "npy", str(tmp_path / "out")).run()  # type: ignore[arg-type]
    with pytest.raises(UserError, match="of the dataset: stamps"):
        ExportCommand(str(made.path), "npz", str(tmp_path / "out"), array="variance").run()
    index = pd.read_parquet(made.path / "index.parquet")
    part = exported.same_sizes(PreparedDataset(made.path), "stamps")[0]
    part.table["ra"] = np.nan
    with pytest.raises(UserError, match="3 of 3 samples without ra and dec"):
        exported.write_hats(part, tmp_path / "out" / "a.hats")
    assert len(index) == 3


def alerts(folder: Path) -> PreparedDataset:
    """Two packets of ZTF as a dataset."""
    (folder / "raw").mkdir()
    for number, packet in enumerate((make_packet(1, True), make_packet(2, False))):
        (folder / "raw" / f"{number}.json").write_text(json.dumps(mongo(packet)))
    made = prepare_dataset(AlertsPipeline(), [folder / "raw"], folder / "store", name="ztf", progress=False)
    return PreparedDataset(made.path)


def test_units_and_meanings_stand_in_what_is_exported(dataset: PreparedDataset, tmp_path: Path) -> None:
    assert dataset.meta["description"]["units"]["stamps"] == "electrons"
    ours = alerts(tmp_path)
    assert ours.meta["description"]["arrays"]["stamps"]["unit"] == "DN"
    for data, unit, drb in ((dataset, "electron", ""), (ours, "adu", "The survey's own real/bogus score")):
        out = tmp_path / unit
        for form in FORMS:
            ExportCommand(str(data.path), form, str(out / form)).run()
        with h5py.File(out / "hdf5" / "stamps.h5") as file:
            assert file["stamps"].attrs["unit"] == unit and file["ra"].attrs["unit"] == "deg"
            assert "1 real, 0 bogus" in file["label"].attrs["description"]
            assert drb in file["drb"].attrs["description"] if drb else "drb" not in file
        with np.load(out / "npz" / "stamps.npz") as arrays:
            said = json.loads(arrays["columns"].item())
        assert (
            said["stamps"]["unit"] == unit and said["ra"]["unit"] == "deg" and "1 real" in said["label"]["description"]
        )
        assert drb in said.get("drb", {}).get("description", "")
        for path in (out / "parquet" / "stamps.parquet", *(out / "hats").rglob("Npix=*.parquet")):
            table = pd.read_parquet(path)
            assert table.attrs["units"] | {"ra": "deg", "science": unit, "peak_snr": ""} == table.attrs["units"] | {
                "peak_snr": ""
            }
        first = sorted((out / "fits" / "stamps").glob("*.fits"))[0]
        with fits.open(first) as hdus:
            assert [hdu.header["BUNIT"] for hdu in hdus[1:]] == [unit] * 3
            labels = data.index["label"]
            assert hdus[0].header.get("LABEL") == (None if labels.isna().all() else int(labels.iloc[0]))


def test_a_table_of_others_keeps_its_own_words(dataset: PreparedDataset, tmp_path: Path) -> None:
    np.savez(tmp_path / "s.npz", stamps=np.random.default_rng(1).normal(size=(9, 3, 15, 15)), fwhm=np.arange(9.0))
    made = prepare_dataset(TripletsPipeline(), [tmp_path / "s.npz"], tmp_path / "store", name="x", progress=False)
    data = PreparedDataset(made.path)
    assert data.meta["description"]["units"]["stamps"] == "as their files have them"
    ExportCommand(str(data.path), "hdf5", str(tmp_path / "out")).run()
    with h5py.File(tmp_path / "out" / "stamps.h5") as file:
        assert "unit" not in file["stamps"].attrs and not dict(file["fwhm"].attrs)
    said = json.loads((data.path / "croissant.json").read_text())
    fields = {field["name"]: field["description"] for part in said["recordSet"] for field in part.get("field", ())}
    assert fields["fwhm"] == "The column fwhm." and fields["ra"].startswith("Right ascension, ICRS. Unit: deg.")


@pytest.mark.parametrize("form", FORMS)
def test_columns_called_as_something_of_the_export_are_kept(
    form: Form, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    names = ("channels", "columns", "file", "science", "science_")
    table = pd.DataFrame({"id": list("abcdefghi"), "ra": 10.0, "dec": 5.0} | {name: np.arange(9) for name in names})
    table.to_csv(tmp_path / "s.csv", index=False)
    np.save(tmp_path / "s.npy", np.random.default_rng(1).normal(size=(9, 3, 15, 15)))
    raw = [tmp_path / "s.npy", tmp_path / "s.csv"]
    made = prepare_dataset(TripletsPipeline(), raw, tmp_path / "store", name="x", progress=False)
    data = PreparedDataset(made.path)
    mine = [name for name in names if name in data.index]
    ExportCommand(str(data.path), form, str(tmp_path / "out")).run()
    said = capfd.readouterr().err
    back = prepare_dataset(TripletsPipeline(), [tmp_path / "out"], tmp_path / "back", name="y", progress=False)
    index = PreparedDataset(back.path).index.set_index("id")
    for name in mine:
        new = {"science": "science__", "science_": "science_"}.get(name, f"{name}_")
        assert index[new].sort_index().tolist() == list(range(9))
        assert (f"the column {name} is called {new}" in said) == (name != new)
    assert "science" in mine
