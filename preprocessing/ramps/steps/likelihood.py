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

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from scipy.linalg import lapack
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
        return (
            torch.addcmul(read * variance, photon, rate),
            torch.addcmul(read_off * variance, photon_off, rate),
        )


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
        template: how much of a template the ramp holds, (n,); 0 without one.
    """

    snr: Tensor
    amplitude: Tensor
    amplitude_sigma: Tensor
    leverage: Tensor
    rate: Tensor
    rate_variance: Tensor
    chi2: Tensor
    degrees: Tensor
    template: Tensor


@dataclass(frozen=True)
class StepTest:
    """What a ``StepFit`` is made of. m differences, n pixels.

    Args:
        residual: what is left of each difference, times the inverse covariance, (m, n); 0 where nothing can be tested.
        free: inverse variance of a step's size, 1/e-^2, (m, n); 1 there.
        leverage: fall of the count rate (1/s) for each e- of a step, (m, n).
        rate: e-/s, (n,); NaN where nothing is left to fit.
        rate_variance: its variance, (n,).
        chi2: of the ramp without steps, (n,).
        template: how much of a template the ramp holds, (n,); 0 without one.
    """

    residual: Tensor
    free: Tensor
    leverage: Tensor
    rate: Tensor
    rate_variance: Tensor
    chi2: Tensor
    template: Tensor

    @property
    def gain(self) -> Tensor:
        """Fall of chi-square with a step at each difference; negative with a fall, (m, n)."""
        return (self.residual * self.residual.abs()).div_(self.free)


_WIDE = 4  # a pixel by LAPACK takes about as long as this many rows of all pixels


@dataclass(frozen=True)
class Tridiagonal:
    """C^-1 of symmetric tridiagonal matrices, from an elimination from above.

    Args:
        pivots: its pivots, (m, n).
        factors: what each row gives to the next, (m - 1, n).
        inverse_diagonal: (C^-1)_ii, (m, n).
        solution: C^-1 on k right-hand sides, (k, m, n).
    """

    pivots: Tensor
    factors: Tensor
    inverse_diagonal: Tensor
    solution: Tensor

    @property
    def inverse_beside(self) -> Tensor:
        """(C^-1)_i,i+1, (m - 1, n)."""
        return -self.factors * self.inverse_diagonal[1:]

    @property
    def log_determinant(self) -> Tensor:
        """log |C|, (n,)."""
        return self.pivots.log().sum(0)


def solve_tridiagonal(
    alpha: Tensor, beta: Tensor, sides: Sequence[Tensor] | Tensor, mask: Tensor | None = None
) -> Tridiagonal:
    """Solve C x = b for symmetric tridiagonal C.

    Args:
        alpha: diagonals, (m, n).
        beta: neighbouring elements, (m - 1, n).
        sides: k right-hand sides, (m, n) or (m, 1) each.
        mask: 0 where they are 0 whatever they say, else 1, (m, n).
    """
    m, n = alpha.shape
    rows = alpha.new_empty(m, len(sides), n)  # a row of all right-hand sides lies together
    for number, side in enumerate(sides):
        torch.mul(side, 1.0 if mask is None else mask, out=rows[:, number])
    few = n <= m // _WIDE and alpha.dtype == torch.float64 and alpha.device.type == "cpu"
    pivots, factors = _eliminated_each(alpha, beta) if few else _eliminated(alpha, beta)
    inverse, squares = pivots.reciprocal(), factors.square()
    g, x, p, q = (part.unbind(0) for part in (factors, rows, pivots.reciprocal(), inverse))
    for i in range(1, m):
        x[i].addcmul_(g[i - 1], x[i - 1], value=-1)
    x[m - 1].mul_(p[m - 1])
    for i, square in zip(range(m - 2, -1, -1), reversed(squares.unbind(0)), strict=True):
        x[i].mul_(p[i]).addcmul_(g[i], x[i + 1], value=-1)
        q[i].addcmul_(square, q[i + 1])
    return Tridiagonal(pivots, factors, inverse, rows.transpose(0, 1))


def _eliminated(alpha: Tensor, beta: Tensor) -> tuple[Tensor, Tensor]:
    """Pivots (m, n) and factors (m - 1, n) of all pixels, row by row."""
    pivots, factors = alpha.clone(), torch.empty_like(beta)
    b, p, g = (part.unbind(0) for part in (beta, pivots, factors))
    for i in range(1, len(alpha)):
        torch.div(b[i - 1], p[i - 1], out=g[i - 1])
        p[i].addcmul_(b[i - 1], g[i - 1], value=-1)
    return pivots, factors


def _eliminated_each(alpha: Tensor, beta: Tensor) -> tuple[Tensor, Tensor]:
    """The same for a few long ramps, one after the other."""
    pivots, factors = torch.empty_like(alpha), torch.empty_like(beta)
    for pixel in range(alpha.shape[1]):
        diagonal, beside, _ = lapack.dpttrf(alpha[:, pixel].numpy(), beta[:, pixel].numpy())
        pivots[:, pixel], factors[:, pixel] = torch.from_numpy(diagonal), torch.from_numpy(beside)
    return pivots, factors


def masked_covariance(mask: Tensor, sampling: Sampling, noise: Tensor, rate: Tensor) -> tuple[Tensor, Tensor]:
    """Covariances of differences, diagonal (m, n) and beside (m - 1, n); where the mask is 0 they stand alone."""
    alpha, beta = sampling.covariance(rate.clamp(min=0), noise)
    # To multiply by 0 and 1 is many times as fast as to choose by a mask.
    return alpha.mul_(mask).add_(1.0 - mask), beta.mul_(mask[1:]).mul_(mask[:-1])


@dataclass(frozen=True)
class Solved:
    """C^-1 on the differences and on the times between groups, for one photon noise. m differences, n pixels.

    Args:
        mask: which differences count, 1 or 0, (m, n).
        difference: e-, (m, n).
        spacing: s, (m, n) or (m, 1).
        weight_d: C^-1 on ``difference``; 0 where it does not count.
        weight_t: C^-1 on ``spacing``.
        inverse_diagonal: of C^-1, (m, n); 1 where a difference does not count.
        matrix: C.
        shape: C^-1 on a template that was swept out, over the root of its information, (m, n); None without one.
        swept: what the differences and the times took of that template, (2, n); 0 without one.
    """

    mask: Tensor
    difference: Tensor
    spacing: Tensor
    weight_d: Tensor
    weight_t: Tensor
    inverse_diagonal: Tensor
    matrix: Tridiagonal
    shape: Tensor | None
    swept: Tensor

    @functools.cached_property
    def count(self) -> Tensor:
        """Differences that count, (n,)."""
        return self.mask.sum(0)

    @property
    def enough(self) -> Tensor:
        """Whether one of them can be tested: what remains tells the rate, (n,) bool."""
        return self.count > (1 if self.shape is None else 2)

    @property
    def inverse_beside(self) -> Tensor:
        """Elements of C^-1 beside its diagonal, (m - 1, n)."""
        beside = self.matrix.inverse_beside
        return beside if self.shape is None else beside - self.shape[:-1] * self.shape[1:]

    @functools.cached_property
    def products(self) -> tuple[Tensor, Tensor, Tensor]:
        """Of differences with themselves, with the times, and of these with themselves, over the noise, (n,) each."""
        d, t = self.difference, self.spacing
        return (d * self.weight_d).sum(0), (d * self.weight_t).sum(0), (t * self.weight_t).sum(0)

    @staticmethod
    def of(
        difference: Tensor,
        used: Tensor,
        sampling: Sampling,
        noise: Tensor,
        rate: Tensor,
        template: Tensor | None = None,
    ) -> Solved:
        """Solve for all pixels at once.

        Args:
            difference: (m, n) in e-, float64 for long ramps.
            used: which differences count, (m, n) bool.
            sampling: times and reads.
            noise: noise of one read, e-, (n,).
            rate: count rate that sets the photon noise, e-/s, (n,); negative ones count as 0.
            template: what a ramp may hold beside its rate, in an amount that nobody knows, (m, n): it is swept out.
        """
        mask, spacing = used.to(difference), sampling.spacing.to(difference)[:, None]
        sides = [difference, spacing] if template is None else [difference, spacing, template]
        solved = solve_tridiagonal(*masked_covariance(mask, sampling, noise, rate), sides, mask)
        weight, swept = solved.solution, torch.zeros_like(rate).expand(2, -1)
        plain = Solved(mask, difference, spacing, weight[0], weight[1], solved.inverse_diagonal, solved, None, swept)
        return plain if template is None else plain._without(template, weight[2])

    def _without(self, template: Tensor, weight: Tensor) -> Solved:
        """The same with a template of free size fitted too (Frisch, Waugh and Lovell)."""
        information = (template * weight).sum(0).clamp(min=1e-300)
        in_d, in_t = ((side * weight).sum(0) / information for side in (self.difference, self.spacing))
        return Solved(
            self.mask,
            self.difference - in_d * template,
            self.spacing - in_t * template,
            self.weight_d - in_d * weight,
            self.weight_t - in_t * weight,
            self.inverse_diagonal - weight.square() / information,
            self.matrix,
            weight * information.rsqrt(),
            torch.stack([in_d, in_t]),
        )

    def tested(self) -> StepTest:
        """The ramp and single steps about it, nothing known of the rate."""
        dd, dt, tt = self.products
        slope, leverage = dt / tt, self.weight_t / tt
        free = torch.addcmul(self.inverse_diagonal, self.weight_t, leverage, value=-1)
        residual = torch.addcmul(self.weight_d, self.weight_t, slope, value=-1)
        if not bool(self.enough.all()):
            # A difference that alone carries the slope leaves nothing to test a step against.
            enough = self.enough.to(free)
            free = free.nan_to_num_(0.0).mul_(enough).add_(1.0 - enough)
            residual = residual.nan_to_num_(0.0).mul_(enough)
        template = self.swept[0] - slope * self.swept[1]
        return StepTest(residual, free, leverage, slope, 1 / tt, dd - slope * dt, template)

    def fit(self) -> StepFit:
        """The same in units of charge and time."""
        test = self.tested()
        sharp = test.free.rsqrt()
        return StepFit(
            snr=test.residual * sharp,
            amplitude=test.residual / test.free,
            amplitude_sigma=sharp / (self.mask * self.enough),
            leverage=test.leverage,
            rate=test.rate,
            rate_variance=test.rate_variance,
            chi2=test.chi2,
            degrees=self.count.long() - 1,
            template=test.template,
        )


def fit_steps(
    difference: Tensor,
    used: Tensor,
    sampling: Sampling,
    noise: Tensor,
    rate: Tensor,
    template: Tensor | None = None,
) -> StepFit:
    """Fit ramps and single steps.

    A step of free size at difference k is the same as leaving that difference out, so a jump found before is
    taken into account by its absence from ``used``: exact, whatever its size. Arguments as in :meth:`Solved.of`.
    """
    return Solved.of(difference, used, sampling, noise, rate, template).fit()
