"""FITS cubes, ``.npy`` cubes, and one read per HDU (by explicit choice only)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from astropy.io import fits

from astrid_ml.errors import UserError
from astrid_ml.files import read_array
from astrid_ml.fits_headers import open_checked
from astrid_ml.preprocessing.ramps.ramp.codes import REFERENCE_PIXEL
from astrid_ml.preprocessing.ramps.ramp.ramp import Ramp, in_time_order, refuse_wrong_axes
from astrid_ml.preprocessing.ramps.readers.options import (
    RampOptions,
    bits_of,
    border_mask,
    first_of,
    number,
    read_noise_of,
    text_of,
    times_of,
    unit_of,
)
from astrid_ml.types import Array

GAIN_KEYS = ("GAIN", "CONVGAIN", "EGAIN", "CCDGAIN")


def read_fits_cube(path: Path, options: RampOptions) -> Ramp:
    """A FITS file with one 3D (n_groups, y, x) or 4D (n_ints, n_groups, y, x) image, and optionally GROUPDQ.

    Raises:
        UserError: no such image, several, a suspicious order of axes, or missing unit, gain, read noise, times.
    """
    with open_checked(path, memmap=None) as hdus:
        header, index = _cube_hdu(hdus, path)
        data = _ordered(_mapped(path, hdus, index), path, options)
        dq = bits_of(hdus, "GROUPDQ", data.shape)
        pixel_dq = bits_of(hdus, "PIXELDQ", data.shape[2:])
    return build_ramp(path, data, header, options, dq, pixel_dq)


def read_npy(path: Path, options: RampOptions) -> Ramp:
    """A ``.npy`` cube, memory-mapped; everything a header would say comes from ``options``.

    Raises:
        UserError: a damaged file, a suspicious order of axes, or missing unit, gain, read noise, times.
    """
    array = read_array(path, "r")
    if path.with_suffix(".parquet").is_file():
        size = " x ".join(map(str, array.shape))
        got = f"{path.name}, an array of {size} with a table beside it, as stamps have"
        raise UserError("a ramp", got, "give stamps to astrid predict without task=ramps")
    return build_ramp(path, _ordered(array, path, options), {}, options, None, None)


def read_extensions(path: Path, options: RampOptions) -> Ramp:
    """One read per image HDU, in the file's order. Only by ``format=extensions``: an IMA's ERR would pass as a read."""
    with open_checked(path, memmap=None) as hdus:
        frames = [hdu.data for hdu in hdus if hdu.is_image and hdu.data is not None]
        header = dict(hdus[0].header)
        header |= {key: value for key, value in hdus[-1].header.items() if key == "BUNIT"}
    shapes = {frame.shape for frame in frames}
    if len(shapes) != 1 or len(next(iter(shapes))) != 2:
        raise UserError(
            "2D images of one shape, a read in each HDU",
            f"shapes {sorted(map(str, shapes))}",
            "choose another preprocessing.load.format=",
        )
    return build_ramp(path, np.stack(frames)[None], header, options, None, None)


def build_ramp(
    path: Path,
    data: Array,
    header: Mapping[str, Any],
    options: RampOptions,
    dq: npt.NDArray[np.uint32] | None,
    pixel_dq: npt.NDArray[np.uint32] | None,
) -> Ramp:
    """Join data, header and options."""
    n_groups = data.shape[1]
    unit, rate = unit_of(options.unit, header)
    times = times_of(options, header, n_groups)
    if rate:
        data = np.asarray(data, np.float32) * times.astype(np.float32)[:, None, None]
    gain = 1.0 if unit == "e-" else number(options.gain, header, GAIN_KEYS, "the gain in e-/DN", "gain")
    reads = int(first_of(header, ("NFRAMES", "NREADS")) or options.reads_per_group)
    border = options.border if options.border is not None else int(header.get("REFPIX", 0))
    reference = border_mask(data.shape[2], data.shape[3], border)
    if reference is None and pixel_dq is not None and (pixel_dq & REFERENCE_PIXEL).any():
        reference = (pixel_dq & REFERENCE_PIXEL) != 0
    return Ramp(
        data=data,
        group_times=times,
        unit=unit,
        gain=gain,
        read_noise=read_noise_of(options, header),
        reads_per_group=np.full(n_groups, reads, dtype=np.int64),
        dq=dq,
        pixel_dq=pixel_dq,
        reference=reference,
        name=path.name.split(".")[0],
        file=path,
        mission=text_of(header, ("TELESCOP", "MISSION")),
        detector=text_of(header, ("DETECTOR", "SCA", "INSTRUME")),
        filter=text_of(header, ("FILTER",)),
        mjd=first_of(header, ("MJD-AVG", "EXPMID", "MJD-OBS")),
        saturation_dn=first_of(header, ("SATURATE",)),
    )


def _cube_hdu(hdus: Any, path: Path) -> tuple[dict[str, Any], int]:
    """The one cube of the file: the extension SCI, else the only image of 3 or 4 axes."""
    cubes = [i for i, hdu in enumerate(hdus) if hdu.is_image and hdu.header.get("NAXIS", 0) in (3, 4)]
    named = [i for i in cubes if hdus[i].name in ("SCI", "RAMP")] or [i for i in cubes if hdus[i].name != "GROUPDQ"]
    if len(named) != 1:
        flat = sum(1 for hdu in hdus if hdu.is_image and hdu.header.get("NAXIS", 0) == 2)
        raise UserError(
            f"one 3D or 4D image in {path.name}",
            f"{len(named)} cubes and {flat} flat images",
            "if every HDU is one read, say so: preprocessing.load.format=extensions" if flat else "name the format",
        )
    header = dict(hdus[0].header)
    header.update({k: v for k, v in hdus[named[0]].header.items() if k not in ("SIMPLE", "XTENSION")})
    return header, named[0]


def _mapped(path: Path, hdus: Any, index: int) -> Array:
    """The image as a memory map, so that a cube larger than memory can be read tile by tile."""
    header = hdus[index].header
    scaled = header.get("BSCALE", 1) != 1 or header.get("BZERO", 0) != 0 or "BLANK" in header
    packed = isinstance(hdus[index], fits.CompImageHDU) or path.suffix in (".gz", ".bz2", ".xz", ".Z", ".zip")
    if scaled or packed:
        # Their bytes are not the numbers: read whole, unsigned 16-bit as such (2 bytes a value), blank pixels as NaN.
        whole: Array = np.asarray(hdus[index].data)
        return whole
    kinds = {8: "u1", 16: ">i2", 32: ">i4", 64: ">i8", -32: ">f4", -64: ">f8"}
    shape = tuple(header[f"NAXIS{i}"] for i in range(header["NAXIS"], 0, -1))
    offset = int(hdus[index].fileinfo()["datLoc"])
    return np.memmap(path, dtype=kinds[header["BITPIX"]], mode="r", offset=offset, shape=shape)


def _ordered(data: Array, path: Path, options: RampOptions) -> Array:
    """To (n_ints, n_groups, n_rows, n_cols), refusing a suspicious order unless the user named it."""
    if data.dtype.kind not in "iuf":
        kind = "text" if data.dtype.kind in "US" else str(data.dtype)
        raise UserError("a cube of real numbers", f"{kind} in {path.name}", "write it as float32 or integers")
    if data.ndim not in (3, 4):
        raise UserError("a cube of 3 or 4 axes", f"{data.ndim} axes in {path.name}", "give a ramp, not an image")
    if data.ndim == 4:
        return data
    if options.axes == "auto":
        refuse_wrong_axes(data.shape, path.name)
        return data[None]
    return in_time_order(data, options.axes)[None]
