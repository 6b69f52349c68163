"""Which reader fits a file, and which files are exposures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from astrid_ml.errors import UserError
from astrid_ml.fingerprint import file_hash
from astrid_ml.fits_headers import open_checked
from astrid_ml.found import found
from astrid_ml.preprocessing.ramps.ramp.ramp import Ramp
from astrid_ml.preprocessing.ramps.readers.asdf_files import is_asdf
from astrid_ml.preprocessing.ramps.readers.containers import HDF5, read_hdf5, read_npz
from astrid_ml.preprocessing.ramps.readers.cube import read_extensions, read_fits_cube, read_npy
from astrid_ml.preprocessing.ramps.readers.folder import folders_of_frames, frames_in, read_folder
from astrid_ml.preprocessing.ramps.readers.jwst import read_jwst
from astrid_ml.preprocessing.ramps.readers.options import RampOptions
from astrid_ml.preprocessing.ramps.readers.patches import read_patches
from astrid_ml.preprocessing.ramps.readers.roman import read_roman_l1
from astrid_ml.preprocessing.ramps.readers.wfc3 import is_wfc3_ima, read_wfc3
from astrid_ml.preprocessing.surveys.registry import survey_named, surveys_of
from astrid_ml.readable import reading
from astrid_ml.walk import walk

READERS: dict[str, Callable[[Path, RampOptions], Ramp]] = {
    "cube": read_fits_cube,
    "jwst": read_jwst,
    "wfc3": read_wfc3,
    "roman": read_roman_l1,
    "npy": read_npy,
    "npz": read_npz,
    "hdf5": read_hdf5,
    "extensions": read_extensions,
    "folder": read_folder,
    "patches": read_patches,
}
OF_FITS = ("cube", "jwst", "wfc3", "extensions")
SUFFIXES = (".fits", ".fits.gz", ".fits.fz", ".fit", ".npy", ".npz", ".asdf", *HDF5)
# What stands beside exposures, and what predict writes.
OTHERS = ("_truth.npz", "_truth.fits", "_mask.fits", "_temporal.npz", "_dq.fits")
RESULT = "detections.json"  # stands in each folder that predict wrote


def read_ramp(path: Path | str, options: RampOptions | None = None) -> Ramp:
    """Read an up-the-ramp exposure.

    Args:
        path: a file; with ``format=folder`` a folder.
        options: what the header does not say; ``format=auto`` recognises all but one read in each HDU or file.

    Raises:
        UserError: no file, an unknown format, or anything that the format's reader refuses.
    """
    path, options = Path(path), options or RampOptions()
    if options.format not in ("auto", *READERS):
        names = ", ".join(READERS)
        raise UserError(f"preprocessing.load.format=auto or one of {names}", options.format, "choose one of them")
    if not (path.is_dir() if options.format == "folder" else path.is_file()):
        fix = "check the path" if not path.is_dir() else "give preprocessing.load.format=folder if each file is a read"
        raise UserError("a file with a ramp", found(path), fix)
    name = options.format if options.format != "auto" else recognise(path)
    if name not in OF_FITS:
        return READERS[name](path, options)
    with reading(path):
        return READERS[name](path, options)


def recognise(path: Path) -> str:
    """The format of a file, from its suffix and primary header."""
    if path.suffix in (".npy", ".npz"):
        return path.suffix[1:]
    if path.name.endswith("_patches.h5"):
        return "patches"
    if path.suffix.lower() in HDF5:
        return "hdf5"
    if is_asdf(path):
        return "roman"
    with reading(path), open_checked(path) as hdus:
        header = hdus[0].header
        if is_wfc3_ima(header):
            return "wfc3"
        survey = surveys_of().of_header(header).survey
        return "jwst" if survey is survey_named("jwst") else "cube"


def is_ramp_file(path: Path) -> bool:
    """Whether the name is one that a ramp may have (truth files of the simulator are not ramps)."""
    return path.name.endswith(SUFFIXES) and not path.name.endswith(OTHERS)


def exposures_in(places: str | Sequence[str], options: RampOptions) -> list[Path]:
    """The exposures of files and folders, which are walked through; with ``format=folder`` folders of reads.

    Args:
        places: where to look.
        options: of the reader.
    """
    several = [places] if isinstance(places, str) else places
    if options.format != "folder":
        named = {Path(place).expanduser() for place in several}
        # What predict wrote of an exposure is a ramp too, but not one that was meant.
        return [path for path in walk(places, is_ramp_file) if path in named or not (path.parent / RESULT).is_file()]
    return folders_of_frames([Path(place).expanduser() for place in several])


def maps_of(options: RampOptions) -> list[list[Any]]:
    """What decides the results of all exposures beside the options: digests of maps, names and sizes of references."""
    out: list[list[Any]] = [[path.name, file_hash(path)] for path in options.files if path.is_file()]
    if options.crds is not None:
        place = Path(options.crds).expanduser()
        out += [[path.name, path.stat().st_size] for path in sorted(place.rglob("jwst_*.fits"))]
    return out


def files_of(exposure: Path) -> tuple[Path, ...]:
    """The files that an exposure is read from."""
    return tuple(frames_in(exposure)) if exposure.is_dir() else (exposure,)
