"""Candidates of many epochs and missions become objects: friends of friends on the sky, with names that last."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd

from astrid_ml.errors import UserError
from astrid_ml.missions import canonical
from astrid_ml.nearest import missing
from astrid_ml.sky import unit_vectors
from astrid_ml.types import Floats, Ints

OBJECT_COLUMNS = (
    "object_id", "ra", "dec", "ra_err", "dec_err", "n_candidates", "n_epochs", "missions", "filters",
    "first_mjd", "last_mjd", "best_snr", "extent",
)  # fmt: skip


def friends(ra: Floats, dec: Floats, radius: Floats) -> Ints:
    """Component of each position, linked where two stand within the larger of their radii (arcsec).

    Returns:
        (n,) numbers from 0, in the order of each component's first row. A position that is not finite stands alone.
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components
    from scipy.spatial import cKDTree

    n = len(ra)
    usable = np.flatnonzero(np.isfinite(ra) & np.isfinite(dec))
    if not len(usable):
        return np.arange(n, dtype=np.int64)
    vectors = unit_vectors(np.column_stack([ra, dec])[usable])
    own = radius[usable]
    pairs = cKDTree(vectors).query_pairs(float(chord(own.max())), output_type="ndarray")
    apart = np.linalg.norm(vectors[pairs[:, 0]] - vectors[pairs[:, 1]], axis=1)
    near = apart <= chord(np.maximum(own[pairs[:, 0]], own[pairs[:, 1]]))
    i, j = usable[pairs[near, 0]], usable[pairs[near, 1]]
    _, component = connected_components(coo_matrix((np.ones(len(i)), (i, j)), shape=(n, n)), directed=False)
    return np.asarray(pd.factorize(component)[0], dtype=np.int64)


def chord(separation: npt.ArrayLike) -> Floats:
    """Straight distance between two points of the unit sphere that are ``separation`` arcsec apart."""
    return np.asarray(2 * np.sin(np.radians(np.asarray(separation, dtype=float) / 3600) / 2))


def separation_of(distance: npt.ArrayLike) -> Floats:
    """The inverse of ``chord``."""
    return np.asarray(np.degrees(2 * np.arcsin(np.clip(np.asarray(distance, dtype=float) / 2, 0, 1))) * 3600)


def position_name(ra: float, dec: float, prefix: str = "AST") -> str:
    """``AST J100012.34+021345.6``, digits cut and not rounded, as the IAU asks for."""
    seconds = (ra % 360) / 15 * 3600
    hundredths = int(seconds * 100 + 1e-6)
    h, m, s = hundredths // 360_000, hundredths // 6000 % 60, hundredths % 6000
    tenths = int(abs(dec) * 36_000 + 1e-6)
    d, dm, ds = tenths // 36_000, tenths // 600 % 60, tenths % 600
    sign = "-" if dec < 0 else "+"
    return f"{prefix} J{h:02d}{m:02d}{s // 100:02d}.{s % 100:02d}{sign}{d:02d}{dm:02d}{ds // 10:02d}.{ds % 10}"


