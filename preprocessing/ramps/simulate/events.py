"""Events of simulated ramps as charge deposits: which pixel gains how much in which group, after IPC."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from astrid_ml.preprocessing.ramps.ramp.codes import COSMIC_RAY, SNOWBALL, TELEGRAPH_NOISE
from astrid_ml.types import Ints, Mask

Range = tuple[float, float]
_MAX_TRACK = 15.0  # pixels


@dataclass(frozen=True)
class Scene:
    """What events are drawn for: shape of one integration and the scales of its detector.

    Args:
        n_groups: groups of the integration.
        n_rows: rows, reference pixels included.
        n_cols: columns.
        border: width of the reference border, which no event touches.
        full_well: saturation level in e-.
        ipc: share of a pixel's charge that appears in each of its four neighbours.
    """

    n_groups: int
    n_rows: int
    n_cols: int
    border: int
    full_well: float
    ipc: float

    def place(self, random: np.random.Generator, n: int) -> tuple[Ints, Ints]:
        """Random pixels outside the border, (y, x)."""
        return (
            random.integers(self.border, self.n_rows - self.border, n),
            random.integers(self.border, self.n_cols - self.border, n),
        )


def deposits(event: int, kind: int, group: Any, y: Any, x: Any, charge: Any) -> pd.DataFrame:
    """A table of charge deposits (e-): one row a pixel and group."""
    table = pd.DataFrame({"group": group, "y": y, "x": x, "charge": charge})
    return table.assign(event=event, type=kind)


def cosmic_ray(
    scene: Scene, random: np.random.Generator, event: int, charge_range: Range
) -> tuple[dict[str, Any], pd.DataFrame]:
    """A track: isotropic direction, energy loss from a Moyal distribution (the form of Landau's), cut to the range.

    It may fall at any time within the ramp and belongs to the first group read after it.
    """
    low, high = charge_range
    fluctuation = random.normal() ** 2  # -log of a chi-square with one degree is Moyal distributed
    total = float(np.clip(low + (high - low) * 0.08 * (-np.log(fluctuation) + 1.0), low, high))
    y0, x0 = (float(v[0]) + random.uniform(-0.5, 0.5) for v in scene.place(random, 1))
    cosine, angle = np.sqrt(random.uniform(0.02, 1.0)), random.uniform(0, 2 * np.pi)
    length = min(0.6 * np.sqrt(1 - cosine**2) / cosine, _MAX_TRACK)
    along = np.linspace(0, length, max(2, int(length * 20)))
    y, x = np.rint(y0 + along * np.sin(angle)).astype(int), np.rint(x0 + along * np.cos(angle)).astype(int)
    group = int(random.integers(1, scene.n_groups))
    table = deposits(event, COSMIC_RAY, group, y, x, total / len(along))
    record = {"event": event, "type": COSMIC_RAY, "group": group, "y": y0, "x": x0, "charge": total, "length": length}
    return record, table


def telegraph(
    scene: Scene, random: np.random.Generator, event: int, offset: Range, period: Range, duty: Range, square: bool
) -> tuple[dict[str, Any], pd.DataFrame]:
    """A pixel that jumps between two levels: a Markov process with the period's mean dwell times, or a square wave."""
    size, length, share = (float(random.uniform(*limits)) for limits in (offset, period, duty))
    high, low = max(length * share, 1.0), max(length * (1 - share), 1.0)
    if square:
        phase = random.uniform(0, length)
        state = ((np.arange(scene.n_groups) + phase) % length) < share * length
    else:
        state = _markov(random, scene.n_groups, high, low)
    change = np.diff(state.astype(np.int64))
    groups = np.flatnonzero(change) + 1
    y, x = (int(v[0]) for v in scene.place(random, 1))
    start = np.flatnonzero(state[:1])  # a pixel that begins high has its offset in the first read already
    charge = np.concatenate([np.full(len(start), size), size * change[groups - 1]])
    table = deposits(event, TELEGRAPH_NOISE, np.concatenate([start, groups]), y, x, charge)
    record = {"event": event, "type": TELEGRAPH_NOISE, "group": int(groups[0]) if len(groups) else -1, "y": y, "x": x}
    return record | {"charge": size, "transitions": len(groups), "dwell_high": high, "dwell_low": low}, table


def _markov(random: np.random.Generator, n: int, high: float, low: float) -> Mask:
    """Two-state chain with mean dwells (groups), begun in its stationary state."""
    state = bool(random.random() < high / (high + low))
    out = np.empty(n, dtype=bool)
    start = 0
    while start < n:
        dwell = int(random.geometric(1.0 / (high if state else low)))
        out[start : start + dwell] = state
        start, state = start + dwell, not state
    return out


def snowball(
    scene: Scene, random: np.random.Generator, event: int, radius: Range, amplitude: Range, decay: Range, growth: float
) -> tuple[dict[str, Any], pd.DataFrame]:
    """A saturated core, an exponential halo outside its edge, and a core that grows for some groups."""
    r0, ratio, scale = (float(random.uniform(*limits)) for limits in (radius, amplitude, decay))
    cy, cx = (float(v[0]) for v in scene.place(random, 1))
    group = int(random.integers(1, scene.n_groups))
    # The halo is followed to where it falls to an electron: cut earlier, it would have a visible edge.
    reach = r0 + scale * np.log(max(ratio * scene.full_well, np.e))
    y, x = np.mgrid[int(cy - reach) : int(cy + reach) + 2, int(cx - reach) : int(cx + reach) + 2]
    r = np.hypot(y - cy, x - cx)
    core, halo = r <= r0, (r > r0) & (r <= reach)
    parts = [
        deposits(event, SNOWBALL, group, y[core], x[core], 1.5 * scene.full_well),
        deposits(event, SNOWBALL, group, y[halo], x[halo], ratio * scene.full_well * np.exp(-(r[halo] - r0) / scale)),
    ]
    grown = r0
    for later in range(group + 1, min(group + 6, scene.n_groups)):
        ring = (r > grown) & (r <= grown + growth)
        parts.append(deposits(event, SNOWBALL, later, y[ring], x[ring], 1.5 * scene.full_well))
        grown += growth
    record = {"event": event, "type": SNOWBALL, "group": group, "y": cy, "x": cx, "radius": r0, "halo_ratio": ratio}
    return record | {"halo_scale": scale, "charge": 1.5 * scene.full_well * float(core.sum())}, pd.concat(parts)


def with_ipc(table: pd.DataFrame, scene: Scene) -> pd.DataFrame:
    """Spread each deposit to its four neighbours, keep what falls on sensitive pixels, and add up.

    Where several kinds meet in one pixel and group, the one with most charge gives the type.
    """
    share = scene.ipc
    moves = [(0, 0, 1 - 4 * share), (1, 0, share), (-1, 0, share), (0, 1, share), (0, -1, share)]
    spread = [
        table.assign(y=table.y + dy, x=table.x + dx, charge=table.charge * part) for dy, dx, part in moves if part
    ]
    everywhere = pd.concat(spread, ignore_index=True)
    inside = everywhere.y.between(scene.border, scene.n_rows - scene.border - 1)
    inside &= everywhere.x.between(scene.border, scene.n_cols - scene.border - 1)
    keys = ["group", "y", "x"]
    kinds = everywhere[inside].groupby([*keys, "type", "event"], as_index=False)["charge"].sum()
    kinds = kinds.assign(size=kinds.charge.abs()).sort_values([*keys, "size"], kind="stable")
    strongest = kinds.drop_duplicates(keys, keep="last").drop(columns=["charge", "size"])
    total = kinds.groupby(keys, as_index=False)["charge"].sum()
    joined: pd.DataFrame = strongest.merge(total, on=keys).sort_values(keys, kind="stable")
    return joined.reset_index(drop=True)
