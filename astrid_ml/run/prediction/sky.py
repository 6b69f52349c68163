"""Stamps that are not as a checkpoint's training samples were: with the sky, without it, or normalised before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from astrid_ml.checkpoint.record import Record
from astrid_ml.contracts.pipeline import SampleSource
from astrid_ml.preprocessing.stamps import sky_level
from astrid_ml.preprocessing.triplets.normalised import UNDONE

# Medians of template stamps in units of their noise (docs/surveys.md): below 1 in each of 53 packets of three surveys
# that take the sky away, above 10 in 95 % of 154 packets of one that keeps it.
INCLUDED, SUBTRACTED = 3.0, 1.0
MOST = 200  # samples of a unit that are named


def against_sky(record: Record, source: SampleSource) -> list[dict[str, Any]]:
    """Samples whose template contradicts the checkpoint's sky convention: ``id`` and ``median_sigma``.

    Nothing is measured where the checkpoint does not say how its sky was, where its channels take each stamp's median
    away, or where there is no template.
    """
    channels = record.config.get("channels")
    levelled = not isinstance(channels, Mapping) or channels.get("normalisation") in (None, "sigma")
    names = list(source.channels)
    if record.channels.sky is None or levelled or "reference" not in names or not len(source.index):
        return []
    found: list[dict[str, Any]] = []
    ids = source.index["id"].astype(str).to_numpy()
    for rows, stamps in source.groups("stamps", np.arange(len(ids))):
        level = sky_level(stamps[:, names.index("reference")])
        wrong = level > INCLUDED if record.channels.sky == "subtracted" else np.abs(level) < SUBTRACTED
        found += [{"id": str(ids[rows[i]]), "median_sigma": round(float(level[i]), 2)} for i in np.flatnonzero(wrong)]
    return found


def against_normalisation(record: Record, source: SampleSource) -> dict[str, int]:
    """How stamps were normalised before, where the checkpoint's channels do not undo it: kind -> samples.

    A network that divides each row by its norm gets the same from raw stamps and from stamps of any scale; one that
    takes values as they are does not.
    """
    channels = record.config.get("channels")
    own = channels.get("normalisation") if isinstance(channels, Mapping) else None
    if own is None or "normalised" not in source.index:
        return {}
    counts = source.index["normalised"].dropna().astype(str).value_counts()
    return {str(kind): int(count) for kind, count in counts.items() if own not in UNDONE.get(str(kind), (own,))}


def sky_of(stated: Any, index: pd.DataFrame) -> str | None:
    """The sky convention of training samples where all have the same: their own, their missions', or the pipeline's.

    Args:
        stated: ``included``, ``subtracted`` or null; or these by mission.
        index: with ``mission``, or with a column ``sky`` of each sample's own, where the samples have one.
    """
    if "sky" in index:
        own = set(index["sky"].astype("object"))
        return str(own.pop()) if len(own) == 1 and not index["sky"].isna().any() else None
    if not isinstance(stated, Mapping):
        return None if stated is None else str(stated)
    missions = set(index["mission"].dropna().astype(str)) if "mission" in index else set[str]()
    found = {stated.get(mission) for mission in missions}
    return found.pop() if len(found) == 1 else None
