"""A pipeline of cheap units: one text file each; ``main`` prepares them."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from astrid_ml.contracts.pipeline import Drop, Unit, UnitWriter
from astrid_ml.errors import UserError
from astrid_ml.executors.local import Processes, Serial
from astrid_ml.pipeline.engine import prepare_dataset


@dataclass(frozen=True)
class ToyUnits:
    """Fixed, ragged and memory-mapped samples of seeded noise; a file that says ``bad`` fails its unit."""

    slow: float = 0.0
    domain: ClassVar[str] = "toy_units"
    version: ClassVar[int] = 1

    def plan(self, raw: Sequence[Path]) -> list[Unit]:
        return [Unit(path.name, (path,)) for folder in raw for path in sorted(folder.glob("*.txt"))]

    def process(self, unit: Unit, writer: UnitWriter, seed: int) -> None:
        time.sleep(self.slow)
        if unit.inputs[0].read_text() == "bad":
            raise ValueError("this file is bad")
        random = np.random.default_rng(seed)
        names = [f"{unit.id}-{i}" for i in range(6)]
        records = pd.DataFrame({"id": names, "group_id": unit.id, "label": [0, 1] * 3})
        writer.add(records[:2], {"stamp": random.normal(size=(2, 3, 4, 4)).astype(np.float32)})
        writer.add_ragged(records[2:4], {"curve": [random.normal(size=(n, 2)) for n in (3, 5)]})
        shard = writer.open_shard({"frame": ((2, 8, 8), np.uint16)})
        shard.arrays["frame"][:] = random.integers(0, 99, size=(2, 8, 8))
        writer.add_rows(records[4:].assign(row=[0, 1]), shard)
        writer.drop(f"{unit.id}-x", "no cutout")
        writer.count("repaired", 2)

    def finalise(self, index: pd.DataFrame) -> tuple[pd.DataFrame, list[Drop]]:
        return index, []

    def describe(self) -> dict[str, Any]:
        return {"units": {"stamp": "sigma"}}


def main() -> None:
    """RAW STORE WORKERS: prepare, print what was done."""
    workers = int(sys.argv[3])
    try:
        outcome = prepare_dataset(
            ToyUnits(slow=0.01),
            [Path(sys.argv[1])],
            Path(sys.argv[2]),
            name="toy",
            executor=Processes(workers) if workers else Serial(),
        )
    except UserError as error:
        sys.exit(f"UserError {error}")
    print(outcome.path, outcome.reused or outcome.waited, outcome.units_done, outcome.units_reused)
