"""Raw files of a run: the user's as they are, or simulated once."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from astrid_ml.errors import UserError
from astrid_ml.preprocessing.lightcurves.simulate.command import SimulateLightcurves
from astrid_ml.preprocessing.ramps.simulate.command import SimulateRamps
from astrid_ml.preprocessing.roman.simulate.command import SimulateRoman
from astrid_ml.preprocessing.simulated_sky.command_pairs import SimulatePairs
from astrid_ml.preprocessing.simulated_sky.command_sky import SimulateSky
from astrid_ml.preprocessing.triplets.simulate import SimulateTriplets
from astrid_ml.run.raw import raw_paths, refuse_store_of_raw, refuse_without_room, simulated

TARGET = f"{SimulateTriplets.__module__}.SimulateTriplets"


def config(store: Path, raw: Any = None, seed: int = 1, **simulate: Any) -> dict[str, Any]:
    node = {"_target_": TARGET, "n": 4, "missions": ["ZTF"], **simulate}
    return {"paths": {"raw": raw, "data": str(store)}, "simulate": node, "data": {"seed": seed}, "seed": 5}


def test_what_the_user_names_is_taken_before_any_simulation(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir()
    two.mkdir()
    assert raw_paths(config(tmp_path / "store", str(one))) == [one]
    assert raw_paths(config(tmp_path / "store", [str(two), str(one)])) == [two, one]
    assert not (tmp_path / "store").exists()


def test_what_is_absent_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nothing at .*/no, .*/neither\. "):
        raw_paths(config(tmp_path, [str(tmp_path / "no"), str(tmp_path), str(tmp_path / "neither")]))
    with pytest.raises(UserError, match=r"add paths\.raw=FOLDER"):
        raw_paths({**config(tmp_path), "simulate": None})


def test_it_is_simulated_once_whatever_the_training_seed(tmp_path: Path) -> None:
    [folder] = raw_paths(config(tmp_path))
    assert json.loads((folder / "simulated.json").read_text())["triplets"] == 4
    touched = folder.parent.stat().st_mtime_ns  # by every temporary folder too
    assert raw_paths({**config(tmp_path), "seed": 99}) == [folder]
    assert folder.parent.stat().st_mtime_ns == touched
    assert list((tmp_path / "raw").iterdir()) == [folder]


def test_the_seed_of_the_data_and_every_setting_make_another_sky(tmp_path: Path) -> None:
    folders = {simulated(config(tmp_path)), simulated(config(tmp_path, seed=2)), simulated(config(tmp_path, n=5))}
    assert len(folders) == 3
    stamps = {next(folder.glob("*.npy")).read_bytes() for folder in folders}
    assert len(stamps) == 3


def test_a_simulation_that_fails_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="NOSUCH"):
        simulated(config(tmp_path, missions=["NOSUCH"]))
    assert list((tmp_path / "raw").iterdir()) == []


@pytest.mark.parametrize("kind", [SimulateTriplets, SimulateSky, SimulatePairs, SimulateLightcurves, SimulateRoman])
def test_files_that_cannot_lie_on_the_disk_are_refused_before_one_is_made(kind: Any, tmp_path: Path) -> None:
    simulator = kind()
    refuse_without_room(simulator, tmp_path / "not" / "there")
    with pytest.raises(UserError, match=r"GB free there, and files of [\d,]+\.\d GB or more"):
        refuse_without_room(replace(simulator, n=10**13), tmp_path / "not" / "there")
    assert list(tmp_path.iterdir()) == []


def test_the_room_that_a_simulation_asks_for_is_a_lower_bound(tmp_path: Path) -> None:
    simulators: list[Any] = [
        SimulateTriplets(n=20),
        SimulateLightcurves(n=200, templates=3),
        SimulatePairs(n=1, shape=(64, 64)),
        SimulateSky(n=1, shape=(128, 128)),
        SimulateRamps({"a": 1.5}, n=1, num_frames=9, image_shape=(100, 100), snowballs_per_exp_range=(0, 0)),
    ]
    for number, simulator in enumerate(simulators):
        folder = tmp_path / str(number)
        folder.mkdir()
        simulator.run(folder, 1)
        taken = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        assert 0.05 * taken < simulator.bytes_needed() < taken


def test_prepared_data_do_not_go_between_raw_files(tmp_path: Path) -> None:
    (tmp_path / "night").mkdir()
    (tmp_path / "night" / "a.avro").write_text("")
    (tmp_path / "link").symlink_to(tmp_path / "night")
    for raw in ("night", "link", "night/a.avro"):
        for store in ("night", "link"):
            with pytest.raises(UserError, match=r"which holds the raw files of paths\.raw"):
                refuse_store_of_raw(config(tmp_path / store, str(tmp_path / raw)))
    refuse_store_of_raw(config(tmp_path / "store", [str(tmp_path / "night")]))
    refuse_store_of_raw(config(tmp_path, str(tmp_path / "night")))
    refuse_store_of_raw(config(tmp_path))
