"""Keeps pictures of the most and the least certain predictions while a stream goes by."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from astrid_ml.contracts.pipeline import SampleSource
from astrid_ml.contracts.scoring import Draws

KINDS = ("surely real", "uncertain", "surely bogus")


@dataclass
class Extremes:
    """The ``keep`` highest, middle and lowest scores seen so far, with their pictures.

    Args:
        keep: samples of each kind.
        held: kind -> [(rank, caption, PNG), ...], the best first.
    """

    keep: int = 8
    held: dict[str, list[tuple[float, str, bytes]]] = field(default_factory=lambda: {kind: [] for kind in KINDS})

    def offer(self, scored: pd.DataFrame, source: SampleSource, datamodule: Draws) -> None:
        """Look at one unit's predictions, in the order of the source; only what is kept is drawn."""
        if "score" not in scored or len(scored) != len(source.index):
            return
        score = scored["score"].to_numpy(dtype=float)
        rank = {KINDS[0]: -score, KINDS[1]: np.abs(score - 0.5), KINDS[2]: score}
        for kind, key in rank.items():
            held = self.held[kind]
            worst = held[-1][0] if len(held) == self.keep else np.inf
            chosen = np.argsort(key, kind="stable")[: self.keep].astype(np.int64)
            chosen = chosen[key[chosen] < worst]
            if not len(chosen):
                continue
            for row, png in zip(chosen, datamodule.draw(source, chosen), strict=False):
                held.append((float(key[row]), f"{scored['id'].iloc[row]}\n{score[row]:.4f}", png))
            self.held[kind] = sorted(held, key=lambda item: item[0])[: self.keep]

    def draw(self, path: Path, channels: tuple[str, ...]) -> None:
        """Write the contact sheet, if there were pictures.

        Args:
            path: PNG.
            channels: what each picture shows from left to right, for the title; empty where that is not said.
        """
        kept = {kind: held for kind, held in self.held.items() if held}
        if not kept:
            return
        from astrid_ml.report.contact_sheet import write_contact_sheet

        rows = {kind: [(caption, png) for _, caption, png in held] for kind, held in kept.items()}
        write_contact_sheet(path, rows, channels)
