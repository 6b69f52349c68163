"""Simulated images in the file layouts of seven missions, with the keys that their real headers have.

Sources of the layouts: ZTF and Rubin, see ``headers``; PS1 skycells are Rice-compressed, asinh-stretched and dated in
TAI; UVOT sky images hold one extension an exposure and TT dates; GALEX -int maps are rates in the primary HDU, dated by
OBS-DATE and TIME-OBS; OpenUniverse's Roman images have SCI, ERR and DQ behind an empty primary and name no telescope;
JWST products are as its keyword dictionary says.
"""

from __future__ import annotations

import gzip
import io
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from astropy.time import Time

from astrid_ml.files import write_bytes
from astrid_ml.preprocessing.differencing.frame.image import Image
from astrid_ml.preprocessing.differencing.frame.planes import stretched_flux
from astrid_ml.preprocessing.simulated_sky.missions import SkyExposure, electron_zero_point
from astrid_ml.types import Array

SUFFIXES = {
    "ztf": "_sciimg.fits",
    "ps1": "_unconv.fits.fz",
    "swift": "_sk.img.gz",
    "galex": "-int.fits.gz",
    "roman": ".fits.gz",
    "rubin": "_visit_image.fits",
    "jwst": "_i2d.fits",
}
_AFW = {"BAD": 0, "SAT": 1, "INTRP": 2, "CR": 3, "EDGE": 4, "DETECTED": 5, "NO_DATA": 8}


@dataclass(frozen=True)
class Planes:
    """An image in its mission's units.

    Args:
        data, variance: (H, W), units and units squared.
        poisson: the photons' part of ``variance``.
        bad, saturated: (H, W) bool.
        header: its WCS.
    """

    data: Array
    variance: Array
    poisson: Array
    bad: Array
    saturated: Array
    header: fits.Header


def planes(image: Image, exposure: SkyExposure) -> Planes:
    """A simulated image (e-) in the units of its mission."""
    electrons, read = image.data.numpy().astype(np.float64), exposure.read_noise**2
    assert image.wcs is not None and image.saturated is not None
    saturated = image.saturated.numpy()
    return Planes(
        data=(electrons - exposure.pedestal) / exposure.gain,
        variance=(np.maximum(electrons, 0) + read) / exposure.gain**2,
        poisson=np.maximum(electrons, 0) / exposure.gain**2,
        bad=image.mask.numpy() & ~saturated,
        saturated=saturated,
        header=image.wcs.to_header(),
    )


def write_image(path: Path, image: Image, exposure: SkyExposure) -> None:
    """Write one image whole, or not at all; the same image gives the same bytes."""
    hdus = _LAYOUTS[exposure.mission.name](planes(image, exposure), exposure)
    buffer = io.BytesIO()
    fits.HDUList(hdus).writeto(buffer)
    content = buffer.getvalue()
    if path.suffix == ".gz":
        packed = io.BytesIO()
        with gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=1, mtime=0) as stream:
            stream.write(content)
        content = packed.getvalue()
    write_bytes(path, content)


def _start(exposure: SkyExposure, scale: str = "utc") -> Time:
    """Start of the exposure in a time scale."""
    return getattr(Time(exposure.mjd - exposure.seconds / 172800, format="mjd", scale="utc"), scale)


def _iso(time: Time) -> str:
    return str(Time(time, precision=6).isot)


def _nan_where(p: Planes, mask: Array) -> Array:
    return np.where(mask, np.nan, p.data).astype(np.float32)


def _with(header: fits.Header, **cards: Any) -> fits.Header:
    """A copy with cards; double underscores in names stand for hyphens."""
    out = header.copy()
    for name, value in cards.items():
        out[name.replace("__", "-")] = value
    return out


def _ztf(p: Planes, e: SkyExposure) -> list[Any]:
    header = _with(
        p.header,
        ORIGIN="Zwicky Transient Facility",
        TELESCOP="Palomar 48-inch",
        INSTRUME="ZTF/MOSAIC",
        FILTER=f"ZTF_{e.filter}",
        EXPTIME=e.seconds / e.frames,
        NFRAMES=e.frames,
        GAIN=e.gain,
        READNOI=e.read_noise,
        SATURATE=(e.full_well - e.pedestal) / e.gain,
        MAGZP=e.zero_point,
        OBSMJD=e.mjd - e.seconds / e.frames / 172800,
        BUNIT="DN",
    )
    return [fits.PrimaryHDU(_nan_where(p, p.bad), header)]


def _ps1(p: Planes, e: SkyExposure) -> list[Any]:
    header = _with(p.header, EXPTIME=e.seconds, MJD__OBS=float(_start(e, "tai").mjd))
    header["HIERARCH FPA.TELESCOPE"], header["HIERARCH FPA.INSTRUMENT"] = "PS1", "GPC1"
    header["HIERARCH FPA.FILTERID"] = f"{e.filter}.00000"
    header["HIERARCH FPA.ZP"] = e.zero_point - 2.5 * math.log10(e.seconds)
    header["HIERARCH CELL.GAIN"], header["HIERARCH CELL.READNOISE"] = e.gain, e.read_noise
    header["HIERARCH CELL.SATURATION"] = (e.full_well - e.pedestal) / e.gain
    good = ~p.bad
    soften, offset = float(np.sqrt(np.median(p.variance[good]))), float(np.median(p.data[good]))
    header["BSOFTEN"], header["BOFFSET"] = soften, offset
    data = np.where(p.bad, np.nan, stretched_flux(p.data, header)).astype(np.float32)
    # A fixed seed of the dither: the same image gives the same bytes.
    image = fits.CompImageHDU(data, header, compression_type="RICE_1", quantize_level=32, dither_seed=1)
    return [fits.PrimaryHDU(), image]


