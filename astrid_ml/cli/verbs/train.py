"""``astrid train experiment=E ...`` (= ``python train.py ...``)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from astrid_ml.build import plain
from astrid_ml.errors import UserError
from astrid_ml.places import check_name
from astrid_ml.printable import printable
from astrid_ml.progress import waiting
from astrid_ml.run.raw import refuse_few, refuse_without_raw
from astrid_ml.start import importing
from astrid_ml.typed_values import share_of


def command(cfg: Any) -> int:
    """Run a training and print its headline."""
    from omegaconf import OmegaConf

    with importing(), waiting("loading libraries"):
        from astrid_ml.run.training.train import train

    folder = true_run_dir(cfg)
    OmegaConf.update(cfg, "paths.run_dir", folder)
    metrics = train(plain(cfg), overrides=task_overrides())
    for line in metrics.get("summary", []):
        print(printable(line))
    return 0


def first(tree: Mapping[str, Any]) -> None:
    """Refuse a training with nothing to read, or with words that cannot be, before its libraries are imported."""
    refuse_without_raw(tree)
    check_name(str(tree["name"]))
    if tree.get("prevalence") is not None:
        share_of(tree["prevalence"])
    refuse_few(tree)
    if isinstance(tree["datamodule"], Mapping) and isinstance(tree["datamodule"].get("taxonomy"), str):
        from astrid_ml.taxonomy import load_taxonomy  # numpy with it

        load_taxonomy(tree["datamodule"]["taxonomy"])
    shares = [tree["split"].get(name) for name in ("val", "test")]
    if all(isinstance(share, float) for share in shares) and sum(shares) >= 1:
        got = " and ".join(f"split.{name}={tree['split'][name]}" for name in ("val", "test"))
        raise UserError("shares that leave something to train on", got, "for instance split.val=0.15 split.test=0.2")


def check(cfg: Any) -> None:
    """Refuse parts that do not go together, before there are data."""
    from astrid_ml.run.parts import check_parts

    check_parts(plain(cfg))


def true_run_dir(cfg: Any) -> str:
    """The folder of this very job: in a sweep each job has its own."""
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode

    if not HydraConfig.initialized():
        return str(cfg.paths.run_dir)
    own = str(HydraConfig.get().runtime.output_dir)
    if HydraConfig.get().mode != RunMode.MULTIRUN:
        return own
    from astrid_ml.run.jobs import job_folder

    return str(job_folder(plain(cfg), Path(own)))


def task_overrides() -> list[str]:
    """What the user typed for this job, for the record and the table of a sweep."""
    from hydra.core.hydra_config import HydraConfig

    return [str(item) for item in HydraConfig.get().overrides.task] if HydraConfig.initialized() else []
