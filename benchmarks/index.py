"""An index of 3e7 samples: publishing, splitting, checking and shuffling, each in a process of its own.

Claim: each step stays within 4 GB of anonymous memory.
Run: ``python benchmarks/index.py [SAMPLES]``: 30,000,000 by default; 8 GB of disk, removed afterwards.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import torch
from archives import Watch  # type: ignore[import-not-found]  # a script beside this one

from astrid_ml.audit.audit import Audit
from astrid_ml.contracts.columns import columns_of
from astrid_ml.contracts.pipeline import Drop, Unit, UnitWriter
from astrid_ml.datamodules.prepared import Batch, PreparedDataModule
from astrid_ml.dataset.prepared import PreparedDataset
from astrid_ml.executors.local import Serial
from astrid_ml.pipeline.engine import prepare_dataset
from astrid_ml.pipeline.shards import Share
from astrid_ml.pipeline.shares import prepare_share
from astrid_ml.preprocessing.labels import TruthLabel
from astrid_ml.splits.options import GroupSplit
from astrid_ml.splits.plan import SplitPlan, index_for, planned
from astrid_ml.types import Ints, Mask

UNIT, SIDE = 500_000, 2  # samples of a unit; pixels of a stamp
BATCHES, BATCH = 200, 256


@dataclass(frozen=True)
class TinyPipeline:
    """Samples of three epochs an object, with one tiny stamp each; one in 10,000 stands in the unit before too."""

    units: int
    domain: ClassVar[str] = "tiny"
    version: ClassVar[int] = 1

    def plan(self, raw: Sequence[Path]) -> list[Unit]:
        """As many units as asked for."""
        return [Unit(f"night{number:03d}", (), {"number": number}) for number in range(self.units)]

    def process(self, unit: Unit, writer: UnitWriter, seed: int) -> None:
        """One night."""
        number = np.arange(UNIT) + UNIT * int(unit.parameters["number"])
        number[:: UNIT // 50] -= UNIT if unit.parameters["number"] else 0
        random, objects = np.random.default_rng(seed), number // 3
        sky = random.uniform(size=(UNIT, 2))
        table = pd.DataFrame(
            {"id": pd.Series(number).astype(str).radd("s"), "group_id": pd.Series(objects).astype(str)}
        )
        table["label"] = pd.array(objects % 2, dtype="Int8")
        table["ra"], table["dec"] = 360 * sky[:, 0], np.degrees(np.arcsin(2 * sky[:, 1] - 1))
        table["mjd"], table["mission"] = 60000.0 + unit.parameters["number"], "ztf"
        writer.add(table, {"stamps": random.normal(size=(UNIT, 1, SIDE, SIDE)).astype(np.float16)})

    def finalise(self, index: pd.DataFrame) -> tuple[pd.DataFrame, list[Drop]]:
        """Each sample once."""
        return self.finalise_part(index, index["id"].duplicated().to_numpy())

    def finalise_part(self, part: pd.DataFrame, repeated: Mask) -> tuple[pd.DataFrame, list[Drop]]:
        """The same by part."""
        return part[~repeated], [Drop(str(name), "it stands in another file") for name in part["id"][repeated]]

    def describe(self) -> dict[str, Any]:
        """One channel."""
        return {"channels": ["science"]}


class TinyData(PreparedDataModule):
    """Stamps and labels."""

    def make_batch(self, source: Any, rows: Ints, generator: torch.Generator | None, train: bool) -> Batch:
        """Reads one batch."""
        return {"x": torch.from_numpy(source.gather("stamps", rows))}


def dataset_of(folder: Path) -> PreparedDataset:
    """What was published."""
    [path] = [path.parent for path in folder.glob("store/tiny-*/dataset.json")]
    return PreparedDataset(path)


def arguments(folder: Path, units: int) -> dict[str, Any]:
    """Of what is prepared."""
    store = {"store": folder / "store", "name": "tiny", "labeller": TruthLabel(), "progress": False}
    return {"pipeline": TinyPipeline(units), "raw": [], **store}


def prepare(folder: Path, units: int) -> str:
    """The units, without a dataset."""
    return f"{prepare_share(arguments(folder, units), Share(1, 1), Serial()).done} units"


def publish(folder: Path, units: int) -> str:
    """Units that are done become a dataset."""
    made = prepare_dataset(**arguments(folder, units))
    counts = dataset_of(folder).meta["counts"]
    return f"{counts['samples']} samples, {counts['groups']} groups, {counts['dropped']} dropped, {made.reused} reused"


def split(folder: Path, units: int) -> str:
    """By group."""
    dataset = dataset_of(folder)
    by_group = GroupSplit()
    plan = planned(by_group, index_for(by_group, dataset))
    plan.write(folder / "splits")
    return f"{plan.hash}: {', '.join(plan.counts(columns_of(dataset))['samples'].astype(str))}"


def written_plan(folder: Path) -> SplitPlan:
    """The split of the step before."""
    [path] = (folder / "splits").glob("*.parquet")
    return SplitPlan("group", [pd.read_parquet(path)])


def audit(folder: Path, units: int) -> str:
    """Ids, groups and positions."""
    found = Audit(mode="warn", duplicates=None, confounding=None).run(dataset_of(folder), written_plan(folder))
    return f"{', '.join(found.checked)}: {[finding.message[:60] for finding in found.findings] or 'nothing'}"


def epoch(folder: Path, units: int) -> str:
    """The order of one epoch, and batches from all over the index."""
    data = TinyData(batch_size=BATCH)
    data.attach(dataset_of(folder), written_plan(folder).rounds[0])
    begun, pixels = time.perf_counter(), 0
    for number, batch in enumerate(data.train_dataloader()):
        pixels += batch["x"].numel()
        if number == BATCHES:
            break
    took = time.perf_counter() - begun
    return f"{len(data.rows['train'])} samples in order, {BATCHES} batches of {BATCH} in {took:.1f} s with the order"


STEPS: dict[str, Callable[[Path, int], str]] = {
    "units": prepare,
    "publish": publish,
    "split": split,
    "audit": audit,
    "epoch": epoch,
}


def step(name: str, folder: Path, units: int) -> None:
    """Do one step and print what it took."""
    begun = time.perf_counter()
    with Watch() as watch:
        said = STEPS[name](folder, units)
    took = time.perf_counter() - begun
    print(f"{name:8s} {took:6.0f} s  peak {max(watch.gigabytes):.2f} GB  {said}", flush=True)


def main() -> None:
    """A line for each step."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    if len(sys.argv) > 3:
        step(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
        return
    units = -(-(int(sys.argv[1]) if len(sys.argv) > 1 else 30_000_000) // UNIT)
    with tempfile.TemporaryDirectory() as name:
        for each in STEPS:
            subprocess.run([sys.executable, __file__, each, name, str(units)], check=True)


if __name__ == "__main__":
    main()
