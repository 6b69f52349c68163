"""Frames from FITS files: the right HDU, native floats, a mask, a variance and a calibration, or a clear refusal."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
from astropy.io import fits
from astropy.wcs import WCS

from astrid_ml.days import OBSERVED
from astrid_ml.errors import UserError
from astrid_ml.preprocessing.differencing.frame.hdus import (
    celestial_wcs,
    companion,
    merged_header,
    open_fits,
    plane,
    science_hdu,
    split_name,
    stated_variance,
)
from astrid_ml.preprocessing.differencing.frame.header.said import HeaderAccount
from astrid_ml.preprocessing.differencing.frame.header.sky_frame import in_icrs
from astrid_ml.preprocessing.differencing.frame.headers import FrameCalibration, read_calibration
from astrid_ml.preprocessing.differencing.frame.image import Image
from astrid_ml.preprocessing.differencing.frame.no_data import NoData, find_no_data
from astrid_ml.preprocessing.differencing.frame.planes import gain_from_variance, linear_flux, mask_of_file, named_mask
from astrid_ml.preprocessing.differencing.frame.saturation import integer_ceiling, saturated_pixels
from astrid_ml.preprocessing.differencing.frame.white_noise import level_of, white_sigma
from astrid_ml.preprocessing.surveys.registry import Described, survey_named, surveys_of
from astrid_ml.preprocessing.surveys.survey import MaskBits
from astrid_ml.readable import reading
from astrid_ml.types import Array, Existing, InUnits, Mask, NonNegative, Positive, Range, Whole, ZeroPoint

_BESIDE = ("DQ", "MASK", "VAR_POISSON")


@dataclass(frozen=True)
class Frame:
    """A file and what the user knows better than its header.

    Args:
        path: FITS file (.gz and .fz too); ``FILE[EXT]`` names an HDU. None where a manifest names the frames.
        ext: name or number of the HDU, instead of ``[EXT]``.
        psf: file of a PSF stamp (k, k).
        noise, variance: file of sigma, or of variance, (H, W) in image units (squared).
        mask: file, (H, W); read by the survey's bits where it has such, else nonzero is bad.
        gain: effective gain, e- per image unit.
        read_noise: e- of one pixel of the whole frame; of the mean or sum of N reads sqrt(N) times that of one.
        zero_point: AB magnitude of one image unit.
        filter: name of the filter.
        mission: name of the mission, in any spelling.
        mjd: mid-exposure, UTC.
    """

    path: str | None
    ext: str | int | None = None
    psf: Existing | None = None
    noise: Existing | None = None
    variance: Existing | None = None
    mask: Existing | None = None
    gain: Annotated[Positive, InUnits("e-/unit")] | None = None
    read_noise: Annotated[NonNegative, InUnits("e-")] | None = None
    zero_point: Annotated[ZeroPoint, InUnits("mag")] | None = None
    filter: str | None = None
    mission: str | None = None
    mjd: Annotated[float, Range(0.0, OBSERVED[1]), InUnits("d")] | None = None

    def __post_init__(self) -> None:
        if self.noise and self.variance:
            raise UserError("the noise of an image once", "its sigma and its variance", "leave out noise or variance")

    @property
    def file(self) -> str:
        """The path; a frame without one is refused."""
        if self.path is None:
            raise UserError("a FITS file for each frame of the pair", "none", "give both, or a manifest of pairs")
        return self.path


@dataclass(frozen=True)
class LoadFits:
    """Read a frame.

    Args:
        need_wcs: refuse frames without celestial coordinates.
        bad_bits: bits of a DQ extension that mask a pixel; None is the survey's (JWST, Roman: bit 1; else
            any).
        survey: whose frames they are: a name, a YAML file or its content; None lets each header say it; a list of
            contents lets it say one of these too.
        constant_is_data: keep regions and borders of one value, which are taken as without data.
    """

    need_wcs: bool = True
    bad_bits: Whole | None = None
    survey: Described = None
    constant_is_data: bool = False

    def __call__(self, frame: Frame) -> Image:
        """The frame as an Image (background still in).

        Raises:
            UserError: unreadable file, no image HDU, not 2-D, too thin, no valid or only equal pixels, no WCS.
        """
        path, ext = split_name(frame.file, frame.ext)
        with reading(Path(path)):
            return self._image(frame, path, ext)

    def _image(self, frame: Frame, path: str, ext: str | int | None) -> Image:
        with open_fits(path) as hdus:
            index = science_hdu(hdus, ext, path)
            header = merged_header(hdus, index)
            said = read_calibration(header, Path(path).name, surveys_of(self.survey), frame.mission)
            file = _read_planes(hdus, index, path, said)
        data, extras = linear_flux(file.data, header), file.beside
        _check(data, path)
        saturated = saturated_pixels(data, said.saturation, file.ceiling)
        mask = self._mask(data, file, said) | saturated
        if frame.mask:
            mask |= _named_mask(frame.mask, data.shape, said)
        empty = NoData(np.zeros((), bool)) if self.constant_is_data else find_no_data(file.data, mask)
        mask |= empty.mask
        variance, source, origin = _variance(data, mask, frame, file.stated, said)
        mask |= ~(np.isfinite(variance) & (variance > 0))
        if mask.all():
            raise UserError("pixels that can be used", f"{path} with every pixel masked", "check the mask or DQ bits")
        sound = np.isfinite(variance) & (variance > 0)
        if not sound.all():
            variance = np.where(sound, variance, np.median(variance[~mask]))
        gain = frame.gain or said.gain
        if gain is None and source:
            gain = gain_from_variance(data, extras.get("VAR_POISSON", variance), ~mask)
        wcs = self._coordinates(celestial_wcs(header, path, self.need_wcs), path, said.account)
        return Image(
            data=torch.from_numpy(np.where(np.isfinite(data), data, 0.0).astype(np.float32)),
            variance=torch.from_numpy(variance.astype(np.float32)),
            mask=torch.from_numpy(mask),
            wcs=wcs,
            psf=_psf(frame, file.psf, data.shape, path),
            psf_named=frame.psf is not None,
            gain=gain or 1.0,
            read_noise=frame.read_noise if frame.read_noise is not None else said.read_noise or 0.0,
            zero_point=frame.zero_point if frame.zero_point is not None else said.zero_point,
            unit=said.unit,
            mission=frame.mission or said.mission,
            filter=frame.filter or said.filter,
            mjd=frame.mjd if frame.mjd is not None else said.mjd,
            time_ref="given" if frame.mjd is not None else said.time_ref,
            exposure_time=said.exposure_time,
            variance_includes_source=source,
            name=Path(path).name,
            hdu=index,
            variance_from=origin,
            gain_known=gain is not None,
            saturated=torch.from_numpy(saturated),
            no_data=float(np.mean(np.broadcast_to(empty.mask | ~np.isfinite(data), data.shape))),
            header=_account(frame, said.account, gain is not None and said.gain is None, empty),
        )

    def _coordinates(self, wcs: WCS | None, path: str, account: HeaderAccount) -> WCS | None:
        """The WCS in ICRS; None where it cannot be and is not needed."""
        if wcs is None:
            return None
        try:
            wcs, account.read["coordinates"] = in_icrs(wcs, path)
        except UserError as error:
            if self.need_wcs:
                raise
            account.unknown["coordinates"] = error.got
            return None
        return wcs

    def _mask(self, data: Array, file: _File, said: FrameCalibration) -> Mask:
        """Pixels without a value, flagged ones, and those of weight 0."""
        rules = said.survey.mask if said.survey else MaskBits()
        mask: Mask = ~np.isfinite(data) | _flagged(file.beside.get("DQ"), self._bits(rules))
        mask |= named_mask(file.beside.get("MASK"), file.flags, rules if rules.named else survey_named("rubin").mask)
        return mask | ~(file.beside["WHT"] > 0) if "WHT" in file.beside else mask

    def _bits(self, rules: MaskBits) -> int:
        """Those that are given, else the survey's; of a survey whose description has none, any bit."""
        if self.bad_bits is not None:
            return self.bad_bits
        return -1 if rules.value is None or rules.extension != "DQ" else rules.value


