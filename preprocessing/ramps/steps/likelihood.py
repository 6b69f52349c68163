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


_WIDE = 4  # a pixel by LAPACK takes about as long as this many rows of all pixels


@dataclass(frozen=True)
class Tridiagonal:
    """C^-1 of symmetric tridiagonal matrices, from the pivots of an elimination from above and one from below.

    Args:
        alpha: diagonals, (m, n).
        beta: neighbouring elements, (m - 1, n).
        forward: pivots from above, (m, n).
        backward: pivots from below, (m, n).
        solution: C^-1 on k right-hand sides, (k, m, n).
    """

    alpha: Tensor
    beta: Tensor
    forward: Tensor
    backward: Tensor
    solution: Tensor

    @property
    def inverse_diagonal(self) -> Tensor:
        """(C^-1)_ii = 1 / (D_i + E_i - alpha_i), (m, n)."""
        return 1.0 / (self.forward + self.backward - self.alpha)

    @property
    def inverse_beside(self) -> Tensor:
        """(C^-1)_i,i+1 = -beta_i / (D_i E_i+1 - beta_i^2), (m - 1, n)."""
        return -self.beta / (self.forward[:-1] * self.backward[1:] - self.beta.square())

    @property
    def log_determinant(self) -> Tensor:
        """log |C|, (n,)."""
        return self.forward.log().sum(0)


def solve_tridiagonal(alpha: Tensor, beta: Tensor, right: Tensor) -> Tridiagonal:
    """Solve C x = b for symmetric tridiagonal C.

    Args:
        alpha: diagonals, (m, n).
        beta: neighbouring elements, (m - 1, n).
        right: k right-hand sides, (k, m, n).
    """
    m, n = alpha.shape
    if n <= m // _WIDE and alpha.dtype == torch.float64 and alpha.device.type == "cpu":
        return _solve_each(alpha, beta, right)
    forward, backward, factors = torch.empty_like(alpha), torch.empty_like(alpha), torch.empty_like(beta)
    solution = right.transpose(0, 1).contiguous()  # a row of all right-hand sides lies together
    a, b, f, e, g, x = (part.unbind(0) for part in (alpha, beta, forward, backward, factors, solution))
    f[0].copy_(a[0])
    for i in range(1, m):
        torch.div(b[i - 1], f[i - 1], out=g[i - 1])
        torch.addcmul(a[i], b[i - 1], g[i - 1], value=-1, out=f[i])
        x[i].addcmul_(g[i - 1], x[i - 1], value=-1)
    e[m - 1].copy_(a[m - 1])
    x[m - 1].div_(f[m - 1])
    squares = beta.square().unbind(0)
    for i in range(m - 2, -1, -1):
        torch.addcdiv(a[i], squares[i], e[i + 1], value=-1, out=e[i])
        x[i].div_(f[i]).addcmul_(g[i], x[i + 1], value=-1)
    return Tridiagonal(alpha, beta, forward, backward, solution.transpose(0, 1))


def _solve_each(alpha: Tensor, beta: Tensor, right: Tensor) -> Tridiagonal:
    """The same for a few long ramps, one after the other."""
    forward, backward, solution = torch.empty_like(alpha), torch.empty_like(alpha), torch.empty_like(right)
    for pixel in range(alpha.shape[1]):
        diagonal, beside = alpha[:, pixel].numpy(), beta[:, pixel].numpy()
        pivots, factors, _ = lapack.dpttrf(diagonal, beside)
        forward[:, pixel] = torch.from_numpy(pivots)
        backward[:, pixel] = torch.from_numpy(lapack.dpttrf(diagonal[::-1], beside[::-1])[0][::-1].copy())
        solution[:, :, pixel] = torch.from_numpy(lapack.dpttrs(pivots, factors, right[:, :, pixel].T.numpy())[0].T)
    return Tridiagonal(alpha, beta, forward, backward, solution)


