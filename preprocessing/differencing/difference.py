"""One pair of frames from loaded images to measured candidates: the order of the steps."""

from __future__ import annotations

import math
from collections.abc import Callable
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
from astrid_ml.preprocessing.differencing.detect.poisson import Counts, DetectsCounts
from astrid_ml.preprocessing.differencing.detect.purity import purity
from astrid_ml.preprocessing.differencing.detect.sharp import SHARP, on_single_pixel
from astrid_ml.preprocessing.differencing.detect.significance import Significance, thinned
from astrid_ml.preprocessing.differencing.frame.image import Image
from astrid_ml.preprocessing.differencing.pixels.masks import grow
from astrid_ml.preprocessing.differencing.quality import Quality, doubts, frame_quality
from astrid_ml.preprocessing.differencing.ready import (
    Made,
    Ready,
    counts_of,
    depth_reached,
    difference_noises,
    faint,
    few_counts,
    noise_correlation,
    refuse_nothing,
    same_size,
    whitening_noises,
)
from astrid_ml.preprocessing.differencing.registered import Registered, Registering, central, largest
from astrid_ml.preprocessing.differencing.sky.noise import Noise
from astrid_ml.preprocessing.differencing.stars.bright import BrightStars
from astrid_ml.preprocessing.differencing.stars.match import Matched
from astrid_ml.preprocessing.differencing.stars.psf import PsfEstimate
from astrid_ml.preprocessing.differencing.stars.select import Sources, find_sources, partners
from astrid_ml.preprocessing.differencing.subtract.auto import ChoosesWay
from astrid_ml.preprocessing.differencing.subtract.differential_sky import DifferentialSky
from astrid_ml.preprocessing.differencing.subtract.pair import Subtract, SubtractionInput, SubtractionResult
from astrid_ml.preprocessing.differencing.subtract.refine import Refine
from astrid_ml.preprocessing.differencing.subtract.star_residuals import StarResiduals
from astrid_ml.preprocessing.differencing.subtract.steps import Zogy
from astrid_ml.preprocessing.differencing.subtract.tiles import Tiles
from astrid_ml.stats import robust_mean_std
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
_SKIES = 2
_SETTLED = 0.05  # sigma; blank sky nearer to zero is sound
_DOUBTFUL = 0.1  # of the logarithm of blank sky's standard deviation: a noise that was measured on images is doubted
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
class Subtraction(Registering):
    """The steps between two loaded frames and candidates.

    Args:
        background, stars, register, align, psf, match, realign: of :class:`Registering`, the first steps.
        bright: masks around saturated stars; may be None.
        differential_sky: what is left of the sky in the difference; may be None.
        noise, refine, subtract, tiles, significance, residuals, detect: the further steps, in order.
        blank_margin: px around sources that are not blank sky.
        allow_mixed: subtract frames of different filters or missions.
    """

    bright: BrightStars | None = field(default_factory=BrightStars)
    noise: Noise = field(default_factory=Noise)
    refine: RefineStep = field(default_factory=Refine)
    subtract: Subtract = field(default_factory=Zogy)
    tiles: Tiles = field(default_factory=Tiles)
    differential_sky: DifferentialSky | None = field(default_factory=DifferentialSky)
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
        return self._with_sound_noise(science, placed, found, self._measured(ready, placed, found))

    def _with_sound_noise(self, science: Image, placed: Registered, found: Sources, done: Difference) -> Difference:
        """The difference, or one by the noise that the variance maps say, where the measured is farther from the truth.

        In a crowd what looks blank holds faint stars: they are no noise, for the difference is without them.
        """
        frames, raw = (done.quality.science, done.quality.reference), done.quality.significance.std_raw
        chosen = isinstance(self.noise, Noise) and self.noise.method == "auto"
        if not chosen or not any(f.noise.measured for f in frames) or not abs(math.log(max(raw, 1e-9))) > _DOUBTFUL:
            return done
        steps = replace(self, noise=replace(self.noise, method="propagated"))
        other = steps._measured(steps._ready(science, placed, found), placed, found)
        better = abs(math.log(max(other.quality.significance.std_raw, 1e-9))) < abs(math.log(max(raw, 1e-9)))
        return other if better else done

    def _ready(self, science: Image, placed: Registered, found: Sources) -> Ready:
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
            astrometric_sigma=self.registered_to(placed),
            stars=self._static(matched, found, placed.found, science.mask | aligned.mask),
            difference_noises=difference_noises(*noises),
            whitening_noises=whitening_noises(*noises),
            flux_ratio_err=0.0 if math.isnan(matched.flux_ratio_err) else matched.flux_ratio_err,
        )
        pair, refined = self._refined(pair)
        return Ready(science, aligned, blank, noises, pair, refined)

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

    def _measured(self, ready: Ready, placed: Registered, found: Sources) -> Difference:
        """Subtracted, checked, detected, measured."""
        science, matched, stars = ready.science, placed.matched, _kept(placed.matched)
        made, chosen = self._best(ready, placed, found)
        pair, result = made.pair, made.result
        sources = placed.found.table[["x", "y"]].to_numpy()
        detected, how = self._detected(result, lambda: counts_of(ready, pair))
        few = () if how else few_counts(ready)
        candidates = measure(
            detected,
            result,
            science,
            sources,
            max(placed.psf.fwhm, 1.5),
            placed.psf.width_error,
            noise_correlation(result, made.blank),
        )
        for image, psf in ((science, placed.psf), (ready.reference, placed.reference_psf)):
            alone = on_single_pixel(candidates, image.data, image.variance, central(psf.psf))
            candidates["flags"] |= np.where(alone, SHARP, 0)
        quality = Quality(
            science=frame_quality(science, placed.psf, ready.noises[0], stars.get("chi2_science")),
            reference=frame_quality(
                ready.reference, placed.reference_psf, ready.noises[1], stars.get("chi2_reference")
            ),
            significance=made.check,
            overlap=ready.reference.overlap,
            realigned=ready.reference.realigned,
            matched_stars=len(stars),
            flux_ratio=float(pair.flux_ratio),
            flux_ratio_err=None if math.isnan(matched.flux_ratio_err) else matched.flux_ratio_err,
            astrometric_sigma=pair.astrometric_sigma,
            registration_left=largest(matched.shift, science.shape),
            gain_known=science.gain_known,
            variance_from=science.variance_from,
            mission=science.mission,
            filter=science.filter,
            candidates=len(candidates),
            depth_reached=made.depth,
            figures=ready.refined | made.figures | purity(candidates),
            chosen=chosen | how,
            warnings=(
                *doubts(science, ready.reference),
                *placed.psf.warnings,
                *placed.reference_psf.warnings,
                *placed.warnings,
                *made.warnings,
                *few,
            ),
        )
        return Difference(science, ready.reference, pair, result, made.blank, candidates, quality, matched)

    def _best(self, ready: Ready, placed: Registered, found: Sources) -> tuple[Made, dict[str, str]]:
        """The difference, by the better way where there are several; which one that is, and why."""
        if not isinstance(self.subtract, ChoosesWay):
            return self._made(ready, placed.matched), {}
        tried = {
            name: replace(self, subtract=way)._made(ready, placed.matched) for name, way in self.subtract.ways().items()
        }
        both = found.table[partners(found, placed.found)[0] & (found.table["snr"] >= self.stars.min_snr)]
        places = torch.from_numpy(both[["x", "y"]].to_numpy(dtype=np.float64, copy=True))
        results, blank = {name: made.result for name, made in tried.items()}, next(iter(tried.values())).blank
        way = self.subtract.chosen(results, places, blank)
        best = tried[way.name]
        said = {"subtract": way.name, "subtract_because": way.reason}
        return replace(best, figures=best.figures | way.figures), said

    def _made(self, ready: Ready, matched: Matched) -> Made:
        """Subtracted in one way, checked on blank sky and at stars."""
        result, pair, left = self._without_sky(ready)
        refuse_nothing(result)
        blank = faint(ready, result.mask)
        scaled, check = given(self, "significance", self.significance(result.significance, result.diff, blank))
        result = replace(result, significance=scaled, flux_error=result.flux_error * check.scale)
        depth, shallow = depth_reached(result, ready, blank)
        result, residuals = given(self, "residuals", self.residuals(result, pair, matched))
        figures = left | residuals | result.quality
        return Made(pair, result, blank, check, depth, figures, (*check.warnings, *shallow))

    def _without_sky(self, ready: Ready) -> tuple[SubtractionResult, SubtractionInput, dict[str, float]]:
        """Subtracted, a second time where the difference shows that a sky is left; the pair without it."""
        pair, said = ready.pair, dict[str, float]()
        result = given(self, "tiles", self.tiles(self._subtracted, pair))
        for step in [] if self.differential_sky is None else map(self.differential_sky.finer, range(_SKIES)):
            sky, figures = given(self, "differential_sky", step(result, pair.variances, ready.blank))
            said = said or figures
            if sky is None:
                break
            without = replace(pair, science=torch.where(pair.masks[0], pair.science, pair.science - sky))
            del sky  # a plane that would stay while the pair is subtracted again
            again = given(self, "tiles", self.tiles(self._subtracted, without))
            seen = thinned(faint(ready, result.mask))
            before, after = (abs(robust_mean_std(thinned(r.significance)[seen])[0]) for r in (result, again))
            if after > max(
                before, _SETTLED
            ):  # where photons are few, blank sky is where none came, and no measure of the sky
                break
            result, pair = again, without
        return result, pair, said

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

    def _detected(self, result: SubtractionResult, counts: Callable[[], Counts]) -> tuple[pd.DataFrame, dict[str, str]]:
        """Detections; how they were found, where a step chooses, and why; ``counts`` makes what it looks at."""
        said: dict[str, str] = {}
        if isinstance(self.detect, DetectsCounts):
            found, said = self.detect.of_counts(counts(), result)
        else:
            found = given(self, "detect", self.detect(result.significance, result.mask))
        given_columns(self, "detect", found, FOUND)
        return found, said

    def _blank(self, science: Image, aligned: Image, *found: Sources) -> Tensor:
        covered = found[0].covered | found[1].covered
        return ~(grow(covered, self.blank_margin) | science.mask | aligned.mask)


def check_alike(science: Image, reference: Image) -> None:
    """Refuse frames of different filters or missions: their colours differ, so that stars leave residuals."""
    for name in ("filter", "mission"):
        a, b = getattr(science, name), getattr(reference, name)
        if a and b and str(a).lower() != str(b).lower():
            fix = "choose a reference of its kind, or set preprocessing.allow_mixed=true and expect colour residuals"
            raise UserError(f"two frames of one {name}", f"{a} and {b} ({science.name}, {reference.name})", fix)


def _kept(matched: Matched) -> pd.DataFrame:
    """The matched stars that serve the flux ratio."""
    kept: pd.DataFrame = matched.stars[matched.stars["kept"]] if len(matched.stars) else matched.stars
    return kept
