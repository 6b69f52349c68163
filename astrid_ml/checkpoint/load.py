"""From a checkpoint file to a network that can be asked, without running anything that the file brings."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from astrid_ml.build import build
from astrid_ml.checkpoint.digests import rebuilt
from astrid_ml.checkpoint.files import write_whole
from astrid_ml.checkpoint.joined import JoinedTask, weights_of_members
from astrid_ml.checkpoint.record import Record
from astrid_ml.contracts.pipeline import SampleSource
from astrid_ml.contracts.scoring import JoinsMembers, ModelData, ModelTask
from astrid_ml.devices import full_precision
from astrid_ml.errors import UserError
from astrid_ml.found import found
from astrid_ml.inputs import CHECKPOINT, require
from astrid_ml.types import Ints

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class LoadedModel:
    """A checkpoint, ready to score.

    Args:
        task: the Lightning module, with its weights, in evaluation mode; of the networks of several folds a
            :class:`astrid_ml.checkpoint.joined.JoinedTask`.
        datamodule: makes batches as in training (channels, statistics), without a dataset attached.
        record: all else.
        path: the file.
        device: where the networks compute, as torch names it.
    """

    task: ModelTask
    datamodule: ModelData
    record: Record
    path: Path
    device: str = "cpu"

    def score(self, source: SampleSource, rows: Ints | None = None) -> pd.DataFrame:
        """See :class:`astrid_ml.contracts.scoring.Scorer`."""
        with full_precision(self.device):
            return self.task.predict_table(self.datamodule, source, rows)

    @property
    def tasks(self) -> list[Any]:
        """The task of each network: one, or one of each fold."""
        return list(self.task.members) if isinstance(self.task, JoinedTask) else [self.task]

    def member(self, number: int) -> LoadedModel:
        """One of several members, as a model of its own: its weights, statistics and calibration."""
        if not isinstance(self.task, JoinedTask):
            raise ValueError("a checkpoint of one network has no members")
        task, datamodule = list(self.task.with_data(self.datamodule))[number]
        return LoadedModel(task, datamodule, self.record.member(number), self.path, self.device)


def save_model(path: Path, state_dict: dict[str, Any], record: Record) -> None:
    """Write ``best.ckpt``: the task's weights and the record. The same content has the same bytes."""
    from pytorch_lightning.__version__ import version as lightning_version

    weights = {name: value.detach().cpu().contiguous() for name, value in state_dict.items()}
    content = {"pytorch-lightning_version": lightning_version, "astrid": record.to_plain(weights)}
    write_whole(rebuilt({"state_dict": weights, **content}), path)


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint of this project safely (``weights_only=True``).

    Raises:
        UserError: the file is missing, is no checkpoint, has no ``astrid`` entry, or is from a newer schema.
    """
    require(CHECKPOINT, path, "ckpt_path")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged archive fails in whatever way its bytes lead to
        # Torch's own text advises loading without safety, which nobody should do with a file that failed here.
        raise UserError(
            "a checkpoint of astrid_ml",
            f"{found(path)}, which cannot be loaded safely as one",
            "give the best.ckpt of a run",
        ) from error
    if not isinstance(content, dict) or "astrid" not in content or "state_dict" not in content:
        raise UserError(
            "a checkpoint with the entry 'astrid'",
            f"{path} without it (last.ckpt is for resuming only)",
            "give checkpoints/best.ckpt, which a run writes when it ends",
        )
    return content


def read_record(path: Path) -> tuple[Record, dict[str, torch.Tensor]]:
    """The record and the weights of a checkpoint, each as it was written.

    Raises:
        UserError: see :func:`read_checkpoint`; or the record is damaged, or a weight is no finite number.
    """
    content = read_checkpoint(path)
    weights = content["state_dict"]
    if not isinstance(weights, dict) or not all(isinstance(value, torch.Tensor) for value in weights.values()):
        raise UserError("weights by name", f"{path} without them", "give the best.ckpt of a run")
    if wrong := [str(name) for name, value in weights.items() if not isinstance(name, str) or not is_plain(value)]:
        got = f"{', '.join(wrong[:3])} in {path}, which is no plain array"
        raise UserError("weights as whole arrays of numbers", got, "give the best.ckpt of a run")
    record = Record.from_plain(content["astrid"], weights, str(path))
    lost = [name for name, value in weights.items() if not bool(value.isfinite().all())]
    if lost:
        raise UserError(
            "weights that are finite numbers", f"NaN or infinity at {', '.join(lost[:3])} in {path}", "train anew"
        )
    return record, weights


def is_plain(value: torch.Tensor) -> bool:
    """Whether a tensor is a dense array of numbers with a value of its own for each place."""
    if value.layout != torch.strided or value.is_meta or value.is_quantized or not value.is_contiguous():
        return False
    return value.untyped_storage().nbytes() >= value.numel() * value.element_size()


def load_model(
    path: Path, trust: Iterable[str] = (), config: dict[str, Any] | None = None, device: str = "cpu"
) -> LoadedModel:
    """Load a checkpoint for scoring.

    Args:
        path: ``best.ckpt``.
        trust: classes outside this project that its configuration may name.
        config: replaces the recorded configuration (a merge of it with the user's overrides).
        device: where its networks compute, as :func:`astrid_ml.devices.device_of` gives it.
    """
    from pytorch_lightning import LightningDataModule

    record, weights = read_record(Path(path))
    tree = record.config if config is None else config
    absent = [name for name in ("model", "datamodule", "evaluation", "preprocessing") if not tree.get(name)]
    if absent or not isinstance(tree["model"], dict) or not tree["model"].get("task"):
        got = f"no {', '.join(absent) or 'model.task'} in {path}"
        raise UserError("a record with the nodes that prediction needs", got, "give the best.ckpt of a run")
    parts = [weights] if record.members is None else weights_of_members(weights, record.count, path)
    tasks = [_loaded_task(tree["model"]["task"], part, path, trust, device) for part in parts]
    datamodule: ModelData = build(tree["datamodule"], trust)
    if not isinstance(datamodule, LightningDataModule):
        got = f"{type(datamodule).__name__} in {path}"
        raise UserError("a datamodule at datamodule", got, "give the best.ckpt of a run")
    if record.members is None:
        datamodule.load_statistics(record.statistics)
        return LoadedModel(tasks[0], datamodule, record, Path(path), device)
    if not isinstance(tasks[0], JoinsMembers):
        got = f"{type(tasks[0]).__name__}, which has no predict_members, in {path}"
        raise UserError("a task that joins the members of a checkpoint", got, "predict with the best.ckpt of one fold")
    joined = JoinedTask(tasks, [member["statistics"] for member in record.members])
    datamodule.load_statistics(joined.statistics[0])
    return LoadedModel(joined, datamodule, record, Path(path), device)


def _loaded_task(
    node: dict[str, Any], weights: dict[str, torch.Tensor], path: Path, trust: Iterable[str], device: str
) -> ModelTask:
    """A task of the recorded configuration with these weights."""
    task: ModelTask = build(node, trust)
    if not isinstance(task, torch.nn.Module) or not hasattr(task, "predict_table"):
        raise UserError("a task at model.task", f"{type(task).__name__} in {path}", "give the best.ckpt of a run")
    own = task.state_dict()
    if other := [name for name, value in weights.items() if name in own and own[name].dtype != value.dtype]:
        got = f"{weights[other[0]].dtype} at {other[0]} in {path}, not {own[other[0]].dtype}"
        raise UserError("weights of the kinds of the recorded network", got, "give the best.ckpt of a run")
    try:
        missing, unexpected = task.load_state_dict(weights, strict=False)
    except RuntimeError as error:  # torch's word for other shapes
        raise UserError(
            "weights that fit the recorded network", str(error).splitlines()[-1].strip(), "give the best.ckpt of a run"
        ) from error
    lost = [name for name in missing if name.startswith("network.")]
    if lost or any(name.startswith("network.") for name in unexpected):
        raise UserError(
            "weights that fit the recorded network",
            f"missing {lost[:3]}, unexpected {unexpected[:3]}",
            "use the version of astrid_ml that wrote it",
        )
    task.to(device)
    task.eval()
    return task
