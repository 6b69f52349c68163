"""FITS cubes, ``.npy`` cubes, and one read per HDU (by explicit choice only)."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from astropy.io import fits

from astrid_ml.errors import UserError
from astrid_ml.files import read_array
from astrid_ml.fits_headers import open_checked
from astrid_ml.inflating import is_gzip
from astrid_ml.preprocessing.ramps.ramp.axes import in_time_order, refuse_wrong_axes
from astrid_ml.preprocessing.ramps.ramp.ramp import Ramp
from astrid_ml.preprocessing.ramps.ramp.stored import Decoding, spooled
from astrid_ml.preprocessing.ramps.readers.build import RawRamp, build_ramp
from astrid_ml.preprocessing.ramps.readers.options import RampOptions
from astrid_ml.types import Array

ARCHIVED = (".bz2", ".xz", ".Z", ".zip")


def read_fits_cube(path: Path, options: RampOptions) -> Ramp:
    """A FITS file with one 3D (n_groups, y, x) or 4D (n_ints, n_groups, y, x) image, and optionally GROUPDQ.

    Raises:
        UserError: no such image, several, an order of axes that is wrong or not told by the shape, or missing unit,
            gain, read noise, times; a mean ramp that falls.
    """
    with open_checked(path, memmap=None) as hdus:
        header, index = _cube_hdu(hdus, path)
        raw, decoding = image_of(path, hdus, index)
        data = ordered(raw, path, options, header.get("NGROUPS"))
        dq = group_bits(path, hdus, data.shape)
        pixel_dq = bits_of(hdus, "PIXELDQ", data.shape[2:])
    return build_ramp(RawRamp(path, data, header, decoding, dq, pixel_dq), options)


def read_npy(path: Path, options: RampOptions) -> Ramp:
    """A ``.npy`` cube, memory-mapped; everything a header would say comes from ``options``.

    Raises:
        UserError: a damaged file, an order of axes that is wrong or not told by the shape, or missing unit, gain, read
            noise, times; a mean ramp that falls.
    """
    array = read_array(path, "r")
    if path.with_suffix(".parquet").is_file():
        size = " x ".join(map(str, array.shape))
        got = f"{path.name}, an array of {size} with a table beside it, as stamps have"
        raise UserError("a ramp", got, "give stamps to astrid predict without task=ramps")
    return build_ramp(RawRamp(path, ordered(array, path, options), {}), options)


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
    return build_ramp(RawRamp(path, np.stack(frames)[None], header), options)


def _cube_hdu(hdus: Any, path: Path) -> tuple[dict[str, Any], int]:
    """The one cube of the file: the extension SCI, else the only image of 3 or 4 axes."""
    cubes = [i for i, hdu in enumerate(hdus) if hdu.is_image and hdu.header.get("NAXIS", 0) in (3, 4)]
    named = [i for i in cubes if hdus[i].name in ("SCI", "RAMP")] or [
        i for i in cubes if hdus[i].name not in ("GROUPDQ", "ERR")
    ]
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


def image_of(path: Path, hdus: Any, index: int) -> tuple[Array, Decoding]:
    """An image where it stands, and how its numbers are read. A compressed one is inflated, plane after plane.

    Args:
        path: of the file.
        hdus: of it, open.
        index: of the image.
    """
    hdu = hdus[index]
    header = hdu.header
    shape = tuple(hdu.shape)
    flat = (int(np.prod(shape[:-2])), *shape[-2:])
    if path.suffix in ARCHIVED:
        return np.asarray(hdu.data), Decoding()
    if isinstance(hdu, fits.CompImageHDU):
        return spooled(_planes(hdu), flat, _kind(hdu)).reshape(shape), Decoding()
    kinds = {8: "u1", 16: ">i2", 32: ">i4", 64: ">i8", -32: ">f4", -64: ">f8"}
    scale, zero = float(header.get("BSCALE", 1)), float(header.get("BZERO", 0))
    blank = header.get("BLANK") if header["BITPIX"] > 0 else None
    decoding = Decoding(scale, zero, blank if isinstance(blank, int) else None)
    kind, offset = np.dtype(kinds[header["BITPIX"]]), int(hdu.fileinfo()["datLoc"])
    if is_gzip(path):
        return spooled(_inflated(path, offset, flat, kind), flat, kind).reshape(shape), decoding
    return np.memmap(path, dtype=kind, mode="r", offset=offset, shape=shape), decoding


def _inflated(path: Path, offset: int, shape: tuple[int, ...], kind: np.dtype[Any]) -> Iterator[Array]:
    """Planes of a gzip file, of which no more is inflated than was checked when it was opened."""
    size = int(np.prod(shape[1:])) * kind.itemsize
    with gzip.open(path) as stream:
        stream.seek(offset)
        for _ in range(shape[0]):
            yield np.frombuffer(stream.read(size), kind).reshape(shape[1:])


def _planes(hdu: Any) -> Iterator[Array]:
    leading = tuple(hdu.shape[:-2])
    for place in np.ndindex(*leading):
        yield np.asarray(hdu.section[place])


def _kind(hdu: Any) -> Any:
    """The kind of the numbers: unsigned integers of 16 bits as such, blank ones as NaN."""
    first = np.asarray(hdu.section[(0,) * (len(hdu.shape) - 2)])
    return first.dtype.newbyteorder("=")


def bits_of(hdus: Any, name: str, shape: tuple[int, ...]) -> npt.NDArray[np.uint32] | None:
    """Data-quality bits of an extension, broadcast to ``shape``; None where it is not there or holds no pixels.

    A constant extension may have no pixels but PIXVALUE.

    Raises:
        UserError: pixels of another shape.
    """
    if name not in hdus:
        return None
    data = hdus[name].data
    if data is None or np.size(data) == 0:
        constant = int(hdus[name].header.get("PIXVALUE", 0))
        return np.full(shape, constant, np.uint32) if constant else None
    bits = np.asarray(data).astype(np.uint32)
    _refuse_other_shape(name, bits.shape, shape)
    return np.broadcast_to(bits, shape)


def group_bits(path: Path, hdus: Any, shape: tuple[int, ...]) -> Array | None:
    """GROUPDQ of a file, where it stands if its bytes are its numbers; else as :func:`bits_of`."""
    if "GROUPDQ" not in hdus:
        return None
    hdu = hdus["GROUPDQ"]
    plain = hdu.is_image and hdu.header.get("NAXIS", 0) in (3, 4) and not isinstance(hdu, fits.CompImageHDU)
    if plain and path.suffix not in ARCHIVED and hdu.header["BITPIX"] == 8:
        bits, _ = image_of(path, hdus, hdus.index_of("GROUPDQ"))
        _refuse_other_shape("GROUPDQ", bits.shape, shape)
        return np.broadcast_to(bits, shape)
    return bits_of(hdus, "GROUPDQ", shape)


def _refuse_other_shape(name: str, got: tuple[int, ...], shape: tuple[int, ...]) -> None:
    if got[-min(len(got), len(shape)) :] != shape[-min(len(got), len(shape)) :]:
        raise UserError(f"{name} of the data's shape {shape}", str(got), "leave the extension out, or fix it")


def ordered(data: Array, path: Path, options: RampOptions, n_groups: Any = None) -> Array:
    """To (n_ints, n_groups, n_rows, n_cols).

    Args:
        data: of three or four axes; of four the first counts the integrations.
        path: of the file.
        options: whose ``axes`` say the order.
        n_groups: as the header says it.

    Raises:
        UserError: no real numbers, another number of axes, or an order that is wrong or not told by the shape.
    """
    if data.dtype.kind not in "iuf":
        kind = "text" if data.dtype.kind in "US" else str(data.dtype)
        raise UserError("a cube of real numbers", f"{kind} in {path.name}", "write it as float32 or integers")
    if data.ndim not in (3, 4):
        raise UserError("a cube of 3 or 4 axes", f"{data.ndim} axes in {path.name}", "give a ramp, not an image")
    if options.axes == "auto":
        refuse_wrong_axes(data.shape, path.name, n_groups if isinstance(n_groups, int) else None)
    else:
        data = in_time_order(data, options.axes)
    return data if data.ndim == 4 else data[None]
