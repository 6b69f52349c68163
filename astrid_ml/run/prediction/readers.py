"""Which pipeline reads these raw files: the checkpoint's own, or another one whose samples fit its channels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from astrid_ml.build import build, check_targets, registry, resolve
from astrid_ml.config import domains, preprocessing_of, reader_of
from astrid_ml.contracts.check import ContractError
from astrid_ml.contracts.pipeline import DomainPipeline, Unit
from astrid_ml.errors import UserError
from astrid_ml.found import found, none_in
from astrid_ml.identity import current
from astrid_ml.pipeline.contract import units_of_plan
from astrid_ml.reasons import shortened
from astrid_ml.run.parts import kind_of_samples
from astrid_ml.values import fields_of

READ_BY = {"survey": "images or packets", "schemas": "packets"}  # what reads by such a value


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


@dataclass(frozen=True)
class GivenValues:
    """What was said of the raw files.

    Args:
        survey: name or description of the survey whose files they are; None leaves it to the pipelines.
        schemas: file or folder of schemas for messages; None leaves those that lie beside them. The place that a
            checkpoint was trained with counts for nothing: it was another machine's.
        sky: whether the sky is in the checkpoint's stamps; cutouts of another domain are made so. None leaves it.
    """

    survey: Any = None
    schemas: str | None = None
    sky: str | None = None

    def put(self, node: Any, own: bool) -> Any:
        """A pipeline's node with them in each class that takes them.

        Args:
            node: of the pipeline.
            own: whether it is the checkpoint's own, which has its sky.
        """
        out = node if self.survey is None else with_value(node, "survey", self.survey)
        out = out if self.sky is None or own else with_value(out, "sky", self.sky)
        return with_value(out, "schemas", self.schemas)

    def unread(self, node: Any) -> list[str]:
        """Keys that were given and that none of the node's classes reads."""
        named = isinstance(self.survey, str | Mapping)
        return [
            key
            for key, given in (("survey", named), ("schemas", self.schemas is not None))
            if given and with_value(node, key, object()) == node
        ]


def choose_reader(
    wanted: str,
    own_domain: str,
    own: dict[str, Any],
    raw: Sequence[Path],
    trust: Sequence[str],
    reads: Sequence[str] = (),
    given: GivenValues | None = None,
) -> Reader:
    """Find the pipeline for raw files.

    Args:
        wanted: ``auto`` or a domain's name.
        own_domain: the checkpoint's domain.
        own: the checkpoint's ``preprocessing`` node, used for its own domain.
        raw: files and folders.
        trust: classes outside this project that may be named.
        reads: kinds of samples that the checkpoint's datamodule reads; empty where it does not say.
        given: what was said of the files.

    Raises:
        UserError: a path is missing, the domain is unknown, no pipeline recognises the files, or the samples in them
            are of another kind than the checkpoint's.
    """
    absent = [found(path) for path in raw if not path.exists()]
    if absent:
        raise UserError("input=FILE or FOLDER that exists", ", ".join(absent[:3]), "check the path")
    known = domains()
    order = [wanted] if reader_of(wanted) != "auto" else [own_domain, *(name for name in known if name != own_domain)]
    given = given or GivenValues()
    reasons, others, refused = [], [], dict[str, UserError]()
    for domain in order:
        node = own if domain == own_domain else preprocessing_of(domain)
        pipeline = build(given.put(node, domain == own_domain), trust)
        try:
            units = units_of_plan(pipeline, raw)
        except ContractError:
            raise
        except UserError as error:
            reasons.append(f"{domain}: {error.got}")
            refused[domain] = error
            continue
        if units and reads and kind_of_samples(pipeline) not in reads:
            others.append(f"the reader {domain} takes such files for {kind_of_samples(pipeline)}")
        elif units:
            for key in given.unread(node):
                fix = f"leave out {key}, or choose another reader"
                raise UserError(f"{key}= for a reader of {READ_BY[key]}", f"the reader {domain}", fix)
            return Reader(domain, pipeline, units, tuple(raw))
        reasons.append(f"{domain}: found nothing")
    nothing = none_in(raw)
    if others or len(order) == 1:
        _refuse(refused.get(order[0]), others, raw, reads)
    raise UserError(
        "raw files that one of the readers knows",
        shortened("; ".join([nothing, *(reason for reason in reasons if not _says_nothing(reason, nothing))]), 600),
        f"give files of one of the kinds {', '.join(known)}; reader=NAME forces one"
        if reader_of(wanted) == "auto"
        else "leave out reader=, and the kind of the files is found",
    )


def _refuse(mine: UserError | None, others: Sequence[str], raw: Sequence[Path], reads: Sequence[str]) -> None:
    """Say why the checkpoint's own reader, or the one that was named, refused its files; else who reads them.

    Raises:
        UserError: where there is something to say.
    """
    own = mine if mine is not None and not _says_nothing(f": {mine.got}", none_in(raw)) else None
    if own is not None and not others:
        raise own
    if others:
        kinds = " or ".join(reads)
        raise UserError(
            f"raw files of {kinds}, which this checkpoint scores" + (f": {mine.expected}" if mine else ""),
            "; ".join([", ".join(map(found, raw[:3])), *([own.got] if own else []), " or ".join(others)]),
            (f"if they hold {kinds}, {mine.fix}; " if mine else "")
            + "give a checkpoint that was trained on such samples, or other files",
        )


def with_value(node: Any, field: str, value: Any) -> Any:
    """A pipeline's node in which each class that has a field has this value there."""
    if isinstance(node, list):
        return [with_value(part, field, value) for part in node]
    if not isinstance(node, Mapping):
        return node
    out = {key: with_value(part, field, value) for key, part in node.items()}
    known = current(dict(node), registry()).get("_target_") if "_target_" in node else None
    if known in registry() and field in fields_of(resolve(str(known))):
        out[field] = value
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
