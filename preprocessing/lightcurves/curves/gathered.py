"""Epochs of many alerts that repeat each other, gathered to curves in about the memory that the curves take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from astrid_ml.preprocessing.lightcurves.curves.ingest import Account, assemble
from astrid_ml.preprocessing.lightcurves.curves.table import CurveTable

TRIGGER = 2048
NOBODY = ("", "0")
WITHDRAWN = -1  # rank of a source that its survey has taken back
GATHERED = 1_000_000  # rows of epochs that are gathered before repeated ones are left out


@dataclass
class Gathered:
    """Epochs and objects of many alerts, held about as large as the curves, however often a history is repeated.

    Args:
        epochs: pieces of the long table; none of sources without an object.
        objects: pieces with a row an alert, or an object where it was tidied.
        nobody: sources without an object.
        alerts: that were added.
        repeated: rows that were left out.
        rows: of the epochs now.
        tidied: of the epochs when repeated ones were left out the last time.
    """

    epochs: list[pd.DataFrame] = field(default_factory=list)
    objects: list[pd.DataFrame] = field(default_factory=list)
    nobody: list[str] = field(default_factory=list)
    alerts: int = 0
    repeated: int = 0
    rows: int = 0
    tidied: int = 0

    def add(self, epochs: pd.DataFrame, objects: pd.DataFrame) -> None:
        """Add a block of alerts.

        Args:
            epochs: of all of them.
            objects: one row an alert.
        """
        lost = objects["object_id"].isin(NOBODY)
        self.nobody += objects["source"][lost].to_list()
        self.alerts += len(objects)
        self.epochs.append(epochs[~epochs["object_id"].isin(NOBODY)])
        self.objects.append(objects[~lost])
        self.rows += len(self.epochs[-1])
        self._tidy_many()

    def merge(self, other: Gathered) -> None:
        """Add what was gathered elsewhere, behind what is here."""
        for name in ("epochs", "objects", "nobody", "alerts", "repeated", "rows"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self._tidy_many()

    def _tidy_many(self) -> None:
        if self.rows > max(GATHERED, 2 * self.tidied):
            self.tidy()

    def tidy(self) -> None:
        """Leave out what is repeated."""
        if not self.epochs:
            return
        self.epochs = [once_each(pd.concat(self.epochs, ignore_index=True))]
        self.objects = [pd.concat(self.objects, ignore_index=True).drop_duplicates("object_id", keep="last")]
        self.tidied = len(self.epochs[0])
        self.repeated, self.rows = self.repeated + self.rows - self.tidied, self.tidied

    def tell(self, account: Account) -> None:
        """Count the alerts, what was left out of them until now, and name sources without an object."""
        account.counts["alerts"] += self.alerts
        account.drop(self.nobody, "a source without diaObjectId: a solar-system body, or not associated")
        account.read += len(self.nobody)
        account.counts["rows_repeated_in_later_alerts"] += self.repeated

    def joined(self, account: Account, wavelengths: Mapping[str, float] | None) -> CurveTable:
        """Epochs once each, objects once each; the first detection is the trigger."""
        self.tell(account)
        once = once_each(pd.concat(self.epochs, ignore_index=True))
        account.counts["rows_repeated_in_later_alerts"] += self.rows - len(once)
        whole, once = once["object_id"], _usable(once, account)
        emptied = whole[~whole.isin(once["object_id"])].unique()
        account.drop(emptied, "each of its sources was withdrawn, or has psfFlux_flag")
        account.read += len(emptied)
        first = once[once["rank"] == 0].drop_duplicates("object_id").index
        flag = once["phot_flag"].to_numpy().copy()
        flag[once.index.get_indexer(first)] |= TRIGGER
        objects = pd.concat(self.objects, ignore_index=True)
        objects = objects[objects["object_id"].isin(once["object_id"])].drop_duplicates("object_id", keep="last")
        objects = objects.drop(columns="source").assign(label=None, flux_kind="difference")
        return assemble(objects, once.assign(phot_flag=flag), account, wavelengths)


def _usable(once: pd.DataFrame, account: Account) -> pd.DataFrame:
    """Epochs without sources that were withdrawn, in whichever alert that was said, and those whose fit failed."""
    gone = once["rank"] == WITHDRAWN
    if gone.any():
        keys = pd.MultiIndex.from_frame(once[["object_id", "moment", "band"]])
        gone |= keys.isin(keys[gone.to_numpy()]) & (once["rank"] == 0).to_numpy()
    bad = once["bad"].to_numpy(dtype=bool) & ~gone if "bad" in once else np.zeros(len(once), dtype=bool)
    account.counts["sources_withdrawn"] += int((once["rank"] == WITHDRAWN).sum())
    account.counts["rows_with_psfFlux_flag"] += int(bad.sum())
    return once[~(gone | bad)]


def once_each(epochs: pd.DataFrame) -> pd.DataFrame:
    """Each visit of an object once, by object and time.

    A visit is the same to the second; sources (rank 0) win over forced photometry (rank 1), of which the one that was
    processed last counts. A source that was withdrawn stands beside them.
    """
    moment = (epochs["mjd"] * 86400).round()
    epochs = epochs.assign(moment=moment, withdrawn=epochs["rank"] == WITHDRAWN)
    if "processed" in epochs:
        epochs = epochs.sort_values("processed", ascending=False, kind="stable")
    epochs = epochs.sort_values(["object_id", "moment", "rank"], kind="stable")
    return epochs[~epochs.duplicated(["object_id", "moment", "band", "withdrawn"])].drop(columns="withdrawn")
