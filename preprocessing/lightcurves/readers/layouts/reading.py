"""Files of rows as tables of curves: many small files together, large ones some objects at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from astrid_ml.errors import UserError
from astrid_ml.preprocessing.lightcurves.curves.gathered import once_each
from astrid_ml.preprocessing.lightcurves.curves.ingest import Account, assemble, without_unknown_zero
from astrid_ml.preprocessing.lightcurves.curves.several import refuse_several
from astrid_ml.preprocessing.lightcurves.curves.source import CurveSource, Wavelengths
from astrid_ml.preprocessing.lightcurves.curves.table import CurveTable
from astrid_ml.preprocessing.lightcurves.readers.layouts.beside import (
    TRUTH,
    VISITS,
    read_truth,
    with_times,
    with_truth,
)
from astrid_ml.preprocessing.lightcurves.readers.layouts.documents import PACKET
from astrid_ml.preprocessing.lightcurves.readers.layouts.guess import GUESSED
from astrid_ml.preprocessing.lightcurves.readers.layouts.layout import TableLayout
from astrid_ml.preprocessing.lightcurves.readers.layouts.light import epochs_of, name_of, objects_of, wavelengths_for
from astrid_ml.preprocessing.lightcurves.readers.layouts.rows import Rows, rows_in
from astrid_ml.preprocessing.lightcurves.readers.values.owners import BY_FOLDER, folder_that_names
from astrid_ml.printable import printable
from astrid_ml.reasons import shortened

HELD = 1_000_000  # epochs that are held at a time
FIX = ". To fix it: "
AGAIN = "its rows do not stand together; the first are kept"
Choose = Callable[[Rows, Path], Sequence[TableLayout]]
_Key = tuple[str | None, str | None]


@dataclass
class _Held:
    """Epochs of one survey that wait to be written.

    Args:
        layout: of the first of them.
        parts: of the epochs.
        rows: of all parts.
        tidied: rows when repeated ones were left out the last time.
        seen: objects that were written.
    """

    layout: TableLayout
    parts: list[pd.DataFrame] = field(default_factory=list)
    rows: int = 0
    tidied: int = 0
    seen: set[str] = field(default_factory=set)

    def add(self, epochs: pd.DataFrame, account: Account) -> None:
        self.parts.append(epochs)
        self.rows += len(epochs)
        if self.layout.repeated and self.rows > max(HELD, 2 * self.tidied):
            self.parts = [_once(pd.concat(self.parts, ignore_index=True), account)]
            self.rows = self.tidied = len(self.parts[0])

    def taken(self, all_of_it: bool) -> pd.DataFrame:
        """What is held; without ``all_of_it`` the last object's rows stay, since more of them may come."""
        epochs = pd.concat(self.parts, ignore_index=True)
        last = epochs["object_id"] == epochs["object_id"].iloc[-1]
        whole = all_of_it or bool(last.all())
        self.parts = [] if whole else [epochs[last]]
        self.rows = 0 if whole else int(last.sum())
        return epochs if whole else epochs[~last]


def _once(epochs: pd.DataFrame, account: Account) -> pd.DataFrame:
    once = once_each(epochs)
    account.counts["rows_repeated_in_later_alerts"] += len(epochs) - len(once)
    return once.drop(columns="moment")


def _why(error: ValueError | UserError) -> str:
    return f"{error.expected}: {error.got}{FIX}{error.fix}" if isinstance(error, UserError) else str(error)


def _refuse_several(rows: Rows, layout: TableLayout) -> None:
    roles = layout.roles(rows.names)
    if layout.name != GUESSED or "object" in roles:  # who writes a map says what an object is
        return
    table = rows.table.reset_index(drop=True)
    used = {*roles.values(), PACKET}
    sky = [roles[role] for role in ("ra", "dec") if role in roles and roles[role] in table]
    places = table[sky].apply(pd.to_numeric, errors="coerce") if len(sky) == 2 else None
    unused = table[[name for name in table if name not in used]]
    bands = rows.column(roles["filter"]) if "filter" in roles else pd.Series(layout.band, index=table.index)
    refuse_several(unused, rows.column(roles["time"]), bands, places)


@dataclass
class RowsReading:
    """How a source is read.

    Args:
        source: its files.
        choose: the layouts of some rows of a file: one, or one for each filter whose column they have; none where they
            are no light curves.
        account: gets what is left out.
        wavelengths: the user's, by band.
        zero_point: of fluxes that do not tell theirs.
        names: of the columns of a text in which no line names them.
    """

    source: CurveSource
    choose: Choose
    account: Account
    wavelengths: Wavelengths
    zero_point: float | None
    names: Callable[[Path], tuple[str, ...]] = lambda _: ()

    def tables(self) -> Iterator[CurveTable]:
        """Tables of curves, block by block."""
        beside = self.source.companions
        truth = read_truth(beside[TRUTH]) if TRUTH in beside else None
        visits = pd.concat([rows.table for rows in rows_in(beside[VISITS])]) if VISITS in beside else None
        held: dict[_Key, _Held] = {}
        for path in self.source.members:
            try:
                for layout, epochs in self._epochs(path, visits):
                    key = (name_of(layout), layout.flux_kind)
                    own = held.setdefault(key, _Held(layout))
                    own.add(epochs, self.account)
                    if own.rows > HELD and not (layout.repeated and "avro" in layout.files):
                        yield from self._made(own, truth, False)
            except (ValueError, UserError) as error:
                self.account.drop(path.name, shortened(printable(_why(error)), 400))
                self.account.read += 1
        for own in held.values():
            yield from self._made(own, truth, True)

    def _epochs(self, path: Path, visits: pd.DataFrame | None) -> Iterator[tuple[TableLayout, pd.DataFrame]]:
        some = False
        folder = folder_that_names(path)
        owner = path.name.split(".", 1)[0] if folder is None else folder
        for rows in rows_in(path, self.names(path)):
            chosen = self.choose(rows, path)
            if not chosen:
                self.account.counts["rows_of_other_tables_in_a_file"] += len(rows.table)
                continue
            layout = chosen[0]
            _refuse_several(rows, layout)
            rows = with_times(rows, layout, visits, self.account)
            self.account.counts[BY_FOLDER] += int(
                folder is not None and not some and "object" not in layout.roles(rows.names)
            )
            some = True
            parts = [epochs_of(rows, one, owner, self.account, self.zero_point) for one in chosen]
            yield layout, parts[0] if len(parts) == 1 else pd.concat(parts).sort_index(kind="stable")
        if not some:
            raise ValueError("no table of light curves any more")

    def _made(self, own: _Held, truth: pd.DataFrame | None, all_of_it: bool) -> Iterator[CurveTable]:
        if not own.rows:
            return
        epochs = without_unknown_zero(own.taken(all_of_it), self.account)
        if own.layout.repeated:
            epochs = _once(epochs, self.account)
        if own.seen:
            again = epochs["object_id"].isin(own.seen)
            self.account.drop(epochs["object_id"][again].unique(), AGAIN)
            epochs = epochs[~again]
        if not all_of_it:
            own.seen.update(epochs["object_id"].unique())
        if len(epochs):
            known = wavelengths_for(own.layout, self.wavelengths)
            table = assemble(objects_of(epochs, own.layout), epochs, self.account, known)
            yield with_truth(table, truth, self.account)
