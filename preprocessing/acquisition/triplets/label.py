"""Real and bogus around a supernova: its place where it is measured in that very epoch, and candidates as bright."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import torch

from astrid_ml.fits_headers import open_checked
from astrid_ml.preprocessing.acquisition.targets.catalogue import Target
from astrid_ml.preprocessing.acquisition.triplets.chosen import matched
from astrid_ml.preprocessing.acquisition.triplets.known import KnownSources
from astrid_ml.preprocessing.acquisition.triplets.spoilt import SpoiltTriplets
from astrid_ml.preprocessing.differencing.epochs.forced import Epoch, forced_photometry, read_epoch
from astrid_ml.preprocessing.differencing.pixels.cutouts import cut
from astrid_ml.types import Array, Existing, Floats, NonNegative, Positive, Range, Whole

SOURCES = ("supernova", "candidate", "sky")


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
    pictures: Whole = 0
    position_masks: bool = False
    spoilt: SpoiltTriplets = field(default_factory=SpoiltTriplets)


@dataclass(frozen=True)
class SubtractedPair:
    """What the subtraction left of a pair.

    Args:
        name: of the pair.
        epoch: its difference image.
        planes: science, reference, difference, (3, H, W), NaN where masked.
        candidates: of the pair.
        fwhm: of the science image, px.
    """

    name: str
    epoch: Epoch
    planes: Array
    candidates: pd.DataFrame
    fwhm: float

    @classmethod
    def read(cls, folder: Path, fwhm: float) -> SubtractedPair:
        """Read the products of ``astrid difference`` with its intermediates.

        Args:
            folder: of the pair.
            fwhm: of the science image, px.
        """
        epoch = read_epoch(folder / "difference.fits")
        planes = []
        for side in ("science", "reference"):
            with open_checked(folder / f"{side}.fits") as hdus:
                planes.append(np.where(hdus["MASK"].data > 0, np.nan, hdus["SCI"].data).astype(np.float32))
        planes.append(epoch.result.diff.numpy())
        table = pd.read_parquet(folder / "candidates.parquet")
        return cls(folder.name, epoch, np.stack(planes), table, fwhm)

    def stamps(self, x: Floats, y: Floats, size: int) -> Array:
        """(n, 3, size, size) around positions, NaN without data."""
        at_x, at_y = (torch.tensor(np.array(values, dtype=float)) for values in (x, y))
        stamps, _ = cut(torch.from_numpy(self.planes), at_x, at_y, size)
        return stamps.numpy()


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
    pairs: Sequence[SubtractedPair],
    rules: LabelTriplets,
    known: KnownSources,
    size: int,
) -> Labelled:
    """Triplets of one supernova.

    Args:
        target: with its place.
        group: of the supernova and those that share its images.
        pairs: subtracted.
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
            row = _rows(pair, measured, f"{pair.name}-sn", 1, group)
            real.append((row, pair.stamps(measured["x"].to_numpy(), measured["y"].to_numpy(), size)))
        table = _clean(target, pair, measured, rules, known, counts)
        pool.append((_rows(pair, table, table["id"], 0, group), pair, table))
        if rules.sky and shines:
            sky.append(_blank(pair, rules.sky, known, group, size))
    rows = pd.concat([row for row, _ in real], ignore_index=True) if real else pd.DataFrame()
    parts = [(row, stamps) for row, stamps in real]
    parts += _bogus(rows, pool, rules, size, counts) if real else []
    if pairs and not real:
        counts["supernovae without a real triplet"] += 1
    labelled, stamps = _joined(parts, size)
    labelled, stamps = _unspoilt(labelled, stamps, rules.spoilt, counts)
    table = pd.concat(epochs, ignore_index=True) if epochs else pd.DataFrame()
    return Labelled(labelled, stamps, _joined(sky, size), table, counts)


def _at_place(target: Target, pair: SubtractedPair) -> pd.DataFrame:
    place = pd.DataFrame({"object_id": [target.name], "ra": [target.ra], "dec": [target.dec]})
    return forced_photometry(pair.epoch, place)


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
    kinds = KnownSources(others.reset_index(drop=True)).kinds_at(pair.epoch, x, y, rules.known_radius * pair.fwhm)
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


def _bogus(
    real: pd.DataFrame,
    pool: Sequence[tuple[pd.DataFrame, SubtractedPair, pd.DataFrame]],
    rules: LabelTriplets,
    size: int,
    counts: Counter[str],
) -> list[tuple[pd.DataFrame, Array]]:
    """Candidates as bright as the real ones, each with its stamps."""
    rows = pd.concat([part for part, _, _ in pool], ignore_index=True)
    of = np.concatenate([np.full(len(part), n) for n, (part, _, _) in enumerate(pool)]).astype(int)
    taken, short = matched(
        real["snr"].to_numpy(dtype=float), rows["snr"].to_numpy(dtype=float), rules.ratio, rules.snr_factor
    )
    counts["bogus taken"] += len(taken)
    counts["bogus wanting: none as bright"] += short
    out = []
    for number, (_, pair, _) in enumerate(pool):
        chosen = rows.iloc[[k for k in taken if of[k] == number]].reset_index(drop=True)
        if len(chosen):
            out.append((chosen, pair.stamps(chosen["x"].to_numpy(), chosen["y"].to_numpy(), size)))
    return out


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
    if not parts:
        return pd.DataFrame(), np.zeros((0, 3, size, size), dtype=np.float32)
    return pd.concat([rows for rows, _ in parts], ignore_index=True), np.concatenate([stamps for _, stamps in parts])


def _unspoilt(
    rows: pd.DataFrame, stamps: Array, spoilt: SpoiltTriplets, counts: Counter[str]
) -> tuple[pd.DataFrame, Array]:
    """Leave out what is spoilt; a list by hand goes before."""
    if not len(rows):
        return rows, stamps
    why, hand = spoilt(stamps), spoilt.by_hand()
    said = np.array([hand.get(name, "") for name in rows["id"]], dtype=object)
    counts.update(f"spoilt: {reason}" for reason, word in zip(why, said, strict=True) if reason and not word)
    counts["kept by hand"] += int((said == "keep").sum())
    counts["rejected by hand"] += int((said == "reject").sum())
    kept = ((why == "") & (said == "")) | (said == "keep")
    left = rows[kept].reset_index(drop=True)
    counts["triplets real"] += int((left["label"] == 1).sum())
    counts["triplets bogus"] += int((left["label"] == 0).sum())
    return left, stamps[kept]
