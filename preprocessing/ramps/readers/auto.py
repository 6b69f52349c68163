"""Which reader fits a file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from astrid_ml.errors import UserError
from astrid_ml.fits_headers import open_checked
from astrid_ml.found import found
from astrid_ml.preprocessing.ramps.ramp.ramp import Ramp
from astrid_ml.preprocessing.ramps.readers.cube import read_extensions, read_fits_cube, read_npy
from astrid_ml.preprocessing.ramps.readers.jwst import read_jwst
from astrid_ml.preprocessing.ramps.readers.options import RampOptions
from astrid_ml.preprocessing.ramps.readers.patches import read_patches
from astrid_ml.preprocessing.ramps.readers.wfc3 import is_wfc3_ima, read_wfc3
from astrid_ml.preprocessing.surveys.registry import survey_named, surveys_of
from astrid_ml.readable import reading

READERS: dict[str, Callable[[Path, RampOptions], Ramp]] = {
    "cube": read_fits_cube,
    "jwst": read_jwst,
    "wfc3": read_wfc3,
    "npy": read_npy,
    "extensions": read_extensions,
    "patches": read_patches,
}
SUFFIXES = (".fits", ".fits.gz", ".fit", ".npy", "_patches.h5")


def read_ramp(path: Path | str, options: RampOptions | None = None) -> Ramp:
    """Read an up-the-ramp exposure.

    Args:
        path: a FITS or ``.npy`` file.
        options: what the header does not say; ``format=auto`` recognises all but one-read-per-HDU files.

    Raises:
        UserError: no file, an unknown format, or anything that the format's reader refuses.
    """
    path, options = Path(path), options or RampOptions()
    if not path.is_file():
        raise UserError("a file with a ramp", found(path), "check the path")
    name = options.format if options.format != "auto" else recognise(path)
    if name not in READERS:
        raise UserError(f"preprocessing.load.format=auto or one of {', '.join(READERS)}", name, "choose one of them")
    if name in ("npy", "patches"):
        return READERS[name](path, options)
    with reading(path):
        return READERS[name](path, options)


def recognise(path: Path) -> str:
    """The format of a file, from its suffix and primary header."""
    if path.suffix == ".npy":
        return "npy"
    if path.name.endswith("_patches.h5"):
        return "patches"
    with reading(path), open_checked(path) as hdus:
        header = hdus[0].header
        if is_wfc3_ima(header):
            return "wfc3"
        survey = surveys_of().of_header(header).survey
        return "jwst" if survey is survey_named("jwst") else "cube"


def is_ramp_file(path: Path) -> bool:
    """Whether the name is one that a ramp may have (truth files of the simulator are not ramps)."""
    return path.name.endswith(SUFFIXES) and not path.name.endswith(("_truth.npz", "_truth.fits", "_mask.fits"))
