"""What a light-curve network reads: columns of each epoch, and how many epochs a question may see."""

from __future__ import annotations

import torch
from torch import Tensor

from astrid_ml.types import Floats32, Ints

# Luminosities are fluxes as they would be at this distance modulus: FLUXCAL 631 for an absolute magnitude of -19.5.
_MODULUS = 40.0
# Slower than a minute: two bands of one visit are no rate of change.
_SHORTEST = 0.001


def features(
    epochs: Tensor, lengths: Tensor, softening: float, redshift: Tensor | None = None, modulus: Tensor | None = None
) -> Tensor:
    """(N, 5) epochs -> (N, 17), the columns of ``astrid_ml.models.lightcurves.encoding``; each from its own past alone.

    Args:
        epochs: days since time zero (ascending within an object), flux, error, detected, wavelength in micrometres.
        lengths: (B,) epochs of each object.
        softening: FLUXCAL at which asinh turns from linear to logarithmic.
        redshift: (B,), NaN where it is not known; None: of no object.
        modulus: (B,) distance moduli that go with it.
    """
    days, flux, error, detected, wavelength = epochs.unbind(dim=1)
    owner = torch.repeat_interleave(torch.arange(len(lengths)), lengths)
    gap = torch.diff(days, prepend=days[:1])
    gap[torch.cumsum(lengths, 0) - lengths] = 0.0
    scaled = asinh(flux / softening) / 3
    log_wave = torch.log(wavelength)
    columns = [
        days / 100, asinh(days) / 4, torch.log1p(gap.clamp(min=0)) / 3, scaled,
        torch.log10(error.clamp(min=1e-3, max=1e7)) - 1, asinh(torch.clamp(flux / error, -1e4, 1e4)) / 3,
        detected, log_wave,
    ]  # fmt: skip
    before = previous_in_band(wavelength, owner)
    known = (before >= 0).to(flux.dtype)
    before = before.clamp(min=0)
    apart = (days - days[before]).clamp(min=0.0)
    change = flux - flux[before]
    columns += [
        known,
        asinh(torch.clamp(change / torch.hypot(error, error[before]), -1e4, 1e4)) / 3 * known,
        (scaled - scaled[before]) * known,
        torch.log1p(apart) / 3 * known,
        asinh(change / apart.clamp(min=_SHORTEST) / softening) / 3 * known,
    ]
    columns += rest_frame(flux / softening, days, log_wave, owner, redshift, modulus)
    return torch.stack(columns, dim=1)


def rest_frame(
    flux: Tensor, days: Tensor, log_wave: Tensor, owner: Tensor, redshift: Tensor | None, modulus: Tensor | None
) -> list[Tensor]:
    """Whether a redshift is known, asinh luminosity, asinh days and log wavelength at rest, each (N,)."""
    if redshift is None or modulus is None:
        nothing = torch.zeros_like(flux)
        return [nothing, nothing, nothing, log_wave]
    known = (torch.isfinite(redshift) & torch.isfinite(modulus)).to(flux.dtype)
    nearer = torch.nan_to_num(10 ** (0.4 * (modulus - _MODULUS)), nan=1.0).to(flux.dtype)
    stretch = torch.where(known > 0, 1 + redshift, 1.0).to(flux.dtype)
    known, nearer, stretch = known[owner], nearer[owner], stretch[owner]
    return [known, asinh(flux * nearer) / 3 * known, asinh(days / stretch) / 4 * known, log_wave - torch.log(stretch)]


def previous_in_band(wavelength: Tensor, owner: Tensor) -> Tensor:
    """Row of the same object's last epoch before this one at the same wavelength (to 1 nm), -1 where there is none."""
    band = torch.round(wavelength * 1000).long()
    key = owner * (int(band.max()) + 1 if len(band) else 1) + band
    order = torch.argsort(key, stable=True)
    alike = key[order[1:]] == key[order[:-1]]
    out = torch.full_like(owner, -1)
    out[order[1:]] = torch.where(alike, order[:-1], -1)
    return out


def asinh(x: Tensor) -> Tensor:
    """As torch's, by logarithms: several times as fast on a processor, to 1e-6 relative."""
    size = x.abs()
    return torch.copysign(torch.log1p(size + size * size / (1 + torch.sqrt(size * size + 1))), x)


def ask(epochs: Tensor, lengths: Tensor, days: Tensor, forced: bool = False) -> tuple[Tensor, Tensor]:
    """What may be seen at each day: epochs up to the last detection by then, one at least.

    Args:
        epochs: (N, 5), ascending in time within an object: days since time zero, flux, error, detected, wavelength.
        lengths: (B,).
        days: (Q,); infinity asks for the whole curve, at the time of the last epoch that may be seen.
        forced: all epochs by then may be seen.

    Returns:
        Numbers of epochs (B, Q), and the days since time zero that have passed (B, Q).
    """
    n = len(lengths)
    owner = torch.repeat_interleave(torch.arange(n), lengths)
    starts = torch.cumsum(lengths, 0) - lengths
    place = torch.arange(len(epochs)) - starts[owner] + 1
    counts = place if forced else place * (epochs[:, 3] > 0)  # epochs up to here, where here is a detection
    seen = torch.ones((n, len(days)), dtype=torch.int64)
    for column, day in enumerate(days.tolist()):
        here = torch.where(epochs[:, 0] <= day, counts, 0)
        seen[:, column] = torch.zeros(n, dtype=torch.int64).scatter_reduce(0, owner, here, "amax").clamp(min=1)
    last = epochs[(starts + seen.max(dim=1).values - 1), 0].clamp(min=0.0)
    return seen, torch.where(torch.isfinite(days), days, last[:, None])


def followed(epochs: Floats32, offsets: Ints) -> bool:
    """Whether any of these curves goes on after its last detection."""
    return bool((epochs[offsets[1:] - 1, 3] == 0).any()) if len(epochs) else False


def last_seen(epochs: Tensor, lengths: Tensor, queries: Tensor) -> Tensor:
    """Days since time zero of the last epoch that each question sees, (B, Q); 0 before time zero."""
    starts = torch.cumsum(lengths, 0) - lengths
    return epochs[starts[:, None] + queries - 1, 0].clamp(min=0.0)


def shorten(epochs: Tensor, lengths: Tensor, kept: Tensor) -> tuple[Tensor, Tensor]:
    """The first ``kept`` (B,) epochs of each object of ``lengths`` (B,)."""
    starts = torch.cumsum(lengths, 0) - lengths
    place = torch.arange(len(epochs)) - torch.repeat_interleave(starts, lengths)
    return epochs[place < torch.repeat_interleave(kept, lengths)], kept
