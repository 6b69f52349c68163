"""Count rates of the same pixels in the integrations before and after one."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from astrid_ml.preprocessing.ramps.steps.prior import KnownRate

_BESIDE = 2  # integrations before and after: sources vary, and memory ends


class Integrations:
    """Rates of an exposure's integrations by their whole ramps, as many as are needed at a time.

    Args:
        number: of integrations.
        rates: rate (e-/s) and variance of one, both (h, w); NaN where nobody knows.

    Example:
        >>> known = Integrations(3, lambda one: (torch.full((2, 2), 4.0 + one), torch.ones(2, 2)))
        >>> float(known.beside(1).rate[0, 0])
        5.0
    """

    def __init__(self, number: int, rates: Callable[[int], tuple[Tensor, Tensor]]) -> None:
        self.number, self._rates = number, rates
        self._kept: dict[int, tuple[Tensor, Tensor]] = {}

    def beside(self, integration: int) -> KnownRate | None:
        """The median of those around one, which a ray in one of three does not move; None where there are none."""
        wanted = range(max(0, integration - _BESIDE), min(self.number, integration + _BESIDE + 1))
        self._kept = {one: self._kept[one] if one in self._kept else self._rates(one) for one in wanted}
        others = [self._kept[one] for one in wanted if one != integration]
        if not others:
            return None
        rates, variances = (torch.stack(parts) for parts in zip(*others, strict=True))
        count = rates.isfinite().sum(0)
        ordered = rates.sort(0)[0]  # what is not known is last
        low, high = ((count - 1).clamp(min=0) // 2, (count // 2).clamp(max=len(rates) - 1))
        middle = 0.5 * (ordered.gather(0, low[None]) + ordered.gather(0, high[None]))[0]
        spread = torch.where(count > 2, math.pi / 2, 1.0) / count.clamp(min=1)
        return KnownRate("integrations", middle, variances.nanmean(0) * spread)
