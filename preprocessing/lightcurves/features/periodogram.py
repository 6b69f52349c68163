"""A multiband periodogram on a fixed grid of frequencies, from running sums of cosines and sines."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from astrid_ml.errors import UserError
from astrid_ml.preprocessing.lightcurves.features.running import GROUPS, Grouped
from astrid_ml.types import Array, Count, Floats, Ints, Mask, Positive

FEWEST = 5  # epochs of a passband that takes part: a sinusoid about a mean has three parameters
PIECE = 1 << 17  # epochs times frequencies that are held at once
PARTS = 8  # of the grid, each twice as high as the one before; the largest power of each is a feature
SINGULAR = 1e-6


@dataclass(frozen=True)
class Periodogram:
    """Lomb and Scargle's with a mean for each passband, its frequencies shared by all.

    The power is the share of chi-square that one sinusoid in each passband, of any amplitude and phase, takes away:
    the model (0, 1) of VanderPlas & Ivezic (2015, ApJ 812, 18), each passband after Zechmeister & Kuerster (2009,
    A&A 496, 577). The grid is that of frequencies highest / count, 2 highest / count ... highest: the longest period
    is count / highest, and a curve much longer than that has peaks between two frequencies.

    Args:
        highest: frequency, a day.
        count: of frequencies; the work grows with it.

    Example:
        >>> Periodogram(0.256, 128).frequencies[:3].tolist()
        [0.002, 0.004, 0.006]
    """

    highest: Positive = 0.128
    count: Count = 128

    def __post_init__(self) -> None:
        if self.count < 2 ** (PARTS - 1):
            got, fix = str(self.count), f"write {2 ** (PARTS - 1)} or more"
            raise UserError(f"a periodogram of {2 ** (PARTS - 1)} frequencies or more", got, fix)

    @property
    def frequencies(self) -> Floats:
        """(K,), a day."""
        return np.arange(1, self.count + 1, dtype=np.float64) * (self.highest / self.count)

    @property
    def names(self) -> tuple[str, ...]:
        """Of the columns of :meth:`features`."""
        return ("power", "frequency", "evidence", *(f"power_{number}" for number in range(PARTS)))

    def features(self, epochs: Floats, grouped: Grouped, seen: Ints) -> Floats:
        """Largest power, log10 of its frequency, log1p of -n ln(1 - power) / 2, and the largest power of each part.

        Args:
            epochs: (N, 5) days since time zero, flux, error, detected, wavelength; see ``Grouped.of``.
            grouped: of the same epochs.
            seen: (B, Q) epochs that each question sees.

        Returns:
            (B, Q, 3 + PARTS); NaN where no passband has ``FEWEST`` epochs.
        """
        power = self.powers(epochs, grouped, seen)
        best = np.nan_to_num(power, nan=-1.0).argmax(axis=2)
        largest = np.take_along_axis(power, best[..., None], axis=2)[..., 0]
        place = np.where(np.isnan(largest), np.nan, np.log10(self.frequencies[best]))
        evidence = np.log1p(-0.5 * seen * np.log1p(-np.minimum(largest, 1 - 1e-12)))
        edges = [self.count >> (PARTS - number) for number in range(PARTS)]
        parts = np.maximum.reduceat(power, edges, axis=2)
        return np.concatenate([np.stack([largest, place, evidence], axis=2), parts], axis=2)

    def powers(self, epochs: Floats, grouped: Grouped, seen: Ints) -> Floats:
        """(B, Q, K) in [0, 1]; arguments as of :meth:`features`."""
        out = np.full((*seen.shape, self.count), np.nan)
        banded = grouped.group % len(GROUPS) > 0
        owner = grouped.group // len(GROUPS)
        for objects in self._pieces(np.bincount(owner[banded], minlength=len(seen))):
            rows = np.flatnonzero(banded & (owner >= objects.start) & (owner < objects.stop))
            if len(rows):
                out[objects] = self._piece(epochs, grouped, seen[objects], rows, objects.start)
        return out

    def _pieces(self, lengths: Ints) -> Iterator[slice]:
        """Stretches of objects whose sums fit into memory."""
        begin, held = 0, 0
        for number, length in enumerate(lengths):
            work = (int(length) + 64) * self.count
            if number > begin and held + work > PIECE:
                yield slice(begin, number)
                begin, held = number, 0
            held += work
        yield slice(begin, len(lengths))

    def _piece(self, epochs: Floats, grouped: Grouped, seen: Ints, rows: Ints, begin: int) -> Floats:
        """Powers (B, Q, K) of some objects, the first of which is ``begin``; ``rows`` are their epochs by passband."""
        order = np.argsort(seen, axis=1, kind="stable")
        asked = np.take_along_axis(seen, order, axis=1)
        groups, own = np.unique(grouped.group[rows], return_inverse=True)
        owner = groups // len(GROUPS) - begin
        stretch = (asked[owner[own]] <= grouped.rank[rows][:, None]).sum(axis=1)  # the first question that sees it
        days, flux, error = epochs[grouped.rows[rows], :3].T
        first = rows - grouped.place[rows]
        off = flux - epochs[grouped.rows[first], 1]
        wave = powers_of(np.exp(2j * np.pi * (self.highest / self.count) * days), self.count)
        weight = error**-2
        plain = np.stack([np.ones(len(rows)), weight, weight * off, weight * off**2], axis=1)
        key, shape = own * (seen.shape[1] + 1) + stretch, (len(groups), seen.shape[1] + 1)
        ones = np.ones(len(rows))
        n, w, wy, wyy = np.moveaxis(stretched(plain, ones, key, shape), 2, 0)
        one, with_flux = (stretched(wave, part, key, shape) for part in (weight, weight * off))
        two = stretched(np.multiply(wave, wave, out=wave), weight, key, shape)
        chosen = np.nonzero(n >= FEWEST)
        share, chi2 = share_of(w[chosen], wy[chosen], wyy[chosen], one[chosen], with_flux[chosen], two[chosen])
        gained, whole = np.zeros((*seen.shape, self.count)), np.zeros(seen.shape)
        at = (owner[chosen[0]], chosen[1])
        np.add.at(gained, at, share * chi2[:, None])
        np.add.at(whole, at, chi2)
        back = np.argsort(order, axis=1, kind="stable")[..., None]
        with np.errstate(invalid="ignore", divide="ignore"):
            power = np.where(whole[..., None] > 0, gained / whole[..., None], np.nan)
        return np.take_along_axis(power, back, axis=1)


def powers_of(base: Array, count: int) -> Array:
    """(M, count): base, base^2 ... of complex numbers of size 1, by doubling."""
    out = np.empty((len(base), count), dtype=np.complex128)
    out[:, 0], done = base, 1
    while done < count:
        more = min(done, count - done)
        np.multiply(out[:, :more], out[:, done - 1 : done], out=out[:, done : done + more])
        done += more
    return out


def stretched(values: Array, weight: Floats, key: Ints, shape: tuple[int, int]) -> Array:
    """Running weighted sums at the questions, (groups, Q, C), each stretch between two of them summed once.

    Args:
        values: (M, C).
        weight: (M,).
        key: (M,) group times (Q + 1) plus stretch, ascending; what lies in the last stretch no question sees.
        shape: groups, Q + 1.
    """
    from scipy.sparse import csr_array

    ends = np.searchsorted(key, np.arange(shape[0] * shape[1] + 1))
    each = csr_array((weight, np.arange(len(key)), ends), shape=(shape[0] * shape[1], len(key)))
    out: Array = np.asarray(each @ values).reshape(*shape, -1)[:, :-1]
    for question in range(1, out.shape[1]):
        out[:, question] += out[:, question - 1]
    return out


def share_of(w: Floats, wy: Floats, wyy: Floats, one: Array, with_flux: Array, two: Array) -> tuple[Floats, Floats]:
    """The share of chi-square about the mean that a sinusoid takes away, (S, K), and that chi-square, (S,).

    Args:
        w: (S,) sums of weights; ``wy`` of weights times flux, ``wyy`` of weights times flux squared.
        wy: (S,).
        wyy: (S,).
        one: (S, K) sums of weights times exp(i omega t).
        with_flux: (S, K) the same times flux.
        two: (S, K) sums of weights times exp(2 i omega t).
    """
    total, mean = w[:, None], (wy / w)[:, None]
    chi2 = np.maximum(wyy - wy**2 / w, 0.0)
    c, s, half = one.real / total, one.imag / total, two / total / 2
    cc, ss, cs = 0.5 + half.real - c**2, 0.5 - half.real - s**2, half.imag - c * s
    yc, ys = with_flux.real / total - mean * c, with_flux.imag / total - mean * s
    determinant = cc * ss - cs**2
    sound: Mask = (determinant > SINGULAR) & (chi2[:, None] > 0)
    taken = (ss * yc**2 + cc * ys**2 - 2 * cs * yc * ys) * total
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(sound, taken / (determinant * chi2[:, None]), 0.0)
    return np.clip(share, 0.0, 1.0), chi2