def masked_covariance(used: Tensor, sampling: Sampling, noise: Tensor, rate: Tensor) -> tuple[Tensor, Tensor]:
    """Covariances of the differences that are used, diagonal (m, n) and beside (m - 1, n); the others stand alone."""
    alpha, beta = sampling.covariance(rate.clamp(min=0), noise)
    # To multiply by 0 and 1 is many times as fast as to choose by a mask.
    mask = used.to(alpha)
    return alpha.mul_(mask).add_(1.0 - mask), beta.mul_(mask[1:]).mul_(mask[:-1])


@dataclass(frozen=True)
class Solved:
    """C^-1 on the differences and on the times between groups, for one photon noise. m differences, n pixels.

    Args:
        used: which differences count, (m, n) bool.
        difference: 0 where not used, e-, (m, n).
        spacing: 0 where not used, s, (m, n).
        weight_d: C^-1 on ``difference``.
        weight_t: C^-1 on ``spacing``.
        inverse_diagonal: of C^-1, (m, n).
        inverse_beside: its elements beside the diagonal, (m - 1, n).
        log_determinant: log |C|, (n,).
        swept: what the differences and the times took of a template that was swept out, (2, n); 0 without one.
    """

    used: Tensor
    difference: Tensor
    spacing: Tensor
    weight_d: Tensor
    weight_t: Tensor
    inverse_diagonal: Tensor
    inverse_beside: Tensor
    log_determinant: Tensor
    swept: Tensor

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
        alpha, beta = masked_covariance(used, sampling, noise, rate)
        spacing = sampling.spacing.to(difference)[:, None].expand_as(difference)
        sides = [difference, spacing] if template is None else [difference, spacing, template]
        right = torch.stack(sides).mul_(used.to(difference))
        solved = solve_tridiagonal(alpha, beta, right)
        weight = solved.solution
        plain = Solved(
            used,
            right[0],
            right[1],
            weight[0],
            weight[1],
            solved.inverse_diagonal,
            solved.inverse_beside,
            solved.log_determinant,
            torch.zeros_like(right[:2, 0]),
        )
        return plain if template is None else plain._without(right[2], weight[2])

    def _without(self, template: Tensor, weight: Tensor) -> Solved:
        """The same with a template of free size fitted too (Frisch, Waugh and Lovell)."""
        information = (template * weight).sum(0).clamp(min=1e-300)
        in_d, in_t = ((side * weight).sum(0) / information for side in (self.difference, self.spacing))
        return Solved(
            self.used,
            self.difference - in_d * template,
            self.spacing - in_t * template,
            self.weight_d - in_d * weight,
            self.weight_t - in_t * weight,
            self.inverse_diagonal - weight.square() / information,
            self.inverse_beside - weight[:-1] * weight[1:] / information,
            self.log_determinant,
            torch.stack([in_d, in_t]),
        )

    def fit(self) -> StepFit:
        """The ramp and single steps about it, nothing known of the rate."""
        information = (self.spacing * self.weight_t).sum(0)
        slope = (self.difference * self.weight_t).sum(0) / information
        leverage = self.weight_t / information
        free = torch.addcmul(self.inverse_diagonal, self.weight_t, leverage, value=-1)
        residual = torch.addcmul(self.weight_d, self.weight_t, slope, value=-1).nan_to_num_(0.0)
        # A difference that alone carries the slope leaves nothing to test a step against.
        testable = self.used.to(free).mul_((free > 1e-9 * self.inverse_diagonal).to(free))
        free = free.nan_to_num_(0.0).mul_(testable).add_(1.0 - testable)
        residual *= testable
        sharp = free.rsqrt()
        return StepFit(
            snr=residual * sharp,
            amplitude=residual / free,
            amplitude_sigma=sharp / testable,
            leverage=leverage,
            rate=slope,
            rate_variance=1.0 / information,
            chi2=(self.difference * self.weight_d).sum(0) - slope.square() * information,
            degrees=self.used.sum(0) - 1,
            template=self.swept[0] - slope * self.swept[1],
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
