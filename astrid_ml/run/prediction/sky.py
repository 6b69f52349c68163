"""Stamps whose sky is not as a checkpoint's training samples had it: with it where that was taken away, or without."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from astrid_ml.checkpoint.record import Record
from astrid_ml.contracts.pipeline import SampleSource
from astrid_ml.preprocessing.stamps import sky_level

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
