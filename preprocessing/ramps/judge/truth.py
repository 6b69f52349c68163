"""Jumps and events against a simulated exposure's truth."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from astrid_ml.errors import UserError
from astrid_ml.files import read_arrays
from astrid_ml.found import found, why_unread
from astrid_ml.preprocessing.ramps.ramp.codes import COSMIC_RAY, SNOWBALL, TELEGRAPH_NOISE
from astrid_ml.table_files import read_parquet
from astrid_ml.types import Mask

BINS = ((3.0, 5.0), (5.0, 7.0), (7.0, 10.0), (10.0, np.inf))
_KEYS = ("integration", "group", "y", "x")


@dataclass(frozen=True)
class Truth:
    """What the simulator wrote beside an exposure.

    Args:
        jumps: integration, group, y, x, type, event, charge (e-).
        events: the event list.
        read_noise: of one read, e-.
    """

    jumps: pd.DataFrame
    events: pd.DataFrame
    read_noise: float

    @staticmethod
    def read(exposure: Path) -> Truth:
        """Read the truth of ``<stem>.fits``.

        Raises:
            UserError: the arrays or the list of events cannot be read.
        """
        stem, names = exposure.with_suffix(""), (*_KEYS, "type", "event", "charge")
        arrays = read_arrays(Path(f"{stem}_truth.npz"), (*names, "read_noise"))
        noise, listed = float(arrays.pop("read_noise")), Path(f"{stem}_events.parquet")
        wanted = f"the events of {exposure.name} beside it"
        if not listed.is_file():
            raise UserError(wanted, found(listed), "make both with astrid simulate what=ramps, or write that table")
        try:
            events = read_parquet(listed)
        except (ValueError, OSError) as error:
            raise UserError(wanted, why_unread(listed, "a parquet table", error), "write that table again") from error
        return Truth(pd.DataFrame(arrays), events, noise)


def completeness(truth: Truth, jumps: pd.DataFrame) -> pd.DataFrame:
    """Share of true cosmic-ray steps found within one group, by charge in read noises: low, high, n, found.

    Only the first cosmic-ray step of pixels without any other event counts, at groups the pixel still had.
    """
    pixels = truth.jumps.groupby(["integration", "y", "x"]).event.transform("nunique")
    rays = truth.jumps[(truth.jumps.type == COSMIC_RAY) & (pixels == 1)]
    known = set(zip(*(jumps[name].astype(int) for name in _KEYS), strict=True))
    where = list(zip(*(rays[name].astype(int) for name in _KEYS), strict=True))
    hit = np.array([any((i, g + k, y, x) in known for k in (-1, 0, 1)) for i, g, y, x in where], dtype=bool)
    size = rays.charge.to_numpy() / truth.read_noise
    rows = []
    for low, high in BINS:
        chosen = (size >= low) & (size < high)
        rows.append({"low": low, "high": high, "n": int(chosen.sum()), "found": int(hit[chosen].sum())})
    return pd.DataFrame(rows)


def false_positives(truth: Truth, jumps: pd.DataFrame, usable: Mask, n_groups: int) -> tuple[int, float]:
    """(Jumps on pixels without any event or neighbour's charge, those pixels times groups / 10^6).

    Args:
        truth: the exposure's.
        jumps: found.
        usable: (n_ints, n_rows, n_cols).
        n_groups: groups of an integration.
    """
    quiet = usable.copy()
    quiet[truth.jumps.integration, truth.jumps.y, truth.jumps.x] = False
    on_quiet = quiet[jumps.integration, jumps.y, jumps.x]
    return int(on_quiet.sum()), float(quiet.sum()) * n_groups / 1e6


def telegraph_called(truth: Truth, jumps: pd.DataFrame, sigmas: float = 5.0) -> dict[str, int]:
    """Telegraph pixels of >= ``sigmas`` read noises: with >= 2 transitions (decidable), called so, called rays."""
    pixels = ["integration", "y", "x"]
    flickers = truth.jumps[truth.jumps.type == TELEGRAPH_NOISE]
    flickers = flickers[flickers.charge.abs() >= sigmas * truth.read_noise]
    events = truth.jumps.groupby(pixels).event.nunique()
    table = flickers.groupby(pixels).size().rename("n").to_frame().join(events.rename("events"))
    alone = table[table.events == 1]
    decidable = alone[alone.n >= 2]
    kinds = jumps.groupby(pixels).type.max().reindex(decidable.index)
    return {
        "decidable": len(decidable),
        "telegraph": int((kinds == TELEGRAPH_NOISE).sum()),
        "cosmic_ray": int((kinds == COSMIC_RAY).sum()),
        "snowball": int((kinds == SNOWBALL).sum()),
        "undecidable": len(alone) - len(decidable),
    }


def match_snowballs(truth: Truth, events: list[dict[str, Any]]) -> dict[str, int]:
    """One-to-one matches: same integration, within two groups, centroid within 2 pixels or a third of the radius."""
    real = truth.events[truth.events.type == SNOWBALL] if len(truth.events) else truth.events
    found = [event for event in events if event["type"] == "snowball"]
    free = set(range(len(found)))
    matched = 0
    for ball in real.to_dict("records"):
        reach = max(2.0, float(ball["radius"]) / 3)
        for index in sorted(free):
            x, y = found[index]["centroid"]
            near = np.hypot(y - ball["y"], x - ball["x"]) <= reach
            same = near and abs(found[index]["first_frame"] - ball["group"]) <= 2
            if same and found[index]["integration"] == ball["integration"]:
                free.remove(index)
                matched += 1
                break
    return {"real": len(real), "found": len(found), "matched": matched}
