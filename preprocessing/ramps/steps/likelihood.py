"""Generalised least squares of up-the-ramp differences with read and photon noise.

The differences d_i = R_{i+1} - R_i of the groups share a read noise with their neighbours and photon noise where
groups average several reads (the model of Brandt 2024, PASP 136, 045004 and 045005). With tau_i the
variance-weighted time and t_i the mean time of group i, N_i its reads, a the count rate (e-/s) and s the noise of
one read:

    Var(d_i)          = s^2 (1/N_i + 1/N_{i+1}) + a (tau_i + tau_{i+1} - 2 t_i)
    Cov(d_i, d_{i+1}) = -s^2 / N_{i+1} + a (t_{i+1} - tau_{i+1})

so the covariance is tridiagonal and every solve is one pass forward and one back, for all pixels at once.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from astrid_ml.preprocessing.ramps.ramp.sampling import ReadTimes


@dataclass(frozen=True)
class Sampling:
    """When a ramp was read.

    Args:
        times: mean time of each group's reads, s, (n_groups,), float64.
        reads: reads averaged into each group, (n_groups,), float64.
        tau: variance-weighted time of each group, s, (n_groups,), float64.
    """

    times: Tensor
    reads: Tensor
    tau: Tensor

    @staticmethod
    def of(read: ReadTimes) -> Sampling:
        """That of the times of all reads."""
        return Sampling(*(torch.from_numpy(part).double() for part in (read.mean, read.reads, read.weighted)))

    @property
    def key(self) -> tuple[tuple[float, ...], ...]:
        """The same as numbers that a cache can remember."""
        return tuple(tuple(part.tolist()) for part in (self.times, self.reads, self.tau))

    @property
    def spacing(self) -> Tensor:
        """Time between groups, s, (n_groups - 1,)."""
        return torch.diff(self.times)

    def terms(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """(read, photon) factors of the variance (m,) and (read, photon) factors of the covariance (m - 1,)."""
        tau, inverse = self.tau, 1.0 / self.reads
        read = inverse[:-1] + inverse[1:]
        photon = tau[:-1] + tau[1:] - 2 * self.times[:-1]
        return read, photon, -inverse[1:-1], self.times[1:-1] - tau[1:-1]

    def covariance(self, rate: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Diagonal (m, n) and neighbouring (m - 1, n) covariances in e-^2 for (n,) rates (e-/s) and noises (e-)."""
        read, photon, read_off, photon_off = (term.to(rate)[:, None] for term in self.terms())
        variance = noise.square()
        return read * variance + photon * rate, read_off * variance + photon_off * rate


@dataclass(frozen=True)
class StepFit:
    """Fit of a straight ramp, and of one further step at each difference. m differences, n pixels.

    Args:
        snr: significance of a step at each difference (signed; its square is the fall of chi-square), (m, n); 0
            where the difference is not used.
        amplitude: size of that step in e-, (m, n).
        amplitude_sigma: its standard deviation in e-, (m, n); infinite where the difference is not used.
        leverage: fall of the count rate (1/s) for each e- of a step that is fitted too, (m, n).
        rate: count rate around the jumps, e-/s, (n,); NaN where nothing is left to fit.
        rate_variance: its variance, (n,).
        chi2: of the ramp without further steps, (n,).
        degrees: used differences less one, (n,).
    """

    snr: Tensor
    amplitude: Tensor
    amplitude_sigma: Tensor
    leverage: Tensor
    rate: Tensor
    rate_variance: Tensor
    chi2: Tensor
    degrees: Tensor


def fit_steps(difference: Tensor, used: Tensor, sampling: Sampling, noise: Tensor, rate: Tensor) -> StepFit:
    """Fit ramps and single steps.

    A step of free size at difference k is the same as leaving that difference out, so a jump found before is
    taken into account by its absence from ``used``: exact, whatever its size.

    Args:
        difference: (m, n) in e-, float64 for long ramps.
        used: which differences count, (m, n) bool.
        sampling: times and reads.
        noise: noise of one read, e-, (n,).
        rate: count rate that sets the photon noise, e-/s, (n,); negative ones count as 0.
    """
    alpha, beta = sampling.covariance(rate.clamp(min=0), noise)
    alpha = torch.where(used, alpha, 1.0)
    beta = torch.where(used[1:] & used[:-1], beta, 0.0)
    spacing = sampling.spacing.to(difference)[:, None].expand_as(difference)
    right = torch.stack([torch.where(used, difference, 0.0), torch.where(used, spacing, 0.0)])
    solved, inverse_diagonal = solve_tridiagonal(alpha, beta, right)
    weight_d, weight_t = solved
    information = (right[1] * weight_t).sum(0)
    slope = (right[0] * weight_t).sum(0) / information
    free = inverse_diagonal - weight_t.square() / information
    residual = weight_d - weight_t * slope
    # A difference that alone carries the slope leaves nothing to test a step against.
    testable = used & (free > 1e-9 * inverse_diagonal)
    free = torch.where(testable, free, 1.0)
    return StepFit(
        snr=torch.where(testable, residual / free.sqrt(), 0.0),
        amplitude=torch.where(testable, residual / free, 0.0),
        amplitude_sigma=torch.where(testable, free.rsqrt(), torch.inf),
        leverage=weight_t / information,
        rate=slope,
        rate_variance=1.0 / information,
        chi2=(right[0] * weight_d).sum(0) - slope.square() * information,
        degrees=used.sum(0) - 1,
    )


def solve_tridiagonal(alpha: Tensor, beta: Tensor, right: Tensor) -> tuple[Tensor, Tensor]:
    """Solve C x = b for symmetric tridiagonal C, and find the diagonal of its inverse.

    Args:
        alpha: diagonals, (m, n).
        beta: neighbouring elements, (m - 1, n).
        right: k right-hand sides, (k, m, n).

    Returns:
        x (k, m, n), and (C^-1)_ii = 1 / (D_i + E_i - alpha_i) from the forward and backward pivots, (m, n).
    """
    m = alpha.shape[0]
    forward, backward = torch.empty_like(alpha), torch.empty_like(alpha)
    solution = right.clone()
    forward[0] = alpha[0]
    for i in range(1, m):
        factor = beta[i - 1] / forward[i - 1]
        forward[i] = alpha[i] - beta[i - 1] * factor
        solution[:, i] -= factor * solution[:, i - 1]
    backward[m - 1] = alpha[m - 1]
    solution[:, m - 1] /= forward[m - 1]
    for i in range(m - 2, -1, -1):
        backward[i] = alpha[i] - beta[i].square() / backward[i + 1]
        solution[:, i] = (solution[:, i] - beta[i] * solution[:, i + 1]) / forward[i]
    return solution, 1.0 / (forward + backward - alpha)
