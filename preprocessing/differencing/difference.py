"""One pair of frames from loaded images to measured candidates: the order of the steps."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Annotated, Protocol

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from astrid_ml.contracts.check import given, given_columns, given_shape
from astrid_ml.errors import UserError
from astrid_ml.preprocessing.differencing.detect.measure import measure
from astrid_ml.preprocessing.differencing.detect.options import Peaks
from astrid_ml.preprocessing.differencing.detect.significance import Significance
from astrid_ml.preprocessing.differencing.frame.image import Image
from astrid_ml.preprocessing.differencing.grid.align import Align, AlignNone
from astrid_ml.preprocessing.differencing.pixels.fill import fill
from astrid_ml.preprocessing.differencing.pixels.masks import grow
from astrid_ml.preprocessing.differencing.pixels.typical import typical
from astrid_ml.preprocessing.differencing.quality import FrameQuality, Quality
from astrid_ml.preprocessing.differencing.sky.background import SubtractBackground
from astrid_ml.preprocessing.differencing.sky.noise import ImageNoise, Noise
from astrid_ml.preprocessing.differencing.stars.bright import BrightStars
from astrid_ml.preprocessing.differencing.stars.match import Matched, MatchStars
from astrid_ml.preprocessing.differencing.stars.psf import EmpiricalPsf, EstimatePsf, PsfEstimate
from astrid_ml.preprocessing.differencing.stars.register import Register, composed
from astrid_ml.preprocessing.differencing.stars.select import SelectStars, Sources, find_sources
from astrid_ml.preprocessing.differencing.subtract.pair import Subtract, SubtractionInput, SubtractionResult
from astrid_ml.preprocessing.differencing.subtract.refine import Refine
from astrid_ml.preprocessing.differencing.subtract.star_residuals import StarResiduals
from astrid_ml.preprocessing.differencing.subtract.steps import Zogy
from astrid_ml.preprocessing.differencing.subtract.tiles import Tiles
from astrid_ml.types import InUnits, NonNegative, Whole


class BackgroundStep(Protocol):
    """Takes the sky away. A step is a frozen dataclass: its fields are its parameters, a call is its work."""

    def __call__(self, image: Image) -> Image:
        """The image without its sky, of the same shape (H, W) and in the same unit, see :class:`Image`.

        What else it says of the sky (``sky``, ``sky_rms``) is kept; neither is needed.
        """


class AlignStep(Protocol):
    """Puts the reference onto the science grid."""

    def __call__(self, science: Image, reference: Image, correction: Tensor | None = None) -> Image:
        """The reference in the science image's shape (H, W); pixels that it does not cover are masked.

        ``correction`` is None, or the affine (2, 3) by which stars were found off, px.
        """


class RefineStep(Protocol):
    """Corrects PSFs and flux ratio of a pair."""

    def __call__(self, pair: SubtractionInput) -> tuple[SubtractionInput, dict[str, float]]:
        """The corrected pair, and numbers by name for ``quality.json``; an empty dictionary is welcome."""


class DetectStep(Protocol):
    """Finds candidates on a significance map."""

    def __call__(self, significance: Tensor, mask: Tensor) -> pd.DataFrame:
        """One row a candidate, from (H, W) significance in sigma and (H, W) bool, True where nothing may be found.

        Columns: ``x``, ``y`` (px, 0-based, centres at integers), ``snr`` (sigma), ``sign`` (1 or -1), ``flags`` (bits).
        """


FOUND = ("x", "y", "snr", "sign", "flags")


@dataclass(frozen=True)
class Difference:
    """A subtracted pair.

    Args:
        science, reference: background-free, on the science grid.
        pair: what was subtracted: PSFs, noises, flux ratio.
        result: with the significance after rescaling and the flux error to match.
        blank: (H, W), True on sky without sources.
        candidates: measured detections, most significant first.
        quality: what was found on the way.
        matched: the stars of both images.
    """

    science: Image
    reference: Image
    pair: SubtractionInput
    result: SubtractionResult
    blank: Tensor
    candidates: pd.DataFrame
    quality: Quality
    matched: Matched


@dataclass(frozen=True)
class Subtraction:
    """The steps between two loaded frames and candidates.

    Args:
        background, stars, register, align, psf, match, bright: the first steps, in order but for ``stars``, which
            serves ``psf`` and ``match``, and ``register``, which corrects ``align``; it and ``bright`` may be None.
        noise, refine, subtract, tiles, significance, residuals, detect: the further steps, in order.
        realign: px; the reference is resampled anew where stars show it this far off anywhere in the frame.
        blank_margin: px around sources that are not blank sky.
        allow_mixed: subtract frames of different filters or missions.
    """

    background: BackgroundStep = field(default_factory=SubtractBackground)
    stars: SelectStars = field(default_factory=SelectStars)
    register: Register | None = field(default_factory=Register)
    align: AlignStep = field(default_factory=Align)
    psf: EstimatePsf = field(default_factory=EmpiricalPsf)
    match: MatchStars = field(default_factory=MatchStars)
    bright: BrightStars | None = field(default_factory=BrightStars)
    noise: Noise = field(default_factory=Noise)
    refine: RefineStep = field(default_factory=Refine)
    subtract: Subtract = field(default_factory=Zogy)
    tiles: Tiles = field(default_factory=Tiles)
    residuals: StarResiduals = field(default_factory=StarResiduals)
    significance: Significance = field(default_factory=Significance)
    detect: DetectStep = field(default_factory=Peaks)
    realign: Annotated[NonNegative, InUnits("px")] = 0.03
    blank_margin: Annotated[Whole, InUnits("px")] = 5
    allow_mixed: bool = False

    def __call__(self, science: Image, reference: Image) -> Difference:
        """Subtract, check, detect, measure.

        Raises:
            UserError: frames that do not belong together, or any step's refusal.
        """
        if not self.allow_mixed:
            check_alike(science, reference)
        science = self.flat(science)
        found = find_sources(science)
        aligned, psf, ref_found, ref_psf, matched = self._registered(science, reference, found)
        science, aligned = self._without_bright(science, psf), self._without_bright(aligned, ref_psf)
        blank = self._blank(science, aligned, found, ref_found)
        noises = tuple(given(self, "noise", self.noise(image, blank)) for image in (science, aligned))
        pair = SubtractionInput(
            science=science.data,
            reference=aligned.data,
            variances=(noises[0].variance, noises[1].variance),
            masks=(science.mask, aligned.mask),
            psfs=same_size(psf.psf, ref_psf.psf),
            noises=(noises[0].autocovariance, noises[1].autocovariance),
            flux_ratio=matched.flux_ratio,
            astrometric_sigma=matched.sigma,
            stars=_positions(matched),
            difference_noises=_difference_noises(*noises),
        )
        pair, refined = self._refined(pair)
        result = given(self, "tiles", self.tiles(self._subtracted, pair))
        blank &= ~result.mask
        scaled, check = given(self, "significance", self.significance(result.significance, result.diff, blank))
        result = replace(result, significance=scaled, flux_error=result.flux_error * check.scale)
        result, residuals = given(self, "residuals", self.residuals(result, pair, matched))
        sources = ref_found.table[["x", "y"]].to_numpy()
        fwhm = max(psf.fwhm, 1.5)
        candidates = measure(self._detected(result), result, science, sources, fwhm)
        quality = Quality(
            science=_frame_quality(science, psf, noises[0]),
            reference=_frame_quality(aligned, ref_psf, noises[1]),
            significance=check,
            overlap=aligned.overlap,
            realigned=aligned.realigned,
            matched_stars=int(matched.stars["kept"].sum()) if len(matched.stars) else 0,
            flux_ratio=float(pair.flux_ratio),
            flux_ratio_err=None if math.isnan(matched.flux_ratio_err) else matched.flux_ratio_err,
            astrometric_sigma=matched.sigma,
            registration_left=_largest(matched.shift, science.shape),
            gain_known=science.gain_known,
            variance_from=science.variance_from,
            mission=science.mission,
            filter=science.filter,
            candidates=len(candidates),
            figures=refined | residuals | result.quality,
            warnings=(*psf.warnings, *ref_psf.warnings, *matched.warnings, *check.warnings),
        )
        return Difference(science, aligned, pair, result, blank, candidates, quality, matched)

    def flat(self, image: Image) -> Image:
        """The image without its sky, masked pixels 0. The sky itself is not kept: it is as large as the image."""
        flat = given(self, "background", self.background(image))
        given_shape(self, "background", flat.shape, image.shape)
        if flat.sky is None:  # the step's protocol asks for the image alone
            flat = flat.with_(sky=typical(image.data - flat.data, ~image.mask))
        return flat.with_(data=flat.data.masked_fill(flat.mask, 0.0), background=None)

    def _psf(self, image: Image, found: Sources, other: Sources) -> PsfEstimate:
        stars = given(self, "stars", self.stars(image, found, other))
        return given(self, "psf", self.psf(image, found, stars))

    def _registered(
        self, science: Image, reference: Image, found: Sources
    ) -> tuple[Image, PsfEstimate, Sources, PsfEstimate, Matched]:
        """The reference on the science grid, resampled a second time where stars show it off; both PSFs."""
        reference = self.flat(reference)
        reference = reference.with_(data=fill(reference.data, reference.mask))
        aligned, ref_found, start, said = self._by_pattern(science, reference, found)
        psf = self._psf(science, found, ref_found)
        ref_psf = self._psf(aligned, ref_found, found)
        matched = self._matched(science, aligned, psf, ref_psf)
        for _ in range(2):
            if self.realign <= 0 or _largest(matched.shift, science.shape) <= self.realign:
                break
            start = matched.shift if start is None else composed(start, matched.shift)
            again = self._aligned(science, reference, start)
            if torch.equal(again.data, aligned.data):
                break
            aligned = again.with_(realigned=True)
            ref_found = find_sources(aligned)
            ref_psf = self._psf(aligned, ref_found, found)
            matched = self._matched(science, aligned, psf, ref_psf)
        return aligned, psf, ref_found, ref_psf, replace(matched, warnings=(*said, *matched.warnings))

    def _by_pattern(
        self, science: Image, reference: Image, found: Sources
    ) -> tuple[Image, Sources, Tensor | None, tuple[str, ...]]:
        """The reference on the science grid by its header, or by the pattern of its sources where they say otherwise.

        Returns:
            The reference, its sources there, how far (px) its header was off (an affine, None where it was right), and
            what to say of it.
        """
        blind = science.wcs is None or reference.wcs is None
        if blind and self.register is not None and not isinstance(self.align, AlignNone):
            raw = find_sources(reference)
            agreed = given(self, "register", self.register(found.places, raw.places, reference.shape))
            if agreed is None:
                got = (
                    f"a frame without one, and {len(found.table)} and {len(raw.table)} sources without a common pattern"
                )
                raise UserError("frames with a celestial WCS, or with stars in common", got, "give the WCS")
            aligned = self._aligned(science, reference, agreed.offset)
            said = f"no WCS: {agreed.matched} sources that both images hold put the reference in its place"
            return aligned.with_(realigned=True), find_sources(aligned), agreed.offset, (said,)
        aligned = self._aligned(science, reference)
        sources = find_sources(aligned)
        if self.register is None:
            return aligned, sources, None, ()
        agreed = given(self, "register", self.register(found.places, sources.places, science.shape))
        off = 0.0 if agreed is None else _largest(agreed.offset, science.shape)
        if agreed is None or off < self.register.tolerance:
            return aligned, sources, None, ()
        found_off = f"the header puts the reference up to {off:.1f} px off {agreed.matched} sources of both images"
        again = self._aligned(science, reference, agreed.offset)
        if torch.equal(again.data, aligned.data):
            return aligned, sources, None, (f"{found_off}; this preprocessing/align corrects nothing",)
        return again.with_(realigned=True), find_sources(again), agreed.offset, (f"{found_off}: corrected",)

    def _matched(self, science: Image, aligned: Image, psf: PsfEstimate, ref_psf: PsfEstimate) -> Matched:
        psfs = (central(psf.psf), central(ref_psf.psf))
        return given(self, "match", self.match(science, aligned, psfs, psf.positions))

    def _aligned(self, science: Image, reference: Image, correction: Tensor | None = None) -> Image:
        """The reference on the science grid; what it is and when it was taken does not change by that."""
        out = given(self, "align", self.align(science, reference, correction))
        given_shape(self, "align", out.shape, science.shape)
        kept = ("sky", "zero_point", "unit", "mission", "filter", "mjd", "exposure_time", "name", "no_data")
        return out.with_(**{name: getattr(reference, name) for name in kept})

    def _without_bright(self, image: Image, psf: PsfEstimate) -> Image:
        """The image with the surroundings of saturated stars masked."""
        if self.bright is None or image.saturated is None or not bool(image.saturated.any()):
            return image
        found = given(self, "bright", self.bright(image, central(psf.psf)))
        return image.with_(mask=image.mask | found.mask)

    def _refined(self, pair: SubtractionInput) -> tuple[SubtractionInput, dict[str, float]]:
        if pair.psfs[0].ndim == 4 or pair.psfs[1].ndim == 4:
            return pair, {"refined": 0.0}
        return given(self, "refine", self.refine(pair))

    def _subtracted(self, pair: SubtractionInput) -> SubtractionResult:
        """One tile, or the whole pair."""
        result = given(self, "subtract", self.subtract(pair))
        given_shape(self, "subtract", tuple(result.diff.shape), tuple(pair.science.shape))
        return result

    def _detected(self, result: SubtractionResult) -> pd.DataFrame:
        found = given(self, "detect", self.detect(result.significance, result.mask))
        given_columns(self, "detect", found, FOUND)
        return found

    def _blank(self, science: Image, aligned: Image, *found: Sources) -> Tensor:
        covered = found[0].covered | found[1].covered
        return ~(grow(covered, self.blank_margin) | science.mask | aligned.mask)


def check_alike(science: Image, reference: Image) -> None:
    """Refuse frames of different filters or missions: their colours differ, so that stars leave residuals."""
    for name in ("filter", "mission"):
        a, b = getattr(science, name), getattr(reference, name)
        if a and b and str(a).lower() != str(b).lower():
            fix = (
                "choose a reference of the same kind, or set preprocessing.allow_mixed=true and expect colour residuals"
            )
            raise UserError(f"two frames of one {name}", f"{a} and {b} ({science.name}, {reference.name})", fix)


def same_size(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Two PSFs (..., k, k) padded with zeros to one odd size."""
    size = max(a.shape[-2], a.shape[-1], b.shape[-2], b.shape[-1])
    out = []
    for psf in (a, b):
        y, x = (size - psf.shape[-2]) // 2, (size - psf.shape[-1]) // 2
        out.append(torch.nn.functional.pad(psf, (x, x, y, y)))
    return out[0], out[1]


