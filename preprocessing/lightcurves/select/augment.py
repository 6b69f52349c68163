"""Other light curves that a survey could have seen: farther, fainter, noisier. Pure functions over flat arrays.

The caller has a batch as ``values`` (N, 5: days since time zero, flux, error, detected, wavelength in micrometres) and
``offsets`` (n + 1,), as the prepared kind ``epochs`` holds them, and calls :func:`augment` with a seeded generator
before it cuts windows: a moved object has another time zero. The same batch and the same seed give the same curves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np

from astrid_ml.errors import UserError
from astrid_ml.preprocessing.lightcurves.curves.hosts import distance_modulus
from astrid_ml.preprocessing.lightcurves.curves.table import first_true, last_true
from astrid_ml.types import Array, Floats, Floats32, Ints, InUnits, Mask, NonNegative, Ordered, Positive, Share

DAYS, FLUX, ERROR, DETECTED, WAVELENGTH = range(5)
REDSHIFTS = ("REDSHIFT_HELIO", "HOSTGAL_PHOTOZ", "HOSTGAL_SPECZ")


@dataclass(frozen=True)
class Augmentation:
    """How far a curve may be moved; 0 turns a step off. Each object draws its own amounts, uniformly.

    Args:
        redshift: (1 + z') / (1 + z) is drawn between 1 and 1 + this, for objects whose redshift is known and above 0.
        dimming: magnitudes, drawn between 0 and this, on top of the redshift's.
        noise: extra noise, drawn between 0 and this share of each error.
        thinning: share of the epochs that is left out, drawn between 0 and this: a sparser cadence, clouds.
        detect_snr: |flux| / error that an epoch needs to stay a detection once the flux or the error has changed.
        wavelengths: micrometres; epochs that a redshift moves out of this range are dropped.
    """

    redshift: NonNegative = 0.0
    dimming: Annotated[NonNegative, InUnits("mag")] = 0.0
    noise: NonNegative = 0.0
    thinning: Share = 0.0
    detect_snr: NonNegative = 5.0
    wavelengths: Annotated[tuple[Positive, Positive], Ordered(), InUnits("um")] = (0.3, 1.1)

    def __post_init__(self) -> None:
        most = {"redshift": 10.0, "dimming": 10.0, "noise": 10.0, "thinning": 1.0}
        wrong = {name: value for name in most if not 0 <= (value := getattr(self, name)) <= most[name]}
        if wrong:
            raise UserError(
                "augmentation between 0 and 10 (thinning: 1)",
                str(wrong),
                "for instance datamodule.augmentation.redshift=0.2",
            )

    @property
    def changes(self) -> bool:
        """Whether any step is on."""
        return self.redshift > 0 or self.dimming > 0 or self.noise > 0 or self.thinning > 0


@dataclass(frozen=True)
class Augmented:
    """What :func:`augment` gives back.

    Args:
        values: (M, 5) float32, epochs as they came in.
        offsets: (n + 1,).
        ratio: (n,) (1 + z') / (1 + z); 1 where the object was not moved. Redshift columns that a model sees must
            follow: :func:`moved_redshift`. Host magnitudes and separations do not: mask them, or leave redshift at 0.
        changed: (n,) whether the object is another one now; False where it would have lost its last detection.
        rows: (M,) which of the given epochs these are.
    """

    values: Floats32
    offsets: Ints
    ratio: Floats
    changed: Mask
    rows: Ints


@dataclass(frozen=True)
class Drawn:
    """The random numbers of a batch.

    Args:
        amounts: (n, 3) how far each object is moved, dimmed and blurred, of what the options allow.
        normal: (N,) standard normal numbers.
        lots: (N,) each epoch's, against the share that is left out.
        shares: (n,) of the thinning.
    """

    amounts: Floats
    normal: Floats
    lots: Floats
    shares: Floats

    @classmethod
    def of(cls, rng: np.random.Generator, offsets: Ints) -> Drawn:
        """All from one generator."""
        n, epochs = len(offsets) - 1, int(offsets[-1])
        amounts, normal = rng.uniform(size=(n, 3)), rng.standard_normal(epochs)
        return cls(amounts, normal, rng.uniform(size=epochs), rng.uniform(size=n))

    @classmethod
    def of_each(cls, rngs: Sequence[np.random.Generator], offsets: Ints) -> Drawn:
        """Each object's from its own generator."""
        if not len(rngs):
            return cls.of(np.random.default_rng(0), offsets)
        parts = [cls.of(rng, np.array([0, k])) for rng, k in zip(rngs, np.diff(offsets), strict=True)]
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in cls.__dataclass_fields__))


