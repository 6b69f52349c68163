"""Which pipeline reads these raw files: the checkpoint's own, or another one whose samples fit its channels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from astrid_ml.build import build, check_targets, registry, resolve
from astrid_ml.config import domains, preprocessing_of, reader_of
from astrid_ml.contracts.pipeline import DomainPipeline, Unit
from astrid_ml.errors import UserError
from astrid_ml.found import found, none_in
from astrid_ml.identity import current
from astrid_ml.run.parts import kind_of_samples
from astrid_ml.values import fields_of


@dataclass(frozen=True)
class Reader:
    """A pipeline and the units that it found.

    Args:
        domain: its name.
        pipeline: the object.
        units: its plan for the raw files.
        raw: files and folders that were named.
    """

    domain: str
    pipeline: DomainPipeline
    units: list[Unit]
    raw: tuple[Path, ...] = ()


def choose_reader(
    wanted: str,
    own_domain: str,
    own: dict[str, Any],
    raw: Sequence[Path],
    trust: Sequence[str],
    reads: Sequence[str] = (),
    survey: Any = None,
) -> Reader:
    """Find the pipeline for raw files.

    Args:
        wanted: ``auto`` or a domain's name.
        own_domain: the checkpoint's domain.
        own: the checkpoint's ``preprocessing`` node, used for its own domain.
        raw: files and folders.
        trust: classes outside this project that may be named.
        reads: kinds of samples that the checkpoint's datamodule reads; empty where it does not say.
        survey: name or description of the survey whose files they are; None leaves it to the pipelines.

    Raises:
        UserError: a path is missing, the domain is unknown, no pipeline recognises the files, or the samples in them
            are of another kind than the checkpoint's.
    """
    absent = [found(path) for path in raw if not path.exists()]
    if absent:
        raise UserError("input=FILE or FOLDER that exists", ", ".join(absent[:3]), "check the path")
    known = domains()
    order = [wanted] if reader_of(wanted) != "auto" else [own_domain, *(name for name in known if name != own_domain)]
    reasons, others = [], []
    for domain in order:
        node = own if domain == own_domain else preprocessing_of(domain)
        pipeline = build(node if survey is None else with_survey(node, survey), trust)
        try:
            units = pipeline.plan(list(raw))
        except UserError as error:
            reasons.append(f"{domain}: {error.got}")
            continue
        if units and reads and kind_of_samples(pipeline) not in reads:
            others.append(f"the reader {domain} would try it as {kind_of_samples(pipeline)}")
        elif units:
            if isinstance(survey, str | Mapping) and with_survey(node, object()) == node:
                fix = "leave out survey, or choose another reader"
                raise UserError("survey= for a reader of images or packets", f"the reader {domain}", fix)
            return Reader(domain, pipeline, units, tuple(raw))
        reasons.append(f"{domain}: found nothing")
    nothing = none_in(raw)
    if others:
        raise UserError(
            f"raw files of {' or '.join(reads)}, which this checkpoint scores",
            f"{', '.join(map(found, raw[:3]))}; {' or '.join(others)}",
            "give a checkpoint that was trained on such samples, or other files",
        )
    raise UserError(
        "raw files that one of the readers knows",
        "; ".join([nothing, *(reason for reason in reasons if not _says_nothing(reason, nothing))])[:600],
        f"give files of one of the kinds {', '.join(known)}; reader=NAME forces one",
    )


def with_survey(node: Any, survey: Any) -> Any:
    """A pipeline's node in which each class that reads files by a survey has this one."""
    if isinstance(node, list):
        return [with_survey(value, survey) for value in node]
    if not isinstance(node, Mapping):
        return node
    out = {key: with_survey(value, survey) for key, value in node.items()}
    known = current(dict(node), registry()).get("_target_") if "_target_" in node else None
    if known in registry() and "survey" in fields_of(resolve(str(known))):
        out["survey"] = survey
    return out


def _says_nothing(reason: str, nothing: str) -> bool:
    """Whether a reader's reason is only that it found no file."""
    said = reason.partition(": ")[2]
    return said == nothing or said.startswith(("none", "found nothing"))


def kinds_read(config: Mapping[str, Any], trust: Sequence[str] = ()) -> tuple[str, ...]:
    """The kinds of samples that a checkpoint's datamodule reads; empty where it does not say."""
    node = current(dict(config.get("datamodule") or {}), registry(), tuple(trust))
    check_targets({"_target_": node["_target_"]} if "_target_" in node else {}, tuple(trust))
    made = resolve(str(node["_target_"])) if "_target_" in node else None
    return tuple(getattr(made, "reads", ()))
