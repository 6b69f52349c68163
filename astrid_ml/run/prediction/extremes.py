"""Keeps pictures of the most and the least certain predictions while a stream goes by."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from astrid_ml.contracts.pipeline import SampleSource
from astrid_ml.contracts.scoring import Draws

KINDS = ("surely real", "uncertain", "surely bogus")


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
    """The ``keep`` highest, middle and lowest scores seen so far, with their pictures.

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
            score = scored["score"].to_numpy(dtype=float)
            rank = {KINDS[0]: -score, KINDS[1]: np.abs(score - 0.5), KINDS[2]: score}
            for kind, key in rank.items():
                chosen = np.argsort(key, kind="stable")[: self.keep].astype(np.int64)
                chosen = chosen[key[chosen] < self._worst(kind)]
                if len(chosen):
                    for row, png in zip(chosen, datamodule.draw(source, chosen), strict=False):
                        name = str(scored["id"].iloc[row])
                        new.append(Candidate(kind, float(key[row]), name, f"{name}\n{score[row]:.4f}", png))
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
            from astrid_ml.report.contact_sheet import write_contact_sheet

            write_contact_sheet(path, rows, channels)
