"""``astrid simulate what=lightcurves``: SNANA files of 19 classes with an LSST-like cadence."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from astrid_ml.preprocessing.lightcurves.curves.bands import WAVELENGTHS
from astrid_ml.preprocessing.lightcurves.curves.hosts import extragalactic, galactic
from astrid_ml.preprocessing.lightcurves.simulate.cadence import Visits, detect, draw_visits
from astrid_ml.preprocessing.lightcurves.simulate.templates import (
    OTHERS,
    TRANSIENTS,
    Transient,
    galactic_flux,
    transient_flux,
)
from astrid_ml.preprocessing.lightcurves.simulate.write_snana import write_pair
from astrid_ml.preprocessing.seeded import seeded
from astrid_ml.types import Count, Decay, Floats, Ints

BANDS = np.array(list("ugrizY"))
_WAVES = np.array([WAVELENGTHS[band] for band in BANDS])
# Twice-detected objects are kept; after so many tries a class is as complete as it gets.
TRIES = 40


@dataclass(frozen=True)
class SimulateLightcurves:
    """SNANA HEAD/PHOT pairs, one folder a class and part (``ASTRIDSIM_TRAIN_01_<class>``).

    Template parameters (speeds, temperatures, periods, amplitudes) come from a library of their own for each part:
    no test object shares a template with a training object.

    Args:
        n: objects in all, with at least two detections each.
        test: share of the objects in the part ``TEST``.
        templates: size of a class's library in the training part; the test part's is as large.
        seasons: years of observation.
    """

    domain: ClassVar[str] = "lightcurves"

    n: Count = 10_000
    test: Decay = 0.3
    templates: Count = 200
    seasons: Count = 3

    def column_values(self) -> dict[str, tuple[str, ...]]:
        """The two parts, of which each class has objects."""
        return {"part": ("train", "test")}

    def bytes_needed(self) -> int:
        """Epochs of 60 visits or more, compressed or not: each object took more than this in what was measured."""
        return self.n * 1000

    def run(self, output_dir: Path, seed: int) -> dict[str, Any]:
        """Write the files and ``truth.parquet``; returns counts by part and class."""
        kinds: dict[str, Transient | None] = {kind.label: kind for kind in TRANSIENTS}
        kinds |= dict.fromkeys(OTHERS)
        shares = np.array([kind.share if kind else OTHERS[label] for label, kind in kinds.items()])
        counts: dict[str, dict[str, int]] = {}
        truths, first = [], 1
        for part, total in (("TRAIN", round(self.n * (1 - self.test))), ("TEST", round(self.n * self.test))):
            numbers = apportion(shares, total)
            for (label, kind), number in zip(kinds.items(), numbers, strict=True):
                # A stream for each class and part: adding a class leaves the others as they are.
                random = np.random.default_rng([seed, zlib.crc32(f"{part}/{label}".encode())])
                curves, head = self._simulate(label, kind, int(number), random)
                head["SNID"] = [seeded(str(number), seed) for number in range(first, first + len(head))]
                first += len(head)
                version = f"ASTRIDSIM_{part}_01_{label}"
                write_pair(output_dir / version, version, head, curves)
                counts.setdefault(part.lower(), {})[label] = len(head)
                truths.append(head.assign(label=label, part=part.lower()))
        pd.concat(truths, ignore_index=True).to_parquet(output_dir / "truth.parquet", index=False)
        summary = {"objects": first - 1, "parts": counts, "seed": seed}
        if first - 1 == self.n:
            return summary
        few = f"each part has at least 2 objects of each of {len(kinds)} classes"
        note = few if first - 1 > self.n else "further objects were not detected twice"
        return summary | {"note": f"not simulate.n={self.n}: {note}"}

    def _simulate(
        self, label: str, kind: Transient | None, wanted: int, random: np.random.Generator
    ) -> tuple[Visits, pd.DataFrame]:
        """``wanted`` objects of a class that were detected at least twice."""
        library = draw_library(kind, self.templates, random)
        visits, heads, have = [], [], 0
        for _ in range(TRIES):
            n = max(64, min(4000, 3 * (wanted - have)))
            observed, head = self._batch(label, kind, n, library, random)
            kept = np.flatnonzero(observed.detections >= 2)[: wanted - have]
            visits.append(observed.take(kept))
            heads.append(head.iloc[kept])
            have += len(kept)
            if have >= wanted:
                break
        return Visits.join(visits), pd.concat(heads, ignore_index=True)

    def _batch(
        self, label: str, kind: Transient | None, n: int, library: dict[str, Floats], random: np.random.Generator
    ) -> tuple[Visits, pd.DataFrame]:
        visits = draw_visits(n, self.seasons, random)
        pick = random.integers(0, self.templates, n)
        shape = {name: values[pick, None] for name, values in library.items()}
        span = 365.25 * self.seasons
        begin = visits.first[:, None] + random.uniform(0, span, (n, 1))
        t, wave = visits.mjd - begin, _WAVES[visits.band]
        if kind is not None:
            head, z, magnitude = extragalactic(n, kind.redshift, kind.peak, random)
            flux = transient_flux(kind, shape, z[:, None], t, wave)
        else:
            head, magnitude = galactic(label, n, random)
            shape["phase"] = random.uniform(0, 1, (n, 1))
            flux = galactic_flux(label, shape, t, wave, random)
        head["PEAKMJD"], head["SIM_TEMPLATE_INDEX"] = begin[:, 0], pick
        scale = 10 ** (-0.4 * (magnitude - 27.5))
        return detect(visits, flux * scale[:, None], head["MWEBV"].to_numpy(), random), head


def draw_library(kind: Transient | None, size: int, random: np.random.Generator) -> dict[str, Floats]:
    """Template parameters, each (size,): factors on the class's values, or uniform numbers for the other classes."""
    if kind is None:
        return {name: random.uniform(0, 1, size) for name in "abcd"}
    return {
        "rise": np.exp(random.normal(0, kind.rise[1], size)),
        "fall": np.exp(random.normal(0, kind.fall[1], size)),
        "heat": np.exp(random.normal(0, 0.08, size)),
        "bump": np.clip(random.normal(1, 0.3, size), 0, None),
    }


def apportion(shares: Floats, total: int) -> Ints:
    """Whole numbers in proportion to ``shares``, at least 2 each, that add up to ``total`` where that is enough."""
    exact = shares / shares.sum() * total
    out: Ints = np.maximum(np.floor(exact).astype(np.int64), 2)
    order = np.argsort(out - exact)
    out[order[: max(total - int(out.sum()), 0)]] += 1
    while out.sum() > total and out.max() > 2:  # what the rare classes got is taken from the most generous share
        out[np.argmax(np.where(out > 2, out - exact, -np.inf))] -= 1
    return out
