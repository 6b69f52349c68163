"""From a configuration to a prepared dataset: found, reused or made."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from astrid_ml.build import build
from astrid_ml.config import domains, preprocessing_of
from astrid_ml.contracts.pipeline import DomainPipeline, Exports, Labeller
from astrid_ml.dataset.prepared import PreparedDataset
from astrid_ml.errors import UserError
from astrid_ml.executors.contract import Executor
from astrid_ml.executors.local import Serial
from astrid_ml.found import is_simulated
from astrid_ml.identity import lasting
from astrid_ml.pipeline.engine import PrepareOutcome, plan_dataset, prepare_dataset
from astrid_ml.pipeline.shards import Share, share_of
from astrid_ml.pipeline.shares import ShareOutcome, prepare_share, publish_shares
from astrid_ml.places import check_name
from astrid_ml.run.parts import check_preparation, check_raw, kind_of_samples
from astrid_ml.run.raw import artefacts_of, raw_paths


def prepare(config: dict[str, Any], progress: bool = True) -> tuple[PreparedDataset, PrepareOutcome | None]:
    """Open ``dataset=DIR`` or prepare the raw files of the configuration.

    Returns:
        The dataset, and what preparing did (None where a given dataset was opened).

    Raises:
        UserError: the dataset is of another domain than the experiment's pipeline.
    """
    if config.get("dataset"):
        dataset = PreparedDataset(Path(config["dataset"]))
        check_domain(dataset, config)
        return dataset, None
    arguments, executor = _checked(config)
    share = share_of(config.get("shard"))
    further = {"max_failed": config["max_failed"], "config": recorded(config), "progress": progress}
    if share is not None and share.joins:
        outcome = publish_shares(arguments, **further)
    else:
        outcome = prepare_dataset(**arguments, **further, executor=executor)
    return PreparedDataset(outcome.path), outcome


def prepare_part(config: dict[str, Any], share: Share) -> ShareOutcome:
    """``shard=i/n``: the units of a share are done, and nothing is published.

    Args:
        config: as for :func:`prepare`.
        share: which units.
    """
    arguments, executor = _checked(config)
    return prepare_share(arguments, share, executor)


def _checked(config: dict[str, Any]) -> tuple[dict[str, Any], Executor]:
    """The arguments of a preparation, and where it runs; refused before any raw file is opened."""
    trust = config.get("trust", [])
    pipeline, labeller = build(config["preprocessing"], trust), build(config.get("label"), trust)
    executor = executor_of(config)
    check_preparation(pipeline, labeller, executor, check_raw(config, pipeline))
    return _arguments(config, pipeline, labeller), executor


def executor_of(config: dict[str, Any]) -> Executor:
    """The executor of a configuration; files that it simulates itself are read without a guarding process."""
    executor: Executor = build(config["executor"], config.get("trust", []))
    own = config["paths"]["raw"] is None
    return replace(executor, limits=None) if own and isinstance(executor, Serial) else executor


def export(config: dict[str, Any], dataset: PreparedDataset) -> dict[str, Any]:
    """``export=FORM output_dir=DIR``: what the domain's pipeline writes for other tools.

    Raises:
        UserError: the domain exports nothing, or no ``output_dir``.
    """
    return exporter(config).export(dataset, str(config["export"]), Path(config["output_dir"]))


def exporter(config: dict[str, Any]) -> Exports:
    """The pipeline, where it can export: asked before anything is prepared.

    Raises:
        UserError: the domain exports nothing, or no ``output_dir``.
    """
    pipeline = build(config["preprocessing"], config.get("trust", []))
    if not isinstance(pipeline, Exports):
        raise UserError("a domain that can export", type(pipeline).domain, "leave out export=")
    if not config.get("output_dir"):
        raise UserError("output_dir=DIR beside export=", "none", "add output_dir=DIR")
    return pipeline


def plan(config: dict[str, Any]) -> Path:
    """``dry_run=true``: write ``plan.json`` into the store and return its path."""
    trust = config.get("trust", [])
    pipeline, labeller = build(config["preprocessing"], trust), build(config.get("label"), trust)
    check_preparation(pipeline, labeller, None, check_raw(config, pipeline))
    return plan_dataset(**_arguments(config, pipeline, labeller))


def _arguments(config: dict[str, Any], pipeline: DomainPipeline, labeller: Labeller | None) -> dict[str, Any]:
    return {
        "name": check_name(str(config["name"])),  # before raw files are simulated
        "pipeline": pipeline,
        "raw": raw_paths(config),
        "store": Path(config["paths"]["data"]),
        "labeller": labeller,
        "data_seed": int(config["data"]["seed"]),
        "hash_inputs": bool(config["hash_inputs"]),
    }


def recorded(config: dict[str, Any]) -> dict[str, Any]:
    """What of the configuration stands in ``dataset.json``: all that decides its bytes, nothing of a run."""
    kept: dict[str, Any] = lasting(
        {name: config.get(name) for name in ("name", "preprocessing", "label", "simulate", "data")}
    )
    raw = config["paths"]["raw"]
    paths = [] if raw is None else [Path(raw)] if isinstance(raw, str) else [Path(path) for path in raw]
    factors = artefacts_of(paths)
    return {
        **kept,
        "simulated": all(is_simulated(path) for path in paths),
        **({"artefacts": factors} if factors else {}),
    }


def kind_of(domain: str) -> str:
    """What kind of samples a domain's pipeline makes: domains of one kind may use each other's datasets."""
    if domain not in domains():
        return domain
    return kind_of_samples(build(preprocessing_of(domain)))


def check_domain(dataset: PreparedDataset, config: dict[str, Any]) -> None:
    """Refuse a dataset that another domain's pipeline made."""
    wanted = type(build(config["preprocessing"], config.get("trust", []))).domain
    found = dataset.meta.get("domain")
    if found != wanted and kind_of(str(found)) != kind_of(wanted):
        raise UserError(
            f"a dataset of the domain {wanted!r}", f"{found!r} at {dataset.path}", "choose an experiment of that domain"
        )
