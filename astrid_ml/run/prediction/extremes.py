"""Keeps the stamps of the most and the least certain predictions while a stream goes by, and draws them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from astrid_ml.contracts.pipeline import SampleSource
from astrid_ml.run.pictures import stamp_groups
from astrid_ml.types import Array

KINDS = ("surely real", "uncertain", "surely bogus")


@dataclass
class Extremes:
    """The ``keep`` highest, middle and lowest scores seen so far, with their stamps.

    Args:
        keep: samples of each kind.
    """

    keep: int = 8
    held: dict[str, list[tuple[float, str, Array]]] = field(default_factory=lambda: {kind: [] for kind in KINDS})

    def offer(self, scored: pd.DataFrame, source: SampleSource, datamodule: Any = None) -> None:
        """Look at one unit's predictions; samples without stamps are passed over."""
        if "score" not in scored or not len(scored):
            return
        score = scored["score"].to_numpy(dtype=float)
        rank = {KINDS[0]: -score, KINDS[1]: np.abs(score - 0.5), KINDS[2]: score}
        for kind, key in rank.items():
            chosen = np.argsort(key, kind="stable")[: self.keep].astype(np.int64)
            for positions, stamps in stamp_groups(source, chosen, datamodule):
                for position, stamp in zip(positions, stamps, strict=True):
                    row = int(chosen[position])
                    caption = f"{scored['id'].iloc[row]}\n{score[row]:.4f}"
                    self.held[kind].append((float(key[row]), caption, np.array(stamp)))
            self.held[kind] = sorted(self.held[kind], key=lambda item: item[0])[: self.keep]

    def draw(self, path: Path, description: dict[str, Any]) -> None:
        """Write the contact sheet, if there were stamps."""
        kept = {kind: held for kind, held in self.held.items() if held}
        if not kept:
            return
        from astrid_ml.report.contact_sheet import write_contact_sheet

        rows = {kind: [(caption, stamp) for _, caption, stamp in held] for kind, held in kept.items()}
        write_contact_sheet(path, rows, list(description.get("channels", ("science", "reference", "difference"))))
