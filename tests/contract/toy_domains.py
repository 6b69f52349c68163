"""Three toy domains that hold the contract: 8-pixel pairs, 16 x 16 x 6 ramps, ragged curves.

Each has raw files, a pipeline, batches, a network and a task, and nothing that the framework knows of.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from astrid_ml.contracts.pipeline import Drop, SampleSource, Unit, UnitWriter
from astrid_ml.datamodules.prepared import Batch, PreparedDataModule
from astrid_ml.errors import UserError
from astrid_ml.metrics import AveragePrecision
from astrid_ml.models.tasks.task import Task
from astrid_ml.types import Array, Ints


def write_raw(folder: Path, domain: str, files: int = 6, per_file: int = 20, seed: int = 0) -> None:
    """Raw files: one .npz each, a third of the samples with a signal; curves have unequal lengths."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(files):
        random = np.random.default_rng([seed, number])
        labels = (random.random(per_file) < 0.35).astype(np.int64)
        samples = {f"sample{i}": make_sample(domain, bool(label), random) for i, label in enumerate(labels)}
        np.savez(folder / f"{domain}_{number}.npz", labels=labels, **samples)  # type: ignore[arg-type]


def make_sample(domain: str, signal: bool, random: np.random.Generator) -> Array:
    if domain == "toy_pairs":
        image = random.normal(size=(2, 8, 8)).astype(np.float32)
        image[1, 3:5, 3:5] += 4.0 * signal
        return image
    if domain == "toy_ramps":
        cube = np.cumsum(random.normal(1, 0.3, size=(6, 16, 16)), axis=0).astype(np.float32)
        cube[3:, 7:9, 7:9] += 8.0 * signal
        return cube
    length = int(random.integers(5, 15))
    curve = random.normal(size=(length, 2)).astype(np.float32)
    curve[:, 1] += 2.5 * signal
    return curve


@dataclass(frozen=True)
class ToyPipeline:
    """The smallest pipeline: one unit a file."""

    domain: ClassVar[str] = "toy"
    version: ClassVar[int] = 1
    pattern: ClassVar[str] = ""

    def plan(self, raw: Sequence[Path]) -> list[Unit]:
        files = sorted(path for folder in raw for path in ([folder] if folder.is_file() else folder.rglob("*.npz")))
        mine = [path for path in files if path.name.startswith(self.pattern)]
        if not mine:
            raise UserError(f"{self.pattern}*.npz files", "none", "give a folder of them")
        return [Unit(path.name, (path,)) for path in mine]

    def process(self, unit: Unit, writer: UnitWriter, seed: int) -> None:
        with np.load(unit.inputs[0]) as content:
            labels = content["labels"]
            samples = [content[f"sample{i}"] for i in range(len(labels))]
        names = [f"{unit.id}-{i}" for i in range(len(labels))]
        records = pd.DataFrame({"id": names, "group_id": names, "label": labels, "mission": "TOY"})
        self.store(records, samples, writer)

    def store(self, records: pd.DataFrame, samples: list[Array], writer: UnitWriter) -> None:
        writer.add(records, {"stack": np.stack(samples)})

    def finalise(self, index: pd.DataFrame) -> tuple[pd.DataFrame, list[Drop]]:
        return index, []

    def describe(self) -> dict[str, Any]:
        return {"units": {"stack": "sigma"}}


@dataclass(frozen=True)
class ToyPairs(ToyPipeline):
    domain: ClassVar[str] = "toy_pairs"
    pattern: ClassVar[str] = "toy_pairs"


@dataclass(frozen=True)
class ToyRamps(ToyPipeline):
    """Writes through a memory-mapped shard, as frames that never fit in memory do."""

    domain: ClassVar[str] = "toy_ramps"
    pattern: ClassVar[str] = "toy_ramps"

    def store(self, records: pd.DataFrame, samples: list[Array], writer: UnitWriter) -> None:
        shard = writer.open_shard({"stack": ((len(samples), *samples[0].shape), np.float32)})
        for row, sample in enumerate(samples):
            shard.arrays["stack"][row] = sample
        writer.add_rows(records.assign(row=np.arange(len(samples))), shard)


@dataclass(frozen=True)
class ToyCurves(ToyPipeline):
    domain: ClassVar[str] = "toy_curves"
    pattern: ClassVar[str] = "toy_curves"

    def store(self, records: pd.DataFrame, samples: list[Array], writer: UnitWriter) -> None:
        writer.add_ragged(records, {"curve": samples})


class ToyData(PreparedDataModule):
    """Fixed-size samples, centred by a mean that is fitted on the training fold."""

    def fit_statistics(self, source: SampleSource, train_rows: Ints) -> dict[str, Any]:
        return {"mean": float(source.gather("stack", train_rows).mean())}

    def make_batch(self, source: SampleSource, rows: Ints, generator: torch.Generator | None, train: bool) -> Batch:
        stack = torch.from_numpy(np.ascontiguousarray(source.gather("stack", rows))) - self.statistics["mean"]
        return {"x": stack, "y": label_tensor(source.index, rows)}


class ToyCurveData(PreparedDataModule):
    """Ragged curves, reduced to the mean and the number of points of each."""

    def make_batch(self, source: SampleSource, rows: Ints, generator: torch.Generator | None, train: bool) -> Batch:
        values, offsets = source.ragged("curve", rows)
        sums = np.add.reduceat(values[:, 1], offsets[:-1])
        lengths = np.diff(offsets)
        x = np.stack([sums / lengths, np.log(lengths)], axis=1).astype(np.float32)
        return {"x": torch.from_numpy(x), "y": label_tensor(source.index, rows)}


def label_tensor(index: pd.DataFrame, rows: Ints) -> Tensor:
    if "label" not in index:
        return torch.full((len(rows),), float("nan"))
    return torch.from_numpy(index["label"].to_numpy(dtype=np.float32, na_value=np.nan)[rows].copy())


class ToyNetwork(nn.Module):
    """(B, ...) -> (B,) logits."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(inputs, 8), nn.ReLU(), nn.Linear(8, 1))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.layers(x).squeeze(-1)
        return out


class ToyTask(Task):
    monitor: ClassVar[str] = "val/aucpr"
    monitor_mode: ClassVar[str] = "max"

    def configure_metrics(self) -> None:
        self.aucpr = AveragePrecision()

    def compute_loss(self, batch: Batch) -> Tensor:
        return binary_cross_entropy_with_logits(self.network(batch["x"]).float(), batch["y"])

    def scores(self, batch: Batch) -> dict[str, Tensor]:
        return {"score": torch.sigmoid(self.network(batch["x"]).double())}

    def update_metrics(self, batch: Batch) -> None:
        self.aucpr.update(torch.sigmoid(self.network(batch["x"]).float()), batch["y"].long())

    def compute_metrics(self) -> dict[str, Tensor | float]:
        value = self.aucpr.compute()
        self.aucpr.reset()
        return {"val/aucpr": value}
