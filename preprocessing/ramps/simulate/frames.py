"""Simulated detector signal, one strip of rows at a time, and the noise that all strips of a frame share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from astrid_ml.types import Floats32, Mask

CHANNEL_WIDTH = 64  # columns of one of the 32 outputs of a 2048-pixel detector


@dataclass(frozen=True)
class Detector:
    """One simulated detector and its settings, in e- and seconds.

    Args:
        gain: e-/DN.
        read_noise: of one read, e-.
        extra_noise: further white noise of each read, e-.
        dark: e-/s.
        flux: sky and sources, e-/s.
        step: seconds between groups.
        bias: level of the first read, DN.
        ktc: reset noise of each pixel and integration, e-.
        drift: random walk of each channel from group to group, e-.
        one_over_f: standard deviation of the 1/f noise along the rows of a channel, e-.
        even_odd: offset of odd against even columns, e-.
        nonlinearity: relative loss of signal at saturation.
        saturation_dn: highest value that the converter gives, DN.
        border: width of the reference border in pixels.
    """

    gain: float
    read_noise: float
    extra_noise: float
    dark: float
    flux: float
    step: float
    bias: float
    ktc: float
    drift: float
    one_over_f: float
    even_odd: float
    nonlinearity: float
    saturation_dn: float
    border: int

    @property
    def full_well(self) -> float:
        """Charge above the bias at which the converter saturates, e-."""
        return (self.saturation_dn - self.bias) * self.gain


def common_noise(detector: Detector, n_groups: int, n_rows: int, n_cols: int, random: np.random.Generator) -> Floats32:
    """Noise shared by a row of a channel, e-: drift of the channel plus 1/f along its rows, (n_groups, n_rows, k)."""
    channels = max(1, n_cols // CHANNEL_WIDTH)
    drift = np.cumsum(random.normal(0, detector.drift, (n_groups, 1, channels)), axis=0)
    if detector.one_over_f <= 0:
        return np.broadcast_to(drift, (n_groups, n_rows, channels)).astype(np.float32)
    frequency = np.fft.rfftfreq(n_rows)
    weight = np.zeros_like(frequency)
    weight[1:] = frequency[1:] ** -0.5
    out = np.empty((n_groups, n_rows, channels), np.float32)
    scale = detector.one_over_f / np.sqrt((weight**2).sum() / n_rows)
    for group in range(n_groups):
        spectrum = np.fft.rfft(random.normal(size=(n_rows, channels)), axis=0)
        out[group] = np.fft.irfft(spectrum * weight[:, None], n=n_rows, axis=0) * scale * np.sqrt(0.5)
    return out + drift.astype(np.float32)


def strip(
    detector: Detector,
    rows: range,
    n_cols: int,
    n_rows: int,
    common: Floats32,
    sources: Floats32,
    truth: pd.DataFrame,
    *,
    released: Floats32,
    random: np.random.Generator,
) -> tuple[Floats32, Floats32]:
    """Signal of a strip of rows in one integration.

    Args:
        detector: its settings.
        rows: the strip's rows.
        n_cols: columns.
        n_rows: rows of the whole frame.
        common: shared noise of these rows, (n_groups, h, channels), e-.
        sources: flux of sources in these rows, e-/s, (h, n_cols).
        truth: charge deposits with ``group``, ``y``, ``x``, ``charge``.
        released: charge that persistence releases in each second, e-/s, (h, n_cols).
        random: the strip's own generator.

    Returns:
        DN, (n_groups, h, n_cols), whole numbers; and the accumulated charge at the end, e-, (h, n_cols).
    """
    n_groups, h = common.shape[0], len(rows)
    rate = (detector.dark + detector.flux + sources + released) * detector.step
    charge = random.poisson(rate, (n_groups, h, n_cols)).astype(np.float32)
    here = truth[truth.y.between(rows.start, rows.stop - 1)]
    np.add.at(charge, (here.group.to_numpy(), here.y.to_numpy() - rows.start, here.x.to_numpy()), here.charge)
    np.cumsum(charge, axis=0, out=charge)
    reference = _border(rows, n_cols, n_rows, detector.border)
    charge[:, reference] = 0.0
    signal = np.clip(charge, 0, 1.5 * detector.full_well)
    signal -= detector.nonlinearity * signal**2 / detector.full_well
    signal += random.normal(0, detector.ktc, (h, n_cols)).astype(np.float32)
    white = np.hypot(detector.read_noise, detector.extra_noise)
    signal += random.normal(0, white, signal.shape).astype(np.float32)
    # The last channel takes the columns that fill no channel of their own.
    channel = np.minimum(np.arange(n_cols) // CHANNEL_WIDTH, common.shape[2] - 1)
    signal += common[:, :, channel]
    signal[:, :, 1::2] += detector.even_odd
    dn = np.clip(np.rint(signal / detector.gain + detector.bias), 0, detector.saturation_dn)
    # A saturated pixel stays so to the end of the integration.
    full = np.maximum.accumulate(charge >= detector.full_well, axis=0)
    dn[full] = detector.saturation_dn
    return dn.astype(np.float32), charge[-1]


def _border(rows: range, n_cols: int, n_rows: int, width: int) -> Mask:
    mask = np.zeros((len(rows), n_cols), dtype=bool)
    if width:
        y = np.arange(rows.start, rows.stop)
        mask[(y < width) | (y >= n_rows - width)] = True
        mask[:, :width] = mask[:, -width:] = True
    return mask
