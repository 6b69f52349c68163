"""The domain of validity: what training samples were, and why a new sample is not like them, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from astrid_ml.types import Floats, Mask
from astrid_ml.validity.appearance import INSIDE as LOOKS
from astrid_ml.validity.density import INSIDE as DENSE
from astrid_ml.validity.spread import SPREAD

# Columns that say where a sample is from. A detector is judged where it is the instrument (exposures of ramps):
# those of one camera are alike.
ORIGIN = ("mission", "survey", "filter", "detector")
OF_EXPOSURES = "group_time"
# Column of facts -> its name for a reader. Training's smallest and largest value bound it.
RANGES = {
    "stamp_size": "stamp size (px)",
    "pixel_scale": "pixel scale (arcsec)",
    "snr": "|S/N|",
    "n_epochs": "number of points",
    "n_groups": "number of groups",
    "group_time": "group time (s)",
    "cadence": "median days between nights",
}
# Of light curves. A network reads bands by their wavelength: one within so many nanometres is the same.
FLUX_KIND, BANDS, HOST, NEAR_BAND = "flux_kind", "bands", "host", 25
SLACK = 1e-3  # of a bound: headers round
# of these: the scales of a camera's detectors, and of frames that a distortion bends, differ by a percent or two
SLACKS = {"pixel_scale": 0.03}
SCALE, SCALES = "pixel_scale", "scales"  # a mission's frames have its own pixels: each is held to its own range
ADDED = ("appearance", "novelty", "spread", SCALES)  # parts that domains of earlier versions lack
IN_DOMAIN, OUTSIDE = "in_domain", "outside_because"


@dataclass(frozen=True)
class Facts:
    """What is known of samples beside their arrays.

    Args:
        table: n rows with what there is of ``ORIGIN`` and ``RANGES``.
        simulated: whether they were made by a simulator; None where nobody knows.
        other_sky: (n,) whether a stamp has another sky than training's; None where it was not measured.
        distance: (n,) of :func:`astrid_ml.validity.density.distances_of`; None where there is no density.
        strangeness: (n,) of :func:`astrid_ml.validity.appearance.strangeness_of`; None where it was not measured.
        blank: (n,) whether a stamp has no structure in any channel; None of what is no stamp.
    """

    table: pd.DataFrame
    simulated: bool | None = None
    other_sky: Mask | None = None
    distance: Floats | None = None
    strangeness: Floats | None = None
    blank: Mask | None = None


def fit_domain(
    facts: Facts,
    density: dict[str, Any] | None,
    sky: str | None,
    appearance: dict[str, Any] | None = None,
    novelty: dict[str, Any] | None = None,
    spread: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """The domain of training samples, as plain containers.

    Args:
        facts: of training and validation.
        density: see :func:`astrid_ml.validity.density.fit_density`.
        sky: convention of the stamps.
        appearance: see :func:`astrid_ml.validity.appearance.fit_appearance`.
        novelty: see :func:`astrid_ml.validity.novelty.fit_novelty`.
        spread: see :func:`astrid_ml.validity.spread.fit_spread`.

    Returns:
        ``values`` (column -> texts), ``filters`` (mission -> texts), ``ranges`` (name -> [lowest, highest]),
        ``scales`` (mission -> the range of its pixel scales), ``sky``, ``simulated``, ``density``, ``appearance``,
        ``novelty``, ``spread``.
    """
    table = facts.table
    named = (*ORIGIN, FLUX_KIND, HOST)
    values = {name: sorted(table[name].dropna().astype(str).unique()) for name in named if name in table}
    if BANDS in table:
        values[BANDS] = sorted(
            {band for text in table[BANDS].dropna().unique() for band in str(text).split("+")}, key=int
        )
    ranges = {name: ends for name in RANGES if (ends := _ends(numbers(table, name))) is not None}
    return {
        "values": {name: texts for name, texts in values.items() if texts},
        "filters": filters_of(table),
        "ranges": ranges,
        SCALES: scales_of(table),
        "sky": sky,
        "simulated": facts.simulated,
        "density": density,
        "appearance": appearance,
        "novelty": novelty,
        "spread": spread,
    }


def joined_domain(parts: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Of several members: what any of them was trained on; density and appearance are the first member's, who is asked.

    Args:
        parts: of the members, of one run.
    """
    if not parts:
        return None
    first = parts[0]
    out: dict[str, Any] = {name: first.get(name) for name in ("sky", "simulated", "density", *ADDED)}
    for key in ("values", "filters"):
        names = sorted({name for part in parts for name in part[key]})
        out[key] = {name: sorted({text for part in parts for text in part[key].get(name, [])}) for name in names}
    out["ranges"] = _joined([part["ranges"] for part in parts])
    out[SCALES] = _joined([part.get(SCALES) or {} for part in parts])
    return out


def _joined(parts: Sequence[Mapping[str, Any]]) -> dict[str, list[float]]:
    """Name -> the range that holds those of all parts."""
    names = dict.fromkeys(name for part in parts for name in part)
    each = {name: [part[name] for part in parts if name in part] for name in names}
    return {name: [min(low for low, _ in ends), max(high for _, high in ends)] for name, ends in each.items()}