def _swift(p: Planes, e: SkyExposure) -> list[Any]:
    start = _start(e, "tt")
    end = Time(start.mjd + e.seconds / 86400, format="mjd", scale="tt")
    common = {
        "TELESCOP": "SWIFT",
        "INSTRUME": "UVOTA",
        "FILTER": e.filter,
        "TIMESYS": "TT",
        "MJDREFI": 51910,
        "MJDREFF": 7.4287037e-4,
        "TSTART": (start.mjd - 51910 - 7.4287037e-4) * 86400,
        "TSTOP": (end.mjd - 51910 - 7.4287037e-4) * 86400,
        "DATE-OBS": _iso(start),
        "DATE-END": _iso(end),
    }
    header = p.header.copy()
    header.update({**common, "EXPOSURE": e.seconds, "BUNIT": "count"})
    name = f"{e.filter.lower()}{int(common['TSTART'])}I"
    return [
        fits.PrimaryHDU(header=fits.Header(common)),
        fits.ImageHDU(np.rint(p.data).astype(np.float32), header, name=name),
    ]


def _galex(p: Planes, e: SkyExposure) -> list[Any]:
    day, hour = _iso(_start(e)).split("T")
    header = _with(
        p.header,
        BAND={"NUV": 1, "FUV": 2}[e.filter],
        TILENUM=10001,
        MPSTYPE="MIS",
        ECL0001=1,
        EXPTIME=e.seconds,
        OBS__DATE=day,
        TIME__OBS=hour,
        EXPSTART=(e.mjd - 44244.0) * 86400 - e.seconds / 2,  # s since 1980-01-06, no MJD
    )
    return [fits.PrimaryHDU(p.data.astype(np.float32), header)]


def _roman(p: Planes, e: SkyExposure) -> list[Any]:
    header = _with(
        p.header,
        FILTER=e.filter,
        SCA_NUM=1,
        EXPTIME=e.seconds,
        MJD__OBS=float(_start(e).mjd),
        ZPTMAG=e.mission.preset.area + 2.5 * math.log10(e.seconds) + (e.zero_point - _nominal(e)),
        SKY_MEAN=float(np.median(p.data)),
    )
    dq = np.where(p.bad | p.saturated, 1, 0).astype(np.int32)
    return [
        fits.PrimaryHDU(),
        fits.ImageHDU(p.data.astype(np.float32), header, "SCI"),
        fits.ImageHDU(np.sqrt(p.variance).astype(np.float32), name="ERR"),
        fits.ImageHDU(dq, name="DQ"),
    ]


def _nominal(e: SkyExposure) -> float:
    """Zero point (AB of one e-) of the image on a clear night."""
    return electron_zero_point(e.mission, e.filter) + 2.5 * math.log10(e.frames)


def _rubin(p: Planes, e: SkyExposure) -> list[Any]:
    middle = Time(e.mjd, format="mjd", scale="utc").tai
    primary = fits.Header()
    primary["TELESCOP"], primary["INSTRUME"] = "Simonyi Survey Telescope", "LSSTCam"
    primary["FILTER"], primary["EXPTIME"] = f"{e.filter}_57", e.seconds
    primary["TIMESYS"], primary["DATE-AVG"] = "TAI", _iso(middle)
    bits = np.where(p.bad, 1 << _AFW["BAD"], 0) | np.where(p.saturated, 1 << _AFW["SAT"], 0)
    named = fits.Header({f"{'' if len(name) <= 5 else 'HIERARCH '}MP_{name}": bit for name, bit in _AFW.items()})
    image = _with(p.header, BUNIT="nJy")
    options: dict[str, Any] = {"compression_type": "RICE_1", "quantize_level": 64, "dither_seed": 1}
    return [
        fits.PrimaryHDU(header=primary),
        fits.CompImageHDU(p.data.astype(np.float32), image, "IMAGE", **options),
        fits.CompImageHDU(bits.astype(np.int32), named, "MASK", compression_type="RICE_1"),
        fits.CompImageHDU(p.variance.astype(np.float32), fits.Header({"BUNIT": "nJy**2"}), "VARIANCE", **options),
    ]


def _jwst(p: Planes, e: SkyExposure) -> list[Any]:
    primary = fits.Header({"TELESCOP": "JWST", "INSTRUME": "NIRCAM", "FILTER": e.filter, "PUPIL": "CLEAR"})
    primary["TIMESYS"], primary["EFFEXPTM"] = "UTC", e.seconds
    primary["DATE-OBS"] = _iso(_start(e)).split("T")[0]
    header = _with(
        p.header,
        BUNIT="MJy/sr",
        PHOTMJSR=e.mission.preset.surface_brightness[e.filter],
        PIXAR_SR=e.mission.preset.pixel_area,
        XPOSURE=e.seconds,
        MJD__BEG=float(_start(e).mjd),
        MJD__AVG=e.mjd,
        MJD__END=e.mjd + e.seconds / 172800,
    )
    dq = np.where(p.bad, 1, 0) | np.where(p.saturated, 3, 0)
    return [
        fits.PrimaryHDU(header=primary),
        fits.ImageHDU(np.where(p.bad, np.nan, p.data).astype(np.float32), header, "SCI"),
        fits.ImageHDU(np.sqrt(p.variance).astype(np.float32), name="ERR"),
        fits.ImageHDU(dq.astype(np.uint32), name="DQ"),
        fits.ImageHDU(p.poisson.astype(np.float32), name="VAR_POISSON"),
    ]


_LAYOUTS: dict[str, Callable[[Planes, SkyExposure], list[Any]]] = {
    "ztf": _ztf,
    "ps1": _ps1,
    "swift": _swift,
    "galex": _galex,
    "roman": _roman,
    "rubin": _rubin,
    "jwst": _jwst,
}
