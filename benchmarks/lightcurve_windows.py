"""From a table of curves to the tensors of eleven windows (1 to 1024 days), against a Python loop over objects.

Both select epochs (saturation, trigger, last non-detection, last detection), cut the windows and make the network's
features; the tensors must be equal. One loop goes over source objects, as the reference pipeline does, the other over
slices of the same arrays in numpy, as lean as a loop can be. Claim: at least 40 times as fast as the first.
Run: ``python benchmarks/lightcurve_windows.py [objects] [repeats]``.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from astrid_ml.datamodules.curve_features import features
from astrid_ml.preprocessing.lightcurves.curves.table import CurveTable
from astrid_ml.preprocessing.lightcurves.pipeline import epochs_of
from astrid_ml.preprocessing.lightcurves.select.selection import WINDOWS, Selection, window_lengths
from astrid_ml.preprocessing.lightcurves.select.source import sources_of
from astrid_ml.types import Floats, Floats32, Ints

EPOCHS, SOFTENING = 150, 10.0
Result = tuple[Tensor, Ints, Ints]


def make_table(objects: int) -> CurveTable:
    """Random curves over three years; the first detection triggers."""
    random = np.random.default_rng(0)
    lengths = random.integers(EPOCHS // 2, EPOCHS * 3 // 2, objects)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    rows = int(offsets[-1])
    owner = np.repeat(np.arange(objects), lengths)
    mjd = random.uniform(60000, 61000, rows)
    mjd = mjd[np.lexsort((mjd, owner))]
    flags = random.choice([0, 1024, 4096], rows, p=[0.6, 0.02, 0.38]).astype(np.int32)
    flux, error = random.normal(0, 100, rows).astype(np.float32), random.uniform(1, 50, rows).astype(np.float32)
    ids = pd.DataFrame({"object_id": np.arange(objects).astype(str)})
    waves = np.array([0.37, 0.48, 0.62, 0.75, 0.87, 0.97], dtype=np.float32)
    band = random.integers(0, 6, rows).astype(np.int16)
    return CurveTable(ids, offsets, mjd, flux, error, flags, band, tuple("ugrizY"), waves)


def vectorised(table: CurveTable) -> Result:
    """Features of all epochs, their offsets, and the length of each object's windows.

    A window is a prefix, and the features of a prefix are the prefix of the features: windows are views.
    """
    kept, start, detected = Selection().apply(table)
    flat = epochs_of(kept, start, detected)
    made = features(torch.from_numpy(flat), torch.from_numpy(kept.lengths), SOFTENING)
    days = kept.mjd - start[kept.owner]
    return made, kept.offsets, window_lengths(days, kept.offsets, WINDOWS)


def views(result: Result) -> list[list[Tensor]]:
    """The tensors of each window, object by object."""
    made, offsets, lengths = result
    return [
        [made[offsets[i] : offsets[i] + n] for i, n in enumerate(lengths[:, number])] for number in range(len(WINDOWS))
    ]


def loop(table: CurveTable) -> list[list[Tensor]]:
    """The same, object by object and window by window."""
    tensors: list[list[Tensor]] = [[] for _ in WINDOWS]
    for i in range(len(table)):
        part = slice(table.offsets[i], table.offsets[i + 1])
        rows = one_object(table, part)
        for number, day in enumerate(WINDOWS):
            inside = rows[rows[:, 0] <= day]
            tensors[number].append(torch.from_numpy(one_window(inside)))
    return tensors


def source_loop(table: CurveTable) -> list[list[Tensor]]:
    """The same by source objects: each makes its windows, each window its tensor."""
    tensors: list[list[Tensor]] = [[] for _ in WINDOWS]
    for source in sources_of(table):
        for number, day in enumerate(WINDOWS):
            made = source.within(float(day))
            columns = (made.mjd - made.start, made.flux, made.flux_err, made.detected, made.wavelength)
            epochs = torch.from_numpy(np.stack(columns, axis=1).astype(np.float32))
            tensors[number].append(features(epochs, torch.tensor([len(made)]), SOFTENING))
    return tensors


def one_object(table: CurveTable, part: slice) -> Floats:
    """(n, 5) days, flux, error, detected, wavelength of the epochs that are kept."""
    flag = table.phot_flag[part]
    good = (flag & 1024) == 0
    mjd, flag = table.mjd[part][good], flag[good]
    flux, error = table.flux[part][good], table.flux_err[part][good]
    wave = table.wavelengths[table.band[part][good]]
    found = (flag & 4096) != 0
    trigger, last = int(np.argmax(found)), len(found) - 1 - int(np.argmax(found[::-1]))
    before = [k for k in range(trigger) if not found[k]][-1:]
    kept = np.array([*before, *range(trigger, last + 1)])
    columns = (mjd[kept] - mjd[trigger], flux[kept], error[kept], found[kept], wave[kept])
    return np.stack(columns, axis=1)


def one_window(rows: Floats) -> Floats32:
    """The features of one window of one object, in the datamodule's order."""
    days, flux, error, found, wave = rows.astype(np.float32).T
    gap = np.diff(days, prepend=days[:1])
    snr = np.clip(flux / error, -1e4, 1e4)
    columns = [
        days / 100,
        np.arcsinh(days) / 4,
        np.log1p(np.maximum(gap, 0)) / 3,
        np.arcsinh(flux / SOFTENING) / 3,
        np.log10(np.clip(error, 1e-3, 1e7)) - 1,
        np.arcsinh(snr) / 3,
        found,
        np.log(wave),
        *changes(days, flux, error, wave),
        np.zeros_like(days),  # no redshift: no rest frame
        np.zeros_like(days),
        np.zeros_like(days),
        np.log(wave),
    ]
    return np.stack(columns, axis=1).astype(np.float32)


