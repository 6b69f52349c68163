"""Random telegraph noise: a two-state model of a pixel's reads, and the choice between it and single jumps."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from astrid_ml.preprocessing.ramps.steps.believed import FALLS
from astrid_ml.preprocessing.ramps.steps.likelihood import Sampling, solve_tridiagonal

_SWITCH = 0.02  # prior chance of a change of state from one group to the next


@dataclass(frozen=True)
class TwoState:
    """Two-state fits of n pixels.

    Args:
        state: True in the high state, (n_groups, n).
        amplitude: distance of the levels, e-, (n,).
        rate: count rate, e-/s, (n,).
        transitions: changes of state, (n,).
        r2: share of the variance about the straight ramp that the two levels explain, (n,).
        chi2: generalised chi-square of the differences, (n,).
    """

    state: Tensor
    amplitude: Tensor
    rate: Tensor
    transitions: Tensor
    r2: Tensor
    chi2: Tensor

    def bic(self, n_groups: int) -> Tensor:
        """Bayesian information criterion: slope, amplitude and one time a transition are fitted."""
        return self.chi2 + (2 + self.transitions) * float(torch.tensor(float(n_groups)).log())


def jumps_bic(chi2: Tensor, jumps: Tensor, falls: Tensor, n_groups: int) -> Tensor:
    """The same for independent jumps: slope, and a time and a size a jump. Falls have their odds against them."""
    return chi2 + (1 + 2 * jumps) * float(torch.tensor(float(n_groups)).log()) + 2 * FALLS * falls


def fit_two_states(
    reads: Tensor, staircase: Tensor, noise: Tensor, rate: Tensor, sampling: Sampling, rounds: int = 4
) -> TwoState:
    """Fit two levels and a slope by turns: levels by generalised least squares, states by the most likely path.

    Args:
        reads: (n_groups, n) in e-, all finite.
        staircase: sum of the jumps found so far at each group, e-, (n_groups, n); it starts the states.
        noise: of one read, e-, (n,).
        rate: count rate without the jumps, e-/s, (n,).
        sampling: times and reads.
        rounds: alternations.
    """
    reads, noise, rate = reads.double(), noise.double(), rate.double().nan_to_num(0.0)
    staircase = staircase.double()
    middle = 0.5 * (staircase.amax(0) + staircase.amin(0))
    state = staircase > middle
    difference = torch.diff(reads, dim=0)
    fit = _levels(difference, state, noise, rate, sampling)
    for _ in range(rounds):
        state = _path(reads, fit.amplitude, fit.rate, state, noise, sampling)
        fit = _levels(difference, state, noise, fit.rate, sampling)
    detrended = reads - fit.rate * sampling.times.to(reads)[:, None]
    model = state * fit.amplitude
    residual = detrended - model
    r2 = 1 - residual.var(0, correction=0) / _straight_residual(reads, sampling).clamp(min=1e-12)
    return TwoState(state, fit.amplitude, fit.rate, fit.transitions, r2, fit.chi2)


@dataclass(frozen=True)
class _Levels:
    amplitude: Tensor
    rate: Tensor
    chi2: Tensor
    transitions: Tensor


def _levels(difference: Tensor, state: Tensor, noise: Tensor, rate: Tensor, sampling: Sampling) -> _Levels:
    """Slope and amplitude for given states, by generalised least squares."""
    change = torch.diff(state.to(difference), dim=0)
    spacing = sampling.spacing.to(difference)[:, None].expand_as(difference)
    alpha, beta = sampling.covariance(rate.clamp(min=0), noise)
    right = torch.stack([difference, spacing, change])
    solved = solve_tridiagonal(alpha, beta, right).solution
    gram = torch.einsum("imn,jmn->ijn", right, solved)
    tt, tc, cc, td, cd = gram[1, 1], gram[1, 2], gram[2, 2], gram[1, 0], gram[2, 0]
    determinant = tt * cc - tc.square()
    proper = determinant > 1e-9 * tt * cc.clamp(min=1e-30)
    safe = torch.where(proper, determinant, 1.0)
    slope = torch.where(proper, (cc * td - tc * cd) / safe, td / tt)
    amplitude = torch.where(proper, (tt * cd - tc * td) / safe, 0.0)
    chi2 = gram[0, 0] - slope * td - amplitude * cd
    return _Levels(amplitude, slope, chi2, change.abs().sum(0))


def _path(reads: Tensor, amplitude: Tensor, rate: Tensor, state: Tensor, noise: Tensor, sampling: Sampling) -> Tensor:
    """Most likely sequence of states (Viterbi) with Gaussian reads about two levels."""
    flat = reads - rate * sampling.times.to(reads)[:, None]
    low = (flat - state * amplitude).mean(0)
    each = noise / sampling.reads.to(reads).sqrt()[:, None]  # a group is the mean of its reads
    deviation = (flat - low) / each
    step = amplitude / each
    cost = 0.5 * torch.stack([deviation.square(), (deviation - step).square()])  # (2, n_groups, n)
    change = float(torch.log(torch.tensor((1 - _SWITCH) / _SWITCH)))
    best = cost[:, 0]
    came_from = torch.empty(cost.shape, dtype=torch.bool, device=reads.device)  # True: from the other state
    for group in range(1, reads.shape[0]):
        other = best.flip(0) + change
        came_from[:, group] = other < best
        best = torch.minimum(best, other) + cost[:, group]
    out = torch.empty_like(state)
    current = best[1] < best[0]
    for group in range(reads.shape[0] - 1, 0, -1):
        out[group] = current
        switched = torch.where(current, came_from[1, group], came_from[0, group])
        current = current ^ switched
    out[0] = current
    return out


def _straight_residual(reads: Tensor, sampling: Sampling) -> Tensor:
    """Variance about the best straight line, (n,)."""
    t = sampling.times.to(reads)
    t = (t - t.mean())[:, None]
    centred = reads - reads.mean(0)
    slope = (t * centred).sum(0) / t.square().sum()
    return (centred - slope * t).var(0, correction=0)