def central(psf: Tensor) -> Tensor:
    """The one PSF of (k, k), or the mean of a grid (t, t, k, k)."""
    return psf if psf.ndim == 2 else psf.mean((0, 1))


def _largest(shift: Tensor, shape: tuple[int, int]) -> float:
    """Largest offset (px) of an affine (2, 3) over the corners of a frame."""
    h, w = shape
    corners = torch.tensor([[1.0, x, y] for x in (0, w - 1) for y in (0, h - 1)], dtype=torch.double)
    return float((corners @ shift.double().T).abs().max())


def _positions(matched: Matched) -> Tensor:
    kept = matched.stars[matched.stars["kept"]] if len(matched.stars) else matched.stars
    return torch.from_numpy(kept[["x", "y"]].to_numpy(dtype=np.float64, copy=True))


def _difference_noises(*noises: ImageNoise) -> tuple[Tensor, Tensor] | None:
    """What DIFF is whitened by, where measured noise replaced the propagated."""
    if not any(noise.measured for noise in noises):
        return None
    return noises[0].propagated, noises[1].propagated


def _frame_quality(image: Image, psf: PsfEstimate, noise: ImageNoise) -> FrameQuality:
    assert image.sky is not None  # set by Subtraction.flat
    return FrameQuality(psf.fwhm, psf.source, psf.n_stars, image.sky, image.mjd, noise, image.no_data, image.header)
