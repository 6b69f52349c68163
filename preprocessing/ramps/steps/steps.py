"""The step detector: a bank of optimal filters finds candidates, exact fits with subtract-and-retest decide.

Its products are the jumps and what people want from them: the count-rate image cleaned of jumps, with variance.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Annotated, Literal

import torch
from torch import Tensor

from astrid_ml.errors import UserError
from astrid_ml.preprocessing.ramps.steps.averaging import Density, FoundSteps, averaged_rates, doubtful
from astrid_ml.preprocessing.ramps.steps.filters import class_of, filters
from astrid_ml.preprocessing.ramps.steps.likelihood import Sampling, StepFit, fit_steps
from astrid_ml.preprocessing.ramps.steps.prior import REACH, Believed, RatePrior, believed_steps, neighbours_prior
from astrid_ml.types import Count, InUnits, Positive, Share

_BLOCK = 8192  # pixels fitted at once: some tens of values for each of their groups


@dataclass(frozen=True)
class Steps:
    """Jumps of a tile (k of them) and its count-rate image.

    Args:
        group: 0-based group after the step, (k,).
        y: row in the tile, (k,).
        x: column in the tile, (k,).
        amplitude: e-, signed, (k,).
        snr: signed significance, (k,).
        by_neighbours: whether their pixel's ramp alone would not have told of them, (k,) bool.
        rate: count rate around the jumps, averaged over further ones that may be there, e-/s, (h, w); NaN where no two
            neighbouring groups can be used.
        rate_variance: its variance with the spread of what was averaged, (e-/s)^2, (h, w).
        chi2: reduced chi-square of the fits with the jumps; NaN in pixels without candidates, (h, w).
        unusable: pixels without a testable ramp, (h, w) bool.
    """

    group: Tensor
    y: Tensor
    x: Tensor
    amplitude: Tensor
    snr: Tensor
    by_neighbours: Tensor
    rate: Tensor
    rate_variance: Tensor
    chi2: Tensor
    unusable: Tensor


@dataclass(frozen=True)
class _Screened:
    """What the filter bank says of n pixels, each (n,); NaN in pixels with unusable groups, but for ``peak``
    and ``size``.

    Args:
        rate: count rate of the whole ramp, e-/s.
        variance: its variance.
        peak: significance of the largest step, up or down; infinite where groups are unusable.
        rise: significance of the largest step upwards.
        size: standard deviation of a step's size, e-; in unusable pixels that of a whole ramp without photons.
    """

    rate: Tensor
    variance: Tensor
    peak: Tensor
    rise: Tensor
    size: Tensor

    def part(self, where: slice) -> _Screened:
        """Views of some pixels."""
        return _Screened(*(getattr(self, item.name)[where] for item in fields(self)))


@dataclass(frozen=True)
class StepDetector:
    """Likelihood detection of steps.

    Args:
        threshold: significance of a step, two-sided; 4.5 gives at most 6.8 false steps per 10^6 pixel-frames.
        retest: after a jump is found, fit it too and look for further ones; False is a single pass.
        max_jumps: jumps looked for in one pixel.
        average: share of the probability from which a further step that is not certain counts in the cleaned slope
            (see ``averaging``); 0 takes the slope of the fit with the found steps alone.
        prior: what is known of a pixel's rate beforehand: nothing, so that rises and falls weigh alike (``none``), or
            what its neighbours tell (``neighbours``; see ``prior``), by which few groups tell much more.
        screen: share of ``threshold`` at which the filter bank hands a pixel to the exact fit.
        chunk: pixels filtered at once (their reads should fit in the cache).
    """

    threshold: Positive = 4.5
    retest: bool = True
    max_jumps: Count = 64
    average: Share = 0.02
    prior: Literal["none", "neighbours"] = "none"
    screen: Share = 0.93
    chunk: Annotated[Count, InUnits("px")] = 8192

    @property
    def margin(self) -> int:
        """Rows around a strip that it needs to know."""
        return REACH if self.prior == "neighbours" else 0

    def __call__(self, reads: Tensor, noise: Tensor, sampling: Sampling) -> Steps:
        """Find steps in one integration.

        Args:
            reads: (n_groups, h, w) in e-, float32; NaN is unusable (saturated, DO_NOT_USE).
            noise: noise of one read in e-, (h, w).
            sampling: times and reads of the groups.

        Raises:
            UserError: fewer than 3 groups.
        """
        n_groups, h, w = reads.shape
        if n_groups < 3:
            raise UserError("at least 3 groups", f"{n_groups}", "jumps cannot be found in so short a ramp")
        flat, sigma = reads.reshape(n_groups, -1), noise.reshape(-1)
        screened = self._screen(flat, sigma, sampling)
        rate, variance = screened.rate, screened.variance
        peak, prior = screened.peak, None
        if self.prior == "neighbours":
            prior = neighbours_prior(rate.reshape(h, w), variance.reshape(h, w))
            peak = torch.maximum(peak, self._known_peak(flat, sigma, sampling, prior.mean.to(sigma)))
        chosen = (peak > self.screen * self.threshold).nonzero()[:, 0]
        blocks = torch.split(chosen, _BLOCK) if len(chosen) else ()
        parts = [self._exact(flat, sigma, sampling, part, prior) for part in blocks]
        chi2 = torch.full_like(rate, torch.nan)
        jumps: list[Tensor] = []
        for part, fit, found in parts:
            rate[part], variance[part] = fit.rate.to(rate), fit.rate_variance.to(rate)
            chi2[part] = (fit.chi2 / fit.degrees.clamp(min=1)).to(rate)
            jumps.append(found)
        empty = torch.empty(0, 5, dtype=torch.float64, device=reads.device)
        table = torch.cat([empty, *jumps])
        place = table[:, 1].long()
        order = torch.argsort(place * n_groups + table[:, 0].long())
        table, place = table[order], place[order]
        if self.average > 0 and len(table):
            found_all = FoundSteps(table[:, 0].long(), place, table[:, 3], (n_groups, h, w))
            self._average(flat, sigma, sampling, screened, found_all)
        return Steps(
            group=table[:, 0].long(),
            y=place // w,
            x=place % w,
            amplitude=table[:, 2].float(),
            snr=table[:, 4].float(),
            by_neighbours=(table[:, 3].abs() <= self.threshold) & (table[:, 4].abs() > self.threshold),
            rate=rate.reshape(h, w),
            rate_variance=variance.reshape(h, w),
            chi2=chi2.reshape(h, w),
            unusable=rate.isnan().reshape(h, w),
        )

    def _average(
        self, reads: Tensor, noise: Tensor, sampling: Sampling, screened: _Screened, found: FoundSteps
    ) -> None:
        """Average the rate over further steps in the pixels that may have one, in place."""
        density = Density.measure(found, self.threshold, screened.size)
        mark = doubtful(screened.rise, screened.size, density.anywhere, self.average)
        mark[found.pixel] = True
        mark[found.beside[1]] = True
        for part in torch.split(mark.nonzero()[:, 0], _BLOCK):
            rate, variance = averaged_rates(reads, noise, sampling, screened.rate, found, density, part)
            screened.rate[part], screened.variance[part] = rate.to(noise), variance.to(noise)

    def _screen(self, reads: Tensor, noise: Tensor, sampling: Sampling) -> _Screened:
        """The filter bank over all pixels, a chunk at a time."""
        out = _Screened(*(torch.full_like(noise, torch.nan) for _ in range(5)))
        for start in range(0, reads.shape[1], self.chunk):
            part = slice(start, start + self.chunk)
            self._screen_chunk(reads[:, part], noise[part], sampling, out.part(part))
        return out

    def _screen_chunk(self, reads: Tensor, noise: Tensor, sampling: Sampling, out: _Screened) -> None:
        base = reads[0].clone()
        total = reads[-1] - base
        ratio = total / (len(reads) - 1) / noise.square()
        finite = reads.sum(0).isfinite()
        number = torch.where(finite, class_of(ratio.nan_to_num(0.0)), -1)
        out.peak[~finite] = torch.inf  # always fitted exactly
        key = sampling.key
        out.size[:] = noise * filters(key, 0).amplitude_sigma
        classes = torch.unique(number).tolist()
        for value in classes:
            if value < 0:
                continue
            where: Tensor | slice = slice(None) if len(classes) == 1 else (number == value).nonzero()[:, 0]
            bank = filters(key, int(value))
            filtered = bank.matrix.to(reads) @ (reads[:, where] - base[where])
            lowest, highest = torch.aminmax(filtered[:-1], dim=0)
            out.rise[where] = highest / noise[where]
            out.peak[where] = torch.maximum(-lowest, highest) / noise[where]
            out.size[where] = noise[where] * bank.amplitude_sigma
            out.rate[where] = filtered[-1]
            photon = ratio[where].clamp(min=0) * bank.photon_term
            out.variance[where] = noise[where].square() * (bank.read_term + photon)

    def _known_peak(self, reads: Tensor, noise: Tensor, sampling: Sampling, rate: Tensor) -> Tensor:
        """The largest significance of a rise were the rate that of the neighbours, (n,); unusable pixels have none."""
        base, step, key = reads[0].clone(), float(sampling.spacing.mean()), sampling.key
        out = torch.zeros_like(noise)
        number = class_of(rate.clamp(min=0) * step / noise.square())
        for value in torch.unique(number).tolist():
            bank = filters(key, int(value))
            for where in torch.split((number == value).nonzero()[:, 0], self.chunk):
                filtered = bank.known.to(reads) @ (reads[:, where] - base[where])
                filtered -= bank.known_slope.to(reads) * rate[where]
                out[where] = filtered.amax(0) / noise[where]
        return out.nan_to_num(0.0)

    def _exact(
        self, reads: Tensor, noise: Tensor, sampling: Sampling, chosen: Tensor, prior: RatePrior | None
    ) -> tuple[Tensor, StepFit, Tensor]:
        """Fit the chosen pixels exactly; (pixels, last fit, table of group, pixel, amplitude, own snr, snr)."""
        difference = torch.diff(reads[:, chosen].double(), dim=0)
        used = difference.isfinite()
        sigma = noise[chosen].double()
        difference = difference.nan_to_num(0.0)
        fit = self._refit(difference, used, sampling, sigma)
        active = torch.arange(len(chosen), device=reads.device)
        found: list[Tensor] = []
        state = [fit.rate, fit.rate_variance, fit.chi2, fit.degrees]
        for _ in range(self.max_jumps if self.retest else 1):
            if prior is None:
                tested = Believed(fit.snr, fit.amplitude)
            else:
                part = prior.part(chosen[active])
                tested = believed_steps(difference[:, active], used[:, active], sampling, sigma[active], part)
            snr, at = tested.snr.abs().max(0)
            hit = snr > self.threshold
            if not bool(hit.any()):
                break
            active, at = active[hit], at[hit]
            row = torch.arange(len(hit), device=reads.device)[hit]
            size, sure = tested.amplitude[at, row], tested.snr[at, row]
            found.append(torch.stack([at + 1.0, active.double(), size, sure, sure], 1))
            used[at, active] = False
            fit = self._refit(difference[:, active], used[:, active], sampling, sigma[active])
            for whole, new in zip(state, (fit.rate, fit.rate_variance, fit.chi2, fit.degrees), strict=True):
                whole[active] = new
        table = torch.cat(found) if found else torch.empty(0, 5, dtype=torch.float64, device=reads.device)
        table = _final_sizes(table, difference, used, sampling, sigma, state[0])
        if prior is None:
            table[:, 4] = table[:, 3]
        table[:, 1] = chosen[table[:, 1].long()].double()
        last = replace(fit, rate=state[0], rate_variance=state[1], chi2=state[2], degrees=state[3])
        return chosen, last, table

    @staticmethod
    def _refit(difference: Tensor, used: Tensor, sampling: Sampling, noise: Tensor) -> StepFit:
        """Fit with the photon noise of the rate that remains without the strongest step."""
        spacing = sampling.spacing.to(difference)[:, None]
        rough = torch.where(used, difference / spacing, torch.nan).nanmedian(0).values.nan_to_num(0.0)
        strongest = fit_steps(difference, used, sampling, noise, rough).snr.abs().argmax(0)
        others = used.clone()
        others[strongest, torch.arange(len(strongest), device=others.device)] = False
        rate = fit_steps(difference, others, sampling, noise, rough).rate
        return fit_steps(difference, used, sampling, noise, rate.nan_to_num(0.0))


def _final_sizes(
    table: Tensor, difference: Tensor, used: Tensor, sampling: Sampling, noise: Tensor, rate: Tensor
) -> Tensor:
    """Replace each jump's size, and its significance by its own ramp, by those in the joint fit of all its pixel's.

    A jump's size was fitted while later-found jumps still stood in the data. Putting one difference back with all
    others still out gives the joint fit's value.
    """
    if not len(table):
        return table
    at, pixel = table[:, 0].long() - 1, table[:, 1].long()
    again = used[:, pixel].clone()
    columns = torch.arange(len(pixel), device=table.device)
    again[at, columns] = True
    fit = fit_steps(difference[:, pixel], again, sampling, noise[pixel], rate[pixel].nan_to_num(0.0))
    out, testable = table.clone(), fit.amplitude_sigma[at, columns].isfinite()
    out[:, 2] = torch.where(testable, fit.amplitude[at, columns], table[:, 2])
    out[:, 3] = torch.where(testable, fit.snr[at, columns], 0.0)
    return out
