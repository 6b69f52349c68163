"""Simulated triplet files -> samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from astrid_ml.contracts.pipeline import Drop, Unit, UnitWriter
from astrid_ml.errors import UserError
from astrid_ml.files import read_array
from astrid_ml.found import none_in
from astrid_ml.preprocessing.stamps import peak_snr
from astrid_ml.printable import printable
from astrid_ml.types import Mask
from astrid_ml.walk import walk


@dataclass(frozen=True)
class TripletsPipeline:
    """Reads what ``astrid simulate what=triplets`` writes: a pair of .npy and .parquet files is a unit."""

    domain: ClassVar[str] = "triplets"
    makes: ClassVar[str] = "stamps"
    version: ClassVar[int] = 1

    def plan(self, raw: Sequence[Path]) -> list[Unit]:
        """One unit for each ``triplets_*.npy``; incomplete where its table is missing.

        Raises:
            UserError: there is no such file.
        """
        files = sorted(walk(raw))
        files = [path for path in files if path.name.startswith("triplets_") and path.suffix == ".npy"]
        if not files:
            raise UserError(
                "files triplets_*.npy with tables beside them", none_in(raw), "make some: astrid simulate what=triplets"
            )
        units = []
        for path in files:
            table = path.with_suffix(".parquet")
            found = table.is_file()
            units.append(
                Unit(
                    path.stem,
                    (path, table) if found else (path,),
                    missing=() if found else (table.name,),
                    bytes_needed=path.stat().st_size,
                )
            )
        return units

    def process(self, unit: Unit, writer: UnitWriter, seed: int) -> None:
        """Copy the stamps; measure the peak S/N of the difference.

        Raises:
            ValueError: the stamps are damaged, or do not fit their table.
        """
        try:
            stamps = read_array(unit.inputs[0])
        except UserError as error:
            raise ValueError(error.got) from error
        table = pd.read_parquet(unit.inputs[1])
        if stamps.ndim != 4 or stamps.shape[1] != 3 or len(stamps) != len(table):
            raise ValueError(f"stamps of shape {stamps.shape} beside {len(table)} rows")
        usable: Mask = np.asarray(np.isfinite(stamps).any(axis=(1, 2, 3)))
        for name in table["id"][~usable]:
            writer.drop(str(name), "no finite pixel")
        records = table.assign(
            stamp_h=stamps.shape[2], stamp_w=stamps.shape[3], injected=True, label_source="simulation"
        )
        records["peak_snr"] = peak_snr(stamps[:, 2])
        records["source"] = printable(unit.inputs[0].name)
        writer.add(records[usable].reset_index(drop=True), {"stamps": stamps[usable].astype(np.float32)})

    def finalise(self, index: pd.DataFrame) -> tuple[pd.DataFrame, list[Drop]]:
        """Nothing to join: groups stand in the truth."""
        return index, []

    def finalise_part(self, part: pd.DataFrame, repeated: Mask) -> tuple[pd.DataFrame, list[Drop]]:
        """The same."""
        return part, []

    def describe(self) -> dict[str, Any]:
        """Channels in the order of the stamps; their sky was taken away."""
        units = {"stamps": "electrons"}
        return {"channels": ["science", "reference", "difference"], "units": units, "sky": "subtracted"}
