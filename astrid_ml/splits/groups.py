"""Groups that a split may never cut, and their stratified, seeded assignment."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from astrid_ml.contracts.columns import Columns
from astrid_ml.identity import unmarked
from astrid_ml.splits.coded import Coded
from astrid_ml.splits.links import components, linked_components
from astrid_ml.splits.stamps import overlapping_stamps
from astrid_ml.types import Codes, Folds, Ints


def linked_groups(index: pd.DataFrame, radius: float) -> pd.Series:
    """Group ids, joined where samples of two groups stand within ``radius`` arcsec on the sky.

    One supernova seen by two missions has two object names; it must not train under one and be tested under the other.

    Args:
        index: with ``group_id`` and, where known, ``ra`` and ``dec`` in degrees.
        radius: arcsec; 0 links nothing.

    Returns:
        One text a row: the smallest group id of its component.
    """
    return linked(index, radius).texts(index.index)


def linked(index: Columns, radius: float, stamps: bool = False) -> Coded:
    """The same as numbers, for an index of any size.

    Args:
        index, radius: as above.
        stamps: join groups too whose stamps share pixels of one exposure.
    """
    groups = Coded.of(index["group_id"])
    groups = _near(groups, index, radius)
    if not stamps:
        return groups
    shared = overlapping_stamps(index)
    if not len(shared.one):
        return groups
    return _led(groups, components(len(groups.names), groups.codes[shared.one], groups.codes[shared.other]))


def _near(groups: Coded, index: Columns, radius: float) -> Coded:
    if radius <= 0 or not {"ra", "dec"} <= set(index.columns):
        return groups
    sky = index[["ra", "dec"]].to_numpy(dtype=np.float64, na_value=np.nan)
    usable = np.isfinite(sky).all(axis=1)
    if not usable.any():
        return groups
    own = groups.codes
    if not usable.all():
        sky, own = sky[usable], own[usable]
    return _led(groups, linked_components(sky, own, len(groups.names), radius))


def joined(groups: pd.Series, values: pd.Series) -> pd.Series:
    """Groups whose samples share a value (one ``truth_id`` seen in several frames) become one; null joins nothing.

    Returns:
        One text a row: the smallest group id of its component.
    """
    coded, known = Coded.of(groups), values.notna().to_numpy()
    shared, own = Coded.of(values[known]).codes, coded.codes[known]
    first = np.zeros(int(shared.max()) + 1 if len(shared) else 0, dtype=np.int32)
    first[shared[::-1]] = own[::-1]
    return _led(coded, components(len(coded.names), own, first[shared])).texts(groups.index)


def _led(groups: Coded, component: Codes) -> Coded:
    """Each row by the smallest name of its component; names are in order, so that the smallest number leads."""
    first = np.empty(int(component.max()) + 1 if len(component) else 0, dtype=np.int32)
    first[component[::-1]] = np.arange(len(component), dtype=np.int32)[::-1]
    return Coded(first[component[groups.codes]], groups.names)


def assign(groups: pd.Series, strata: pd.Series, shares: Sequence[float], seed: int) -> Ints:
    """Which part each row goes to: whole groups, each stratum shared out alike, the same for the same seed.

    Args:
        groups: group of each row.
        strata: stratum of each row (label, mission); a group's stratum is its rarest member's.
        shares: shares of the parts, adding up to 1.
        seed: another seed gives another assignment.

    Returns:
        Part of each row, shape (n,).
    """
    return shared_out(Coded.of(groups), Coded.of(strata), shares, seed).astype(np.int64)


def shared_out(groups: Coded, strata: Coded, shares: Sequence[float], seed: int) -> Folds:
    """The same of texts as numbers; parts as numbers of one byte."""
    times = strata.times()
    rarest = np.lexsort((np.arange(len(times)), times))
    rank = np.empty(len(rarest), dtype=np.int32)
    rank[rarest] = np.arange(len(rarest), dtype=np.int32)
    leader = np.full(len(groups.names), len(rarest), dtype=np.int32)
    np.minimum.at(leader, groups.codes, rank[strata.codes])
    present = np.flatnonzero(leader < len(rarest))
    stratum, keys = rarest[leader[present]], order_keys(groups.names.iloc[present], seed)
    order = np.lexsort((keys, stratum))
    # The middle of each group's place in its stratum, with a shift of its own, decides: small strata are not all
    # rounded into the first part.
    size = np.bincount(stratum, minlength=len(times))
    shift = np.array([order_key(f"stratum {name}", seed) / 2**64 for name in strata.names])
    own = stratum[order]
    place = (np.arange(len(own)) - (np.cumsum(size) - size)[own] + shift[own]) / size[own]
    part = np.full(len(groups.names), -1, dtype=np.int8)
    part[present[order]] = np.minimum(np.searchsorted(np.cumsum(shares), place, side="right"), len(shares) - 1)
    out: Folds = part[groups.codes]
    return out


def order_key(name: object, seed: int) -> int:
    """A pseudo-random order that depends on the name and the seed only."""
    return int.from_bytes(hashlib.blake2b(f"{seed}/{unmarked(name)}".encode(), digest_size=8).digest(), "little")


def order_keys(names: Iterable[object], seed: int) -> npt.NDArray[np.uint64]:
    """The same for many names, (n,)."""
    return np.fromiter((order_key(name, seed) for name in names), dtype=np.uint64)
