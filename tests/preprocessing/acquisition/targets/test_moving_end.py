"""Moving objects from their list to triplets, through a simulated archive that has them; supernovae stand beside."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from astrid_ml.preprocessing.acquisition.commands.acquire import AcquireCommand
from astrid_ml.preprocessing.acquisition.data_set import Acquisition, PlayedArchive
from astrid_ml.preprocessing.acquisition.pairs.choose import ChoosePairs
from astrid_ml.preprocessing.acquisition.simulate.command import SimulateArchive
from astrid_ml.preprocessing.acquisition.targets.file_names import plain as in_a_file
from astrid_ml.preprocessing.acquisition.targets.moving import MovingList
from astrid_ml.preprocessing.acquisition.triplets.known import KnownSources
from astrid_ml.preprocessing.differencing.epochs.forced import read_epoch

SMALL = SimulateArchive(n=1, shape=(160, 160), nights=2, stars=800.0, galaxies=300.0, variables=1)


def acquired(folder: Path, moving: MovingList, **given: Any) -> dict[str, Any]:
    pairs = ChoosePairs(surroundings=0.002, each_filter=6)
    data_set = Acquisition(play=PlayedArchive(SMALL), keep_free=0, pairs=pairs, moving=moving)
    client = replace(data_set.client, first_wait=0.01, longest_wait=0.02)
    return AcquireCommand(replace(data_set, client=client), str(folder), **given).run()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("moving")
    SMALL.run(folder / "archive", 1)
    summary = acquired(folder, MovingList(str(folder / "archive" / "moving.csv"), tolerance=0.01))
    assert summary["failed"] == 0
    return folder


def triplets(folder: Path) -> pd.DataFrame:
    return pd.concat([pd.read_parquet(path) for path in sorted((folder / "training_triplets").glob("*.parquet"))])


def test_asteroids_are_real_at_their_places_and_times(whole: Path) -> None:
    table, listed = triplets(whole), pd.read_csv(whole / "archive" / "moving.csv")
    assert len(listed) == 3  # two nights, and one in which it is faint
    real = table[(table["label"] == 1) & table["pair"].str.contains("asteroid")]
    epochs = pd.concat([pd.read_parquet(path) for path in (whole / "epochs").glob("*asteroid*.parquet")])
    assert len(real) == (epochs["snr"] >= 5).sum() == 2
    for row in real.to_dict("records"):
        own = listed[
            [in_a_file(f"{name} {mjd:.5f}") in row["pair"] for name, mjd in listed[["name", "mjd"]].to_numpy()]
        ]
        assert len(own) == 1
        assert row["mjd"] == pytest.approx(own["mjd"].iloc[0], abs=0.01)
        away = np.hypot((row["ra"] - own["ra"]) * np.cos(np.radians(row["dec"])), row["dec"] - own["dec"]).iloc[0]
        assert away < 1e-3 and row["snr"] >= 5


def test_the_funnel_counts_rows_of_both_lists(whole: Path) -> None:
    report = json.loads((whole / "pipeline_report.json").read_text())
    assert report["catalogue"]["targets"] == 1 + 3 and report["catalogue"]["rows"] == 2 + 3
    counts = report["triplets"]["counts"]
    kinds = ("negative", "near the supernova", "bogus", "variable", "moving", "vanished", "another target")
    assert counts["candidates"] == sum(counts.get(f"candidates: {kind}", 0) for kind in kinds)
    assert counts["candidates: moving"] > 0


def test_an_object_and_the_supernova_of_its_frames_are_one_group(whole: Path) -> None:
    """The asteroid of a field, at all its times, and the supernova share frames: no split parts them."""
    table = triplets(whole)
    assert table["pair"].str.contains("asteroid").nunique() == 2
    assert table["group_id"].nunique() == 1


def test_a_rerun_leaves_the_bytes_and_a_shorter_list_takes_its_triplets_away(whole: Path) -> None:
    path = whole / "archive" / "moving.csv"
    before = {one: one.read_bytes() for one in sorted((whole / "training_triplets").iterdir()) if one.is_file()}
    acquired(whole, MovingList(str(path), tolerance=0.01))
    assert all(one.read_bytes() == content for one, content in before.items())
    fewer = pd.read_csv(path).iloc[1:]
    fewer.to_csv(whole / "fewer.csv", index=False)
    acquired(whole, MovingList(str(whole / "fewer.csv"), tolerance=0.01))
    gone = {one.name for one in before if not one.exists()}
    first = in_a_file("{} {:.5f}".format(*pd.read_csv(path).loc[0, ["name", "mjd"]]))
    assert gone == {f"{first}_triplets.npy", f"{first}_triplets.parquet"}


def test_other_rows_of_the_list_are_no_bogus_of_a_supernova(whole: Path) -> None:
    """Without its list an asteroid passes for bogus; with it, it is known where it is at that time."""
    rows = pd.read_csv(whole / "archive" / "moving.csv").rename(columns={"name": "object"})
    nothing = pd.DataFrame({"ra": [], "dec": [], "kind": [], "mjd": []}, dtype=float)
    found = 0
    for folder in sorted((whole / "difference_images").glob("SN_*")):
        if "asteroid" in folder.name:
            continue
        epoch = read_epoch(folder / "difference.fits")
        table = pd.read_parquet(folder / "candidates.parquet")
        x, y = table["x"].to_numpy(float), table["y"].to_numpy(float)
        without = KnownSources(nothing).kinds_at(epoch, x, y, 5.0)
        with_list = KnownSources(nothing, rows).kinds_at(epoch, x, y, 5.0)
        assert set(without) <= {""}
        found += int((with_list == "moving").sum())
        later = KnownSources(nothing, rows.assign(mjd=rows["mjd"] + 2)).kinds_at(epoch, x, y, 5.0)
        assert set(later) <= {""}
    assert found == 2
