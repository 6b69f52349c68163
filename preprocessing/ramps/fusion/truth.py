"""The truth of candidates, and the evidence of a fold of tiles."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from astrid_ml.contracts.columns import rows_of
from astrid_ml.contracts.pipeline import SampleSource
from astrid_ml.preprocessing.ramps.exposure.exposure import Exposure, Processing
from astrid_ml.preprocessing.ramps.exposure.process import process
from astrid_ml.preprocessing.ramps.fusion.evidence import EvidenceSearch, voxel_key
from astrid_ml.preprocessing.ramps.fusion.fusion import UNDECIDED
from astrid_ml.preprocessing.ramps.fusion.windows import VoxelScorer
from astrid_ml.preprocessing.ramps.ramp.codes import ANOMALIES
from astrid_ml.preprocessing.ramps.ramp.ramp import Ramp
from astrid_ml.preprocessing.ramps.ramp.sampling import ReadTimes
from astrid_ml.types import Array, Bits, Floats, Floats32, Ints

NEEDED = ("read_noise", "group_time", "gain", "y", "x", "integration")  # columns of an index that can be fused
PACKED = (
    *("group", "y", "x", "listed", "type", "amplitude", "snr", "size", "ratio", "rules"),
    *(f"network_{name}" for name in ANOMALIES),
    *("neighbour", "neighbours", "rises", "falls", "telegraph", "fit_quality", "snowball", "halo", "edge"),
    *("label", "quiet"),
)


def labelled(table: pd.DataFrame, codes: pd.DataFrame, shape: Any) -> pd.DataFrame:
    """Add ``label`` and ``quiet`` to the candidates of one integration.

    A true step belongs to the candidate in its own group, else to one in a neighbouring group of the pixel, and to
    one only. Other candidates within one group of any true step are undecided; all others are background.

    Args:
        table: candidates: group, y, x.
        codes: group, y, x and type (255: undecided) of the true steps.
        shape: (n_groups, n_rows, n_cols).
    """
    key, true = voxel_key(table, shape), voxel_key(codes, shape)
    order = np.argsort(true, kind="stable")
    true, kind = true[order], codes.type.to_numpy(np.int64)[order]
    label = np.zeros(len(table), np.int64)
    taken = np.zeros(len(true), dtype=bool)
    if len(true):
        for shift in (0, -1, 1):
            place = np.minimum(np.searchsorted(true, key + shift), len(true) - 1)
            meets = true[place] == key + shift
            first = np.zeros(len(table), dtype=bool)
            free = np.flatnonzero(meets & (label == 0) & ~taken[place])
            first[free[np.unique(place[free], return_index=True)[1]]] = True
            label = np.where(first, kind[place], np.where(meets & (label == 0), UNDECIDED, label))
            taken[place[first]] = True
    pixel = table.y.to_numpy(np.int64) * int(shape[2]) + table.x.to_numpy(np.int64)
    eventful = np.isin(pixel, codes.y.to_numpy(np.int64) * int(shape[2]) + codes.x.to_numpy(np.int64))
    return table.assign(label=label, quiet=~eventful)


def fold_evidence(source: SampleSource, rows: Ints, score: VoxelScorer) -> pd.DataFrame:
    """Labelled candidates of exposures that were cut into tiles, as a prediction on the exposure would find them.

    Args:
        source: tiles with their truth.
        rows: positions in its index; each exposure's tiles are put together again.
        score: the network.

    Returns:
        One row a tile: ``evidence`` (its candidates, packed) and ``quiet_area`` (10^6 pixel-frames without events).
    """
    index = rows_of(source, rows).reset_index(drop=True)
    exposure = index["id"].astype(str).str.rsplit(":", n=2).str[0]
    packed: dict[int, Floats32] = {}
    areas = np.zeros(len(rows))
    for _, tiles in index.groupby(exposure.to_numpy(), sort=True):
        places = tiles.index.to_numpy(np.int64)
        cube = np.asarray(source.gather("cube", rows[places]))
        truth = np.asarray(source.gather("truth", rows[places]))
        areas[places] = quiet_area(cube, truth)
        table = tile_evidence(tiles, _joined(tiles, cube), _joined(tiles, truth), score)
        size = cube.shape[-1]
        for place, y, x in zip(places, tiles.y, tiles.x, strict=True):
            inside = table.y.between(y, y + size - 1) & table.x.between(x, x + size - 1)
            packed[int(place)] = table.loc[inside, list(PACKED)].to_numpy(np.float32).ravel()
    return pd.DataFrame({"evidence": [packed[i] for i in range(len(rows))], "quiet_area": areas})


def unpacked(predictions: pd.DataFrame) -> pd.DataFrame:
    """The candidates of all tiles, with ``tile`` (position in ``predictions``)."""
    parts = [np.asarray(values, np.float32).reshape(-1, len(PACKED)) for values in predictions["evidence"]]
    table = pd.DataFrame(np.concatenate(parts), columns=list(PACKED))
    tile = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    flags = {name: table[name] > 0.5 for name in ("listed", "rules", "quiet")}
    return table.assign(tile=tile, label=table.label.astype(np.int64), **flags)


def quiet_area(cube: Floats32, truth: Bits) -> Floats:
    """10^6 pixel-frames of usable pixels without any event, for each of (n, T, h, w) tiles."""
    quiet = (truth == 0).all(1) & np.isfinite(cube).any(1)
    area: Floats = quiet.sum((1, 2)) * cube.shape[1] / 1e6
    return area


def _joined(tiles: pd.DataFrame, parts: Array) -> Array:
    """Tiles (n, T, h, w) at their places; NaN, or undecided, where there is none."""
    size = parts.shape[-1]
    shape = (parts.shape[1], int(tiles.y.max()) + size, int(tiles.x.max()) + size)
    out = np.full(shape, np.nan if parts.dtype.kind == "f" else UNDECIDED, parts.dtype)
    for y, x, part in zip(tiles.y, tiles.x, parts, strict=True):
        out[:, y : y + size, x : x + size] = part
    return out


def tile_evidence(tiles: pd.DataFrame, cube: Floats32, codes: Bits, score: VoxelScorer) -> pd.DataFrame:
    """Labelled candidates of one integration in read noises, (n_groups, n_rows, n_cols)."""
    first = tiles.iloc[0]
    noise = float(first.read_noise)
    ramp = Ramp(
        data=(cube * np.float32(noise))[None],
        sampling=ReadTimes.single([float(first.group_time) * k for k in range(1, len(cube) + 1)]),
        unit="e-",
        gain=float(first.gain),
        read_noise=noise,
    )
    table = EvidenceSearch()(process(Exposure(ramp, Processing(reference=None))), ramp.data, score)
    group, y, x = np.nonzero(codes)
    steps = pd.DataFrame({"group": group, "y": y, "x": x, "type": codes[group, y, x]})
    return labelled(table, steps, cube.shape)
