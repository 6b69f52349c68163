"""What a reader of light curves is, and what it makes of a file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from astrid_ml.inflating import SwollenError
from astrid_ml.preprocessing.lightcurves.curves.ingest import Account
from astrid_ml.preprocessing.lightcurves.curves.table import CurveTable
from astrid_ml.readable import in_words

Wavelengths = Mapping[str, float] | None


class CurveReader(Protocol):
    """One format. A module of this folder that names its readers in ``READERS`` is found without further ado.

    Args:
        kind: the format's name.
        known_as: how messages call the files.
        grouped: whether a file holds one object (or one night): those of a folder are read together.
        cut: whether a group may be cut into several units.
    """

    @property
    def kind(self) -> str: ...

    @property
    def known_as(self) -> str: ...

    @property
    def grouped(self) -> bool: ...

    @property
    def cut(self) -> bool: ...

    def recognise(self, path: Path) -> CurveSource | None:
        """The source that a file is, by its name and its columns; None for anything else, damaged files too."""

    def read(
        self, source: CurveSource, account: Account, wavelengths: Wavelengths, zero_point: float | None
    ) -> Iterator[CurveTable]:
        """Tables of curves, block by block where the format allows it. See :meth:`CurveSource.read`."""


def why_damaged(error: BaseException) -> str:
    """Why a file could not be read, for an account."""
    swollen = isinstance(error, SwollenError)
    return str(error) if swollen else f"the file is cut off or damaged: {in_words(error)}"


@dataclass(frozen=True)
class CurveSource:
    """One file (or pair of files, or a folder's files of one object each) with light curves.

    Args:
        reader: of its format.
        path: the file that decides.
        companions: further files by role (``phot``, ``metadata``, ``limits``, ``labels``, ``list``, ``catalogue``).
        missing: what is needed and absent.
        members: all files of a grouped format, ``path`` first.
        damage: why it cannot be read; empty where it can.
    """

    reader: CurveReader
    path: Path
    companions: Mapping[str, Path]
    missing: tuple[str, ...] = ()
    members: tuple[Path, ...] = ()
    damage: str = ""

    @property
    def lacks(self) -> tuple[str, ...]:
        """What it lacks to be read: companions, or a whole file."""
        return (*self.missing, *([f"a whole file ({self.damage})"] if self.damage else []))

    @property
    def inputs(self) -> tuple[Path, ...]:
        """All files, the deciding one first."""
        return (*(self.members or (self.path,)), *self.companions.values())

    def place_of(self, file: str | None, name: str) -> str:
        """Where a file that an account names stands: beside the first one of a group, or in an archive.

        Args:
            file: of the account; None where it names none.
            name: of the source, as the place is to be told.
        """
        if file is None:
            return name
        return str(Path(name).with_name(file)) if self.members else f"{name}/{file}"

    def read(
        self, account: Account, wavelengths: Wavelengths = None, zero_point: float | None = None
    ) -> Iterator[CurveTable]:
        """Tables of curves, block by block where the format allows it.

        Args:
            account: gets drops, repairs and counts.
            wavelengths: the user's, of bands by name, micrometres; asked before the built-in ones.
            zero_point: of fluxes in files that do not tell it.
        """
        yield from self.reader.read(self, account, wavelengths, zero_point)
