"""Images: what single commands read beside the frames of a pair, and the job folders of RAPID."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from astropy.io import fits
from kind import Counts, FileKind, through, whole

from astrid_ml.cli.main import run as astrid


def make_pair(folder: Path) -> Path:
    """A pair of 160 x 160 px: the science image."""
    words = ["simulate", "what=pairs", "simulate.n=1", "simulate.shape=[160,160]", f"output_dir={folder}"]
    assert astrid(words) == 0
    return next(folder.glob("*science.fits"))


def plane_of(role: str) -> tuple[Callable[[Path], Path], Callable[[Path], Counts]]:
    """A map that stands beside a frame: of its mask, its noise, its PSF."""

    def make(folder: Path) -> Path:
        science = make_pair(folder)
        shape = (15, 15) if role == "psf" else fits.getdata(science).shape
        y, x = np.mgrid[: shape[0], : shape[1]]
        content = {
            "psf": np.exp(-((y - 7.0) ** 2 + (x - 7.0) ** 2) / 6),
            "mask": (x < 3).astype(np.float64),
            "noise": np.full(shape, 5.0),
        }[role]
        fits.writeto(folder / f"{role}.fits", content.astype(np.float32))
        return folder / f"{role}.fits"

    def read(place: Path) -> Counts:
        from astrid_ml.preprocessing.differencing.frame.load import Frame, LoadFits

        science = next(place.parent.glob("*science.fits"))
        given: dict[str, Any] = {role: str(place)}
        return whole(int((~LoadFits()(Frame(str(science), **given)).mask).any()))

    return make, read


def make_compressed(folder: Path) -> Path:
    """A frame of compressed tiles, as archives give them."""
    path = make_pair(folder)
    with fits.open(path) as hdus:
        at = next(i for i, hdu in enumerate(hdus) if hdu.data is not None and hdu.data.ndim == 2)
        tiles = fits.CompImageHDU(hdus[at].data, hdus[at].header, compression_type="RICE_1")
        fits.HDUList([fits.PrimaryHDU(), tiles]).writeto(folder / "packed.fits.fz")
    return folder / "packed.fits.fz"


def frame(place: Path) -> Counts:
    from astrid_ml.preprocessing.differencing.frame.load import Frame, LoadFits

    return whole(int((~LoadFits()(Frame(str(place))).mask).any()))


def injected(place: Path) -> Counts:
    """The image with sources put into it."""
    from astrid_ml.preprocessing.differencing.commands.inject import InjectCommand
    from astrid_ml.preprocessing.differencing.frame.load import Frame

    out = place.parent / "out"
    shutil.rmtree(out, ignore_errors=True)
    beside = next(iter(place.parent.glob("positions.csv")), None)
    science = place if beside is None else next(place.parent.glob("*science.fits"))
    given = Frame(str(science), gain=1.5)
    return whole(
        int(
            InjectCommand(
                given, str(out), margin=20, **({"n": 3} if beside is None else {"positions": str(beside)})
            ).run()["sources"]
        )
    )


def make_positions(folder: Path) -> Path:
    make_pair(folder)
    table = pd.DataFrame({"x": [40.0, 80.0], "y": [50.5, 90.5], "flux": [900.0, -500.0], "object_id": ["a", "b"]})
    table.to_csv(folder / "positions.csv", index=False)
    return folder / "positions.csv"


def make_manifest(folder: Path) -> Path:
    """The manifest of a pair, as the simulator writes it."""
    make_pair(folder)
    return next(path for path in folder.iterdir() if path.name in ("manifest.csv", "manifest.parquet"))


def manifest(place: Path) -> Counts:
    from astrid_ml.preprocessing.differencing.frame.manifest import find_pairs, frame_files

    return whole(sum(len(frame_files(pair.science)) for pair in find_pairs([place])))


def make_difference(folder: Path) -> Path:
    """A difference image, and objects to measure on it."""
    from astrid_ml.preprocessing.differencing.commands.difference import DifferenceCommand
    from astrid_ml.preprocessing.differencing.frame.load import Frame

    science = make_pair(folder / "pair")
    reference = next((folder / "pair").glob("*reference.fits"))
    sides = [Frame(str(path), zero_point=25.0, filter="r", mjd=59000.5) for path in (science, reference)]
    DifferenceCommand(sides[0], sides[1], str(folder)).run()
    with fits.open(science) as hdus:
        header = next(hdu.header for hdu in hdus if "CRVAL1" in hdu.header)
    objects = pd.DataFrame({"object_id": ["a"], "ra": [header["CRVAL1"]], "dec": [header["CRVAL2"]]})
    objects.to_csv(folder / "objects.csv", index=False)
    return folder / "difference.fits"


def forced(place: Path) -> Counts:
    """Forced photometry on a difference image."""
    from astrid_ml.preprocessing.differencing.commands.forced import ForcedCommand

    out = place.parent / "out"
    shutil.rmtree(out, ignore_errors=True)
    done = ForcedCommand(str(place.parent / "difference.fits"), str(place.parent / "objects.csv"), str(out)).run()
    return {
        "samples": int(done["measurements"]),
        "dropped": 1 - int(done["measurements"]),
        "failed": int(done["failed"]),
    }


def make_candidates(folder: Path) -> Path:
    make_difference(folder)
    return folder / "candidates.parquet"


def associated(place: Path) -> Counts:
    """Candidates that become objects."""
    from astrid_ml.preprocessing.differencing.commands.associate import AssociateCommand

    out = place.parent / "out"
    shutil.rmtree(out, ignore_errors=True)
    return whole(1 + int(AssociateCommand(str(place), str(out)).run()["candidates"]))


def roman_file(pattern: str) -> Callable[[Path], Path]:
    """A maker of one job folder that returns a file of it."""

    def make(folder: Path) -> Path:
        from astrid_ml.preprocessing.roman.simulate.command import SimulateRoman

        SimulateRoman(n=1, fields=1, shape=(96, 96), injections=900.0, generation="new").run(folder, 5)
        return min(folder.rglob(pattern), key=lambda path: (len(path.name), path.name))

    return make


def roman(place: Path) -> Counts:
    from astrid_ml.preprocessing.roman.job.find import FieldLists
    from astrid_ml.preprocessing.roman.pipeline import RomanPipeline

    raw = next(parent for parent in place.parents if any(parent.glob("*_fields.txt")))
    lists = [str(place)] if place.name.endswith("_fields.txt") else []
    return through(RomanPipeline(reader=FieldLists(field_files=lists)), raw)


def old_dataset(name: str) -> Callable[[Path], Path]:
    """A maker of a dataset of the old scripts that returns one of its files."""

    def make(folder: Path) -> Path:
        (folder / "images").mkdir()
        np.save(folder / "images" / "jid7.npy", np.random.default_rng(7).random((20, 30, 4)))
        rows = ["id,jid,x,y,sharpness,match_id,truth_id,injected,label,image_filename"]
        rows += [f"{n}.0,jid7,{n}.5,4.0,0.5,{n}_inj,{n},True,1,images/jid7.npy" for n in range(1, 9)]
        (folder / "master_index.csv").write_text("\n".join(rows) + "\n")
        content = {"distribution": [{"contentUrl": "images"}, {"contentUrl": "master_index.csv"}]}
        (folder / "croissant.json").write_text(json.dumps(content))
        return folder / name

    return make


def old(place: Path) -> Counts:
    from astrid_ml.preprocessing.roman.pipeline import RomanPipeline

    folder = place.parent.parent if place.suffix == ".npy" else place.parent
    return through(RomanPipeline(), folder / "croissant.json" if place.suffix == ".json" else folder)


KINDS = (
    FileKind("frame, tiles (.fz)", make_compressed, frame),
    *(FileKind(f"{role} of a frame", *plane_of(role)) for role in ("mask", "noise", "psf")),
    FileKind("frame, injected", make_pair, injected),
    FileKind("positions, injected", make_positions, injected),
    FileKind("manifest of pairs", make_manifest, manifest),
    FileKind("difference image", make_difference, forced),
    FileKind("candidates", make_candidates, associated),
    FileKind("Roman, image", roman_file("bkg_subbed_science_image.fits"), roman),
    FileKind("Roman, catalogue", roman_file("*psfcat*"), roman),
    FileKind("Roman, injections", roman_file("*_inject.txt"), roman),
    FileKind("Roman, index truth", roman_file("*index*.txt"), roman),
    FileKind("Roman, field list", roman_file("*_fields.txt"), roman),
    FileKind("Roman, master_index", old_dataset("master_index.csv"), old),
    FileKind("Roman, old frame", old_dataset("images/jid7.npy"), old),
    FileKind("Roman, Croissant", old_dataset("croissant.json"), old),
)
