"""Ramps: exposures in each format, maps of detectors, and what the simulator writes beside them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from astropy.io import fits
from kind import Counts, FileKind, whole


def ramp_of(place: Path, form: str = "auto", **said: Any) -> Counts:
    """An exposure read and processed."""
    from astrid_ml.preprocessing.ramps.commands.predict import PredictRamps
    from astrid_ml.preprocessing.ramps.readers.options import RampOptions

    out = place.parent / "out"
    shutil.rmtree(out, ignore_errors=True)
    exposure = place.parent if form == "folder" else next(place.parent.glob("*_patches.h5"), place)
    unit = "DN" if form in ("extensions", "folder") or said else None
    known: dict[str, Any] = {"unit": unit, "gain": 2.0, "read_noise": 10.0, "group_time": 5.0} | said
    load = RampOptions(format=form, polarity="normal", **known)
    done = PredictRamps(str(exposure), str(out), load=load).run()
    return {"samples": int(done["exposures"]), "dropped": 0, "failed": int(done["failed"])}


def make_ima(folder: Path) -> Path:
    """WFC3's intermediate file: five extensions a read, the last read first."""
    random = np.random.default_rng(1)
    primary = fits.PrimaryHDU()
    primary.header.update({"TELESCOP": "HST", "INSTRUME": "WFC3", "DETECTOR": "IR", "EXPSTART": 5e4, "EXPEND": 5e4})
    primary.header.update({f"READNSE{quadrant}": 20.0 for quadrant in "ABCD"})
    hdus: list[fits.hdu.base.ExtensionHDU] = [primary]
    for version in range(1, 6):
        rate = random.normal(30, 2, (32, 32)).astype(np.float32)
        quality = np.zeros((32, 32), np.int16)
        for name, data in (("SCI", rate), ("ERR", rate), ("DQ", quality), ("SAMP", None), ("TIME", None)):
            hdu = fits.ImageHDU(data, name=name, ver=version)
            hdu.header["BUNIT"] = "ELECTRONS/S" if name == "SCI" else "SECONDS"
            if name == "SCI":
                hdu.header["SAMPTIME"] = 2.5 * (5 - version)
            hdus.append(hdu)
    fits.HDUList(hdus).writeto(folder / "a_ima.fits")
    return folder / "a_ima.fits"


def make_extensions(folder: Path) -> Path:
    """One read in each HDU."""
    cube = np.random.default_rng(1).normal(1000, 5, (6, 24, 24)).cumsum(0).astype(np.float32)
    fits.HDUList([fits.PrimaryHDU(cube[0]), *(fits.ImageHDU(read) for read in cube[1:])]).writeto(folder / "a.fits")
    return folder / "a.fits"


def simulated_ramp(folder: Path) -> Path:
    """An exposure with its truth, and with its HDF5 patches."""
    from astrid_ml.preprocessing.ramps.simulate.command import SimulateRamps

    SimulateRamps(
        gain_library={"d_1": 2.0}, n=1, num_baseline_exposures=0, image_shape=(48, 48), num_frames=8, exp_time=400.0,
        cosmic_ray_per_exp_range=(5, 5), rtn_per_exp_range=(1, 1), snowballs_per_exp_range=(0, 0), patch_size=(32, 32),
        overlap=16, write_patches=True,
    ).run(folder, 3)  # fmt: skip
    return next(folder.rglob("*_patches.h5"))


def make_patches_json(folder: Path) -> Path:
    return next((simulated_ramp(folder).parent / "metadata").rglob("*.json"))


def patches(place: Path) -> Counts:
    """Patches, whichever of their files is the changed one."""
    folder = place.parent if place.suffix == ".h5" else place.parents[2]
    return ramp_of(next(folder.glob("*_patches.h5")))


def make_truth(folder: Path) -> Path:
    simulated_ramp(folder)
    return next(folder.rglob("*_truth.npz"))


def make_events(folder: Path) -> Path:
    simulated_ramp(folder)
    return next(folder.rglob("*_events.parquet"))


def truth(place: Path) -> Counts:
    """What the simulator wrote beside an exposure."""
    from astrid_ml.preprocessing.ramps.judge.truth import Truth, match_snowballs

    stem = place.name.rsplit("_", 1)[0]
    read = Truth.read(place.with_name(f"{stem}.fits"))
    match_snowballs(read, [])
    return whole(len(read.jumps))


def reads() -> Any:
    return np.random.default_rng(1).normal(1000, 5, (6, 24, 24)).cumsum(0).astype(np.float32)


def make_hdf5(folder: Path) -> Path:
    with h5py.File(folder / "a.h5", "w") as file:
        file.create_dataset("data", data=reads(), compression="gzip")
        file.create_dataset("group_times", data=np.arange(1.0, 7.0))
        file.attrs["unit"] = "DN"
    return folder / "a.h5"


