"""Training a 3D U-Net on ramps: watched by the mean over the anomaly classes of voxel AUCPR."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from astrid_ml.contracts.columns import rows_of
from astrid_ml.contracts.pipeline import SampleSource
from astrid_ml.devices import cpu_has_bf16
from astrid_ml.errors import UserError
from astrid_ml.metrics.histogram import HistogramAveragePrecision
from astrid_ml.models.losses.voxels import IGNORE
from astrid_ml.models.tasks.task import Batch, Task, to_numpy
from astrid_ml.preprocessing.ramps.fusion.truth import NEEDED, fold_evidence
from astrid_ml.preprocessing.ramps.fusion.windows import VoxelScorer, mean_scorer
from astrid_ml.preprocessing.ramps.ramp.channels import ramp_channels
from astrid_ml.preprocessing.ramps.ramp.codes import ANOMALIES as CLASSES

BINS, LIMIT = 400, 20.0  # of the histograms that go into the predictions


class VoxelTask(Task):
    """Classification of voxels into background and three anomalies.

    Predictions hold, for each tile, ``score`` (the largest anomaly probability) and two histograms a class of the
    voxels' logits, ``<class>_true`` and ``<class>_false``: enough for exact sums over tiles without keeping voxels.

    Args:
        network: (B, C, T, H, W) -> (B, 4, T, H, W) logits.
        loss: (logits, codes) -> scalar.
        optimizer: parameters -> optimizer.
        scheduler: optimizer -> scheduler or None.
    """

    purpose: ClassVar[str] = "voxels"
    monitor: ClassVar[str] = "val/aucpr_mean"
    monitor_mode: ClassVar[str] = "max"
    history_file: ClassVar[str | None] = "training_history_unet3d.json"

    def __init__(
        self,
        network: nn.Module,
        loss: nn.Module | None = None,
        optimizer: Callable[[Iterable[nn.Parameter]], Optimizer] | None = None,
        scheduler: Callable[[Optimizer], Any] | None = None,
    ) -> None:
        super().__init__(network.to(memory_format=torch.channels_last_3d), optimizer, scheduler)  # type: ignore[call-overload]
        self.loss = loss

    def output_shape(self, batch: Batch) -> tuple[int, ...]:
        """Background and the anomalies at each voxel, (B, 4, T, H, W); of several outputs, the first."""
        return (len(batch["x"]), 1 + len(CLASSES), *batch["x"].shape[2:])

    def logits(self, x: Tensor) -> Any:
        """The network's output, computed with the channels innermost: several times faster in bfloat16."""
        return self.network(x.contiguous(memory_format=torch.channels_last_3d))

    def configure_metrics(self) -> None:
        self.val_aucpr = nn.ModuleList(HistogramAveragePrecision(bins=20_000, limit=LIMIT) for _ in CLASSES)

    def compute_loss(self, batch: Batch) -> Tensor:
        if self.loss is None:
            raise RuntimeError("a task without a loss can predict, not train")
        logits = self.logits(batch["x"])
        several = logits if isinstance(logits, list) else [logits]
        total: Tensor = self.loss(several[0], batch["y"])
        for level, coarse in enumerate(several[1:], start=1):
            target = nn.functional.interpolate(batch["y"][:, None].float(), size=coarse.shape[2:])[:, 0]
            total = total + 0.5**level * self.loss(coarse, target)
        return total

    def scores(self, batch: Batch) -> dict[str, Tensor]:
        logits = self.logits(batch["x"]).float()
        score = 1 - logits.softmax(1)[:, 0].flatten(1).amin(1)
        return {"score": score, **histograms(class_logits(logits), batch["y"])}

    def voxel_scorer(self, precision: str = "auto") -> Callable[[Tensor, Tensor], Tensor]:
        """The trained network as a function of the signal.

        Args:
            precision: fp32, bf16, or auto (bf16 where the processor computes in it).

        Returns:
            (signal in read noises (B, T, H, W), times of the reads in mean spacings (T,)) -> log-odds of the
            anomalies (B, 3, T, H, W) float32.
        """
        if precision not in ("auto", "fp32", "bf16"):
            raise UserError("precision of auto, fp32 or bf16", precision, "choose one of them")
        half = precision == "bf16" or (precision == "auto" and self._device_has_bf16())
        network = copy.deepcopy(self.network).eval().to(torch.bfloat16 if half else torch.float32)
        weights = next(network.parameters())

        def score(cube: Tensor, times: Tensor) -> Tensor:
            with torch.inference_mode():
                x = ramp_channels(cube.to(weights.device), times).to(weights.dtype)
                logits = network(x.contiguous(memory_format=torch.channels_last_3d))
                return class_logits(logits.float()).cpu()

        return score

    def predict_table(self, datamodule: Any, source: SampleSource, rows: Any = None) -> pd.DataFrame:
        """Scores of tiles; where the truth is known also the evidence that fusion is fitted and judged on."""
        return with_evidence(super().predict_table(datamodule, source, rows), source, self.voxel_scorer)

    def predict_members(
        self, members: Sequence[tuple[Task, Any]], source: SampleSource, rows: Any = None
    ) -> pd.DataFrame:
        """The mean of the members' log-odds at each voxel and class, background too, then the columns of one of them.

        The members look at one batch after the other, and one sum of log-odds is kept.
        """
        tasks = [task for task, _ in members if isinstance(task, VoxelTask)]
        streams = [data.batches(source, rows) for _, data in members]
        parts: list[pd.DataFrame] = []
        with torch.inference_mode():
            for chosen, batch in streams[0]:
                total = tasks[0].all_odds(batch)
                for task, (_, data), stream in zip(tasks[1:], members[1:], streams[1:], strict=True):
                    total += task.all_odds(batch if data is members[0][1] else next(stream)[1])
                odds, codes = total / len(tasks), batch["y"].to(total.device)
                # Of any anomaly: the log-odds of the background, turned.
                columns = {"score": torch.sigmoid(-odds[:, 0]).flatten(1).amax(1), **histograms(odds[:, 1:], codes)}
                parts.append(pd.DataFrame({"row": chosen, **{name: to_numpy(v) for name, v in columns.items()}}))
        table = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame({"row": np.array([], dtype=np.int64)})
        return with_evidence(table, source, lambda: mean_scorer([task.voxel_scorer() for task in tasks]))

    def all_odds(self, batch: Batch) -> Tensor:
        """Log-odds of each class against all others, the background first, (B, 4, T, H, W)."""
        self.eval()
        weights = next(self.network.parameters())
        logits = self.logits(batch["x"].to(weights.device)).float()
        return class_logits(logits, range(logits.shape[1]))

    def _device_has_bf16(self) -> bool:
        return torch.cuda.is_bf16_supported() if self.device.type == "cuda" else cpu_has_bf16()

    def update_metrics(self, batch: Batch) -> None:
        odds, decided = class_logits(self.logits(batch["x"]).float()), known(batch["y"])
        for i, metric in enumerate(self.val_aucpr):
            metric(odds[:, i][decided].clamp(-LIMIT, LIMIT), (batch["y"] == i + 1)[decided])

    def compute_metrics(self) -> dict[str, Tensor | float]:
        values = {}
        for name, metric in zip(CLASSES, self.val_aucpr, strict=True):
            assert isinstance(metric, HistogramAveragePrecision)
            values[f"val/{name}/aucpr"] = float(metric.compute())
            metric.reset()
        defined = [value for value in values.values() if value == value]
        return {**values, "val/aucpr_mean": sum(defined) / len(defined) if defined else 0.0}


