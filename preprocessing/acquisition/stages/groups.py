"""Targets that share images are one group: what one fold is trained on, another must not be tested on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from astrid_ml.preprocessing.acquisition.archives.footprints import coverage, reach
from astrid_ml.sky import SkyStrips
from astrid_ml.types import Array

LEAST, MOST = 1e-4, 60.0  # degrees around a target in which others are looked for


def groups_of(
    names: Sequence[str],
    places: Array,
    frames: Sequence[Mapping[str, str]],
    together: float,
    objects: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Each target -> the first one that it is linked with, over any number of steps; of a moving object its name.

    Two are linked where the archive has one frame for both, where one lies in a frame of the other, or within
    ``together`` of each other, or where they are one object at two times.

    Args:
        names: of the targets.
        places: ra, dec in degrees (ICRS), (n, 2).
        frames: of the chosen pairs of each: archive and id -> footprint (STC-S).
        together: degrees.
        objects: target -> the moving object that it is a place of.

    Example:
        >>> wide = {"mast/a": "CIRCLE ICRS 10 0 0.8"}
        >>> groups_of(["a", "b", "c"], np.array([[10.0, 0.0], [10.7, 0.0], [50.0, 0.0]]), [wide, {}, {}], 0.5)
        {'a': 'a', 'b': 'a', 'c': 'c'}
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    n = len(names)
    own = [(objects or {}).get(name, name) for name in names]
    links = [*_of_one_frame(frames), *_near(places, frames, together), *_of_one_object(own)]
    one, other = (np.array([link[k] for link in links], dtype=int) for k in (0, 1))
    _, which = connected_components(coo_matrix((np.ones(len(one)), (one, other)), shape=(n, n)), directed=False)
    first: dict[int, int] = {}
    for number, component in enumerate(which.tolist()):
        first.setdefault(component, number)
    return {name: own[first[component]] for name, component in zip(names, which.tolist(), strict=True)}


def _of_one_frame(frames: Sequence[Mapping[str, str]]) -> list[tuple[int, int]]:
    seen: dict[str, int] = {}
    return [(number, seen.setdefault(frame, number)) for number, some in enumerate(frames) for frame in some]


def _of_one_object(own: Sequence[str]) -> list[tuple[int, int]]:
    seen: dict[str, int] = {}
    return [(number, seen.setdefault(name, number)) for number, name in enumerate(own)]


def _near(places: Array, frames: Sequence[Mapping[str, str]], together: float) -> list[tuple[int, int]]:
    """Targets that lie near another one, or in one of its frames."""
    edges = [list(dict.fromkeys(some.values())) for some in frames]
    reaches = np.array(
        [max([reach(edge, *place) for edge in some], default=0.0) for some, place in zip(edges, places, strict=True)]
    )
    widest = float(np.clip(max(together, reaches.max(initial=0.0)), LEAST, MOST))
    links = []
    for one, other, away in zip(*SkyStrips(places, widest * 3600).pairs(places), strict=True):
        near = away <= together * 3600
        if one != other and (near or (away <= reaches[one] * 3600 and _holds(edges[one], *places[other]))):
            links.append((int(one), int(other)))
    return links


def _holds(edges: Sequence[str], ra: float, dec: float) -> bool:
    return any((coverage(edge, ra, dec, LEAST, points=1) or 0.0) > 0 for edge in edges)
