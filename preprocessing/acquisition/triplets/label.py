"""Real and bogus around a supernova: its place where it is measured in that very epoch, and candidates as bright."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated

import numpy as np
import pandas as pd

from astrid_ml.preprocessing.acquisition.targets.catalogue import Target
from astrid_ml.preprocessing.acquisition.triplets.chosen import matched
from astrid_ml.preprocessing.acquisition.triplets.known import KnownSources
from astrid_ml.preprocessing.acquisition.triplets.spoilt import SpoiltTriplets
from astrid_ml.preprocessing.acquisition.triplets.subtracted import SubtractedPair
from astrid_ml.preprocessing.differencing.epochs.forced import forced_photometry
from astrid_ml.types import Array, Existing, NonNegative, Positive, Range, Whole

KEPT, SPOILT = "kept", "spoilt"
BAND = ("mission", "filter")
Side = Annotated[int, Range(0, 4096)]
AT_ONCE = 256  # candidates whose stamps are looked at together


@dataclass(frozen=True)
class LabelTriplets:
    """How triplets get their labels.

    Args:
        least_snr: of the forced measurement at the known place in an epoch, from which it is real there.
        ratio: bogus for each real.
        snr_factor: a bogus candidate's S/N is that of a real one within this factor.
        apart: FWHM; candidates so near to the supernova are neither.
        known: file: ra, dec and optionally kind and mjd of variables, moving objects, neighbours.
        known_radius: FWHM around them in which candidates are neither real nor bogus.
        together: degrees; supernovae so near to each other share images, and are one group.
        sky: places of blank sky for each real; they lie apart, since they are trivially bogus.
        pictures: px; a picture of this side for each real, for the eye; 0 draws none.
        position_masks: write where the supernova is in each pair, as FITS.
        spoilt: triplets that are left out.
    """

    least_snr: Positive = 5.0
    ratio: NonNegative = 3.0
    snr_factor: Annotated[float, Range(1.0, open_low=True)] = 2.0
    apart: Positive = 3.0
    known: Existing | None = None
    known_radius: Positive = 1.5
    together: NonNegative = 0.5
    sky: Whole = 0
    pictures: Side = 0
    position_masks: bool = False
    spoilt: SpoiltTriplets = field(default_factory=SpoiltTriplets)


@dataclass
class Labelled:
    """What a supernova gives.

    Args:
        rows: id, group_id, label, ra, dec, x, y, snr, mjd, filter, mission, pair.
        stamps: (n, 3, size, size).
        sky: rows and stamps of blank sky, apart.
        epochs: forced measurements at the place, one for each pair.
        counts: of everything that was looked at, by what became of it.
    """

    rows: pd.DataFrame
    stamps: Array
    sky: tuple[pd.DataFrame, Array]
    epochs: pd.DataFrame
    counts: Counter[str]


def label_supernova(
    target: Target,
    group: str,
    pairs: Iterable[SubtractedPair],
    rules: LabelTriplets,
    known: KnownSources,
    size: int,
) -> Labelled:
    """Triplets of one supernova.

    Args:
        target: with its place.
        group: of the supernova and those that share its images.
        pairs: subtracted; gone through twice, and one is held at a time.
        rules: of labels.
        known: what else changes there.
        size: of the stamps, px.
    """
    counts: Counter[str] = Counter()
    real, pool, sky, epochs = [], [], [], []
    for pair in pairs:
        measured = _at_place(target, pair)
        epochs.append(measured.drop(columns="source").assign(pair=pair.name))
        shines = _is_real(target, measured, rules, counts)
        if shines:
            real.append(_real(pair, measured, group, size))
        table = _clean(target, pair, measured, rules, known, counts)
        pool.append(_rows(pair, table, table["id"], 0, group).assign(sound=_sound(pair, table, rules, size, counts)))
        if rules.sky and shines:
            sky.append(_blank(pair, rules.sky, known, group, size))
    if epochs and not real:
        counts["targets without a real triplet"] += 1
    rows, stamps = _joined(real, size)
    if len(rows):
        sound = _judged(rows["id"], stamps, rules, counts) != SPOILT
        rows, stamps = rows[sound].reset_index(drop=True), stamps[sound]
    candidates = pd.concat(pool, ignore_index=True) if pool else pd.DataFrame()
    chosen = _bogus(rows, candidates, rules, counts)
    labelled = _joined([(rows, stamps), *_cut(pairs, chosen, size)], size)
    counts["triplets real"] += len(rows)
    counts["triplets bogus"] += len(chosen)
    table = pd.concat(epochs, ignore_index=True) if epochs else pd.DataFrame()
    return Labelled(*labelled, _joined(sky, size), table, counts)


def _at_place(target: Target, pair: SubtractedPair) -> pd.DataFrame:
    place = pd.DataFrame({"object_id": [target.name], "ra": [target.ra], "dec": [target.dec]})
    return forced_photometry(pair.epoch, place)


def _real(pair: SubtractedPair, measured: pd.DataFrame, group: str, size: int) -> tuple[pd.DataFrame, Array]:
    """The row and the stamps of the supernova in a pair."""
    x, y, snr = pair.centre(float(measured["x"].iloc[0]), float(measured["y"].iloc[0]))
    ra, dec = pair.epoch.wcs.all_pix2world([x], [y], 0)
    at = pd.DataFrame({"ra": ra, "dec": dec, "x": [x], "y": [y], "snr": [snr]})
    return _rows(pair, at, f"{pair.name}-sn", 1, group), pair.stamps(np.array([x]), np.array([y]), size)


def _is_real(target: Target, measured: pd.DataFrame, rules: LabelTriplets, counts: Counter[str]) -> bool:
    """Whether the supernova is there in this epoch; why not is counted. A field's middle is no transient's place."""
    if target.discovered is None:
        counts["epochs of places where no transient is known"] += 1
    elif not len(measured):
        counts["epochs beyond the image"] += 1
    elif bool(measured["masked"].iloc[0]):
        counts["epochs masked"] += 1
    elif float(measured["snr"].iloc[0]) < rules.least_snr:
        counts["epochs below the least S/N"] += 1
    else:
        counts["epochs real"] += 1
        return True
    return False


def _clean(
    target: Target,
    pair: SubtractedPair,
    measured: pd.DataFrame,
    rules: LabelTriplets,
    known: KnownSources,
    counts: Counter[str],
) -> pd.DataFrame:
    """Candidates that are no known source; those that are, are counted by kind."""
    table = pair.candidates
    counts["candidates"] += len(table)
    positive = table["sign"].to_numpy() > 0
    counts["candidates: negative"] += int((~positive).sum())
    table = table[positive].reset_index(drop=True)
    x, y = (table[name].to_numpy(dtype=float) for name in ("x", "y"))
    near = np.zeros(len(table), dtype=bool)
    if len(measured):
        away = np.hypot(x - float(measured["x"].iloc[0]), y - float(measured["y"].iloc[0]))
        near = away <= rules.apart * pair.fwhm
    counts["candidates: near the supernova"] += int(near.sum())
    others = known.rows[(known.rows["ra"] != target.ra) | (known.rows["dec"] != target.dec)]
    kinds = replace(known, rows=others.reset_index(drop=True)).kinds_at(
        pair.epoch, x, y, rules.known_radius * pair.fwhm
    )
    kinds[near] = ""
    counts.update(f"candidates: {kind}" for kind in kinds if kind)
    kept: pd.DataFrame = table[~near & (kinds == "")].reset_index(drop=True)
    counts["candidates: bogus"] += len(kept)
    return kept


def _rows(pair: SubtractedPair, table: pd.DataFrame, names: str | pd.Series, label: int, group: str) -> pd.DataFrame:
    """Rows of the table of triplets."""
    return pd.DataFrame(
        {
            "id": names if isinstance(names, str) else names.astype(str).to_numpy(),
            "group_id": group,
            "label": label,
            **{name: table[name].to_numpy(dtype=float) for name in ("ra", "dec", "x", "y", "snr")},
            "mjd": pair.epoch.mjd,
            "filter": pair.epoch.band,
            "mission": pair.epoch.mission,
            "pair": pair.name,
        }
    )


def _judged(names: Iterable[str], stamps: Array, rules: LabelTriplets, counts: Counter[str]) -> Array:
    """What becomes of each triplet: kept by hand, spoilt (by its looks or by hand), or nothing to say; counted."""
    why, hand = rules.spoilt(stamps), rules.spoilt.by_hand()
    said = np.array([hand.get(str(name), "") for name in names], dtype=object)
    counts.update(f"spoilt: {reason}" for reason, word in zip(why, said, strict=True) if reason and not word)
    counts["kept by hand"] += int((said == "keep").sum())
    counts["rejected by hand"] += int((said == "reject").sum())
    out: Array = np.where(said == "keep", KEPT, np.where((why != "") | (said == "reject"), SPOILT, "")).astype(object)
    return out


def _sound(pair: SubtractedPair, table: pd.DataFrame, rules: LabelTriplets, size: int, counts: Counter[str]) -> Array:
    """What becomes of candidates, before any is matched: one that is spoilt must not take the place of a good one."""
    parts = [np.zeros(0, dtype=object)]
    for start in range(0, len(table), AT_ONCE):
        some = table.iloc[start : start + AT_ONCE]
        stamps = pair.stamps(some["x"].to_numpy(dtype=float), some["y"].to_numpy(dtype=float), size)
        parts.append(_judged(some["id"].astype(str), stamps, rules, counts))
    return np.concatenate(parts)


def _bogus(real: pd.DataFrame, pool: pd.DataFrame, rules: LabelTriplets, counts: Counter[str]) -> pd.DataFrame:
    """Candidates as bright as the real ones of their own mission and filter; and those that a hand keeps.

    Across filters the S/N would be alike and the filters would tell the labels.
    """
    if not len(pool):
        return pool
    taken = pool["sound"].to_numpy() == KEPT
    bands = [tuple(map(str, row)) for row in pool[[*BAND]].to_numpy(dtype=object)]
    of_real = [tuple(map(str, row)) for row in real[[*BAND]].to_numpy(dtype=object)] if len(real) else []
    for band in sorted(set(of_real)):
        bright = real[[one == band for one in of_real]]
        places = np.flatnonzero([one == band for one in bands] & (pool["sound"] == "").to_numpy())
        snr = pool["snr"].to_numpy(dtype=float)[places]
        found, short = matched(bright["snr"].to_numpy(dtype=float), snr, rules.ratio, rules.snr_factor)
        taken[places[found]] = True
        counts["bogus wanting: none as bright"] += short
    counts["bogus taken"] += int(taken.sum())
    left: pd.DataFrame = pool[taken].drop(columns="sound").reset_index(drop=True)
    return left


def _cut(pairs: Iterable[SubtractedPair], rows: pd.DataFrame, size: int) -> Iterator[tuple[pd.DataFrame, Array]]:
    """Rows of candidates with their stamps, pair by pair."""
    for pair in pairs if len(rows) else ():
        some = rows[rows["pair"] == pair.name].reset_index(drop=True)
        if len(some):
            yield some, pair.stamps(some["x"].to_numpy(), some["y"].to_numpy(), size)


def _blank(pair: SubtractedPair, n: int, known: KnownSources, group: str, size: int) -> tuple[pd.DataFrame, Array]:
    """Places of blank sky: no data missing, no candidate and no known source near."""
    rng = np.random.default_rng(zlib.crc32(pair.name.encode()))
    h, w = pair.planes.shape[1:]
    margin = min(size // 2, h // 3, w // 3)
    x, y = rng.uniform(margin, w - 1 - margin, 50 * n), rng.uniform(margin, h - 1 - margin, 50 * n)
    taken = pair.candidates[["x", "y"]].to_numpy(dtype=float)
    away = np.min(np.hypot(x[:, None] - taken[:, 0], y[:, None] - taken[:, 1]), axis=1) if len(taken) else x + np.inf
    dark = np.isfinite(pair.planes[:, np.rint(y).astype(int), np.rint(x).astype(int)]).all(axis=0)
    free = dark & (away > 3 * pair.fwhm) & (known.kinds_at(pair.epoch, x, y, 3 * pair.fwhm) == "")
    x, y = x[free][:n], y[free][:n]
    ra, dec = pair.epoch.wcs.all_pix2world(x, y, 0)
    table = pd.DataFrame({"ra": ra, "dec": dec, "x": x, "y": y, "snr": np.nan})
    names = pd.Series([f"{pair.name}-sky{k}" for k in range(len(x))])
    return _rows(pair, table, names, 0, group), pair.stamps(x, y, size)


def _joined(parts: Sequence[tuple[pd.DataFrame, Array]], size: int) -> tuple[pd.DataFrame, Array]:
    full = [(rows, stamps) for rows, stamps in parts if len(rows)]
    if not full:
        return pd.DataFrame(), np.zeros((0, 3, size, size), dtype=np.float32)
    return pd.concat([rows for rows, _ in full], ignore_index=True), np.concatenate([stamps for _, stamps in full])