@dataclass(frozen=True)
class _File:
    """What a file holds of an image.

    Args:
        data: (H, W), as it is stored.
        beside: planes of its shape, by the names of ``_BESIDE``, and ``WHT``.
        stated: variance, image units squared, and what says it.
        flags: header of the mask.
        psf: stamp.
        ceiling: largest integer that the pixels can hold.
    """

    data: Array
    beside: dict[str, Array]
    stated: tuple[Array, str] | None
    flags: fits.Header | None
    psf: Array | None
    ceiling: float | None


def _read_planes(hdus: fits.HDUList, index: int, path: str, said: FrameCalibration) -> _File:
    ceiling = integer_ceiling(hdus[index].header)
    data = plane(hdus[index], path)
    weight = (said.survey.header.weight if said.survey else None) or "WHT"
    names = {name: name for name in _BESIDE} | {"WHT": weight}
    found = {name: companion(hdus, index, word, data.shape) for name, word in names.items()}
    beside = {name: np.asarray(hdu.data) for name, hdu in found.items() if hdu is not None}
    return _File(
        data,
        beside,
        stated_variance(hdus, index, data.shape, said.survey.header.uncertainty if said.survey else None),
        next((h.header for h in hdus if h.name == "MASK"), None),
        next((np.array(h.data, float) for h in hdus if h.name == "PSF" and h.data is not None), None),
        ceiling,
    )


