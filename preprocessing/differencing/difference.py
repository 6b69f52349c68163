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
from astrid_ml.preprocessing.differencing.pixels.masks import grow
from astrid_ml.preprocessing.differencing.pixels.typical import typical
from astrid_ml.preprocessing.differencing.quality import FrameQuality, Quality
from astrid_ml.preprocessing.differencing.registered import Registered, Registering, central, largest
from astrid_ml.preprocessing.differencing.sky.noise import ImageNoise, Noise
from astrid_ml.preprocessing.differencing.stars.bright import BrightStars
from astrid_ml.preprocessing.differencing.stars.match import Matched
from astrid_ml.preprocessing.differencing.stars.psf import PsfEstimate
from astrid_ml.preprocessing.differencing.stars.select import Sources, find_sources, partners
from astrid_ml.preprocessing.differencing.subtract.pair import Subtract, SubtractionInput, SubtractionResult
from astrid_ml.preprocessing.differencing.subtract.refine import Refine
from astrid_ml.preprocessing.differencing.subtract.star_residuals import StarResiduals
from astrid_ml.preprocessing.differencing.subtract.steps import Zogy
from astrid_ml.preprocessing.differencing.subtract.tiles import Tiles
from astrid_ml.preprocessing.differencing.subtract.zogy import best_error
from astrid_ml.types import InUnits, Whole


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


_HIDDEN = 0.02  # px; a larger shift of the reference is no matter of its PSF: pixels are moved
_MOVES = 2
_STATIC = 16  # places at which the subtraction is refined
_DEEP = 0.9  # of the depth that both images allow; less is said
_APART = 5.0  # px; a source nearer to a star is the star
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
class _Ready:
    """A pair before it is subtracted; ``refined`` holds what the refinement says of itself."""

    science: Image
    reference: Image
    blank: Tensor
    noises: tuple[ImageNoise, ImageNoise]
    pair: SubtractionInput
    refined: dict[str, float]

    @property
    def shift(self) -> Tensor:
        """Affine (2, 3): how far (px) the refinement found the reference off, and hid it in its PSF."""
        shift = torch.zeros(2, 3, dtype=torch.double)
        shift[:, 0] = torch.tensor([self.refined.get("refine_dx", 0.0), self.refined.get("refine_dy", 0.0)])
        return shift

    @property
    def hidden(self) -> float:
        """Its length, px."""
        return math.hypot(*self.shift[:, 0].tolist())