def _ends(values: Floats) -> list[float] | None:
    known = values[np.isfinite(values)]
    return [float(known.min()), float(known.max())] if len(known) else None


def scales_of(table: pd.DataFrame) -> dict[str, list[float]]:
    """Mission -> [smallest, largest] pixel scale (arcsec) of its samples; nothing where one of both is not known."""
    if not {"mission", SCALE} <= set(table.columns):
        return {}
    each = {str(mission): _ends(numbers(part, SCALE)) for mission, part in table.groupby("mission")}
    return {mission: ends for mission, ends in each.items() if ends is not None}


def filters_of(table: pd.DataFrame) -> dict[str, list[str]]:
    """Mission -> its filters; nothing where samples have no mission."""
    if not {"mission", "filter"} <= set(table.columns):
        return {}
    known = table[["mission", "filter"]].dropna().astype(str).drop_duplicates()
    return {str(mission): sorted(part["filter"]) for mission, part in known.groupby("mission")}


def numbers(table: pd.DataFrame, name: str) -> Floats:
    """A column of facts as numbers, the S/N without its sign; NaN where nothing is known."""
    if name not in table:
        return np.full(len(table), np.nan)
    values = pd.to_numeric(table[name], errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    return np.abs(values) if name == "snr" else values


def is_measured(domain: Mapping[str, Any] | None) -> bool:
    """Whether a record holds a domain at all; those of earlier versions hold values alone."""
    return domain is not None and "ranges" in domain


@dataclass
class Judged:
    """The reasons of n samples while they are found.

    Args:
        n: samples.
        reasons: reason -> which samples have it, (n,).
    """

    n: int
    reasons: dict[str, Mask] = field(default_factory=dict)

    def add(self, reason: str, where: Mask) -> None:
        """Note a reason, unless no sample has it."""
        if where.any():
            self.reasons[reason] = self.reasons.get(reason, np.zeros(self.n, bool)) | where

    def table(self) -> pd.DataFrame:
        """``in_domain`` and ``outside_because`` (all reasons; null inside)."""
        outside = np.zeros(self.n, bool)
        words = np.full(self.n, "", dtype=object)
        for reason, where in self.reasons.items():
            words[where] = [f"{before}; {reason}" if before else reason for before in words[where]]
            outside |= where
        because = pd.array([text or None for text in words], dtype="string")
        return pd.DataFrame({IN_DOMAIN: pd.array(~outside, dtype="boolean"), OUTSIDE: because})


def judged(domain: Mapping[str, Any] | None, facts: Facts) -> pd.DataFrame:
    """Which samples lie in the domain, and why the others do not.

    What is not known of a sample, or was not of training, says nothing against it.

    Args:
        domain: what :func:`fit_domain` gave.
        facts: of the samples.

    Returns:
        n rows with ``in_domain`` (null where there is no domain) and ``outside_because``.
    """
    n = len(facts.table)
    if domain is None or not is_measured(domain):
        nothing = pd.array([None] * n, dtype="boolean")
        return pd.DataFrame({IN_DOMAIN: nothing, OUTSIDE: pd.array([None] * n, dtype="string")})
    found = Judged(n)
    if domain["simulated"] is True and facts.simulated is not True:
        found.add("trained on simulated samples alone", np.ones(n, bool))
    _origin(found, domain, facts.table)
    _curves(found, domain["values"], facts.table)
    _ranges(found, domain, facts.table)
    if facts.other_sky is not None:
        found.add(f"another sky than training's ({domain['sky']})", facts.other_sky)
    if facts.distance is not None and domain["density"] is not None:
        far = facts.distance > float(domain["density"]["threshold"])
        found.add("unlike the training samples in what the network sees", far)
    if facts.strangeness is not None and domain.get("appearance") is not None:
        strange = facts.strangeness > float(domain["appearance"]["threshold"])
        found.add("far from the training stamps in plain statistics of its pixels", strange)
    if facts.blank is not None:
        found.add("blank: all pixels of each channel are alike", facts.blank)
    return found.table()


def _origin(found: Judged, domain: Mapping[str, Any], table: pd.DataFrame) -> None:
    """Missions, surveys, filters and detectors that training did not have."""
    strange = np.zeros(found.n, bool)
    for name in ("mission", "survey", *(("detector",) if OF_EXPOSURES in domain["ranges"] else ())):
        if name not in table or name not in domain["values"]:
            continue
        texts = table[name].astype("string")
        for value in texts.dropna().unique():
            if str(value) not in domain["values"][name]:
                where = (texts == value).fillna(False).to_numpy(dtype=bool)
                found.add(f"{name} {value} was not trained on", where)
                strange |= where if name == "mission" else False
    if "filter" not in table:
        return
    filters, missions = table["filter"].astype("string"), table.get("mission", pd.Series(pd.NA, table.index))
    pairs = pd.DataFrame({"mission": missions.astype("string").fillna("").array, "filter": filters.array})
    for mission, name in pairs.dropna().drop_duplicates().itertuples(index=False):
        known = domain["filters"].get(mission) or domain["values"].get("filter")
        if known and name not in known:
            where = ((pairs["mission"] == mission) & (pairs["filter"] == name)).fillna(False).to_numpy(dtype=bool)
            of = f" of {mission}" if mission else ""
            found.add(f"filter {name}{of} was not trained on", where & ~strange)


def _ranges(found: Judged, domain: Mapping[str, Any], table: pd.DataFrame) -> None:
    """Numbers beyond training's; pixel scales beyond those of their own mission, where training had it."""
    held = np.zeros(found.n, bool)
    missions = table["mission"].astype("string") if "mission" in table else pd.Series(pd.NA, table.index)
    for mission, ends in (domain.get(SCALES) or {}).items():
        own = (missions == mission).fillna(False).to_numpy(dtype=bool)
        found.add(f"{RANGES[SCALE]} of {mission} outside {_range(*ends)}", own & _beyond(table, SCALE, ends))
        held |= own
    for name, words in RANGES.items():
        if name in domain["ranges"]:
            ends = domain["ranges"][name]
            beyond = _beyond(table, name, ends)
            found.add(f"{words} outside {_range(*ends)}", beyond & ~held if name == SCALE else beyond)


def _beyond(table: pd.DataFrame, name: str, ends: Sequence[float]) -> Mask:
    values, slack = numbers(table, name), SLACKS.get(name, SLACK)
    with np.errstate(invalid="ignore"):
        return np.asarray((values < ends[0] * (1 - slack)) | (values > ends[1] * (1 + slack)))


def _curves(found: Judged, known: Mapping[str, Any], table: pd.DataFrame) -> None:
    """Kinds of flux, bands and absent hosts that training did not have."""
    if FLUX_KIND in table and FLUX_KIND in known:
        kinds = table[FLUX_KIND].astype("string")
        for kind in kinds.dropna().unique():
            if str(kind) not in known[FLUX_KIND]:
                found.add(f"{kind} flux was not trained on", (kinds == kind).fillna(False).to_numpy(dtype=bool))
    if HOST in table and HOST in known and "none" not in known[HOST]:
        found.add("no host is known, which training never had", (table[HOST] == "none").to_numpy(dtype=bool))
    if BANDS in table and BANDS in known:
        trained = np.array([int(band) for band in known[BANDS]])
        sets = table[BANDS].astype("string").fillna("")
        for text in sets.unique():
            far = [b for b in str(text).split("+") if b and np.abs(trained - int(b)).min(initial=9999) > NEAR_BAND]
            if far:
                where = (sets == text).to_numpy(dtype=bool)
                found.add(f"band of {', '.join(far)} nm was not trained on", where)


def _range(low: float, high: float) -> str:
    return f"{low:.4g}" if low == high else f"{low:.4g} to {high:.4g}"


def in_words(domain: Mapping[str, Any] | None) -> dict[str, str]:
    """A domain for a card: what was trained on."""
    if domain is None or not is_measured(domain):
        return {"domain": "none: it is of an earlier version, or nobody knows what it was trained on"}
    words = {FLUX_KIND: "kinds of flux", BANDS: "bands (nm)", HOST: "host"}
    named = {name: texts for name, texts in domain["values"].items() if name != "filter"}
    out = {words.get(name, f"{name}s"): ", ".join(texts) for name, texts in named.items()}
    for mission, texts in domain["filters"].items():
        out[f"filters of {mission}"] = ", ".join(texts)
    out |= {RANGES[name]: _range(*ends) for name, ends in domain["ranges"].items() if name in RANGES}
    scales = domain.get(SCALES) or {}
    if len(scales) > 1:
        out |= {f"{RANGES[SCALE]} of {mission}": _range(*ends) for mission, ends in scales.items()}
    out["sky"] = str(domain["sky"] or "not stated")
    out["simulated"] = {True: "yes, all", False: "no", None: "not known"}[domain["simulated"]]
    density = domain["density"]
    out["density"] = (
        "none: too few samples, or a network that does not tell what it knows"
        if density is None
        else f"mean distance to {density['neighbours']} of {len(density['reference']):,} training samples, "
        f"at most {density['threshold']:.3g} ({DENSE:.0%} of validation or more)"
    )
    novelty = domain.get("novelty")
    if novelty is not None:
        out["novelty"] = (
            f"distance from {len(novelty['centres'])} classes, as a p-value among {len(novelty['distances']):,} "
            f"validation answers in {len(novelty['counts'])} bins of age"
        )
    appearance = domain.get("appearance")
    if appearance is not None:
        out["appearance"] = (
            f"{len(appearance['mean'])} statistics of the pixels, distance at most {appearance['threshold']:.3g} "
            f"({LOOKS:.1%} of validation or more)"
        )
    names = sorted({SPREAD[name] for columns in (domain.get("spread") or {}).values() for name in columns})
    if names:
        out["a set is compared by"] = ", ".join(names)
    return out
