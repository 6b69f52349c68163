"""The reference on the science grid, where its sources are: the first steps of a subtraction, and both PSFs."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Annotated, Protocol

import torch
from torch import Tensor

from astrid_ml.contracts.check import given, given_shape
from astrid_ml.errors import UserError
from astrid_ml.preprocessing.differencing.frame.image import Image
from astrid_ml.preprocessing.differencing.grid.align import Align, AlignNone
from astrid_ml.preprocessing.differencing.pixels.fill import fill
from astrid_ml.preprocessing.differencing.pixels.typical import typical
from astrid_ml.preprocessing.differencing.sky.background import SubtractBackground
from astrid_ml.preprocessing.differencing.stars.match import Matched, MatchStars
from astrid_ml.preprocessing.differencing.stars.psf import EmpiricalPsf, EstimatePsf, PsfEstimate
from astrid_ml.preprocessing.differencing.stars.psf_pair import of_one_kind
from astrid_ml.preprocessing.differencing.stars.register import Register, composed
from astrid_ml.preprocessing.differencing.stars.select import SelectStars, Sources, find_sources
from astrid_ml.types import InUnits, NonNegative


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


@dataclass(frozen=True)
class Registered:
    """A reference on the science grid, and what was found on the way.

    Args:
        reference: on the science grid, background-free.
        original: on its own grid, background-free.
        offset: affine (2, 3) of (1, x, y): how far (px) its header is off; None where it is right.
        psf, reference_psf: of both images.
        found: sources of the reference, on the science grid.
        matched: the stars of both images.
        said: how the reference was placed, where its header did not do it.
    """

    reference: Image
    original: Image
    offset: Tensor | None
    psf: PsfEstimate
    reference_psf: PsfEstimate
    found: Sources
    matched: Matched
    said: tuple[str, ...] = ()

    @property
    def warnings(self) -> tuple[str, ...]:
        """Of the placing and of the stars."""
        return (*self.said, *self.matched.warnings)


@dataclass(frozen=True)
class Registering:
    """The steps that put two frames on one grid.

    Args:
        background, stars, register, align, psf, match: in order but for ``stars``, which serves ``psf`` and ``match``,
            and ``register``, which corrects ``align`` and may be None.
        realign: px; the reference is resampled anew where stars show it this far off anywhere in the frame.
    """

    background: BackgroundStep = field(default_factory=SubtractBackground)
    stars: SelectStars = field(default_factory=SelectStars)
    register: Register | None = field(default_factory=Register)
    align: AlignStep = field(default_factory=Align)
    psf: EstimatePsf = field(default_factory=EmpiricalPsf)
    match: MatchStars = field(default_factory=MatchStars)
    realign: Annotated[NonNegative, InUnits("px")] = 0.03

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

    def registered(self, science: Image, reference: Image, found: Sources) -> Registered:
        """The reference on the science grid, resampled a second time where stars show it off; both PSFs.

        Args:
            science: background-free.
            reference: as it was read.
            found: sources of the science image.
        """
        original = self.flat(reference)
        original = original.with_(data=fill(original.data, original.mask))
        aligned, ref_found, start, said = self._by_pattern(science, original, found)
        psf, ref_psf = of_one_kind(self._psf(science, found, ref_found), self._psf(aligned, ref_found, found))
        matched = self._matched(science, aligned, psf, ref_psf)
        placed = Registered(aligned, original, start, psf, ref_psf, ref_found, matched, said)
        for _ in range(2):
            if self.realign <= 0 or largest(placed.matched.shift, science.shape) <= self.realign:
                break
            moved = self.moved(science, placed, found, placed.matched.shift)
            if moved is None:
                break
            placed = moved
        return placed

    def moved(self, science: Image, placed: Registered, found: Sources, shift: Tensor) -> Registered | None:
        """The reference resampled anew from its own pixels, off by ``shift`` (2, 3) from where it is placed.

        None where the way to align it corrects nothing.
        """
        offset = shift if placed.offset is None else composed(placed.offset, shift)
        again = self._aligned(science, placed.original, offset)
        if torch.equal(again.data, placed.reference.data):
            return None
        again = again.with_(realigned=True)
        ref_found = find_sources(again)
        psf, ref_psf = of_one_kind(placed.psf, self._psf(again, ref_found, found))
        matched = self._matched(science, again, psf, ref_psf)
        return replace(
            placed, reference=again, offset=offset, psf=psf, reference_psf=ref_psf, found=ref_found, matched=matched
        )

    def registered_to(self, placed: Registered) -> float:
        """Error of the registration (px per axis), with what stars still find off where the refinement disagrees."""
        off, sigma = largest(placed.matched.shift, placed.reference.shape), placed.matched.sigma
        return math.hypot(sigma, off / 2**0.5) if 0 < self.realign < off else sigma

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
        off = 0.0 if agreed is None else largest(agreed.offset, science.shape)
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
        kept = ("sky", "zero_point", "unit", "mission", "filter", "mjd", "exposure_time", "name", "no_data", "header")
        return out.with_(**{name: getattr(reference, name) for name in kept})


def central(psf: Tensor) -> Tensor:
    """The one PSF of (k, k), or the mean of a grid (t, t, k, k)."""
    return psf if psf.ndim == 2 else psf.mean((0, 1))


def largest(shift: Tensor, shape: tuple[int, int]) -> float:
    """Largest offset (px) of an affine (2, 3) over the corners of a frame."""
    h, w = shape
    corners = torch.tensor([[1.0, x, y] for x in (0, w - 1) for y in (0, h - 1)], dtype=torch.double)
    return float((corners @ shift.double().T).abs().max())