def _account(frame: Frame, account: HeaderAccount, gain_measured: bool, empty: NoData) -> dict[str, dict[str, str]]:
    """What the header gave, with what the user knew better and what the pixels show."""
    if empty.values:
        values = ", ".join(f"{value:g}" for value in empty.values)
        account.assumed["no_data"] = f"{float(empty.mask.mean()):.4f} of the pixels, which are exactly {values}"
    for name in ("gain", "read_noise", "zero_point", "filter", "mission", "mjd"):
        if getattr(frame, name) is not None:
            account.assumed.pop(name, None)
            account.unknown.pop(name, None)
            account.doubted.pop(name, None)
            account.read[name], account.values[name] = "given", str(getattr(frame, name))
    if gain_measured and frame.gain is None:
        account.unknown.pop("gain", None)
        account.read["gain"] = "the growth of the variance with flux"
    return account.record()


def _check(data: Array, path: str) -> None:
    finite = data[np.isfinite(data)]
    if finite.size == 0:
        raise UserError("an image with finite pixels", f"{path}, all NaN", "use another frame")
    if min(data.shape) < 32:
        raise UserError("an image of at least 32 x 32 pixels", f"{path} with {data.shape}", "use a larger frame")
    if np.ptp(finite) == 0:
        raise UserError("an image with structure", f"{path}, constant at {finite[0]:g}", "use another frame")


def _named_mask(path: str, shape: tuple[int, ...], said: FrameCalibration) -> Mask:
    """The bad pixels of a mask's file; what told them goes into the account."""
    name, ext = split_name(path, None)
    with reading(Path(name)), open_fits(name) as hdus:
        images = [i for i, h in enumerate(hdus) if h.is_image and len(h.shape) >= 2]
        header = merged_header(hdus, (images or [0])[0] if ext is None else science_hdu(hdus, ext, name))
    rules = said.survey.mask if said.survey else MaskBits()
    bad, said.account.read["mask"] = mask_of_file(_plane_of(path, shape), header, rules, survey_named("rubin").mask)
    return np.asarray(bad)


