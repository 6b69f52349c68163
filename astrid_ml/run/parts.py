"""Whether the chosen parts of a run fit together: asked before any data are made or read."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from astrid_ml.build import build
from astrid_ml.checkpoint.begin import begin
from astrid_ml.config import domains
from astrid_ml.contracts.batches import MakesBatches
from astrid_ml.contracts.check import ContractError, called, check_part
from astrid_ml.contracts.pipeline import DomainPipeline, Labeller, Makes
from astrid_ml.contracts.programs import FitsItself
from astrid_ml.contracts.scoring import (
    HasExample,
    HasPurpose,
    HasStampSize,
    ModelData,
    NamesChannels,
    NamesColumns,
    ReadsKinds,
    SettlesPrevalence,
)
from astrid_ml.contracts.verbs import ChecksFirst, MakesRaw, TellsColumns, TellsValues
from astrid_ml.datamodules.features import check_columns
from astrid_ml.datamodules.prepared import PreparedDataModule
from astrid_ml.dataset.index_file import columns_in
from astrid_ml.dataset.prepared import INDEX, domain_of_dataset
from astrid_ml.errors import UserError
from astrid_ml.evaluation.judge import Judge
from astrid_ml.executors.contract import Executor
from astrid_ml.executors.cores import cores
from astrid_ml.models.tasks.task import Task
from astrid_ml.nearest import nearest
from astrid_ml.pipeline.contract import check_pipeline
from astrid_ml.run.raw import refuse_few, refuse_store_of_raw, refuse_without_room
from astrid_ml.run.trial import check_task, try_batch
from astrid_ml.splits.plan import Split

_REFUSALS = (TypeError, ValueError, ZeroDivisionError)


def check_parts(config: dict[str, Any]) -> None:
    """Build each part of a training once and try them on an empty batch.

    Raises:
        ContractError: a class that does not do what its contract says.
        UserError: two parts that do not belong together, with their names.
    """
    trust = config.get("trust", [])
    check_device(config["trainer"])
    pipeline: DomainPipeline = build(config["preprocessing"], trust)
    known = check_raw(config, pipeline)
    labeller = None if config.get("dataset") else build(config.get("label"), trust)
    check_preparation(pipeline, labeller, build(config["executor"], trust), known)
    split = build(config["split"], trust)
    check_part(split, Split, "split=")
    refuse_few(config)
    check_first(split, known)
    datamodule, judge = build(config["datamodule"], trust), build(config["evaluation"], trust)
    check_part(judge, Judge, "evaluation=")
    if config.get("prevalence") is not None and not isinstance(judge, SettlesPrevalence):
        got = f"evaluation= with {type(judge).__name__}"
        raise UserError("prevalence= with a task of real and bogus", got, "leave out prevalence=")
    check_datamodule(datamodule)
    check_kinds(pipeline, datamodule)
    check_sizes(pipeline, datamodule)
    check_sizes(simulator_of(config), datamodule)
    check_channels(pipeline, datamodule)
    check_features(config, pipeline, datamodule=datamodule, split=split, audit=build(config["audit"], trust))
    with torch.random.fork_rng(devices=[]):  # the run's own weights come from its seed alone
        task, loss = build(config["model"]["task"], trust), build(config.get("loss"), trust)
        check_purposes(task, judge, loss if "loss" in config["model"]["task"] else None)
        check_batch(task, datamodule, judge)
        begin(task, config)
        check_optimizer(config, trust)


def check_device(trainer: dict[str, Any]) -> None:
    """Refuse an accelerator that this machine has not, or more devices than it has."""
    from pytorch_lightning.accelerators import AcceleratorRegistry

    name, devices = str(trainer["accelerator"]), trainer["devices"]
    wanted = len(devices) if isinstance(devices, list) else 1 if devices in ("auto", -1) else int(devices)
    if name == "cpu" and wanted > (most := cores()):
        got = f"{most} cores here"
        raise UserError(f"trainer.devices={wanted}, a core for each process", got, f"set trainer.devices={most}")
    if name in ("auto", "cpu"):
        return
    there = {kind: AcceleratorRegistry.get(kind) for kind in ("cuda", "mps")}
    found = {kind: part.auto_device_count() for kind, part in there.items() if part.is_available()}
    count = max(found.values(), default=0) if name == "gpu" else found.get(name, 0)
    if count < wanted:
        raise UserError(
            f"trainer.accelerator={name} with {wanted} device(s)",
            f"{count} here",
            f"set trainer.devices={count}" if count else "leave out trainer.accelerator, or choose trainer=cpu",
        )


def check_optimizer(config: dict[str, Any], trust: Sequence[str]) -> None:
    """Let the optimiser and the schedule of the learning rate say whether their own values make sense."""
    rate = config["optimizer"].get("lr")
    if rate is not None and rate <= 0:
        raise UserError("optimizer.lr: a number above 0", f"optimizer.lr={rate}", "for instance optimizer.lr=0.001")
    optimizer, scheduler = (build(config.get(name), trust) for name in ("optimizer", "scheduler"))
    made = _made("optimizer", optimizer, [torch.nn.Parameter(torch.zeros(1))])
    if scheduler is not None:
        _made("scheduler", scheduler, made)


def _made(group: str, part: Callable[[Any], Any], on: Any) -> Any:
    """Make an optimiser or a schedule; where its values are refused, name those that are to blame."""
    try:
        return _tried(part, on)
    except _REFUSALS as error:
        given = dict(part.keywords) if isinstance(part, partial) else {}
        maker = part.func if isinstance(part, partial) else part
        without = [key for key in given if _accepts(maker, on, {k: v for k, v in given.items() if k != key})]
        alone = [key for key in given if not _accepts(maker, on, {key: given[key]}, lenient=True)]
        blamed = without or alone or list(given)
        got = f"{', '.join(f'{group}.{key}={given[key]}' for key in blamed)}: {error}"
        fix = f"change {' or '.join(f'{group}.{key}' for key in blamed)}"
        raise UserError(f"values that the {group} accepts", got, fix) from error


def _tried(maker: Callable[..., Any], on: Any, **values: Any) -> Any:
    """Make it, and let a schedule take a step: some divide by a number of epochs only there."""
    made = maker(on, **values)
    if isinstance(made, LRScheduler) and not isinstance(made, ReduceLROnPlateau):
        on.step()
        made.step()
    return made


def _accepts(maker: Callable[..., Any], on: Any, values: dict[str, Any], lenient: bool = False) -> bool:
    """Whether these values are accepted; ``lenient``: also where others that it needs are missing."""
    try:
        _tried(maker, on, **values)
    except TypeError:
        return lenient
    except _REFUSALS:
        return False
    return True


def check_raw(config: dict[str, Any], pipeline: DomainPipeline) -> Mapping[str, Collection[str]]:
    """Refuse a simulation of another domain than the pipeline's, and a store among the raw files.

    Returns:
        column -> the values that can occur in the samples, as far as a simulation tells; nothing for other raw files.
    """
    if not config.get("dataset"):
        refuse_store_of_raw(config)
    simulator = simulator_of(config)
    if simulator is None:
        return {}
    wanted = type(pipeline).domain
    if isinstance(simulator, MakesRaw) and simulator.domain != wanted:
        raise UserError(
            f"simulated raw files of the pipeline's domain, {wanted}",
            f"{type(simulator).__name__}, which makes those of {simulator.domain}",
            f"choose preprocessing={simulator.domain} with it, or another simulate="
            if simulator.domain in domains()
            else "choose another simulate=; no preprocessing reads these files",
        )
    refuse_without_room(simulator, Path(config["paths"]["data"]))
    return simulator.column_values() if isinstance(simulator, TellsValues) else {}


def simulator_of(config: dict[str, Any]) -> Any:
    """The simulation that makes the raw files; None where the user has files or a dataset."""
    if config.get("dataset") or config["paths"]["raw"] is not None or not config.get("simulate"):
        return None
    return build(config["simulate"], config.get("trust", []))


def check_first(part: object, known: Mapping[str, Collection[str]]) -> None:
    """Let a part refuse what it can without samples."""
    if isinstance(part, ChecksFirst):
        part.check_first(known)


def kind_of_samples(pipeline: DomainPipeline) -> str:
    """What kind of samples a pipeline makes: its own domain's, unless it shares a kind with others."""
    return pipeline.makes if isinstance(pipeline, Makes) else type(pipeline).domain


