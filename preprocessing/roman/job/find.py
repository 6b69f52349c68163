"""Finding job folders, and the field lists that choose among them. Reads names only."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import pandas as pd

from astrid_ml.errors import UserError
from astrid_ml.found import found
from astrid_ml.readable import reading
from astrid_ml.types import InUnits, NonNegative

_JOB = re.compile(r"^jid\w+$")


@dataclass(frozen=True)
class RomanJob:
    """One job folder.

    Args:
        name: of the folder, ``jid90821``.
        path: the folder.
        files: names of the files in it.
        field: as a field list gives it.
        shadows: earlier folders of the same name.
    """

    name: str
    path: Path
    files: frozenset[str]
    field: str | None = None
    shadows: tuple[Path, ...] = ()


@dataclass(frozen=True)
class FieldLists:
    """Which jobs to read; none given reads all.

    Args:
        field_files: whitespace tables with the columns FIELD, MJD and JOB.
        fields: of those, only these.
        mjd_max: and only up to this MJD.
    """

    field_files: tuple[str, ...] | list[str] = ()
    fields: tuple[int, ...] | list[int] = ()
    mjd_max: Annotated[NonNegative, InUnits("d")] | None = None

    def __post_init__(self) -> None:
        if (self.fields or self.mjd_max is not None) and not self.field_files:
            raise UserError(
                "reader.field_files beside reader.fields or reader.mjd_max",
                "no field list",
                "name the lists that tell the fields and dates of jobs",
            )

    def chosen(self) -> dict[str, str] | None:
        """job name -> field, in the order of the lists; None where all jobs are wanted.

        Raises:
            UserError: a list is missing or lacks a column, or nothing in it is wanted.
        """
        if not self.field_files:
            return None
        table = pd.concat([_read_list(Path(path)) for path in self.field_files], ignore_index=True)
        keep = pd.Series(True, index=table.index)
        if self.fields:
            keep &= table["FIELD"].isin([int(field) for field in self.fields])
        if self.mjd_max is not None:
            keep &= pd.to_numeric(table["MJD"], errors="coerce") <= self.mjd_max
        if not keep.any():
            raise UserError(
                "a job in the field lists",
                f"none of {len(table)} has the fields {list(self.fields)} up to MJD {self.mjd_max}",
                "fix reader.fields and reader.mjd_max",
            )
        return dict(zip(table["JOB"][keep], table["FIELD"][keep].astype(str), strict=True))


def _read_list(path: Path) -> pd.DataFrame:
    if not path.is_file():
        raise UserError("reader.field_files that exist", found(path), "check the path")
    with reading(path, "a field list"):
        table = pd.read_csv(path, sep=r"\s+", dtype={"JOB": str})
    table.columns = [str(name).lstrip("#") for name in table.columns]
    absent = [name for name in ("FIELD", "MJD", "JOB") if name not in table]
    if absent:
        raise UserError(
            f"the columns FIELD, MJD, JOB in {path.name}", f"no {', '.join(absent)}", "give a whitespace table"
        )
    names = table["JOB"].astype(str)
    return table.assign(JOB=names.where(names.str.startswith("jid"), "jid" + names))


def find_jobs(raw: Sequence[Path]) -> list[RomanJob]:
    """All folders ``jid*`` at any depth, by name. Of two with one name the later path (the later run) counts.

    Raises:
        UserError: there is none.
    """
    found: dict[str, list[RomanJob]] = {}
    for place in raw:
        for folder, below, files in os.walk(place, followlinks=True):
            below.sort()
            path = Path(folder)
            if _JOB.match(path.name):
                below.clear()
                found.setdefault(path.name, []).append(RomanJob(path.name, path, frozenset(files)))
    if not found:
        where = ", ".join(str(path) for path in raw)
        raise UserError("job folders named jid*", f"none below {where}", "check paths.raw")
    jobs = []
    for name in sorted(found, key=_by_number):
        same = sorted({os.path.realpath(job.path): job for job in found[name]}.items())
        earlier = tuple(job.path for _, job in same[:-1])
        last = same[-1][1]
        jobs.append(RomanJob(name, last.path, last.files, shadows=earlier))
    return jobs


def select(jobs: Sequence[RomanJob], lists: FieldLists) -> tuple[list[RomanJob], list[str]]:
    """The jobs that the lists want, with their fields, and the names that they want in vain."""
    wanted = lists.chosen()
    if wanted is None:
        return list(jobs), []
    there = {job.name for job in jobs}
    chosen = [
        RomanJob(job.name, job.path, job.files, wanted[job.name], job.shadows) for job in jobs if job.name in wanted
    ]
    return chosen, [name for name in wanted if name not in there]


def _by_number(name: str) -> tuple[int, str]:
    digits = re.sub(r"\D", "", name)
    return (int(digits) if digits else 0, name)
