"""Whose a file is that names no object: folders of objects, folders of filters, lists without names."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from astrid_ml.preprocessing.lightcurves.curves.ingest import Account
from astrid_ml.preprocessing.lightcurves.curves.table import CurveTable
from astrid_ml.preprocessing.lightcurves.readers.recognise import find_curves
from astrid_ml.preprocessing.lightcurves.readers.values.owners import BY_FOLDER, folder_that_names, may_name


def tables_of(folder: Path) -> tuple[list[CurveTable], Account]:
    account = Account()
    return [table for source in find_curves([folder]).sources for table in source.read(account)], account


def names_in(folder: Path) -> list[str]:
    return sorted(name for table in tables_of(folder)[0] for name in table.objects["object_id"])


def as_curve(path: Path) -> None:
    path.with_suffix(".csv").write_text("mjd,mag,magerr,band\n59000.25,18.0,0.05,g\n59001.25,18.0,0.05,r\n")


def as_atlas(path: Path) -> None:
    path.with_suffix(".txt").write_text("###MJD uJy duJy F err\n59000.25 100 5 c 0\n59001.25 100 5 o 0\n")


def as_json(path: Path) -> None:
    rows = [{"mjd": 59000.25, "fid": 1, "magpsf": 18, "sigmapsf": 0.05, "isdiffpos": 1}]
    path.with_suffix(".json").write_text(json.dumps({"detections": rows, "non_detections": []}))


def as_guessed(path: Path) -> None:
    path.with_suffix(".csv").write_text("obsdate;filter;mag;limit;mag_err\n2020-05-31;g;18.0;20;0.05\n")


FORMS = (as_curve, as_atlas, as_json, as_guessed)


@pytest.mark.parametrize("write", FORMS)
@pytest.mark.parametrize("stem", ["lightcurve", "atlas", "lc_20240105", "phot_v10", "forced photometry"])
def test_a_folder_names_its_object_where_all_have_files_of_one_name(
    write: Callable[[Path], None], stem: str, tmp_path: Path
) -> None:
    for name in ("SN2020a", "ZTF20aabbccd", "M31"):
        (tmp_path / name).mkdir()
        write(tmp_path / name / stem)
    assert names_in(tmp_path) == ["M31", "SN2020a", "ZTF20aabbccd"]
    assert names_in(tmp_path / "M31") == ["M31"]  # whatever is given of it
    assert tables_of(tmp_path)[1].counts[BY_FOLDER] == 3


@pytest.mark.parametrize("write", FORMS)
@pytest.mark.parametrize("folders", [("ztf", "atlas"), ("night1", "night2"), ("2024-01-05", "2024-01-06"), ("a", "b")])
def test_a_file_keeps_its_name_in_folders_of_anything_else(
    write: Callable[[Path], None], folders: tuple[str, str], tmp_path: Path
) -> None:
    for folder in folders:
        (tmp_path / folder).mkdir()
        write(tmp_path / folder / "SN2020a")
    assert set(names_in(tmp_path)) == {"SN2020a"}


def test_a_folder_names_nothing_without_another_of_its_kind(tmp_path: Path) -> None:
    (tmp_path / "SN2020a").mkdir()
    as_curve(tmp_path / "SN2020a" / "lightcurve")
    assert names_in(tmp_path) == ["lightcurve"]
    assert folder_that_names(tmp_path / "SN2020a" / "lightcurve.csv") is None
    assert may_name("SN2020a", "lc") and not may_name("", "lc") and not may_name("H158", "lc")


def test_folders_of_an_archive_name_their_objects(tmp_path: Path) -> None:
    for name in ("SN2020a", "SN2020b"):
        (tmp_path / "in" / name).mkdir(parents=True)
        as_curve(tmp_path / "in" / name / "lc")
    with tarfile.open(tmp_path / "all.tar", "w") as archive:
        archive.add(tmp_path / "in", "in")
    tables = [t for source in find_curves([tmp_path / "all.tar"]).sources for t in source.read(Account())]
    assert [str(t.objects["object_id"].iloc[0]) for t in tables] == ["SN2020a", "SN2020b"]


def test_folders_of_filters_are_one_source_and_its_objects_are_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("astrid_ml.preprocessing.lightcurves.readers.recognise.GROUP_SIZE", 3)
    for band in "IV":
        (tmp_path / band).mkdir()
        for number in range(1, 6 if band == "I" else 4):
            (tmp_path / band / f"OGLE-LMC-CEP-000{number}.dat").write_text("7000.1 15.2 0.01\n7001.1 15.3 0.01\n")
    sources = find_curves([tmp_path]).sources
    assert [len(source.members) for source in sources] == [4, 3, 1]
    tables = [table for source in sources for table in source.read(Account())]
    names = [str(name) for table in tables for name in table.objects["object_id"]]
    assert len(names) == len(set(names)) == 5
    assert [set(np.array(t.bands)[t.band]) for t in tables] == [{"I", "V"}, {"I", "V"}, {"I"}]
    assert sum(len(table.mjd) for table in tables) == 16


def test_lists_without_a_name_are_of_the_one_object_of_their_document(tmp_path: Path) -> None:
    rows = [{"mjd": 59000.25, "fid": 1, "magpsf": 18, "sigmapsf": 0.05, "isdiffpos": 1, "oid": "ZTF20a"}]
    limits = [{"tid": "ZTF", "mjd": 58999.25, "fid": 1, "diffmaglim": 20.0}]
    for stem, document in {"one": {"detections": rows, "non_detections": limits}}.items():
        (tmp_path / f"{stem}.json").write_text(json.dumps(document))
    (table,), _ = tables_of(tmp_path)
    assert table.objects["object_id"].tolist() == ["ZTF20a"]
    assert table.phot_flag.tolist() == [0, 4096] and pd.isna(table.objects["label"].iloc[0])
