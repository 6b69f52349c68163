"""Groups that a split may never cut, and their stratified, seeded assignment."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from astrid_ml.sky import unit_vectors
from astrid_ml.types import Ints


def linked_groups(index: pd.DataFrame, radius: float) -> pd.Series:
    """Group ids, joined where samples of two groups stand within ``radius`` arcsec on the sky.

    One supernova seen by two missions has two object names; it must not train under one and be tested under the other.

    Args:
        index: with ``group_id`` and, where known, ``ra`` and ``dec`` in degrees.
        radius: arcsec; 0 links nothing.

    Returns:
        One text a row: the smallest group id of its component.
    """
    groups = index["group_id"].astype(str)
    if radius <= 0 or not {"ra", "dec"} <= set(index.columns):
        return groups
    sky = index[["ra", "dec"]].to_numpy(dtype=np.float64, na_value=np.nan)
    usable = np.isfinite(sky).all(axis=1)
    if not usable.any():
        return groups
    from scipy.spatial import cKDTree

    codes, names = pd.factorize(groups, sort=True)
    tree = cKDTree(unit_vectors(sky[usable]))
    pairs = tree.query_pairs(2 * np.sin(np.radians(radius / 3600) / 2), output_type="ndarray")
    own = codes[usable]
    return _components(codes, names, own[pairs[:, 0]], own[pairs[:, 1]], index.index)


def joined(groups: pd.Series, values: pd.Series) -> pd.Series:
    """Groups whose samples share a value (one ``truth_id`` seen in several frames) become one; null joins nothing.

    Returns:
        One text a row: the smallest group id of its component.
    """
    codes, names = pd.factorize(groups.astype(str), sort=True)
    known = values.notna().to_numpy()
    shared = pd.factorize(values[known].astype(str))[0]
    first = pd.Series(codes[known]).groupby(shared).transform("first").to_numpy(dtype=np.int64)
    return _components(codes, names, codes[known], first, groups.index)


def _components(codes: Ints, names: Any, one: Ints, other: Ints, index: pd.Index) -> pd.Series:
    """The name of each row's connected component, where ``one[i]`` and ``other[i]`` are joined."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    edges = coo_matrix((np.ones(len(one)), (one, other)), shape=(len(names), len(names)))
    _, component = connected_components(edges, directed=False)
    first = pd.Series(np.arange(len(names))).groupby(component).min()  # names are sorted: the smallest code leads
    return pd.Series(np.asarray(names)[first.to_numpy()[component[codes]]], index=index)


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
    table = pd.DataFrame({"group": groups.to_numpy(), "stratum": strata.astype(str).to_numpy()})
    frequency = table["stratum"].map(table["stratum"].value_counts())
    leader = (
        table.assign(frequency=frequency)
        .sort_values(["frequency", "stratum"], kind="stable")
        .groupby("group")["stratum"]
        .first()
    )
    order = pd.DataFrame({"stratum": leader, "key": [order_key(name, seed) for name in leader.index]})
    bounds = np.cumsum(shares)
    order = order.sort_values(["stratum", "key"])
    # The middle of each group's place in its stratum, with a shift of its own, decides: small strata are not all
    # rounded into the first part.
    rank = order.groupby("stratum").cumcount().to_numpy()
    size = order.groupby("stratum")["key"].transform("size").to_numpy()
    shift = np.array([order_key(f"stratum {name}", seed) / 2**64 for name in order["stratum"]])
    place = (rank + shift) / size
    part = pd.Series(np.minimum(np.searchsorted(bounds, place, side="right"), len(shares) - 1), index=order.index)
    return table["group"].map(part).to_numpy(dtype=np.int64)


def order_key(name: object, seed: int) -> int:
    """A pseudo-random order that depends on the name and the seed only."""
    return int.from_bytes(hashlib.blake2b(f"{seed}/{name}".encode(), digest_size=8).digest(), "little")
