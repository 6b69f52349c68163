"""``astrid associate``: candidates of many images become objects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import pandas as pd

from astrid_ml.column_kinds import settled_types, with_types
from astrid_ml.described.columns import TableMeaning
from astrid_ml.described.formats import formats_of, write_described
from astrid_ml.errors import UserError
from astrid_ml.executors.within import within_memory
from astrid_ml.found import why_unread
from astrid_ml.missions import canonical, is_known
from astrid_ml.nearest import nearest
from astrid_ml.preprocessing.differencing.commands.epochs import find_files, read_positions, write_report
from astrid_ml.preprocessing.differencing.epochs.associate import Associate
from astrid_ml.table_files import read_parquet
from astrid_ml.types import Count, Existing, InUnits, Positive


@dataclass(frozen=True)
class AssociateCommand:
    """Candidates of many images become objects.

    Args:
        input: ``candidates.parquet`` files, or folders of them.
        output_dir: gets ``candidates.parquet`` (all, with object_id and group_id), ``objects.parquet`` and
            ``report.json``.
        radius: arcsec within which candidates are one object.
        mission_radius: mission -> arcsec, where a mission's own radius is better.
        known: objects.parquet of an earlier run, whose names are kept.
        min_candidates: objects with fewer are left out of ``objects.parquet``.
        format: of both tables beside parquet: ecsv, votable, fits.
    """

    input: str | list[str]
    output_dir: str
    radius: Annotated[Positive, InUnits("arcsec")] = 1.0
    mission_radius: Annotated[dict[str, Positive], InUnits("arcsec")] = field(default_factory=dict)
    known: Existing | None = None
    min_candidates: Count = 1
    format: str | list[str] | None = None

    @within_memory("a set of candidates")
    def run(self) -> dict[str, Any]:
        """Associate, write, summarise."""
        formats = formats_of(self.format)
        known = read_positions(Path(self.known)) if self.known else None
        files = find_files(self.input, "candidates*.parquet")
        candidates = joined_candidates(files)
        self._refuse_strange_missions(candidates)
        out, objects = Associate(self.radius, self.mission_radius)(candidates, known.rows if known else None)
        kept = objects[objects["n_candidates"] >= self.min_candidates].reset_index(drop=True)
        folder = Path(self.output_dir)
        folder.mkdir(parents=True, exist_ok=True)
        write_described(out, folder / "candidates.parquet", TableMeaning("candidates"), formats)
        write_described(kept, folder / "objects.parquet", TableMeaning("objects"), formats)
        extent = objects["extent"].to_numpy(dtype=float)
        report: dict[str, Any] = {
            "files": len(files),
            "candidates": len(out),
            "known_dropped": len(known.dropped) if known else 0,
            "objects": len(objects),
            "objects_kept": len(kept),
            "objects_seen_again": int((objects["n_epochs"] > 1).sum()),
            "objects_wider_than_two_radii": int((extent > 2 * self.radius).sum()),
        }
        if not len(kept) and len(objects):
            most = int(objects["n_candidates"].max())
            report["why"] = f"no object has {self.min_candidates} candidates (min_candidates); the most has {most}"
        if unused := self._without_candidates(candidates):
            report["mission_radius_without_candidates"] = unused
        write_report(folder / "report.json", report)
        return report | {"output_dir": self.output_dir}

    def _without_candidates(self, candidates: pd.DataFrame) -> list[str]:
        """Missions whose radius was given and of which there is no candidate."""
        there = missions_of(candidates)
        return [name for name in self.mission_radius if canonical(name) not in map(canonical, there)]

    def _refuse_strange_missions(self, candidates: pd.DataFrame) -> None:
        """A mission that no candidate is of and nobody knows is misspelt: its radius would count for nothing."""
        there = missions_of(candidates)
        known = {canonical(name) for name in there}
        for name in self.mission_radius:
            if canonical(name) not in known and not is_known(name):
                got = f"mission_radius.{name}, and candidates of {', '.join(sorted(there)) or 'no mission'}"
                fix = nearest(canonical(name), known) or f"leave out mission_radius.{name}"
                raise UserError("missions of the candidates in mission_radius", got, fix)


def missions_of(candidates: pd.DataFrame) -> set[str]:
    """As they are written there; none where the table does not tell.

    Args:
        candidates: of any images.
    """
    return set(candidates["mission"].dropna().astype(str)) if "mission" in candidates else set()


def _candidates(path: Path) -> pd.DataFrame:
    """The candidates of one image, as ``astrid difference`` left them."""
    try:
        table = read_parquet(path)
    except (ValueError, OSError) as error:
        got = why_unread(path, "a parquet table", error)
        raise UserError("a table of candidates in parquet", got, "make it with astrid difference") from error
    absent = [name for name in ("id", "ra", "dec") if name not in table]
    if absent:
        fix = "make it with astrid difference"
        raise UserError("the columns id, ra, dec", f"{path} without {', '.join(absent)}", fix)
    return table


def joined_candidates(files: Sequence[Path]) -> pd.DataFrame:
    """The candidates of all files; where two files share an id, each id is led by its file's folder."""
    read = [_candidates(path) for path in files]
    types = settled_types(((str(path), path) for path in files), ("ra", "dec"))
    tables = [
        with_types(table, types).assign(candidates_file=str(path)) for table, path in zip(read, files, strict=True)
    ]
    filled = [table for table in tables if len(table)] or tables[:1]
    ids = pd.concat([table["id"].astype(str) for table in filled], ignore_index=True)
    together = pd.concat(filled, ignore_index=True)
    if ids.duplicated().any():
        folders = together["candidates_file"].map(lambda name: Path(name).parent.name)
        ids = folders.astype(str) + "/" + ids
    return together.assign(id=ids.astype("string"))
