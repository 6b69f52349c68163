"""What may not stand in two folds although the split did not choose by it: objects and patches of sky."""

from __future__ import annotations

import sys
from collections.abc import Collection, Sequence

import numpy as np
import pandas as pd

from astrid_ml.contracts.columns import Columns
from astrid_ml.errors import UserError
from astrid_ml.missions import misspelt
from astrid_ml.nearest import nearest
from astrid_ml.printable import printable
from astrid_ml.sky import unit_vectors
from astrid_ml.splits.folds import FOLDS, SEALED
from astrid_ml.types import Array, Floats

# Each fold with those that give way to it.
NEARER_TO_TRAINING = ((SEALED, ("train", "val")), ("test", ("train", "val")), ("val", ("train",)))


def crossing(folds: Array, keys: pd.Series) -> pd.Series:
    """The keys that stand in more than one fold, with the number of folds."""
    used = np.isin(folds, (*FOLDS, SEALED))
    count = pd.Series(folds[used]).groupby(keys.to_numpy()[used]).nunique()
    return count[count > 1]


def refuse_crossing(folds: Array, cells: pd.Series) -> None:
    """Samples cut from frames of one patch of sky share hosts, neighbours and pixels.

    Raises:
        UserError: a cell stands in two folds.
    """
    both = crossing(folds, cells)
    if len(both):
        raise UserError(
            "each cell of the sky in one fold",
            f"{len(both)} of {cells.nunique()} cells in two",
            "split=sky; or split.shared=leave_out, which trains on no cell that is tested",
        )


def without_shared(folds: Array, keys: Sequence[pd.Series]) -> Array:
    """What recurs is unused in the fold nearer to training: the test fold stays whole.

    Args:
        folds: train, val, test, sealed or unused, shape (n,).
        keys: groups, cells, each of n values.

    Raises:
        UserError: nothing is left to train on or to choose by.
    """
    out = folds.astype("<U6")
    for later, earlier in NEARER_TO_TRAINING:
        for key in keys:
            taken = key.isin(key[out == later].unique()).to_numpy()
            out[taken & np.isin(out, earlier)] = "unused"
    for fold in ("train", "val"):
        if not (out == fold).any():
            raise UserError(
                f"a {fold} fold that shares no object and no patch of sky with the test fold",
                f"all {int((folds == fold).sum())} samples share some",
                "test fewer values, or split=sky",
            )
    return out


def without_near(folds: Array, sky: Floats, radius: float) -> Array:
    """What lies within ``radius`` of a sample of a later fold is unused: the test fold stays whole.

    Args:
        folds: train, val, test, sealed or unused, shape (n,).
        sky: ra, dec in degrees (ICRS), (n, 2); samples without a position stay where they are.
        radius: arcsec; 0 changes nothing.
    """
    if radius <= 0:
        return folds
    from scipy.spatial import cKDTree

    out = folds.astype("<U6")
    known = np.isfinite(sky).all(axis=1)
    chord = 2 * np.sin(np.radians(radius / 3600) / 2)
    for later, earlier in NEARER_TO_TRAINING:
        kept, giving = np.flatnonzero(known & (out == later)), np.flatnonzero(known & np.isin(out, earlier))
        if len(kept) and len(giving):
            distance, _ = cKDTree(unit_vectors(sky[kept])).query(unit_vectors(sky[giving]), distance_upper_bound=chord)
            out[giving[np.isfinite(distance)]] = "unused"
    return out


def need(index: Columns, columns: Sequence[str], why: str) -> None:
    """The columns stand in the index and are not all null."""
    absent = [name for name in columns if name not in index or index[name].isna().all()]
    if absent:
        there = [str(name) for name in index.columns if index[name].notna().any()]
        fix = f"choose another split, or one of the columns {', '.join(there)}"
        if near := nearest(absent[0], there):
            fix = f"{near} Or {fix}"
        raise UserError(f"the column {', '.join(absent)} for {why}", "none in this dataset", fix)


def check_missions(train: Sequence[str], test: Sequence[str], there: Collection[str], held_out: str = "") -> None:
    """Missions to train on and to test on, by their one names: apart, and among those that are there.

    Args:
        train: empty for all that are not tested.
        test: at least one.
        there: that the data can hold; empty where that is not known yet.
        held_out: the one that is tested as the user typed it, where it is that of ``split.held_out``.

    Raises:
        UserError: names the key.
    """
    both, named = sorted(set(train) & set(test)), [*train, *test]
    if not test:
        example = sorted(there)[0] if there else "MISSION"
        raise UserError("split.test=[MISSION], the missions to test on", "none", f"write split.test=[{example}]")
    if both:
        got = f"{', '.join(both)} in both"
        raise UserError("split.train and split.test, apart", got, f"take {both[0]} out of one of them")
    if not there:
        return
    known, unknown = ", ".join(sorted(there)), sorted(set(named) - set(there))
    wanted = f"split.held_out=none or one of {known}" if held_out else f"split.train and split.test among {known}"
    if unknown:
        fix = nearest(unknown[0], there) or "name missions of these data"
        raise UserError(wanted, held_out or ", ".join(unknown), fix)
    if not train and not set(there) - set(test):
        raise UserError(
            "a mission that is not tested, to train on", f"only {known} in these data", "test fewer of them"
        )


def told_of_misspelt(names: Sequence[str], key: str) -> None:
    """Say that a mission's name is nearly that of a known one: data of one's own may have any name, so it goes on."""
    for name in names:
        if hint := misspelt(name):
            said = f"note: {key} names {name!r}, which is no mission known here ({hint}); it is looked for in the data"
            print(printable(said), file=sys.stderr, flush=True)