def changes(days: Floats32, flux: Floats32, error: Floats32, wave: Floats32) -> list[Floats32]:
    """What each epoch changed against the one before in its band: known, in errors, in asinh flux, after, how fast."""
    before = np.full(len(days), -1)
    for band in np.unique(wave):
        rows = np.flatnonzero(wave == band)
        before[rows[1:]] = rows[:-1]
    known, at = (before >= 0).astype(np.float32), np.maximum(before, 0)
    change, apart = flux - flux[at], np.maximum(days - days[at], 0)
    scaled = np.arcsinh(flux / SOFTENING) / 3
    return [
        known,
        np.arcsinh(np.clip(change / np.hypot(error, error[at]), -1e4, 1e4)) / 3 * known,
        (scaled - scaled[at]) * known,
        np.log1p(apart) / 3 * known,
        np.arcsinh(change / np.maximum(apart, np.float32(0.001)) / SOFTENING) / 3 * known,
    ]


def timed(work: Any, table: CurveTable) -> tuple[float, Any]:
    """Seconds of processor time and result."""
    started = time.process_time()
    result = work(table)
    return time.process_time() - started, result


def main() -> None:
    """Interleaved repeats; medians."""
    objects = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    repeats = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    torch.set_num_threads(1)
    table = make_table(objects)
    timed(vectorised, table.take(np.arange(10)))
    loops = {"loop over source objects": source_loop, "lean loop in numpy": loop}
    figures: dict[str, list[float]] = {"vectorised": [], **{name: [] for name in loops}}
    equal = True
    for _ in range(repeats):
        seconds, mine = timed(vectorised, table)
        figures["vectorised"].append(seconds)
        for name, work in loops.items():
            seconds, theirs = timed(work, table)
            figures[name].append(seconds)
            equal &= same(views(mine), theirs)
    print(f"{objects} objects, {len(table.mjd)} epochs, {len(WINDOWS)} windows; equal tensors: {equal}")
    fast = statistics.median(figures["vectorised"])
    print(f"vectorised {fast * 1e3:.0f} ms, {objects / fast:,.0f} objects/s")
    for name in loops:
        ratio = statistics.median(b / a for a, b in zip(figures["vectorised"], figures[name], strict=True))
        print(f"{name}: {statistics.median(figures[name]):.2f} s; vectorised is {ratio:.0f}x as fast")


def same(mine: list[list[Tensor]], theirs: list[list[Tensor]]) -> bool:
    """Whether every window of every object has the same length and the same features."""
    for ours, others in zip(mine, theirs, strict=True):
        if [len(a) for a in ours] != [len(b) for b in others]:
            return False
        if not torch.allclose(torch.cat(ours), torch.cat(others), rtol=1e-5, atol=1e-6):
            return False
    return True


if __name__ == "__main__":
    main()