@dataclass(frozen=True)
class Associate:
    """Union of friends within a radius.

    An object's name is that of a known object in its group (the nearest), else of its earliest detection's position,
    so that later epochs do not rename it.

    Args:
        radius: arcsec.
        mission_radius: arcsec, of missions with poorer positions; a pair is linked within the larger of its two.
        prefix: of new names.
    """

    radius: float = 1.0
    mission_radius: Mapping[str, float] = field(default_factory=dict)
    prefix: str = "AST"

    def __call__(
        self, candidates: pd.DataFrame, known: pd.DataFrame | None = None
    ) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Associate.

        Args:
            candidates: id, ra, dec, and where known mjd, snr, mission, filter.
            known: object_id, ra, dec of objects of an earlier run.

        Returns:
            the candidates with ``object_id`` and ``group_id`` (the same), in their order, and the objects
            (``OBJECT_COLUMNS``; ``extent``: arcsec between the outermost detections and the mean position; many times
            the radius means a trail or a crowd), by name.

        Raises:
            UserError: no ra, dec or id, no mission beside ``mission_radius``, a repeated id, or a radius that is not
                positive.
        """
        self._check(candidates, known)
        if candidates.empty:
            out = candidates.assign(object_id=pd.Series(dtype="string"), group_id=pd.Series(dtype="string"))
            return out, pd.DataFrame(columns=pd.Index(OBJECT_COLUMNS))
        ra, dec = (candidates[name].to_numpy(dtype=float) for name in ("ra", "dec"))
        component = friends(ra, dec, self._radii(candidates))
        names = self._names(candidates, component, known)
        named = pd.array(names[component], dtype="string")
        out = candidates.assign(object_id=named, group_id=named)
        return out, summarise(out)

    def _check(self, candidates: pd.DataFrame, known: pd.DataFrame | None) -> None:
        absent = [name for name in ("id", "ra", "dec") if name not in candidates]
        if absent:
            raise UserError("candidates with id, ra, dec", f"no {', '.join(absent)}", "give candidates.parquet")
        lost = [] if known is None else [name for name in ("object_id", "ra", "dec") if name not in known]
        if known is not None and lost:
            raise missing("a column of the known objects", lost, known.columns)
        if self.mission_radius and "mission" not in candidates:
            raise missing("a column of the candidates, for mission_radius", ["mission"], candidates.columns)
        repeated = candidates["id"][candidates["id"].duplicated()]
        if len(repeated):
            raise UserError("candidates that appear once", f"{repeated.iloc[0]} twice", "give each epoch once")
        if not min([self.radius, *self.mission_radius.values()]) > 0:
            raise UserError("a radius above 0 arcsec", str(self.radius), "set radius=1.0")

    def _radii(self, candidates: pd.DataFrame) -> Floats:
        radius = np.full(len(candidates), self.radius)
        if "mission" in candidates:
            radii = {canonical(name): value for name, value in self.mission_radius.items()}
            own = candidates["mission"].astype(str).map(canonical, na_action="ignore").map(radii)
            radius = np.where(own.notna(), own.fillna(0.0).to_numpy(dtype=float), radius)
        return radius

    def _names(self, candidates: pd.DataFrame, component: Ints, known: pd.DataFrame | None) -> npt.NDArray[np.object_]:
        mjd = candidates["mjd"].to_numpy(dtype=float) if "mjd" in candidates else np.zeros(len(candidates))
        order = np.lexsort((candidates["id"].astype(str).to_numpy(), np.where(np.isfinite(mjd), mjd, np.inf)))
        _, first = np.unique(component[order], return_index=True)
        earliest = order[first]
        rows = candidates.iloc[earliest]
        names = np.array(
            [
                position_name(ra, dec, self.prefix) if np.isfinite(ra + dec) else str(name)
                for ra, dec, name in zip(rows["ra"], rows["dec"], rows["id"], strict=True)
            ],
            dtype=object,
        )
        if known is not None and len(known):
            names = _inherited(names, candidates, component, known, self.radius)
        return _unrepeated(names, earliest)


def _inherited(
    names: npt.NDArray[np.object_], candidates: pd.DataFrame, component: Ints, known: pd.DataFrame, radius: float
) -> npt.NDArray[np.object_]:
    """Names of known objects go to the nearest group within ``radius`` of one of its members; each to one group."""
    from scipy.spatial import cKDTree

    sky = candidates[["ra", "dec"]].to_numpy(dtype=float)
    usable = np.flatnonzero(np.isfinite(sky).all(1))
    if not len(usable):
        return names
    tree = cKDTree(unit_vectors(sky[usable]))
    found = tree.query(unit_vectors(known[["ra", "dec"]].to_numpy(dtype=float)))
    distance, nearest = np.asarray(found[0], dtype=float), np.asarray(found[1], dtype=np.int64)
    out, taken = names.copy(), set()
    texts = known["object_id"].astype(str).to_numpy()
    for k in np.lexsort((texts.astype(str), distance)):
        group = int(component[usable[nearest[k]]])
        if distance[k] <= chord(radius) and group not in taken:
            out[group] = texts[k]
            taken.add(group)
    return out


def _unrepeated(names: npt.NDArray[np.object_], order: Ints) -> npt.NDArray[np.object_]:
    """Groups whose names are cut to the same digits get a letter, the earliest row first."""
    out, seen = names.copy(), dict[str, int]()
    for i in np.argsort(order, kind="stable"):
        name = str(names[i])
        seen[name] = seen.get(name, 0) + 1
        if seen[name] > 1:
            out[i] = f"{name}.{seen[name]}"
    return out


def summarise(candidates: pd.DataFrame) -> pd.DataFrame:
    """One row an object (``OBJECT_COLUMNS``); positions are means weighted by snr squared."""
    snr = candidates["snr"].abs().to_numpy(dtype=float) if "snr" in candidates else np.ones(len(candidates))
    weight = np.where(np.isfinite(snr), np.maximum(snr, 1e-3) ** 2, 1e-6)
    sky = candidates[["ra", "dec"]].to_numpy(dtype=float)
    vectors = unit_vectors(sky)
    codes, names = pd.factorize(candidates["object_id"].astype(str), sort=True)
    mean = np.stack([np.bincount(codes, weight * vectors[:, k], len(names)) for k in range(3)], axis=1)
    mean = mean / np.linalg.norm(mean, axis=1, keepdims=True)
    extent = pd.Series(separation_of(np.linalg.norm(vectors - mean[codes], axis=1))).groupby(codes).max()
    groups = candidates.groupby(codes)
    counts = np.bincount(codes, minlength=len(names))
    times = groups["mjd"] if "mjd" in candidates else None
    return pd.DataFrame(
        {
            "object_id": names.astype("string"),
            "ra": np.degrees(np.arctan2(mean[:, 1], mean[:, 0])) % 360,
            "dec": np.degrees(np.arcsin(np.clip(mean[:, 2], -1, 1))),
            "ra_err": _mean_error(candidates, "ra_err", weight, codes),
            "dec_err": _mean_error(candidates, "dec_err", weight, codes),
            "n_candidates": counts,
            "n_epochs": counts if times is None else times.nunique(),
            "missions": _joined(candidates, codes, "mission"),
            "filters": _joined(candidates, codes, "filter"),
            "first_mjd": np.nan if times is None else times.min(),
            "last_mjd": np.nan if times is None else times.max(),
            "best_snr": pd.Series(snr).groupby(codes).max(),
            "extent": extent,
        }
    )


def _mean_error(candidates: pd.DataFrame, name: str, weight: Floats, codes: npt.NDArray[np.intp]) -> Floats:
    """One sigma of a weighted mean of independent values: sqrt(sum w^2 s^2) / sum w; NaN where one is not known."""
    size = int(codes.max()) + 1
    if name not in candidates:
        return np.full(size, np.nan)
    error = candidates[name].to_numpy(dtype=float, na_value=np.nan)
    return np.asarray(np.sqrt(np.bincount(codes, (weight * error) ** 2, size)) / np.bincount(codes, weight, size))


def _joined(candidates: pd.DataFrame, codes: npt.NDArray[np.intp], name: str) -> pd.Series:
    if name not in candidates:
        return pd.Series("", index=range(int(codes.max()) + 1), dtype="string")
    texts = candidates[name].astype("string").groupby(codes)
    return texts.agg(lambda values: "+".join(sorted(set(values.dropna())))).astype("string")
