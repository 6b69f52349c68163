"""Artefacts that pass for detections: each gives the pattern that it leaves in the science and in the difference.

Patterns have an arbitrary amplitude; the scene scales them so that the matched filter sees the S/N that was drawn.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from astrid_ml.preprocessing.triplets.render import SIZE, line, moffat, offsets, ring
from astrid_ml.types import Floats32

CENTRE = SIZE // 2


@dataclass(frozen=True)
class Optics:
    """What the artefacts of a batch need to know, each (n,).

    Args:
        fwhm: of the science PSF, pixels.
        beta: of its wings.
        x: of the detection, pixels.
        y: of the detection, pixels.
    """

    fwhm: Floats32
    beta: float
    x: Floats32
    y: Floats32


@dataclass(frozen=True)
class Pattern:
    """What an artefact leaves.

    Args:
        science: in the science image.
        difference: in the difference.
        reference: in the reference (a star that was badly subtracted is there too).
    """

    science: Floats32
    difference: Floats32
    reference: Floats32


Maker = Callable[[Optics, np.random.Generator], Pattern]


def _only_science(image: Floats32) -> Pattern:
    return Pattern(image, image, np.zeros_like(image))


def _uniform(random: np.random.Generator, low: float, high: float, n: int) -> Floats32:
    return random.uniform(low, high, n).astype(np.float32)


def cosmic_ray(at: Optics, random: np.random.Generator) -> Pattern:
    """A track of a few pixels, blurred by charge diffusion only (0.2 to 0.4 px): sharper than the PSF."""
    n = len(at.x)
    track = line(
        at.x,
        at.y,
        _uniform(random, 0, np.pi, n),
        random.exponential(1.6, n).astype(np.float32),
        _uniform(random, 0.2, 0.4, n),
    )
    return _only_science(track)


def hot_pixel(at: Optics, random: np.random.Generator) -> Pattern:
    """One pixel, with a little capacitance to its neighbours: at most that of infrared detectors, 3 % to each."""
    image = np.zeros((len(at.x), SIZE, SIZE), dtype=np.float32)
    rows, columns = np.rint(at.y).astype(int), np.rint(at.x).astype(int)
    number, leak = np.arange(len(at.x)), _uniform(random, 0.0, 0.03, len(at.x))
    image[number, rows, columns] = 1.0
    for dy, dx in ((0, 1), (0, -1), (1, 0), (-1, 0)):
        image[number, rows + dy, columns + dx] += leak
    return _only_science(image)


def bad_column(at: Optics, random: np.random.Generator) -> Pattern:
    """One or two columns (or rows), from an edge to somewhere beyond the detection."""
    n = len(at.x)
    dx, dy = offsets(np.rint(at.x).astype(np.float32), np.rint(at.y).astype(np.float32))
    wide = random.integers(1, 3, n)[:, None, None]
    stops = _uniform(random, 2, 40, n)[:, None, None]
    image = ((dx >= 0) & (dx < wide) & (dy < stops)).astype(np.float32)
    image *= 1 + 0.25 * random.standard_normal((n, SIZE, 1)).astype(np.float32)
    flip = random.random(n) < 0.5
    image[flip] = image[flip].transpose(0, 2, 1)
    turn = random.random(n) < 0.5
    image[turn] = image[turn][:, ::-1]
    centred = _recentre(image, at)
    return _only_science(centred)


def _recentre(image: Floats32, at: Optics) -> Floats32:
    """After a flip the column runs through the mirrored position: shift it back under the detection."""
    out = np.zeros_like(image)
    for number, (x, y) in enumerate(zip(np.rint(at.x).astype(int), np.rint(at.y).astype(int), strict=True)):
        profile_x, profile_y = image[number].sum(0), image[number].sum(1)
        if profile_x.max() > profile_y.max():
            out[number] = np.roll(image[number], x - int(profile_x.argmax()), axis=1)
        else:
            out[number] = np.roll(image[number], y - int(profile_y.argmax()), axis=0)
    return out


def dipole(at: Optics, random: np.random.Generator) -> Pattern:
    """A star or nucleus whose two images are misregistered by a fraction of a pixel.

    Their fluxes agree to a percent: of more than that the sum of the lobes is a variable star, and real.
    """
    n = len(at.x)
    shift, angle = _uniform(random, 0.1, 0.5, n), _uniform(random, 0, 2 * np.pi, n)
    half_x, half_y = (shift / 2 * np.cos(angle)).astype(np.float32), (shift / 2 * np.sin(angle)).astype(np.float32)
    # The positive lobe is what was detected, so the star itself lies a little beside.
    x, y = at.x - 0.4 * at.fwhm * np.cos(angle), at.y - 0.4 * at.fwhm * np.sin(angle)
    science = moffat((x + half_x).astype(np.float32), (y + half_y).astype(np.float32), at.fwhm, at.beta)
    reference = moffat((x - half_x).astype(np.float32), (y - half_y).astype(np.float32), at.fwhm, at.beta)
    return Pattern(science, science - _uniform(random, 0.99, 1.0, n)[:, None, None] * reference, reference)


def bad_kernel(at: Optics, random: np.random.Generator) -> Pattern:
    """A bright star whose PSF was matched badly: its width by 2 to 10 %, its shape by up to 10 %, its place by .1 px.

    A kernel that is slightly wrong misses all of them at once; a width alone would leave a perfect core and ring.
    """
    n = len(at.x)
    science = moffat(at.x, at.y, at.fwhm, at.beta)
    wider = random.random(n) < 0.8
    other = at.fwhm * np.where(wider, _uniform(random, 1.02, 1.10, n), _uniform(random, 0.90, 0.98, n))
    off = random.uniform(-0.1, 0.1, (2, n)).astype(np.float32)
    shape, angle = _uniform(random, 0.0, 0.1, n), _uniform(random, 0, np.pi, n)
    matched = moffat(at.x + off[0], at.y + off[1], other.astype(np.float32), at.beta, shape, angle)
    return Pattern(science, science - matched, matched)


def ghost(at: Optics, random: np.random.Generator) -> Pattern:
    """A reflection: a faint disc with a hole, much wider than the PSF."""
    n = len(at.x)
    beside = _uniform(random, -3, 3, n), _uniform(random, -3, 3, n)
    return _only_science(
        ring(at.x + beside[0], at.y + beside[1], _uniform(random, 5, 14, n), _uniform(random, 0.2, 0.6, n))
    )


def trail(at: Optics, random: np.random.Generator) -> Pattern:
    """A satellite: a line across the stamp, as wide as the PSF."""
    n = len(at.x)
    ends = np.where(random.random(n) < 0.7, 100.0, random.uniform(6, 25, n)).astype(np.float32)
    return _only_science(line(at.x, at.y, _uniform(random, 0, np.pi, n), ends, (at.fwhm / 2.355).astype(np.float32)))


def edge(at: Optics, random: np.random.Generator) -> Pattern:
    """The border of the reference's coverage: a step of background in the difference, close to the detection."""
    n = len(at.x)
    angle = (random.integers(0, 4, n) * np.pi / 2 + random.normal(0, 0.05, n)).astype(np.float32)
    dx, dy = offsets(at.x, at.y)
    distance = dx * np.cos(angle)[:, None, None] + dy * np.sin(angle)[:, None, None]
    step = (distance > _uniform(random, -1.0, 0.5, n)[:, None, None]).astype(np.float32)
    # The step fades away from the border, as after a background fit.
    pattern = (step * np.exp(-np.maximum(distance, 0) / _uniform(random, 3, 20, n)[:, None, None])).astype(np.float32)
    return Pattern(np.zeros_like(pattern), pattern, -pattern)


ARTEFACTS: dict[str, Maker] = {
    "cosmic_ray": cosmic_ray,
    "hot_pixel": hot_pixel,
    "bad_column": bad_column,
    "dipole": dipole,
    "bad_kernel": bad_kernel,
    "ghost": ghost,
    "trail": trail,
    "edge": edge,
}