def make_gzip(folder: Path) -> Path:
    header = fits.Header({"BUNIT": "DN", "TGROUP": 10.0, "GAIN": 2.0, "READNOIS": 10.0})
    fits.PrimaryHDU(reads().astype("u2"), header).writeto(folder / "a.fits.gz")
    return folder / "a.fits.gz"


def make_npz(folder: Path) -> Path:
    np.savez_compressed(folder / "a.npz", data=reads(), gain=2.0, unit="DN")
    return folder / "a.npz"


def make_roman(folder: Path) -> Path:
    import asdf

    exposure = {"read_pattern": [[1], [2], [3, 4], [5, 6], [8], [9]], "frame_time": 3.04}
    meta = {"telescope": "ROMAN", "instrument": {"detector": "WFI01"}, "exposure": exposure}
    asdf.AsdfFile({"roman": {"meta": meta, "data": reads().astype("u2")}}).write_to(folder / "a.asdf")
    return folder / "a.asdf"


def make_folder(folder: Path) -> Path:
    for number, read in enumerate(reads()):
        fits.writeto(folder / f"r{number}.fits", read)
    return folder / "r3.fits"


def make_map(folder: Path) -> Path:
    """A gain of each pixel, as JWST's reference files hold it, beside an exposure that needs it."""
    np.save(folder / "a.npy", reads())
    (folder / "maps").mkdir()
    primary = fits.PrimaryHDU()
    primary.header.update({"TELESCOP": "JWST", "DETECTOR": "NRCA1", "USEAFTER": "2022-01-01"})
    hdus = [primary, fits.ImageHDU(np.full((24, 24), 2.0, np.float32), name="SCI")]
    fits.HDUList(hdus).writeto(folder / "maps" / "jwst_nircam_gain_0001.fits")
    return folder / "maps" / "jwst_nircam_gain_0001.fits"


def make_linearity(folder: Path) -> Path:
    np.save(folder / "a.npy", reads())
    (folder / "maps").mkdir()
    terms = np.zeros((3, 24, 24), np.float32)
    terms[1], terms[2] = 1.0, 1e-6
    columns = [fits.Column("VALUE", "J", array=[1]), fits.Column("NAME", "20A", array=["NO_LIN_CORR"])]
    table = fits.BinTableHDU.from_columns(columns, name="DQ_DEF")
    dq = fits.ImageHDU(np.zeros((24, 24), np.uint32), name="DQ")
    hdus = [fits.PrimaryHDU(), fits.ImageHDU(terms, name="COEFFS"), dq, table]
    fits.HDUList(hdus).writeto(folder / "maps" / "linearity.fits")
    return folder / "maps" / "linearity.fits"


def make_mask(folder: Path) -> Path:
    path = make_linearity(folder)
    return path.rename(path.with_name("mask.fits"))


def with_map(key: str, **more: Any) -> Callable[[Path], Counts]:
    """An exposure that is read with the map."""

    def read(place: Path) -> Counts:
        return ramp_of(place.parent.parent / "a.npy", **{key: str(place)}, **more)

    return read


def with_references(place: Path) -> Counts:
    """A JWST exposure whose gain is looked for in a folder."""
    primary = fits.PrimaryHDU()
    primary.header.update({"TELESCOP": "JWST", "INSTRUME": "NIRCAM", "DETECTOR": "NRCA1", "NFRAMES": 1})
    path = place.parent.parent / "jw_uncal.fits"
    fits.HDUList([primary, fits.ImageHDU(reads()[None], name="SCI")]).writeto(path, overwrite=True)
    return ramp_of(path, crds=str(place.parent), gain=None)


KINDS = (
    FileKind("ramp, WFC3 IMA", make_ima, ramp_of),
    FileKind("ramp, a read an HDU", make_extensions, lambda place: ramp_of(place, "extensions")),
    FileKind("ramp, HDF5 patches", simulated_ramp, patches),
    FileKind("patches, metadata", make_patches_json, patches),
    FileKind("ramp's truth, npz", make_truth, truth),
    FileKind("ramp's events", make_events, truth),
    FileKind("ramp, HDF5", make_hdf5, ramp_of),
    FileKind("ramp, npz", make_npz, ramp_of),
    FileKind("ramp, FITS.gz", make_gzip, ramp_of),
    FileKind("ramp, Roman ASDF", make_roman, ramp_of),
    FileKind("ramp, a read a file", make_folder, lambda place: ramp_of(place, "folder")),
    FileKind("ramp's gain, FITS", make_map, with_map("gain")),
    FileKind("ramp's gain, CRDS", make_map, with_references),
    FileKind("ramp's linearity, FITS", make_linearity, with_map("linearity", superbias=0.0)),
    FileKind("ramp's mask, FITS", make_mask, with_map("mask")),
)