def check_kinds(pipeline: DomainPipeline, datamodule: object) -> None:
    """Refuse a datamodule that cannot read what the pipeline makes."""
    kind = kind_of_samples(pipeline)
    if isinstance(datamodule, ReadsKinds) and kind not in datamodule.reads:
        raise UserError(
            f"a datamodule that reads {kind}, which the pipeline {type(pipeline).domain} makes",
            f"{type(datamodule).__name__}, which reads {_words(datamodule.reads)}",
            "leave datamodule= and preprocessing= to the experiment, or choose an experiment of that kind",
        )


def check_sizes(pipeline: object, datamodule: object) -> None:
    """Refuse a network of larger stamps than there are.

    Args:
        pipeline: that cuts stamps, or a simulation that makes them.
        datamodule: that wants some.
    """
    if not isinstance(pipeline, HasStampSize) or not isinstance(datamodule, HasStampSize):
        return
    there, wanted = pipeline.stamp_size, datamodule.stamp_size
    if there is not None and wanted is not None and wanted > there:
        got = f"channels.size={wanted}, and stamps of {there} px"
        raise UserError("channels no larger than the stamps that the pipeline cuts", got, f"set channels.size={there}")


def check_channels(pipeline: DomainPipeline, datamodule: object) -> None:
    """Refuse channels that the pipeline does not cut."""
    there = [str(name) for name in pipeline.describe().get("channels") or ()]
    if not there or not isinstance(datamodule, NamesChannels):
        return
    unknown = [name for name in datamodule.channel_names if name not in there]
    if unknown:
        fix = nearest(unknown[0], there) or "choose among them"
        raise UserError(f"channels.names among {', '.join(there)}, which the pipeline cuts", ", ".join(unknown), fix)


