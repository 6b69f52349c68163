"""What the plain nodes of a training's configuration may hold: those that no class of a group stands behind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from astrid_ml.types import Count, Decay, Device, Format, NonNegative, Positive, Seed, Shard, Share, Whole

Precision = Literal[
    "auto", "32-true", "32", "64-true", "64", "16-mixed", "bf16-mixed", "16-true", "bf16-true", 16, 32, 64
]  # Lightning's, beside auto


@dataclass(frozen=True)
class RunSettings:
    """The keys at the top.

    Args:
        name: the experiment's; part of the dataset's folder.
        seed: of weights, batches and dropout.
        dataset: folder of a prepared dataset.
        dry_run: only plan.
        max_failed: share of failed units up to which a dataset is published.
        hash_inputs: fingerprint raw files by content.
        trust: further classes that may be named.
        input: files and folders.
        ckpt_path: a checkpoint.
        output_dir: where results go.
        survey: whose files are read; null where they say so themselves.
        device: where networks compute.
        shard: the part of the work that this command does.
        format: of tables beside parquet.
        schemas: of messages that do not bring theirs; null where they lie beside them.
        init: a checkpoint, or a network of the package, with whose weights the network begins.
        init_mode: which of them are trained on.
        init_weights: their digest, which the run writes.
    """

    name: str
    seed: Seed
    dataset: str | None
    dry_run: bool
    max_failed: Share
    hash_inputs: bool
    trust: Sequence[str] | None
    input: str | Sequence[str] | None = None
    ckpt_path: str | None = None
    output_dir: str | None = None
    survey: str | Mapping[str, Any] | Sequence[Any] | None = None
    device: Device = "auto"
    shard: Shard | None = None
    format: Format | Sequence[Format] | None = None
    schemas: str | None = None
    init: str | None = None
    init_mode: Literal["full", "partial", "frozen"] = "full"
    init_weights: str | None = None


@dataclass(frozen=True)
class DataSettings:
    """``data``.

    Args:
        seed: of simulations and units.
    """

    seed: Seed


@dataclass(frozen=True)
class TrainerSettings:
    """``trainer``: arguments of Lightning's Trainer.

    Args:
        accelerator: cpu, gpu, cuda, mps or auto.
        devices: how many, or their numbers.
        strategy: how several devices work together.
        precision: of the forward pass; auto takes bf16 where the chip computes in it.
        max_epochs: at most.
        gradient_clip_val: largest norm of a gradient; null for none.
        log_every_n_steps: how often trackers hear of a step.
        num_sanity_val_steps: validation batches before the first epoch.
        deterministic: refuse algorithms whose result may vary.
        fast_dev_run: two batches, to see that everything works.
        enable_progress_bar: on a terminal.
        accumulate_grad_batches: batches a step.
        num_nodes: machines.
        requeue: whether SLURM's signal keeps what is done and has the job queued again.
    """

    accelerator: Literal["cpu", "gpu", "cuda", "mps", "auto"]
    devices: Count | Literal["auto"] | Sequence[int]
    strategy: str
    precision: Precision
    max_epochs: Count
    gradient_clip_val: NonNegative | None
    log_every_n_steps: Count
    num_sanity_val_steps: Whole
    deterministic: bool | Literal["warn"]
    fast_dev_run: bool
    enable_progress_bar: bool
    accumulate_grad_batches: Count = 1
    num_nodes: Count = 1
    requeue: bool = False


@dataclass(frozen=True)
class CallbackSettings:
    """``callbacks``.

    Args:
        early_stopping: stop when validation no longer improves.
        patience: epochs without improvement.
        min_delta: what counts as improvement.
        checkpoint_minutes: between two checkpoints inside an epoch; 0 for none.
        checkpoint_steps: batches between two checkpoints inside an epoch; 0 for none.
        weight_averaging: decay a step; 0 turns it off.
    """

    early_stopping: bool
    patience: Count
    min_delta: NonNegative
    checkpoint_minutes: NonNegative
    checkpoint_steps: Whole
    weight_averaging: Decay


@dataclass(frozen=True)
class PathSettings:
    """``paths``.

    Args:
        raw: files or folders of raw data.
        data: the store.
        run_dir: folder of this run.
        sweep_dir: folder of a sweep's jobs.
    """

    raw: str | Sequence[str] | None
    data: str
    run_dir: str
    sweep_dir: str


@dataclass(frozen=True)
class OptimizerSettings:
    """``optimizer``: what torch's optimisers have in common; the class says what else it takes.

    Args:
        lr: learning rate.
        weight_decay: of the weights, a step.
        momentum: of the gradient.
    """

    lr: Positive = 1e-3
    weight_decay: NonNegative = 0.0
    momentum: Decay = 0.0


PLAIN_NODES: dict[str, type] = {
    "": RunSettings,
    "data": DataSettings,
    "trainer": TrainerSettings,
    "callbacks": CallbackSettings,
    "paths": PathSettings,
    "optimizer": OptimizerSettings,
}