def augment(
    values: Floats32,
    offsets: Ints,
    rng: np.random.Generator | Sequence[np.random.Generator],
    options: Augmentation,
    redshift: Floats | None = None,
    tail: bool = False,
) -> Augmented:
    """Move, dim and blur a batch of curves.

    An object whose epochs all fall below ``detect_snr`` stays as it was. Of a changed object, time zero is the first
    epoch that is still detected; one epoch before it stays, and what follows the last detection goes.

    Args:
        values: (N, 5) float32, times ascending within an object.
        offsets: (n + 1,).
        rng: a seeded generator; four draws an object and two an epoch are taken from it, whatever the options. Or
            one an object: then what is drawn for an object does not depend on the others.
        options: how far.
        redshift: (n,) of each object, NaN where it is not known; None moves nothing in redshift.
        tail: what follows the last detection stays.
    """
    n = len(offsets) - 1
    drawn = Drawn.of(rng, offsets) if isinstance(rng, np.random.Generator) else Drawn.of_each(rng, offsets)
    amounts = drawn.amounts
    owner = np.repeat(np.arange(n), np.diff(offsets))
    z = np.full(n, np.nan) if redshift is None else np.asarray(redshift, dtype=np.float64)
    ratio = np.where(z > 0, 1 + options.redshift * amounts[:, 0], 1.0)
    faint = brightness(z, ratio) * 10 ** (-0.4 * options.dimming * amounts[:, 1])
    out = values.astype(np.float64)
    out[:, DAYS] *= ratio[owner]
    out[:, WAVELENGTH] *= ratio[owner]
    out[:, FLUX], out[:, ERROR] = fainter(
        out[:, FLUX], out[:, ERROR], faint[owner], options.noise * amounts[owner, 2], drawn.normal
    )
    altered = (faint != 1) | (options.noise * amounts[:, 2] > 0)
    low, high = options.wavelengths
    seen = (ratio[owner] == 1) | ((out[:, WAVELENGTH] >= low) & (out[:, WAVELENGTH] <= high))
    bright = np.abs(out[:, FLUX]) >= options.detect_snr * out[:, ERROR]
    found = (out[:, DETECTED] > 0) & (bright | ~altered[owner]) & seen
    out[:, DETECTED] = found
    changed = altered & (np.bincount(owner[found], minlength=n) > 0)
    ratio = np.where(changed, ratio, 1.0)
    out = np.where(changed[owner, None], out, values)
    kept = np.where(changed[owner], seen & around(out, found, offsets, tail), True)
    out[:, DAYS] -= np.where(changed, start_of(out, found, offsets), 0.0)[owner]
    thinned = drawn.lots < options.thinning * drawn.shares[owner]
    kept &= ~thinned | anchor(out, offsets)
    lengths = np.bincount(owner[kept], minlength=n)
    ends = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return Augmented(out[kept].astype(np.float32), ends, ratio, changed, np.flatnonzero(kept))


def anchor(values: Floats, offsets: Ints) -> Mask:
    """The epochs that thinning never takes, (N,): time zero's, and the first one of a curve without detections."""
    first = first_true(values[:, DETECTED] > 0, offsets)
    stays = np.zeros(len(values), dtype=bool)
    stays[np.where(first >= 0, first, offsets[:-1])] = True
    return stays


def brightness(z: Floats, ratio: Floats) -> Floats:
    """Flux of a source at (1 + z) ratio - 1 over its flux at z, at the wavelength that moved along.

    F_nu goes as (1 + z) L_nu / d_L^2 (Hogg 1999, arXiv:astro-ph/9905116, equation 22), and FLUXCAL is proportional to
    F_nu. Flat LCDM, H0 = 70, Om = 0.3; 1 where z is not known or the ratio is 1.

    Args:
        z: (n,).
        ratio: (n,) (1 + z') / (1 + z).
    """
    known = np.where(z > 0, z, 0.1)
    magnitudes = distance_modulus((1 + known) * ratio - 1) - distance_modulus(known)
    out: Floats = np.where((z > 0) & (ratio != 1), ratio * 10 ** (-0.4 * magnitudes), 1.0)
    return out


def fainter(flux: Floats, error: Floats, scale: Floats, extra: Floats, normal: Floats) -> tuple[Floats, Floats]:
    """Fluxes at ``scale`` <= 1 under the same sky, with ``extra`` errors more of noise.

    Scaling a measured flux scales its noise too. The sky's noise does not get smaller with the source, so what is
    missing to the old error is drawn anew: the noise of the result has the variance that its error says.

    Args:
        flux: (N,).
        error: (N,).
        scale: (N,) 0 to 1 (above 1 the noise grows with the source).
        extra: (N,) noise to add, in errors.
        normal: (N,) standard normal numbers.
    """
    total = error * np.sqrt(np.maximum(scale, 1.0) ** 2 + extra**2)
    missing = np.sqrt(np.maximum(total**2 - (scale * error) ** 2, 0.0))
    return scale * flux + missing * normal, total


def start_of(values: Array, found: Mask, offsets: Ints) -> Floats:
    """Days of each object's first detection, (n,); 0 where there is none."""
    first = first_true(found, offsets)
    out: Floats = np.where(first >= 0, values[np.maximum(first, 0), DAYS] if len(values) else 0.0, 0.0)
    return out


def around(values: Array, found: Mask, offsets: Ints, tail: bool = False) -> Mask:
    """Epochs from the first detection to the last, and the one before; all of an object without detections.

    Args:
        values: (N, 5).
        found: (N,) detections.
        offsets: (n + 1,).
        tail: what follows the last detection stays too.
    """
    owner = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    row = np.arange(len(values))
    first, last = first_true(found, offsets), last_true(found, offsets)
    begin = np.maximum(first - 1, offsets[:-1])
    end = offsets[1:] - 1 if tail else last
    kept: Mask = ((row >= begin[owner]) & (row <= end[owner])) | (first[owner] < 0)
    return kept


def moved_redshift(z: Floats, ratio: Floats) -> Floats:
    """Redshifts (NaN stays NaN) after the move: (1 + z) ratio - 1."""
    out: Floats = (1 + z) * ratio - 1
    return out