def check_features(config: dict[str, Any], pipeline: DomainPipeline, **parts: object) -> None:
    """Refuse columns that the samples will not have: those of a dataset are read, others are told by classes.

    Args:
        config: of the training.
        pipeline: that makes the samples.
        parts: group -> its part; those that name columns are looked at.
    """
    named = {group: part.column_keys for group, part in parts.items() if isinstance(part, NamesColumns)}
    if not any(names for keys in named.values() for names in keys.values()):
        return
    if config.get("dataset"):
        folder = Path(config["dataset"])
        if domain_of_dataset(folder) == type(pipeline).domain:  # another one is told when it is opened
            there, texts = columns_in(folder / INDEX)
            for group, keys in named.items():
                check_columns(keys, there, texts if group == "datamodule" else (), group)
        return
    labeller, simulator = build(config.get("label"), config.get("trust", [])), simulator_of(config)
    if labeller is not None and not type(labeller).__module__.startswith("astrid_ml."):
        return  # it may add columns of its own
    told = [part.column_names() for part in (pipeline, simulator) if isinstance(part, TellsColumns)]
    for names in [names for names in told if names is not None][:1]:
        for group, keys in named.items():
            check_columns(keys, names, group=group)


def check_purposes(task: object, judge: object, loss: object | None) -> None:
    """Refuse a judge or a loss of another kind of answer than the task's."""
    if not isinstance(task, HasPurpose):
        return
    for group, part in (("evaluation", judge), ("loss", loss)):
        if isinstance(part, HasPurpose) and part.purpose != task.purpose:
            raise UserError(
                f"{group}= for answers of the kind {task.purpose}, which the model gives",
                f"{type(part).__name__}, for {part.purpose}",
                f"leave {group}= and model= to the experiment, or choose an experiment of that kind",
            )


def check_batch(task: Any, datamodule: object, judge: object = None) -> None:
    """Try the network, its loss and its scores on an empty batch of the datamodule's shapes.

    Raises:
        UserError: the network does not take it, or what it gives is not what its contract says.
    """
    if isinstance(task, FitsItself):
        if isinstance(datamodule, HasExample):
            task.try_on(datamodule.example())
        return  # it has no weights and no loss
    check_task(task)
    if isinstance(datamodule, HasExample) and isinstance(task, Task):
        try_batch(task, datamodule.example(), datamodule, judge)


def check_preparation(
    pipeline: DomainPipeline,
    labeller: Labeller | None,
    executor: Executor | None,
    known: Mapping[str, Collection[str]],
) -> None:
    """Refuse what a dataset cannot be prepared with, before a raw file is opened.

    Args:
        pipeline: of the domain.
        labeller: that joins labels.
        executor: of the units.
        known: column -> the values that can occur in the samples, as far as that is known.

    Raises:
        ContractError: a class lacks what its contract asks for.
        UserError: a part refuses its own values or files.
    """
    check_pipeline(pipeline)
    check_first(pipeline, known)
    if labeller is not None:
        check_part(labeller, Labeller, "label=")
        check_first(labeller, known)
    if executor is not None:
        check_part(executor, Executor, "executor=")


def check_datamodule(datamodule: object) -> None:
    """Refuse a datamodule that cannot make batches.

    Raises:
        ContractError: names its class.
    """
    check_part(datamodule, ModelData, "datamodule=")
    if not isinstance(datamodule, PreparedDataModule):
        return
    check_part(datamodule, MakesBatches, "datamodule=")
    if type(datamodule).make_batch is PreparedDataModule.make_batch:
        raise ContractError(
            "datamodule= with make_batch(source, rows, generator, train)",
            f"{called(datamodule)} without",
            "define it: rows of the source as a dictionary of tensors",
        )


def _words(kinds: Sequence[str]) -> str:
    return " or ".join(kinds)
