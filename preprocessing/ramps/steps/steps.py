"""The step detector: a bank of optimal filters finds candidates, exact fits with subtract-and-retest decide.

Its products are the jumps and what people want from them: the count-rate image cleaned of jumps, with variance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import torch
from torch import Tensor

from astrid_ml.errors import UserError
from astrid_ml.preprocessing.ramps.steps.averaging import Density, FoundSteps, averaged_rates, doubtful, positions
from astrid_ml.preprocessing.ramps.steps.certain import LEAST, certain
from astrid_ml.preprocessing.ramps.steps.decays import decaying, decays
from astrid_ml.preprocessing.ramps.steps.explain import COLUMNS, Explained, Rules, explain, joined
from astrid_ml.preprocessing.ramps.steps.likelihood import Sampling
from astrid_ml.preprocessing.ramps.steps.pixels import Ramps, blocks
from astrid_ml.preprocessing.ramps.steps.prior import (
    REACH,
    KnownRate,
    RatePrior,
    common_rates,
    disturbed,
    flat_prior,
    in_company,
    neighbours_prior,
)
from astrid_ml.preprocessing.ramps.steps.screen import Screened, known_peak, screen
from astrid_ml.types import Count, InUnits, Positive, Share

_VALUES = 2**20  # of pixels and groups fitted at once: some tens of numbers for each of them


@dataclass(frozen=True)
class Steps:
    """Jumps of a tile (k of them) and its count-rate image.

    Args:
        group: 0-based group after the step, (k,).
        y: row in the tile, (k,).
        x: column in the tile, (k,).
        amplitude: e-, signed, (k,).
        snr: signed significance, (k,).
        evidence: what it rests on, a place in ``prior.EVIDENCE``, (k,).
        rate: count rate around the jumps, averaged over further ones that may be there, e-/s, (h, w); NaN where no two
            neighbouring groups can be used.
        rate_variance: its variance with the spread of what was averaged, (e-/s)^2, (h, w).
        chi2: reduced chi-square of the fits with the jumps; NaN in pixels without candidates, (h, w).
        decay: charge that traps released during the ramp, where that explains it better than steps, e-, (h, w); else 0.
        unusable: pixels without a testable ramp, (h, w) bool.
    """

    group: Tensor
    y: Tensor
    x: Tensor
    amplitude: Tensor
    snr: Tensor
    evidence: Tensor
    rate: Tensor
    rate_variance: Tensor
    chi2: Tensor
    decay: Tensor
    unusable: Tensor


@dataclass(frozen=True)
class StepDetector:
    """Likelihood detection of steps.

    Args:
        threshold: significance of a step; 4.5 gives at most 6.8 false steps per 10^6 pixel-frames.
        retest: after a jump is found, fit it too and look for further ones; False is a single pass.
        max_jumps: jumps looked for in one pixel; None looks until nothing is left.
        average: share of the probability from which a further step that is not certain counts in the cleaned slope
            (see ``averaging``); 0 takes the slope of the fit with the found steps alone.
        prior: what is known beforehand. ``none``: rises and falls weigh alike, and any rate is as good as another.
            ``sign``: falls need evidence, rays split between groups that average reads are one, and charge that traps
            release is no step. ``neighbours``: the rates around a pixel tell of its own too (see ``prior``), where
            there are any. ``integrations``: so do those of its other integrations.
        screen: share of ``threshold`` at which the filter bank hands a pixel to the exact fit.
        chunk: pixels filtered at once (their reads should fit in the cache).
    """

    version: ClassVar[int] = 1  # ``prior`` was none, and ``max_jumps`` 64

    threshold: Positive = 4.5
    retest: bool = True
    max_jumps: Count | None = None
    average: Share = 0.02
    prior: Literal["none", "sign", "neighbours", "integrations"] = "neighbours"
    screen: Share = 0.93
    chunk: Annotated[Count, InUnits("px")] = 8192

    @property
    def margin(self) -> int:
        """Rows around a strip that it needs to know: the neighbours, and by whose neighbours they were cleaned."""
        return 2 * REACH if self.around else 0

    @property
    def around(self) -> bool:
        """Whether the pixels around one tell of it."""
        return self.prior in ("neighbours", "integrations")

    def __call__(self, reads: Tensor, noise: Tensor, sampling: Sampling, known: Sequence[KnownRate] = ()) -> Steps:
        """Find steps in one integration.

        Args:
            reads: (n_groups, h, w) in e-, float32; NaN is unusable (saturated, DO_NOT_USE).
            noise: noise of one read in e-, (h, w).
            sampling: times and reads of the groups.
            known: the count rates from elsewhere, which count beside those of neighbours.

        Raises:
            UserError: fewer than 3 groups.
        """
        n_groups, h, w = reads.shape
        if n_groups < 3:
            raise UserError("at least 3 groups", f"{n_groups}", "jumps cannot be found in so short a ramp")
        flat, sigma = reads.reshape(n_groups, -1), noise.reshape(-1)
        screened = screen(flat, sigma, sampling, self.chunk)
        bends = decaying(screened.bend.reshape(h, w)).reshape(-1)
        sure = self._certain(flat, sigma, sampling, screened)
        tile = _Tile(flat, sigma, sampling, (h, w), tuple(known) if self.around else (), bends, *sure)
        chosen, found = self._explained(tile, screened)
        rate, variance = screened.rate, screened.variance
        chi2, decay = torch.full_like(rate, torch.nan), torch.zeros_like(rate)
        rate[chosen], variance[chosen] = found.rate.to(rate), found.variance.to(rate)
        chi2[chosen] = (found.chi2 / found.degrees.clamp(min=1)).to(rate)
        decay[chosen] = found.decay.to(rate)
        place = chosen[found.table[:, 1].long()]
        order = torch.argsort(place * n_groups + found.table[:, 0].long())
        table, place = found.table[order], place[order]
        if self.average > 0 and len(table):
            found_all = FoundSteps(table[:, 0].long(), place, table[:, 3], (n_groups, h, w))
            self._average(tile, screened, found_all, decay != 0)
        return Steps(
            group=table[:, 0].long(),
            y=place // w,
            x=place % w,
            amplitude=table[:, 2].float(),
            snr=self._significance(table).float(),
            evidence=table[:, 5].long(),
            rate=rate.reshape(h, w),
            rate_variance=variance.reshape(h, w),
            chi2=chi2.reshape(h, w),
            decay=decay.reshape(h, w),
            unusable=rate.isnan().reshape(h, w),
        )

    def _significance(self, table: Tensor) -> Tensor:
        """By the joint fit of a pixel's steps, or by what was believed when its own ramp says less."""
        own, believed = table[:, 3], table[:, 4]
        return torch.where((believed.abs() > own.abs()) & self.around, believed, own)

    def _certain(self, reads: Tensor, noise: Tensor, sampling: Sampling, screened: Screened) -> tuple[Tensor, Tensor]:
        """Rows of the steps that are certain, and of how many any rate is cleaned, (n,): in ``screened``, in place."""
        rows = [torch.empty(0, COLUMNS, dtype=torch.float64, device=noise.device)]
        cleaned = torch.zeros_like(noise, dtype=torch.int64)
        alone = bool((sampling.reads == 1).all())  # a ray within a group is two steps, which are believed in together
        if len(reads) <= LEAST or not alone or self._rules.rounds is not None:
            return rows[0], cleaned
        chosen = ((screened.peak > self.threshold) & screened.rate.isfinite()).nonzero()[:, 0]
        for block in torch.split(chosen, self._block(len(reads))):
            found = certain(Ramps.of(reads, noise, sampling, block), self._rules)
            found.table[:, 1] = block[found.table[:, 1].long()].double()
            rows.append(found.table)
            hit = found.steps > 0
            cleaned[block] = found.steps
            for name in ("rate", "variance", "rise"):
                getattr(screened, name)[block[hit]] = getattr(found, name)[hit]
        return torch.cat(rows), cleaned

    @staticmethod
    def _block(groups: int) -> int:
        """Pixels fitted at once."""
        return max(1, _VALUES // groups)

    def _explained(self, tile: _Tile, screened: Screened) -> tuple[Tensor, Explained]:
        """Pixels that may have steps, and their explanations. With neighbours, once more by the cleaned ones."""
        h, w = tile.shape
        if not self.around:
            chosen = (screened.peak > self.screen * self.threshold).nonzero()[:, 0]
            found = self._exact(tile, chosen, flat_prior(len(chosen), chosen.device))
            return chosen, found if self.prior == "none" else self._with_decays(tile, chosen, found, found.steps > 0)
        everywhere = torch.arange(h * w, device=tile.noise.device)
        common = tile.common(screened.rise)
        prior = tile.prior(screened.rate, screened.variance, everywhere, common)
        peak = torch.maximum(screened.peak, self._known_peak(tile, everywhere, prior))
        chosen = (peak > self.screen * self.threshold).nonzero()[:, 0]
        found = self._exact(tile, chosen, prior.part(chosen))
        # Neighbours are cleaned of the decays that patches share; single ones come last, once for each pixel.
        found = self._with_decays(tile, chosen, found, tile.decaying[chosen] & (found.steps > 0))
        hit = torch.zeros_like(screened.peak, dtype=torch.bool)
        hit[chosen] = found.steps.long() != tile.cleaned[chosen]
        again = in_company(hit.reshape(h, w)).reshape(-1).nonzero()[:, 0]
        if not len(again):
            return chosen, self._with_decays(tile, chosen, found, found.steps > 0)
        rate, variance = screened.rate.clone(), screened.variance.clone()
        rate[chosen], variance[chosen] = found.rate.to(rate), found.variance.to(rate)
        prior = tile.prior(rate, variance, again, common)
        peak = torch.maximum(screened.peak[again], self._known_peak(tile, again, prior))
        before, second_time = torch.zeros_like(hit), torch.zeros_like(hit)
        before[chosen] = True
        may = (peak > self.screen * self.threshold) | before[again]
        second = self._exact(tile, again[may], prior.part(may.nonzero()[:, 0]))
        second_time[again[may]] = True
        kept = ~second_time[chosen]
        chosen, found = torch.cat([chosen[kept], again[may]]), joined([found.part(kept), second])
        return chosen, self._with_decays(tile, chosen, found, found.steps > 0)

    def _with_decays(self, tile: _Tile, chosen: Tensor, found: Explained, asked: Tensor) -> Explained:
        """With decays in place of steps where these explain the ramp better; ``asked`` of which pixels, (n,) bool."""
        for where in torch.split(asked.nonzero()[:, 0], self._block(len(tile.reads))):
            if not len(where):
                continue
            ramps = Ramps.of(tile.reads, tile.noise, tile.sampling, chosen[where])
            mine = torch.zeros_like(asked)
            mine[where] = True
            pixel, other = decays(ramps, found.part(mine), self._rules, tile.decaying[chosen[where]])
            found = found.replaced(where[pixel], other)
        return found

    @property
    def _rules(self) -> Rules:
        return Rules(self.threshold, self.max_jumps if self.retest else 1, self.prior != "none")

    def _known_peak(self, tile: _Tile, where: Tensor, prior: RatePrior) -> Tensor:
        """The largest rise in each of some pixels were one of the known rates its own."""
        reads, noise = (tile.reads, tile.noise) if len(where) == len(tile.noise) else tile.part(where)
        out = torch.zeros_like(noise)
        means = [part.mean.to(noise) for part in prior.parts if not part.broad]
        for mean in means:
            out = torch.maximum(out, known_peak(reads, noise, tile.sampling, mean, self.chunk))
        return out

    def _exact(self, tile: _Tile, chosen: Tensor, prior: RatePrior) -> Explained:
        """Fit the chosen pixels exactly; ``prior`` is theirs."""
        parts = []
        for block in torch.split(torch.arange(len(chosen), device=chosen.device), self._block(len(tile.reads))):
            ramps = Ramps.of(tile.reads, tile.noise, tile.sampling, chosen[block])
            place, mine = positions(tile.certain[:, 1].long(), chosen[block])
            rows = tile.certain[mine]
            rows[:, 1] = place.double()
            parts.append(explain(ramps, prior.part(block), self._rules, certain=rows))
        return joined(parts)

    def _average(self, tile: _Tile, screened: Screened, found: FoundSteps, fixed: Tensor) -> None:
        """Average the rate over further steps in the pixels that may have one, but for ``fixed`` ones, in place."""
        density = Density.measure(found, self.threshold, screened.size)
        mark = doubtful(screened.rise, screened.size, density.anywhere, self.average)
        mark[found.pixel] = True
        mark[found.beside[1]] = True
        mark &= ~fixed
        if not bool(mark.any()):
            return
        for part in blocks(mark.nonzero()[:, 0], len(tile.reads)):
            rate, variance = averaged_rates(tile.reads, tile.noise, tile.sampling, screened.rate, found, density, part)
            screened.rate[part], screened.variance[part] = rate.to(tile.noise), variance.to(tile.noise)


@dataclass(frozen=True)
class _Tile:
    """What is searched.

    Args:
        reads: (n_groups, n), e-; NaN unusable.
        noise: of one read, e-, (n,).
        sampling: times and reads.
        shape: rows and columns.
        known: count rates from elsewhere.
        decaying: where charge is released, (n,) bool.
        certain: rows of steps that are known already, as in ``Explained``.
        cleaned: number of the steps without which the rates are, (n,).
    """

    reads: Tensor
    noise: Tensor
    sampling: Sampling
    shape: tuple[int, int]
    known: tuple[KnownRate, ...]
    decaying: Tensor
    certain: Tensor
    cleaned: Tensor

    def part(self, where: Tensor) -> tuple[Tensor, Tensor]:
        """Reads and noise of some pixels."""
        return self.reads[:, where], self.noise[where]

    def common(self, rise: Tensor) -> Tensor | None:
        """Rates of neighbours most of whom have a step; None where there are none such."""
        chosen = disturbed(rise.reshape(self.shape), len(self.reads) - 1)
        if not bool(chosen.any()):
            return None
        return common_rates(self.reads.reshape(-1, *self.shape), self.sampling, chosen)

    def prior(self, rate: Tensor, variance: Tensor, where: Tensor, common: Tensor | None) -> RatePrior:
        """Of some pixels (k,), by the rates (n,) that are known of all."""
        image, spread = rate.reshape(self.shape), variance.reshape(self.shape)
        return neighbours_prior(image, spread, where, self.known, common)
