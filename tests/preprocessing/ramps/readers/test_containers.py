"""Cubes in HDF5 and npz: against h5py and numpy, with what stands beside them, and files that lie."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from astrid_ml.errors import UserError
from astrid_ml.preprocessing.ramps.readers.auto import read_ramp, recognise
from astrid_ml.preprocessing.ramps.readers.containers import read_hdf5, read_npz
from astrid_ml.preprocessing.ramps.readers.options import RampOptions

CUBE = (1000 + 30 * np.arange(5)[:, None, None] + np.random.default_rng(0).integers(0, 9, (5, 12, 14))).astype("u2")
GAIN = np.random.default_rng(1).uniform(1.5, 2.0, (12, 14)).astype(np.float32)
KNOWN = RampOptions(unit="DN", gain=2.0, read_noise=10.0, group_time=5.0)


def hdf5(path: Path, attributes: dict[str, Any] | None = None, how: dict[str, Any] | None = None, **parts: Any) -> Path:
    with h5py.File(path, "w") as file:
        for name, value in (parts or {"data": CUBE}).items():
            file.create_dataset(name, data=value, **((how or {}) if np.ndim(value) > 2 else {}))
        file.attrs.update(attributes or {})
    return path


@pytest.mark.parametrize("how", [{}, {"compression": "gzip"}, {"chunks": (1, 4, 7)}], ids=["plain", "gzip", "chunks"])
def test_a_cube_of_hdf5_equals_what_h5py_reads(tmp_path: Path, how: dict[str, Any]) -> None:
    said = {"unit": "DN", "gain": 1.8, "read_noise": 11.0, "group_time": 4.0, "border": 4, "DETECTOR": "H2RG-7"}
    path = hdf5(tmp_path / "lab.h5", said, how)
    assert recognise(path) == "hdf5"
    ramp = read_ramp(path)
    with h5py.File(path) as file:
        assert np.array_equal(ramp.data[0], file["data"][()])
    assert isinstance(ramp.data.base, np.memmap) == (not how) or isinstance(ramp.data, np.memmap)
    assert (ramp.unit, ramp.gain, ramp.read_noise, ramp.detector) == ("DN", 1.8, 11.0, "H2RG-7")
    assert ramp.steps.tolist() == [4.0] * 4 and ramp.reference is not None
    assert read_ramp(path, RampOptions(gain=3.0)).gain == 3.0  # the user's word wins


def test_maps_and_times_beside_the_cube(tmp_path: Path) -> None:
    times = [1.0, 3.0, 7.0, 20.0, 21.0]
    parts: dict[str, Any] = {
        "reads": CUBE,
        "other": CUBE[:, :3],
        "gain": GAIN,
        "read_noise": 9.0,
        "group_times": times,
        "unit": "DN",
    }
    for path in (hdf5(tmp_path / "a.hdf5", **parts), tmp_path / "a.npz"):
        if path.suffix == ".npz":
            np.savez(path, **parts)
        ramp = read_ramp(path)
        np.testing.assert_array_equal(ramp.gain, GAIN)
        assert ramp.group_times.tolist() == times and ramp.read_noise == 9.0
        assert np.array_equal(ramp.data[0], CUBE)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_a_cube_of_npz_equals_what_numpy_reads(tmp_path: Path, save: Any) -> None:
    save(tmp_path / "lab.npz", cube=CUBE[None], gain=1.8, read_noise=11.0, unit="DN", frame_time=2.0, reads_per_group=1)
    ramp = read_ramp(tmp_path / "lab.npz")
    with np.load(tmp_path / "lab.npz") as file:
        assert np.array_equal(ramp.data, file["cube"])
    assert (ramp.unit, ramp.gain, ramp.steps.tolist()) == ("DN", 1.8, [2.0] * 4)


def test_several_cubes_are_refused_until_one_is_named(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", one=CUBE, two=CUBE + 1)
    path = hdf5(tmp_path / "a.h5", one=CUBE, two=CUBE + 1)
    for read, place in ((read_npz, tmp_path / "a.npz"), (read_hdf5, path)):
        with pytest.raises(UserError, match=r"2 in a\.\w+: one, two.*load\.array=NAME"):
            read(place, KNOWN)
        chosen = RampOptions(unit="DN", gain=2.0, read_noise=10.0, group_time=5.0, array="two")
        assert np.array_equal(read(place, chosen).data[0], CUBE + 1)
        with pytest.raises(UserError, match="an array three of 3 or 4 axes"):
            read(place, RampOptions(array="three"))
    np.savez(tmp_path / "flat.npz", one=CUBE[0])
    with pytest.raises(UserError, match=r"one array of 3 or 4 axes; got 0 in flat\.npz"):
        read_npz(tmp_path / "flat.npz", KNOWN)


@pytest.mark.parametrize(
    "said", [{"gain": "gain.fits"}, {"unit": 3.0}, {"reads_per_group": 1.5}, {"border": -1}, {"gain": True}]
)
def test_values_of_another_kind_are_refused(tmp_path: Path, said: dict[str, Any]) -> None:
    """Above all a file may not send the reader to another file."""
    np.savez(tmp_path / "a.npz", data=CUBE, **said)
    key = next(iter(said))
    with pytest.raises(UserError, match=rf"{key} as a .*give preprocessing\.load\.{key}"):
        read_npz(tmp_path / "a.npz", RampOptions(read_noise=10.0, group_time=5.0))


def test_hdf5_that_points_elsewhere_is_refused(tmp_path: Path) -> None:
    source = hdf5(tmp_path / "other.h5")
    layout = h5py.VirtualLayout(shape=CUBE.shape, dtype=CUBE.dtype)
    layout[:] = h5py.VirtualSource(source, "data", shape=CUBE.shape)
    with h5py.File(tmp_path / "virtual.h5", "w") as file:
        file.create_virtual_dataset("data", layout)
    with pytest.raises(UserError, match="values stand in other files"):
        read_ramp(tmp_path / "virtual.h5", KNOWN)
    with h5py.File(tmp_path / "link.h5", "w") as file:
        file["data"] = h5py.ExternalLink(str(source), "data")
    with pytest.raises(UserError, match="one array of 3 or 4 axes"):
        read_ramp(tmp_path / "link.h5", KNOWN)


def test_objects_and_texts_are_no_cube(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", data=CUBE.astype(object))
    with pytest.raises(UserError, match=r"a\.npz.*objects"):
        read_ramp(tmp_path / "a.npz", KNOWN)
    np.savez(tmp_path / "b.npz", data=CUBE.astype("U5"))
    with pytest.raises(UserError, match=r"a cube of real numbers; got <U5 in b\.npz"):
        read_ramp(tmp_path / "b.npz", KNOWN)
    np.savez(tmp_path / "c.npz", data=np.asfortranarray(CUBE))
    with pytest.raises(UserError, match="the other way round"):
        read_ramp(tmp_path / "c.npz", KNOWN)


def test_damaged_and_swollen_files_are_told_of(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", data=CUBE)
    whole = (tmp_path / "a.npz").read_bytes()
    for end in (10, 300, len(whole) - 30):
        (tmp_path / "b.npz").write_bytes(whole[:end])
        with pytest.raises(UserError, match=r"b\.npz"):
            read_ramp(tmp_path / "b.npz", KNOWN)
    with (
        zipfile.ZipFile(tmp_path / "c.npz", "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("data.npy", "w") as out,
    ):
        np.lib.format.write_array_header_1_0(out, {"descr": "<u2", "fortran_order": False, "shape": (300, 1000, 1000)})
        for _ in range(300):
            out.write(bytes(2_000_000))
    with pytest.raises(UserError, match="may inflate"):
        read_ramp(tmp_path / "c.npz", KNOWN)
    whole = hdf5(tmp_path / "a.h5").read_bytes()
    (tmp_path / "b.h5").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match=r"b\.h5"):
        read_ramp(tmp_path / "b.h5", KNOWN)