def _flagged(dq: Array | None, bits: int) -> Array:
    return np.zeros((), bool) if dq is None else (dq.astype(np.int64) & bits) != 0


def _plane_of(path: str, shape: tuple[int, ...] | None, stretched: bool = False) -> Array:
    """The pixels of a file; of a map of noise also where it is stretched as its image is (PS1)."""
    name, ext = split_name(path, None)
    with reading(Path(name)), open_fits(name) as hdus:
        images = [i for i, h in enumerate(hdus) if h.is_image and len(h.shape) >= 2]
        if ext is None and not images:
            raise UserError("an image in the file", f"none in {path}", "name the HDU as FILE[EXT]")
        index = images[0] if ext is None else science_hdu(hdus, ext, name)
        data = plane(hdus[index], path)
        data = linear_flux(data, merged_header(hdus, index)) if stretched else data
    if shape is not None and data.shape != shape:
        raise UserError(f"a map of the image's shape {shape}", f"{path} with {data.shape}", "give one that fits")
    return data


def _variance(
    data: Array, mask: Array, frame: Frame, stated: tuple[Array, str] | None, said: FrameCalibration
) -> tuple[Array, bool, str]:
    """Variance (image units squared), whether it holds the sources' noise, and where it came from."""
    if frame.variance:
        return _plane_of(frame.variance, data.shape, True), True, "variance file"
    if frame.noise:
        return np.square(_plane_of(frame.noise, data.shape, True)), True, "noise file"
    if stated is not None:
        return stated[0], True, stated[1]
    level, sigma = level_of(data, mask), white_sigma(data, mask)
    gain = frame.gain or said.gain
    noise = frame.read_noise if frame.read_noise is not None else said.read_noise or 0.0
    floor = max(sigma**2, (noise / gain) ** 2 if gain else 0.0, 1e-12)
    if not gain:
        return np.full(data.shape, floor), False, "blank sky (no gain known)"
    source = np.nan_to_num(data) - level
    # positive noise is no source: counted as one it would add 1 % to the sky's sigma
    return floor + np.where(source > 3 * floor**0.5, source, 0.0) / gain, True, "blank sky and gain"


def _psf(frame: Frame, stamp: Array | None, shape: tuple[int, ...], path: str) -> torch.Tensor | None:
    """The PSF that is named, else the one in the file; None where there is none."""
    named = _plane_of(frame.psf, None) if frame.psf else stamp
    psf = None if named is None else _stamp(named)
    if psf is not None and max(psf.shape) > min(shape) / 2:
        got = f"{frame.psf or path}: a stamp of {tuple(psf.shape)} px for an image of {shape} px"
        raise UserError("a PSF stamp of at most half the image's side", got, "give the PSF, or a part about its peak")
    if psf is not None:
        _refuse_flat(psf.numpy())
    return psf


def _refuse_flat(psf: Array) -> None:
    """A stamp that does not fall off from a peak is no PSF: a constant, noise, or one on a background."""
    border = np.median(np.concatenate([psf[0], psf[-1], psf[:, 0], psf[:, -1]]))
    if psf.max() < 2 * border or -psf[psf < 0].sum() > psf.sum():
        got = f"a stamp of sum 1 with a peak of {psf.max():.3g} and a border of {border:.3g}"
        raise UserError("a PSF stamp that falls off from its peak", got, "give another PSF, without its background")


def _stamp(psf: Array) -> torch.Tensor:
    psf = np.nan_to_num(np.asarray(psf, dtype=np.float64))
    if psf.ndim != 2 or min(psf.shape) < 3 or psf.sum() <= 0:
        raise UserError(
            "a PSF stamp (k, k) of positive sum", f"shape {psf.shape}, sum {psf.sum():g}", "give another PSF"
        )
    psf = psf[: psf.shape[0] - (psf.shape[0] + 1) % 2, : psf.shape[1] - (psf.shape[1] + 1) % 2]
    return torch.from_numpy((psf / psf.sum()).astype(np.float32))
