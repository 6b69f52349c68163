"""``astrid simulate what=lightcurves``: files of 19 classes as one survey or several would see them."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
import pandas as pd

from astrid_ml.errors import UserError
from astrid_ml.fingerprint import file_hash
from astrid_ml.preprocessing.lightcurves.curves.exchange import ExchangeWriter
from astrid_ml.preprocessing.lightcurves.simulate.cadence import Visits
from astrid_ml.preprocessing.lightcurves.simulate.look import KINDS, SurveyLook, curve_table, draw_library
from astrid_ml.preprocessing.lightcurves.simulate.pointings import PointingLog
from astrid_ml.preprocessing.lightcurves.simulate.surveys import cadence_named
from astrid_ml.preprocessing.lightcurves.simulate.templates import OTHERS
from astrid_ml.preprocessing.lightcurves.simulate.write_snana import write_pair
from astrid_ml.preprocessing.seeded import seeded, settings_mark
from astrid_ml.types import Count, Decay, Floats, Ints, InUnits, Positive, Share

# Twice-detected objects are kept; after so many tries a class is as complete as it gets.
TRIES = 40
USUAL = "lsst_wide"


@dataclass(frozen=True)
class SimulateLightcurves:
    """Light curves of 19 classes as one survey or several would see them.

    Without ``surveys`` the files are SNANA HEAD/PHOT pairs of Rubin's wide survey, one folder a class and part
    (``ASTRIDSIM_TRAIN_01_<class>``). With them each survey has parquet of its own in the form of ``astrid convert``,
    which says bands, wavelengths and the kind of flux; SNANA cannot.

    Template parameters (speeds, temperatures, periods, amplitudes) come from a library of their own for each part:
    no test object shares a template with a training object.

    Args:
        n: objects in all, with at least two detections each.
        test: share of the objects in the part ``TEST``.
        templates: size of a class's library in the training part; the test part's is as large.
        seasons: years of observation.
        surveys: names of cadences, or YAML files; the objects are shared out among them.
        pointings: file with a survey's real log of pointings, in place of drawn nights; needs one survey.
        field_radius: of the pointings' field of view, degrees.
        hostless: share of transients and active galaxies whose host nobody knows.
        chance_host: share of stars with a galaxy behind them that a catalogue takes for the host.

    Raises:
        UserError: no such survey, or a log of pointings for other than one.
    """

    domain: ClassVar[str] = "lightcurves"
    version: ClassVar[int] = 1  # F_nu has its factor (1 + z), hosts are no class

    n: Count = 10_000
    test: Decay = 0.3
    templates: Count = 200
    seasons: Count = 3
    surveys: tuple[str, ...] = ()
    pointings: str | None = None
    field_radius: Annotated[Positive, InUnits("deg")] = 1.75
    hostless: Share = 0.3
    chance_host: Share = 0.3
    pointings_digest: str = field(init=False, default="")  # another log of that name is another simulation

    def __post_init__(self) -> None:
        for name in self.surveys:
            cadence_named(name)
        if len(set(self.surveys)) != len(self.surveys):
            raise UserError("each of simulate.surveys once", ", ".join(self.surveys), "leave the second one out")
        if self.pointings is not None and len(self.surveys) != 1:
            got = f"{len(self.surveys)} surveys"
            raise UserError("simulate.pointings with one survey", got, "for instance simulate.surveys=[lsst_wide]")
        if self.pointings is not None and Path(self.pointings).is_file():
            object.__setattr__(self, "pointings_digest", file_hash(Path(self.pointings)))

    def column_values(self) -> dict[str, tuple[str, ...]]:
        """The two parts, of which each class has objects."""
        return {"part": ("train", "test")}

    def bytes_needed(self) -> int:
        """Epochs of 60 visits or more, compressed or not: each object took more than this in what was measured."""
        return self.n * 1000

    def run(self, output_dir: Path, seed: int) -> dict[str, Any]:
        """Write the files and ``truth.parquet``; returns counts by part and class (and by survey, where several)."""
        counts: dict[str, dict[str, int]] = {}
        by_survey: dict[str, int] = {}
        truths, first, log = [], 1, None
        mark = settings_mark(self, seed, ("pointings",), self.pointings_digest)  # a log by what is in it
        if self.pointings is not None:
            log = PointingLog.read(Path(self.pointings), cadence_named(self.surveys[0]))
        for part, survey, label, number in self._wanted():
            cadence = cadence_named(survey or USUAL)
            # A stream for each class and part: adding a class leaves the others as they are.
            words = f"{part}/{label}" + (f"/{survey}" if survey else "")
            random = np.random.default_rng([seed, zlib.crc32(words.encode())])
            curves, head = self._simulate(label, number, SurveyLook(self, cadence, log), random)
            if not len(head):
                continue
            head["SNID"] = [seeded(str(number), seed, mark) for number in range(first, first + len(head))]
            first += len(head)
            if survey:
                path = output_dir / cadence.survey / f"{part.lower()}-{label}.parquet"
                path.parent.mkdir(parents=True, exist_ok=True)
                with ExchangeWriter(path) as writer:
                    writer.write(curve_table(curves, head, cadence, label, part.lower()))
                by_survey[cadence.survey] = by_survey.get(cadence.survey, 0) + len(head)
            else:
                version = f"ASTRIDSIM_{part}_01_{label}"
                write_pair(output_dir / version, version, head, curves)
            own = counts.setdefault(part.lower(), {})
            own[label] = own.get(label, 0) + len(head)
            truths.append(head.assign(label=label, part=part.lower(), survey=cadence.survey))
        pd.concat(truths, ignore_index=True).to_parquet(output_dir / "truth.parquet", index=False)
        summary = {"objects": first - 1, "parts": counts, "seed": seed} | ({"surveys": by_survey} if by_survey else {})
        if first - 1 == self.n:
            return summary
        few = f"each part has at least 2 objects of each of {len(KINDS)} classes"
        note = few if first - 1 > self.n else "further objects were not detected twice"
        return summary | {"note": f"not simulate.n={self.n}: {note}"}

    def _wanted(self) -> Iterator[tuple[str, str, str, int]]:
        """(part, survey or nothing, class, objects)."""
        shares = np.array([kind.share if kind else OTHERS[label] for label, kind in KINDS.items()])
        for part, total in (("TRAIN", round(self.n * (1 - self.test))), ("TEST", round(self.n * self.test))):
            edges = np.round(np.linspace(0, total, max(len(self.surveys), 1) + 1)).astype(int)
            for survey, size in zip(self.surveys or ("",), np.diff(edges), strict=True):
                for label, number in zip(KINDS, apportion(shares, int(size)), strict=True):
                    yield part, survey, label, int(number)

    def _simulate(
        self, label: str, wanted: int, look: SurveyLook, random: np.random.Generator
    ) -> tuple[Visits, pd.DataFrame]:
        """``wanted`` objects of a class that were detected at least twice."""
        library = draw_library(KINDS[label], self.templates, random)
        visits, heads, have = [], [], 0
        for _ in range(TRIES):
            n = max(64, min(4000, 3 * (wanted - have)))
            observed, head = look.batch(label, n, library, random)
            kept = np.flatnonzero(observed.detections >= 2)[: wanted - have]
            visits.append(observed.take(kept))
            heads.append(head.iloc[kept])
            have += len(kept)
            if have >= wanted:
                break
        return Visits.join(visits), pd.concat(heads, ignore_index=True)


def apportion(shares: Floats, total: int) -> Ints:
    """Whole numbers in proportion to ``shares``, at least 2 each, that add up to ``total`` where that is enough."""
    exact = shares / shares.sum() * total
    out: Ints = np.maximum(np.floor(exact).astype(np.int64), 2)
    order = np.argsort(out - exact)
    out[order[: max(total - int(out.sum()), 0)]] += 1
    while out.sum() > total and out.max() > 2:  # what the rare classes got is taken from the most generous share
        out[np.argmax(np.where(out > 2, out - exact, -np.inf))] -= 1
    return out