def with_evidence(table: pd.DataFrame, source: SampleSource, scorer: Callable[[], VoxelScorer]) -> pd.DataFrame:
    """A table of tiles; where the truth is known also with the evidence that fusion is fitted and judged on."""
    chosen = table["row"].to_numpy(np.int64)
    index = rows_of(source, chosen)
    if not len(table) or not set(NEEDED) <= set(index.columns) or index["label"].isna().any():
        return table
    return pd.concat([table.reset_index(drop=True), fold_evidence(source, chosen, scorer())], axis=1)


def histograms(odds: Tensor, codes: Tensor) -> dict[str, Tensor]:
    """Of each tile, the voxels of each class and all others by their log-odds.

    Args:
        odds: of the anomalies, (B, 3, T, H, W).
        codes: the truth, (B, T, H, W).
    """
    out = {}
    for i, name in enumerate(CLASSES):
        place = ((odds[:, i] + LIMIT) * (BINS / (2 * LIMIT))).floor().clamp(0, BINS - 1).long()
        for suffix, member in (("true", codes == i + 1), ("false", known(codes) & (codes != i + 1))):
            flat = [torch.bincount(p[m], minlength=BINS) for p, m in zip(place, member, strict=True)]
            out[f"{name}_{suffix}"] = torch.stack(flat)
    return out


def class_logits(logits: Tensor, classes: Sequence[int] = (1, 2, 3)) -> Tensor:
    """(B, 4, ...) logits -> (B, 3, ...) log-odds of each anomaly, or of other classes, against everything else."""
    others = [torch.logsumexp(torch.cat([logits[:, :i], logits[:, i + 1 :]], dim=1), dim=1) for i in classes]
    return logits[:, classes[0] : classes[-1] + 1] - torch.stack(others, dim=1)


def known(codes: Tensor) -> Tensor:
    """Voxels whose class is decided."""
    return codes != IGNORE
