"""Near-duplicate stamps: the same pixels turned, mirrored, shifted by a pixel, or copied with a little noise.

What identifies a stamp is its noise: two stars of one PSF look alike, their noise does not. So stamps are compared by
their texture, a high-pass filtered image in units of its own noise, clipped so that no source outweighs it. A power
spectrum that neither a symmetry of the square nor a shift changes finds candidates; a comparison of the pixels over the
8 symmetries and 9 shifts decides.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import fft

from astrid_ml.contracts.pipeline import SampleSource
from astrid_ml.stats import MAD_TO_SIGMA
from astrid_ml.types import Array, Count, Floats32, Ints, Share

FEW = 50
CLIP = 3.0
# Some surveys mark missing pixels with the largest float.
NO_DATA = 1e37


@dataclass(frozen=True)
class Described:
    """Spectra of the stamps of one shape.

    Args:
        rows: positions in the index, ascending, shape (n,).
        features: unit vectors, shape (n, d).
    """

    rows: Ints
    features: Floats32


@dataclass(frozen=True)
class DuplicateSearch:
    """How near is a duplicate.

    Args:
        correlation: of the textures over the best symmetry and shift, the mean of the channels. Unrelated stamps
            reach a few times 1/sqrt(pixels), a copy with a fifth of its noise added 0.95.
        similarity: cosine of two spectra from which the pixels are compared.
        neighbours: candidates looked at for each stamp.
        batch: stamps read at a time.
    """

    correlation: Share = 0.9
    similarity: Share = 0.9
    neighbours: Count = 4
    batch: Count = 1024

    def find(self, source: SampleSource, first: Ints, second: Ints) -> list[tuple[int, int, float]]:
        """Pairs (row of ``first``, row of ``second``, correlation) of duplicates across two folds."""
        return self.match(source, self.describe(source, np.union1d(first, second)), first, second)

    def describe(self, source: SampleSource, rows: Ints) -> list[Described]:
        """Spectra of these stamps, apart for each shape; once for all rounds of a split."""
        parts: dict[tuple[int, ...], list[tuple[Ints, Floats32]]] = {}
        for start in range(0, len(rows), self.batch):
            chosen = rows[start : start + self.batch]
            for positions, stamps in source.groups("stamps", chosen):
                parts.setdefault(stamps.shape[1:], []).append((chosen[positions], spectrum(texture(stamps))))
        out = []
        for found in parts.values():
            place, features = np.concatenate([p[0] for p in found]), np.concatenate([p[1] for p in found])
            order = np.argsort(place)
            out.append(Described(place[order], standardised(features[order])))
        return out

    def match(
        self, source: SampleSource, described: list[Described], first: Ints, second: Ints
    ) -> list[tuple[int, int, float]]:
        """Duplicates between two sets of rows, among stamps that were described."""
        pairs = [pair for part in described for pair in self._candidates(part, first, second)]
        return [found for found in self._compare(source, pairs) if found[2] >= self.correlation]

    def _candidates(self, part: Described, first: Ints, second: Ints) -> list[tuple[int, int]]:
        a, b = (np.flatnonzero(np.isin(part.rows, rows)) for rows in (first, second))
        least = self.similarity if len(part.rows) >= FEW else -1.0
        pairs: list[tuple[int, int]] = []
        for start in range(0, len(b), 512):
            chosen = b[start : start + 512]
            likeness = part.features[chosen] @ part.features[a].T
            of, to = np.nonzero(likeness >= least)
            order = np.lexsort((-likeness[of, to], of))
            of, to = of[order], to[order]
            rank = np.arange(len(of)) - np.searchsorted(of, of)
            near = rank < self.neighbours
            pairs += zip(part.rows[a[to[near]]].tolist(), part.rows[chosen[of[near]]].tolist(), strict=True)
        return pairs

    def _compare(self, source: SampleSource, pairs: list[tuple[int, int]]) -> list[tuple[int, int, float]]:
        out = []
        for start in range(0, len(pairs), self.batch // 2):
            part = pairs[start : start + self.batch // 2]
            textures = _textures(source, sorted({row for pair in part for row in pair}))
            out += [(a, b, best_correlation(textures[a], textures[b])) for a, b in part]
        return out


def _textures(source: SampleSource, rows: list[int]) -> dict[int, Floats32]:
    wanted = np.array(rows, dtype=np.int64)
    found: dict[int, Floats32] = {}
    for positions, stamps in source.groups("stamps", wanted):
        found |= {int(wanted[at]): one for at, one in zip(positions, texture(stamps), strict=True)}
    return found


def texture(stamps: Array) -> Floats32:
    """What is not smooth, in units of its own scatter.

    Args:
        stamps: (n, C, h, w); NaN counts as the median.

    Returns:
        (n, C, h - 2, w - 2): the five-point Laplacian over 1.48 times its median absolute value, clipped at +-3;
        zero in a channel without structure.
    """
    x = np.asarray(stamps, dtype=np.float32)
    known = np.abs(x) < NO_DATA
    if not known.all():
        x = np.where(known, x, np.nan)
        empty = np.isnan(x).all(axis=(-2, -1), keepdims=True)
        centre = np.nanmedian(np.where(empty, 0.0, x), axis=(-2, -1), keepdims=True)
        x = np.where(np.isnan(x), centre, x).astype(np.float32)
    out = 4 * x[..., 1:-1, 1:-1] - x[..., :-2, 1:-1] - x[..., 2:, 1:-1] - x[..., 1:-1, :-2] - x[..., 1:-1, 2:]
    flat = np.abs(out).reshape(*out.shape[:2], -1)
    scale = MAD_TO_SIGMA * np.partition(flat, flat.shape[-1] // 2, axis=-1)[..., flat.shape[-1] // 2]
    scale = np.where(scale > 0, scale, flat.max(axis=-1) / CLIP)[..., None, None]
    clipped: Floats32 = np.clip(out / np.where(scale > 0, scale, 1.0), -CLIP, CLIP).astype(np.float32)
    return clipped


def spectrum(textures: Floats32, most: int = 32) -> Floats32:
    """Log power of the windowed texture, averaged over the symmetries of the square.

    Args:
        textures: (n, C, h, w).
        most: frequencies kept for each channel, spread over a tenth to a third of the sampling frequency.

    Returns:
        (n, C * at most ``most``).
    """
    size = min(textures.shape[-2:]) // 2 * 2
    top, left = ((side - size) // 2 for side in textures.shape[-2:])
    window = np.hanning(size + 1)[:-1].astype(np.float32) + np.float32(1e-3)
    part = textures[..., top : top + size, left : left + size] * (window[:, None] * window)
    power = np.square(np.abs(fft.rfft2(part)))
    half = size // 2
    folded = (power[..., : half + 1, :] + power[..., -np.arange(half + 1) % size, :]) / 2
    folded = (folded + folded.swapaxes(-1, -2)) / 2
    a, b = np.triu_indices(half + 1)
    radius = np.hypot(a, b) / size
    kept = np.flatnonzero((radius >= 0.1) & (radius <= 0.34))
    kept = kept[np.unique(np.linspace(0, len(kept) - 1, most).round().astype(int))] if len(kept) > most else kept
    values = folded[..., a[kept], b[kept]]
    floor = 1e-3 * values.mean(axis=-1, keepdims=True) + 1e-6
    out: Floats32 = np.log(values + floor).reshape(len(textures), -1).astype(np.float32)
    return out


def standardised(features: Floats32) -> Floats32:
    """Unit vectors of what sets a stamp's spectrum apart from the data's mean (of few stamps: from its own mean)."""
    if len(features) >= FEW:
        centred = (features - features.mean(axis=0)) / np.maximum(features.std(axis=0), 0.05)
    else:
        centred = features - features.mean(axis=1, keepdims=True)
    norm = np.linalg.norm(centred, axis=1, keepdims=True)
    out: Floats32 = (centred / np.where(norm > 0, norm, 1.0)).astype(np.float32)
    return out


def best_correlation(first: Floats32, second: Floats32) -> float:
    """Largest correlation of two textures (C, h, w) over 8 symmetries and shifts of up to one pixel."""
    best = -1.0
    for turn in range(4):
        turned = np.rot90(second, turn, axes=(-2, -1))
        if turned.shape != first.shape:
            continue
        for image in (turned, turned[..., ::-1]):
            best = max(best, *(_shifted(first, image, dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)))
    return best


def _shifted(a: Floats32, b: Floats32, dy: int, dx: int) -> float:
    """Mean over the channels that have structure in both."""
    height, width = a.shape[-2:]
    one = a[:, max(dy, 0) : height + min(dy, 0), max(dx, 0) : width + min(dx, 0)]
    two = b[:, max(-dy, 0) : height + min(-dy, 0), max(-dx, 0) : width + min(-dx, 0)]
    norm = np.sqrt(np.einsum("cij,cij->c", one, one) * np.einsum("cij,cij->c", two, two))
    product = np.einsum("cij,cij->c", one, two)
    return float(np.mean(product[norm > 0] / norm[norm > 0])) if (norm > 0).any() else -1.0
