"""The samples that a reader wants to see: the most certain mistakes and the most uncertain ones, drawn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import pandas as pd

from astrid_ml.contracts.pipeline import SampleSource
from astrid_ml.report.contact_sheet import stamp_png
from astrid_ml.report.content import SamplePicture
from astrid_ml.types import Array, Ints


class SampleDrawer(Protocol):
    """A domain's way to draw its samples; a datamodule may be one."""

    def draw(self, source: SampleSource, rows: Sequence[int]) -> list[bytes]:
        """One PNG a row."""


def draw_rows(source: SampleSource, rows: Sequence[int], datamodule: Any = None) -> list[bytes]:
    """Draw by the datamodule's ``draw`` where it has one, else as stamps; empty where there is nothing to draw."""
    if not len(rows):
        return []
    if hasattr(datamodule, "draw"):
        drawn: list[bytes] = datamodule.draw(source, rows)
        return drawn
    out: dict[int, bytes] = {}
    for positions, stamps in stamp_groups(source, np.asarray(rows, dtype=np.int64), datamodule):
        out |= {int(position): stamp_png(stamp) for position, stamp in zip(positions, stamps, strict=True)}
    return [out[place] for place in range(len(rows))] if out else []


def stamp_groups(source: SampleSource, rows: Ints, datamodule: Any = None) -> list[tuple[Ints, Array]]:
    """Raw stamps to look at: the datamodule's, where it cuts them itself, else the source's; none where neither has.

    Returns:
        [(positions within ``rows``, (m, C, h, w)), ...].
    """
    if hasattr(datamodule, "stamps"):
        return [(np.arange(len(rows), dtype=np.int64), datamodule.stamps(source, rows))]
    try:
        return source.groups("stamps", rows)
    except KeyError:
        return []


def notable(
    predictions: pd.DataFrame, source: SampleSource, datamodule: Any = None, most: int = 8
) -> dict[str, list[SamplePicture]]:
    """Pictures of a binary task's notable predictions; empty for other tasks."""
    if not {"score", "decision", "label", "index_row"} <= set(predictions.columns):
        return {}
    known = predictions[predictions["label"].notna()]
    label, score = known["label"].astype(int), known["score"]
    wrong = known["decision"].astype(int) != label
    threshold = known["threshold"].iloc[0] if len(known) else 0.5
    on = known["probability"] if known["probability"].notna().any() else score
    chosen = {
        "Bogus that the model is surest are real": known[wrong & (label == 0)].nlargest(most, "score"),
        "Real ones that the model is surest are bogus": known[wrong & (label == 1)].nsmallest(most, "score"),
        "Nearest to the threshold": known.assign(_d=(on - threshold).abs()).nsmallest(most, "_d"),
    }
    pictures = {}
    for heading, table in chosen.items():
        drawn = draw_rows(source, table["index_row"].astype(int).tolist(), datamodule)
        captions = [_caption(row) for row in table.to_dict("records")]
        pictures[heading] = [SamplePicture(text, png) for text, png in zip(captions, drawn, strict=False)]
    return {heading: some for heading, some in pictures.items() if some}


def _caption(row: dict[Any, Any]) -> str:
    truth = "real" if int(row["label"]) == 1 else "bogus"
    parts = [str(row["id"]), f"{truth}, score {row['score']:.3f}"]
    parts += [
        str(row[name])
        for name in ("artefact", "mission", "filter")
        if row.get(name) not in (None, "") and pd.notna(row.get(name))
    ]
    if pd.notna(row.get("snr")):
        parts.append(f"S/N {row['snr']:.1f}")
    return "; ".join(parts)