@dataclass(frozen=True)
class Subtraction(Registering):
    """The steps between two loaded frames and candidates.

    Args:
        background, stars, register, align, psf, match, realign: of :class:`Registering`, the first steps.
        bright: masks around saturated stars; may be None.
        noise, refine, subtract, tiles, significance, residuals, detect: the further steps, in order.
        blank_margin: px around sources that are not blank sky.
        allow_mixed: subtract frames of different filters or missions.
    """

    bright: BrightStars | None = field(default_factory=BrightStars)
    noise: Noise = field(default_factory=Noise)
    refine: RefineStep = field(default_factory=Refine)
    subtract: Subtract = field(default_factory=Zogy)
    tiles: Tiles = field(default_factory=Tiles)
    residuals: StarResiduals = field(default_factory=StarResiduals)
    significance: Significance = field(default_factory=Significance)
    detect: DetectStep = field(default_factory=Peaks)
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
        placed = self.registered(science, reference, found)
        ready = self._ready(science, placed, found)
        for _ in range(_MOVES):
            if ready.hidden <= _HIDDEN:
                break
            moved = self.moved(science, placed, found, ready.shift)
            if moved is None:
                break
            placed = moved
            ready = self._ready(science, placed, found)
        return self._measured(ready, placed)

    def _ready(self, science: Image, placed: Registered, found: Sources) -> _Ready:
        """The pair as it is subtracted: masked around bright stars, with its noise, refined."""
        psf, ref_psf, matched = placed.psf, placed.reference_psf, placed.matched
        science, aligned = self._without_bright(science, psf), self._without_bright(placed.reference, ref_psf)
        blank = self._blank(science, aligned, found, placed.found)
        noises = (
            given(self, "noise", self.noise(science, blank)),
            given(self, "noise", self.noise(aligned, blank)),
        )
        pair = SubtractionInput(
            science=science.data,
            reference=aligned.data,
            variances=(noises[0].variance, noises[1].variance),
            masks=(science.mask, aligned.mask),
            psfs=same_size(psf.psf, ref_psf.psf),
            noises=(noises[0].autocovariance, noises[1].autocovariance),
            flux_ratio=matched.flux_ratio,
            astrometric_sigma=matched.sigma,
            stars=self._static(matched, found, placed.found, science.mask | aligned.mask),
            difference_noises=_difference_noises(*noises),
            flux_ratio_err=0.0 if math.isnan(matched.flux_ratio_err) else matched.flux_ratio_err,
        )
        pair, refined = self._refined(pair)
        return _Ready(science, aligned, blank, noises, pair, refined)

    def _static(self, matched: Matched, found: Sources, ref_found: Sources, mask: Tensor) -> Tensor:
        """Places (n, 2) at which a static sky leaves nothing: the matched stars; where they are few, galaxies too."""
        stars = _kept(matched)[["x", "y"]].to_numpy(dtype=np.float64)
        if 0 < len(stars) < _STATIC:
            table = found.table[partners(found, ref_found)[0] & (found.table["snr"] >= self.stars.min_snr)]
            x, y = (table[c].round().to_numpy(dtype=int) for c in ("x", "y"))
            far = np.hypot(*(table[["x", "y"]].to_numpy()[:, None] - stars).transpose(2, 0, 1)).min(1) > _APART
            free = ~grow(mask, self.stars.margin // 2).numpy()[y, x] & far
            stars = np.concatenate([stars, table[["x", "y"]].to_numpy()[free][: _STATIC - len(stars)]])
        return torch.from_numpy(stars.copy())

    def _measured(self, ready: _Ready, placed: Registered) -> Difference:
        """Subtracted, checked, detected, measured."""
        science, pair, matched, stars = ready.science, ready.pair, placed.matched, _kept(placed.matched)
        result = given(self, "tiles", self.tiles(self._subtracted, pair))
        blank = ready.blank & ~result.mask
        scaled, check = given(self, "significance", self.significance(result.significance, result.diff, blank))
        result = replace(result, significance=scaled, flux_error=result.flux_error * check.scale)
        depth, shallow = _depth(result, ready, blank)
        result, residuals = given(self, "residuals", self.residuals(result, pair, matched))
        sources = placed.found.table[["x", "y"]].to_numpy()
        candidates = measure(
            self._detected(result), result, science, sources, max(placed.psf.fwhm, 1.5), placed.psf.width_error
        )
        quality = Quality(
            science=_frame_quality(science, placed.psf, ready.noises[0], stars.get("chi2_science")),
            reference=_frame_quality(
                ready.reference, placed.reference_psf, ready.noises[1], stars.get("chi2_reference")
            ),
            significance=check,
            overlap=ready.reference.overlap,
            realigned=ready.reference.realigned,
            matched_stars=len(stars),
            flux_ratio=float(pair.flux_ratio),
            flux_ratio_err=None if math.isnan(matched.flux_ratio_err) else matched.flux_ratio_err,
            astrometric_sigma=matched.sigma,
            registration_left=largest(matched.shift, science.shape),
            gain_known=science.gain_known,
            variance_from=science.variance_from,
            mission=science.mission,
            filter=science.filter,
            candidates=len(candidates),
            depth_reached=depth,
            figures=ready.refined | residuals | result.quality,
            warnings=(
                *placed.psf.warnings,
                *placed.reference_psf.warnings,
                *placed.warnings,
                *check.warnings,
                *shallow,
            ),
        )
        return Difference(science, ready.reference, pair, result, blank, candidates, quality, matched)

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


def _kept(matched: Matched) -> pd.DataFrame:
    """The matched stars that serve the flux ratio."""
    kept: pd.DataFrame = matched.stars[matched.stars["kept"]] if len(matched.stars) else matched.stars
    return kept


def _depth(result: SubtractionResult, ready: _Ready, blank: Tensor) -> tuple[float | None, tuple[str, ...]]:
    """Least error of a flux that both images allow, over that of blank sky, and what to say where it is low.

    What the reference allows is the noise of all that a pixel of the grid covers of it, as its variance says; where
    blank sky says otherwise of a noise whose correlation is known, what blank sky says.
    """
    if not bool(blank.any()):
        return None, ()
    reference, noise, pair = ready.reference, ready.noises[1], ready.pair
    told = noise.measured and reference.noise_autocorrelation is not None
    density = noise.autocovariance if told or reference.noise_density is None else reference.noise_density
    psfs = central(pair.psfs[0]), central(pair.psfs[1])
    depth = best_error(psfs, (pair.noises[0], density), float(pair.flux_ratio)) / typical(result.flux_error, blank)
    if not depth < _DEEP:
        return depth, ()
    return depth, (f"the difference reaches {depth:.0%} of the depth that both images allow",)


def _difference_noises(*noises: ImageNoise) -> tuple[Tensor, Tensor] | None:
    """What DIFF is whitened by, where measured noise replaced the propagated."""
    if not any(noise.measured for noise in noises):
        return None
    return noises[0].propagated, noises[1].propagated


def _frame_quality(image: Image, psf: PsfEstimate, noise: ImageNoise, chi2: pd.Series | None) -> FrameQuality:
    assert image.sky is not None  # set by Subtraction.flat
    return FrameQuality(
        fwhm=psf.fwhm,
        psf_from=psf.source,
        psf_stars=psf.n_stars,
        background=image.sky,
        mjd=image.mjd,
        noise=noise,
        psf_width_error=psf.width_error,
        psf_chi2=None if chi2 is None or not len(chi2) else float(chi2.median()),
        no_data=image.no_data,
        header=image.header,
    )
