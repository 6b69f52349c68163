"""What happened to the records of a prediction, and what its report says of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from astrid_ml.reasons import in_words, mend
from astrid_ml.run.prediction.drops import NAMED, NamedDrops
from astrid_ml.run.prediction.scoring import AGAIN
from astrid_ml.validity.spread import Counts, added


@dataclass
class PredictionAccount:
    """What happened to the records of a prediction.

    Args:
        units: how many were begun.
        scored: rows.
        failed_units: ``unit`` and ``reason`` of each.
        dropped: reason -> how many samples were left out for it.
        named: a choice of them.
        counts: what the pipeline counted, by name.
        against_sky: samples whose sky is not as the checkpoint's was.
        against_sky_named: ``id`` and ``median_sigma`` of the first of them.
        against_normalisation: kind -> stamps that were normalised so before, where the checkpoint's channels do not
            undo it.
        domain: rows inside and outside the domain of validity, and not measured.
        outside_because: reason -> rows.
        spread: how the numbers of the samples are spread; see :func:`astrid_ml.validity.spread.counts_of`.
    """

    units: int = 0
    scored: int = 0
    failed_units: list[dict[str, str]] = field(default_factory=list)
    dropped: Counter[str] = field(default_factory=Counter)
    named: NamedDrops = field(default_factory=NamedDrops)
    counts: Counter[str] = field(default_factory=Counter)
    against_sky: int = 0
    against_sky_named: list[dict[str, Any]] = field(default_factory=list)
    against_normalisation: Counter[str] = field(default_factory=Counter)
    domain: Counter[str] = field(default_factory=Counter)
    outside_because: Counter[str] = field(default_factory=Counter)
    spread: Counts = field(default_factory=dict)

    def fail(self, unit: str, reason: str) -> None:
        """Name a unit that has no result."""
        self.failed_units.append({"unit": unit, "reason": reason})

    def add(self, result: dict[str, Any]) -> None:
        """Count what a unit dropped and counted; its rows are counted when they are written.

        Args:
            result: of the unit.
        """
        self.dropped.update(result["dropped"])
        self.counts.update(result["counts"])
        self.against_sky += result.get("against_sky", 0)
        self.against_normalisation.update(result.get("against_normalisation", {}))
        told = dict(result.get("domain") or {})
        self.outside_because.update(told.pop("because", {}))
        self.domain.update(told)
        self.spread = added(self.spread, result.get("spread", {}))
        self.against_sky_named += result.get("against_sky_named", [])[: NAMED - len(self.against_sky_named)]

    def repeat(self, number: int) -> None:
        """Count samples that an earlier unit had too."""
        if number:
            self.dropped[AGAIN] += number

    def tell_apart(self, number: int) -> None:
        """Count samples that got an id of their own, because a different one of another unit has theirs."""
        if number:
            self.counts["ids_told_apart"] += number

    def in_words(self) -> str:
        """Why nothing was scored."""
        return in_words(self._reasons())

    def mend(self, otherwise: str) -> str:
        """What to do where nothing was scored; see :func:`astrid_ml.reasons.mend`."""
        return mend(self._reasons(), otherwise)

    def _reasons(self) -> Iterator[str]:
        return chain(self.dropped.elements(), (failed["reason"] for failed in self.failed_units))

    def summary(self) -> dict[str, Any]:
        """The content of ``report.json``."""
        dropped, named = self.dropped.total(), self.named.chosen()
        return {
            "read": self.scored + dropped,
            "scored": self.scored,
            "dropped": dropped,
            "dropped_by_reason": dict(sorted(self.dropped.items())),
            "units": self.units,
            "failed": len(self.failed_units),
            "failed_units": self.failed_units,
            "drops": named,
            "drops_not_named": dropped - sum(drop.get("count", 1) for drop in named),
            "counts": dict(sorted(self.counts.items())),
            "against_sky": self.against_sky,
            "against_sky_named": self.against_sky_named,
            "against_normalisation": dict(sorted(self.against_normalisation.items())),
            "domain": {
                **{name: self.domain[name] for name in ("inside", "outside", "not_measured")},
                "because": dict(sorted(self.outside_because.items())),
            },
        }
