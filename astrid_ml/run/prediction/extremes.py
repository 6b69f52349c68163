"""Keeps pictures of the most and the least certain predictions while a stream goes by."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from astrid_ml.contracts.pipeline import SampleSource
from astrid_ml.contracts.scoring import Draws
from astrid_ml.report.contact_sheet import stamp_caption, write_contact_sheet
from astrid_ml.types import Floats

OUTSIDE = "outside the domain of validity"
KINDS = ("surely real", "uncertain", "surely bogus", OUTSIDE)


def kinds_of(scored: pd.DataFrame) -> tuple[NDArray[np.str_], Floats, str]:
    """The one row of the sheet that each sample may stand in, its rank there, and what the numbers are.

    Sure is what lies beyond half the way from the threshold to 1, or to 0, by the number that the threshold applies to:
    nothing is surely real below the threshold. Without a threshold, or without a probability outside the domain, the
    score stands with one half.

    Args:
        scored: predictions with ``score``.

    Returns:
        kinds (n,), ranks (n,), the lower the better, and the name of the column that decided.
    """
    on = "probability" if "threshold_on" in scored and scored["threshold_on"].eq("probability").all() else "score"
    value = scored[on].to_numpy(dtype=float)
    threshold = scored["threshold"].to_numpy(dtype=float) if "threshold" in scored else np.full(len(scored), 0.5)
    outside = scored["in_domain"].eq(False).fillna(False).to_numpy(bool) if "in_domain" in scored else value < -1
    kind = np.full(len(scored), KINDS[1], dtype="U40")
    kind[value >= (1 + threshold) / 2] = KINDS[0]
    kind[value <= threshold / 2] = KINDS[2]
    kind[outside] = OUTSIDE
    score = scored["score"].to_numpy(dtype=float)
    rank = np.select(
        [kind == KINDS[0], kind == KINDS[2], kind == OUTSIDE], [-value, value, -score], abs(value - threshold)
    )
    return kind, np.where(np.isnan(rank), np.inf, rank), on


class Candidate(NamedTuple):
    """A picture that may stand on the sheet.

    Args:
        kind: one of ``KINDS``.
        rank: the lower, the better it shows that kind.
        id: of the sample.
        caption: below the picture.
        png: the picture.
    """

    kind: str
    rank: float
    id: str
    caption: str
    png: bytes


@dataclass
class Extremes:
    """The ``keep`` best examples of each kind seen so far, with their pictures; a sample is of one kind.

    Args:
        keep: samples of each kind.
        held: kind -> candidates, the best first.
    """

    keep: int = 8
    held: dict[str, list[Candidate]] = field(default_factory=lambda: {kind: [] for kind in KINDS})

    def offer(self, scored: pd.DataFrame, source: SampleSource, datamodule: Draws) -> pd.DataFrame:
        """Look at one unit's predictions, in the order of the source; only what is kept is drawn.

        Args:
            scored: its predictions.
            source: its samples.
            datamodule: draws them.

        Returns:
            What is new, a row a :class:`Candidate`.
        """
        new: list[Candidate] = []
        if "score" in scored and len(scored) == len(source.index):
            kinds, key, on = kinds_of(scored)
            for kind in KINDS:
                there = np.flatnonzero(kinds == kind)
                chosen = there[np.argsort(key[there], kind="stable")[: self.keep]].astype(np.int64)
                chosen = chosen[key[chosen] < self._worst(kind)]
                shown = "score" if kind == OUTSIDE else on
                if len(chosen):
                    for row, png in zip(chosen, datamodule.draw(source, chosen), strict=False):
                        told = scored.iloc[row].to_dict()
                        new.append(Candidate(kind, float(key[row]), str(told["id"]), stamp_caption(told, shown), png))
        self._hold(new)
        return pd.DataFrame(new, columns=list(Candidate._fields))

    def merge(self, candidates: pd.DataFrame) -> None:
        """Look at what was new in another unit.

        Args:
            candidates: as :meth:`offer` gives them.
        """
        self._hold([Candidate(*row) for row in candidates[list(Candidate._fields)].itertuples(index=False)])

    def copy(self) -> Extremes:
        """Another one that holds the same; the pictures are shared."""
        return Extremes(self.keep, {kind: copy.copy(held) for kind, held in self.held.items()})

    def _worst(self, kind: str) -> float:
        """The rank that a candidate must be below."""
        held = self.held[kind]
        return held[-1].rank if len(held) == self.keep else float("inf")

    def _hold(self, new: list[Candidate]) -> None:
        for kind, held in self.held.items():
            every = [*held, *(candidate for candidate in new if candidate.kind == kind)]
            self.held[kind] = sorted(every, key=lambda candidate: candidate.rank)[: self.keep]

    def draw(self, path: Path, channels: tuple[str, ...]) -> None:
        """Write the contact sheet, if there were pictures.

        Args:
            path: PNG.
            channels: what each picture shows from left to right, for the title; empty where that is not said.
        """
        rows = {kind: [(each.caption, each.png) for each in held] for kind, held in self.held.items() if held}
        if rows:
            write_contact_sheet(path, rows, channels)
