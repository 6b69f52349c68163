"""HDF5 patches: the layout byte by byte where others read it, and the way back."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest

from astrid_ml.errors import UserError
from astrid_ml.preprocessing.ramps.exposure.exposure import Exposure, Processing
from astrid_ml.preprocessing.ramps.exposure.process import process
from astrid_ml.preprocessing.ramps.ramp.codes import SNOWBALL
from astrid_ml.preprocessing.ramps.ramp.patches_hdf5 import Patches, patch_starts, write_patches
from astrid_ml.preprocessing.ramps.ramp.ramp import Ramp
from astrid_ml.preprocessing.ramps.ramp.sampling import ReadTimes
from astrid_ml.preprocessing.ramps.readers.auto import read_ramp
from astrid_ml.preprocessing.ramps.readers.options import RampOptions
from astrid_ml.preprocessing.ramps.readers.patches import LARGEST, read_patches
from astrid_ml.preprocessing.ramps.simulate.command import SimulateRamps

SIMULATION = SimulateRamps(
    gain_library={"d_1": 2.0},
    n=1,
    num_baseline_exposures=0,
    image_shape=(80, 96),
    num_frames=12,
    exp_time=1200.0,
    cosmic_ray_per_exp_range=(20, 20),
    rtn_per_exp_range=(4, 4),
    snowballs_per_exp_range=(1, 1),
    snowball_radius_range=(5.0, 6.0),
    snowball_halo_decay_scale_range=(2.0, 3.0),
    patch_size=(32, 40),
    overlap=8,
    write_patches=True,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("patches")
    SIMULATION.run(place, 3)
    return place


def test_starts() -> None:
    assert len(patch_starts(2048, 256, 32)) == 9
    assert patch_starts(2048, 256, 32)[-1] == 1792
    assert patch_starts(100, 32, 8) == [0, 24, 48, 68]
    assert patch_starts(32, 32, 0) == [0]
    for patch, overlap in ((33, 0), (16, 16), (16, -1)):
        with pytest.raises(UserError, match="overlap"):
            patch_starts(32, patch, overlap)


def test_the_layout(folder: Path) -> None:
    """Names, shapes, units and keys as the public reader of these files asks for them."""
    metadata = json.loads((folder / "metadata" / "d_1" / "d_1_events_0000.json").read_text())
    assert set(metadata) == {"exposure_id", "parameters", "h5_file", "patch_info"}
    assert metadata["h5_file"] == "d_1_events_0000_patches.h5"
    injected = metadata["parameters"]["injected_events"]
    assert injected["counts"] == {"cosmic_rays": 20, "snowballs": 1, "rtn": 4}
    assert {event["type"] for event in injected["details"]} == {"cosmic_ray", "snowball", "rtn"}
    raw = read_ramp(folder / "d_1_0000.fits").data[0]
    with h5py.File(folder / metadata["h5_file"], "r") as file:
        assert sorted(file) == [f"patch_{i:04d}" for i in range(len(metadata["patch_info"]["patches"]))]
        for patch in metadata["patch_info"]["patches"]:
            y, x = patch["coords"]
            cube = file[patch["id"]]
            assert cube.shape == (11, 32, 40)
            assert cube.compression == "gzip"
            np.testing.assert_array_equal(cube[:], (raw[1:] - raw[0])[:, y : y + 32, x : x + 40])


def test_the_way_back_detects_the_same(folder: Path) -> None:
    path = folder / "d_1_events_0000_patches.h5"
    ramp = read_ramp(path, RampOptions(group_time=100.0, border=4))
    original = read_ramp(folder / "d_1_0000.fits")
    assert ramp.shape == original.shape
    assert ramp.gain == original.gain
    assert ramp.read_noise == pytest.approx(original.read_noise, rel=1e-6)
    assert ramp.detector == "d_1"
    np.testing.assert_array_equal(ramp.data[0, 1:], original.data[0, 1:] - original.data[0, 0])
    # Without the first read's level the converter's limit is unknown: the patches saturate a little later.
    settings = Processing(saturation_dn=1e9)
    found = [process(Exposure(each, settings)).jumps for each in (ramp, original)]
    here, there = ({tuple(row) for row in jumps[["group", "y", "x", "type"]].to_numpy()} for jumps in found)
    assert len(there) > 300
    assert len(here ^ there) <= 0.01 * len(
        here | there
    )  # the border's levels are medians of whole numbers: a step at the threshold may turn


def test_events_and_a_large_exposure_through_a_file(folder: Path, tmp_path: Path) -> None:
    patches = Patches.open(folder / "d_1_events_0000_patches.h5")
    events = patches.events()
    truth = pd.read_parquet(folder / "d_1_0000_events.parquet")
    assert sorted(events.type) == sorted(truth.type)
    (ball,) = events[events.type == SNOWBALL].to_dict("records")
    (real,) = truth[truth.type == SNOWBALL].to_dict("records")
    assert (ball["group"], ball["y"], ball["x"]) == (real["group"], real["y"], real["x"])
    mapped = patches.assemble(tmp_path / "exposure.npy")
    np.testing.assert_array_equal(np.load(tmp_path / "exposure.npy"), patches.assemble())
    assert mapped.shape == (12, 80, 96)


def test_one_metadata_file_for_all_exposures(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "d_1_events_0000_patches.h5").write_bytes((folder / "d_1_events_0000_patches.h5").read_bytes())
    path = tmp_path / "d_1_events_0000_patches.h5"
    with pytest.raises(UserError, match="metadata"):
        Patches.open(path)
    entry = json.loads((folder / "metadata" / "d_1" / "d_1_events_0000.json").read_text())
    (tmp_path / "metadata.json").write_text(json.dumps({"other": {"h5_file": "o.h5"}, "d_1_events_0000": entry}))
    assert Patches.open(path).metadata == entry


def test_several_integrations_are_refused(tmp_path: Path) -> None:
    times = np.arange(1.0, 5.0)
    two = Ramp(np.zeros((2, 4, 8, 8), np.float32), ReadTimes.single(times), "DN", 1.0, 1.0)
    with pytest.raises(UserError, match="one integration"):
        write_patches(two, tmp_path, (8, 8), 0)
    with pytest.raises(UserError, match="num_integrations=1"):
        replace(SIMULATION, num_integrations=2)


def patches_of(ramp: Ramp, folder: Path, **parameters: float) -> Path:
    return write_patches(ramp, folder, (8, 8), 2, parameters=parameters)


def test_the_reader_gives_back_a_ramp_with_all_its_noise(tmp_path: Path) -> None:
    """Patches are what a ramp gains since its first read; two noises of a read are one."""
    data = np.random.default_rng(0).normal(5000, 100, (1, 5, 12, 14)).astype(np.float32)
    written = Ramp(data, ReadTimes.single(np.arange(1.0, 6.0)), "DN", 1.5, 12.0, name="d_7_events_0003", detector="d_7")
    ramp = read_patches(patches_of(written, tmp_path, gaussian_noise=5.0), RampOptions(group_time=20.0))
    np.testing.assert_array_equal(ramp.data, data - data[:, :1])
    assert (ramp.name, ramp.detector, ramp.unit, ramp.gain) == ("d_7_events_0003", "d_7", "DN", 1.5)
    assert ramp.read_noise == pytest.approx(13.0)
    np.testing.assert_allclose(ramp.group_times, 20.0 * np.arange(1, 6))


def test_patches_of_electrons_are_written_in_dn(tmp_path: Path) -> None:
    data = np.zeros((1, 4, 8, 8), np.float32)
    data[0, 2:, 3, 4] = 90.0
    written = Ramp(data, ReadTimes.single(np.arange(1.0, 5.0)), "e-", 1.5, 12.0, name="d_7_events_0003")
    ramp = read_patches(patches_of(written, tmp_path), RampOptions(group_time=20.0))
    assert ramp.data[0, :, 3, 4].tolist() == [0.0, 0.0, 60.0, 60.0]
    np.testing.assert_allclose(ramp.electrons(0, slice(3, 4), slice(4, 5))[:, 0, 0], data[0, :, 3, 4])


def test_the_time_between_groups_is_the_users_to_give(folder: Path) -> None:
    with pytest.raises(UserError, match=r"load\.group_time=VALUE"):
        read_patches(folder / "d_1_events_0000_patches.h5", RampOptions())


def test_an_exposure_too_large_for_memory_is_refused_with_the_way_round(tmp_path: Path) -> None:
    """Two small patches at the corners of a large frame: only what they would be together counts."""
    written = Ramp(np.zeros((1, 4, 8, 8), np.float32), ReadTimes.single(np.arange(1.0, 5.0)), "DN", 1.5, 12.0)
    path = patches_of(written, tmp_path)
    beside = next(tmp_path.glob("metadata/*/*.json"))
    metadata = json.loads(beside.read_text())
    side = int(np.sqrt(LARGEST / 16)) + 1  # four groups of 4 bytes
    metadata["patch_info"]["patches"][0]["coords"] = [side, side]
    beside.write_text(json.dumps(metadata))
    with pytest.raises(UserError, match=r"at most 2 GiB.*assemble\(Path\('exposure.npy'\)\)"):
        read_patches(path, RampOptions(group_time=20.0))
