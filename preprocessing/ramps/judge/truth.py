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
from astrid_ml.types import Floats, Mask

BINS = ((3.0, 5.0), (5.0, 7.0), (7.0, 10.0), (10.0, np.inf))
_KEYS = ("integration", "group", "y", "x")
_OF_SNOWBALLS = (*_KEYS, "radius")


@dataclass(frozen=True)
class Truth:
    """What the simulator wrote beside an exposure.

    Args:
        jumps: integration, group, y, x, type, event, charge (e-).
        events: the event list.
        read_noise: of one read, e-.
        steps: as they were read; None where they are from no file.
    """

    jumps: pd.DataFrame
    events: pd.DataFrame
    read_noise: float
    steps: TrueSteps | None = None

    @staticmethod
    def read(exposure: Path) -> Truth:
        """Read the truth of ``<stem>.fits``.

        Raises:
            UserError: the arrays or the list of events cannot be read.
        """
        stem = exposure.with_suffix("")
        listed = Path(f"{stem}_events.parquet")
        steps = read_steps(Path(f"{stem}_truth.npz"))
        wanted = f"the events of {exposure.name} beside it"
        if not listed.is_file():
            raise UserError(wanted, found(listed), "make both with astrid simulate what=ramps, or write that table")
        try:
            events = read_parquet(listed)
        except (ValueError, OSError) as error:
            raise UserError(wanted, why_unread(listed, "a parquet table", error), "write that table again") from error
        return Truth(steps.table, _sound_events(events, listed), steps.read_noise, steps)

    def refuse_other_shape(self, shape: tuple[int, ...]) -> None:
        """Refuse an exposure that these steps do not lie in.

        Args:
            shape: of the exposure: integrations, groups, rows, columns.

        Raises:
            UserError: a step outside, or a map of other rows and columns.
        """
        if self.steps is not None:
            self.steps.refuse_other_shape(shape)


@dataclass(frozen=True)
class TrueSteps:
    """The steps of ``<stem>_truth.npz``.

    Args:
        file: that holds them.
        table: integration, group, y, x, type, event, charge (e-).
        read_noise: of one read, e-.
        map_shape: rows and columns of the map of classes; None where there is none.
    """

    file: Path
    table: pd.DataFrame
    read_noise: float
    map_shape: tuple[int, ...] | None

    def refuse_other_shape(self, shape: tuple[int, ...]) -> None:
        """See :meth:`Truth.refuse_other_shape`."""
        if self.map_shape is not None and self.map_shape != shape[2:]:
            raise _wrong(self.file, f"a map of {_by(self.map_shape)} beside an exposure of {_by(shape[2:])}")
        for name, length in zip(_KEYS, shape, strict=True):
            outside = int(((self.table[name] < 0) | (self.table[name] >= length)).sum())
            if outside:
                raise _wrong(self.file, f"{outside} steps whose {name} is outside the exposure's {length}")


def read_steps(path: Path) -> TrueSteps:
    """The steps of an exposure as they were simulated.

    Args:
        path: ``<stem>_truth.npz``.

    Raises:
        UserError: there is no such file, it is damaged, or holds other things.
    """
    if not path.is_file():
        fix = "make both with astrid simulate what=ramps, or leave the exposure out"
        raise UserError(f"the truth of the exposure beside it, {path.name}", found(path), fix)
    arrays = read_arrays(path, (*_KEYS, "type", "event", "charge", "read_noise"))
    noise = np.asarray(arrays.pop("read_noise"))
    if noise.shape or noise.dtype.kind not in "fiu" or not (np.isfinite(noise) and noise > 0):
        raise _wrong(path, "a read_noise that is no number above 0")
    if len({array.shape for array in arrays.values()}) > 1 or arrays["y"].ndim != 1:
        raise _wrong(path, "columns of different lengths")
    for name, array in arrays.items():
        if array.dtype.kind not in "fiub" or not np.isfinite(array).all():
            raise _wrong(path, f"{name} that is not a number everywhere")
        if name in _KEYS:
            if (array != np.floor(array)).any():
                raise _wrong(path, f"{name} that is no whole number everywhere")
            arrays[name] = array.astype(np.int64)
    with np.load(path) as file:
        mapped = "mask" in file.files
    shape = read_arrays(path, ("mask",))["mask"].shape if mapped else None
    return TrueSteps(path, pd.DataFrame(arrays), float(noise), shape)


def _wrong(path: Path, got: str) -> UserError:
    return UserError("the truth of the exposure beside it", f"{path.name} with {got}", "give the file of that exposure")


def _by(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape)) + " px"


def _sound_events(events: pd.DataFrame, path: Path) -> pd.DataFrame:
    """A list of events of which each snowball has numbers for all that a match looks at; looked at before the exposure.

    Raises:
        UserError: a column is absent, or holds no number where it is needed.
    """
    if not len(events):
        return events
    if "type" not in events:
        raise _wrong(path, "no column type")
    kinds = _numbers(events["type"])
    if not np.isfinite(kinds).all():
        raise _wrong(path, "type that is not a number for each event")
    ball = kinds == SNOWBALL
    absent = [name for name in _OF_SNOWBALLS if name not in events] if ball.any() else []
    if absent:
        raise _wrong(path, f"no column {', '.join(absent)}")
    numbers = {name: _numbers(events[name]) for name in _OF_SNOWBALLS if name in events}
    for name, values in numbers.items():
        if not np.isfinite(values[ball]).all():
            raise _wrong(path, f"{name} that is not a number for each snowball")
    return events.assign(type=kinds, **numbers)


def _numbers(values: pd.Series[Any]) -> Floats:
    """A column as numbers, (n,); NaN for what is none."""
    plain = values.map(lambda value: value if isinstance(value, str | int | float | np.number) else None)
    return pd.to_numeric(plain, errors="coerce").to_numpy(np.float64, na_value=np.nan)


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
