"""What a run takes over from the same run before: its dataset, its split, its audit, the weights of its rounds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import torch

from astrid_ml.audit import AuditResult
from astrid_ml.audit.audit import Finding
from astrid_ml.build import build
from astrid_ml.checkpoint.digests import digest_of
from astrid_ml.checkpoint.files import write_whole
from astrid_ml.checkpoint.load import read_record
from astrid_ml.checkpoint.record import Record
from astrid_ml.dataset.prepared import PreparedDataset
from astrid_ml.errors import UserError
from astrid_ml.files import read_note, write_json
from astrid_ml.run.environment import run_identity
from astrid_ml.run.folder import training_begun
from astrid_ml.run.marks import Mark, Marks
from astrid_ml.run.prepare import prepare
from astrid_ml.run.stages import StageLog
from astrid_ml.splits.plan import SplitPlan, index_for, planned_for_training
from astrid_ml.splits.sealed import Seal

FITTED = "fitted.ckpt"


def dataset_of(config: dict[str, Any], marks: Marks, log: StageLog) -> PreparedDataset:
    """The dataset that the run began with, else the configuration's, prepared.

    Raises:
        UserError: the run began with another one, which is gone.
    """
    identity = run_identity(config)
    mark = marks.find("prepare", identity=identity) if training_begun(marks.folder) else None
    if mark is not None:
        try:
            dataset = PreparedDataset(Path(mark.kept["path"]))
        except UserError:
            pass  # gone or damaged: prepared again below
        else:
            if dataset.fingerprint == mark.stage.outputs["dataset"]:
                log.skip(mark.stage)
                return dataset
    with log.stage("prepare", identity=identity) as stage:
        dataset, _ = prepare(config)
        stage.outputs["dataset"] = dataset.fingerprint
    if mark is not None and mark.stage.outputs["dataset"] != dataset.fingerprint:
        raise UserError(
            f"the dataset that this run began with ({mark.stage.outputs['dataset'][:12]} at {mark.kept['path']})",
            f"another one ({dataset.fingerprint[:12]}): the raw files have changed since, and that dataset is gone",
            "choose another paths.run_dir, or put the raw files back",
        )
    marks.leave(stage, kept={"path": str(dataset.path.absolute())})
    return dataset


def plan_of(config: dict[str, Any], dataset: PreparedDataset, marks: Marks, log: StageLog) -> SplitPlan:
    """The split, read from the run or made."""
    mark = marks.find("split", dataset=dataset.fingerprint)
    if mark is not None:
        rounds = [pd.read_parquet(marks.folder / name) for name in mark.files]
        kept = SplitPlan(mark.kept["name"], rounds, mark.kept["account"], mark.kept["time_ordered"])
        if kept.hash == mark.stage.outputs["plan"]:
            log.skip(mark.stage)
            return kept
    with log.stage("split", dataset=dataset.fingerprint) as stage:
        split = build(config["split"], config.get("trust", []))
        plan = planned_for_training(split, index_for(split, dataset))
        Seal(dataset.path).refuse_use(plan.rounds)
        stage.outputs["plan"] = plan.hash
        if marks.writes:
            written = plan.write(marks.folder / "splits")
            for path in set((marks.folder / "splits").glob("*.parquet")) - set(written):
                path.unlink()  # of a split that this folder was begun with and that was changed before any training
    if marks.writes:
        facts = {"name": plan.name, "account": plan.account, "time_ordered": plan.time_ordered}
        marks.leave(stage, written, facts)
    return plan


def audit_of(
    config: dict[str, Any], dataset: PreparedDataset, plan: SplitPlan, marks: Marks, log: StageLog
) -> AuditResult:
    """What the audit found, then or now."""
    mark = marks.find("audit", dataset=dataset.fingerprint, plan=plan.hash)
    if mark is not None:
        log.skip(mark.stage)
        return audit_from_plain(mark.kept)
    with log.stage("audit", dataset=dataset.fingerprint, plan=plan.hash) as stage:
        audit: AuditResult = build(config["audit"], config.get("trust", [])).run(dataset, plan)
        stage.outputs["audit"] = digest_of(audit.to_plain())
    marks.leave(stage, kept=audit.to_plain())
    return audit


def audit_from_plain(content: dict[str, Any]) -> AuditResult:
    """The inverse of :meth:`AuditResult.to_plain`, with the pairs that it kept."""
    findings = [Finding(f["kind"], f["message"], pd.DataFrame(f["pairs"])) for f in content["findings"]]
    return AuditResult(findings, content["confounding"], list(content["checked"]), content["mode"])


def keep_weights(checkpoints: Path, weights: dict[str, Any]) -> None:
    """Write the weights that the fit chose, until ``best.ckpt`` holds them."""
    plain = {name: value.detach().cpu().contiguous() for name, value in weights.items()}
    write_whole({"state_dict": plain}, checkpoints / FITTED)


def kept_weights(checkpoints: Path, digest: str) -> dict[str, Any] | None:
    """The weights of a fit that is done, from ``best.ckpt`` or what was kept before it; None where they are lost."""
    try:
        _, weights = read_record(checkpoints / "best.ckpt")
        if digest_of(dict(weights)) == digest:
            return dict(weights)
    except UserError:
        pass
    try:
        content = torch.load(checkpoints / FITTED, map_location="cpu", weights_only=True)["state_dict"]
    except Exception:  # a damaged archive fails in whatever way its bytes lead to
        return None
    return dict(content) if digest_of(dict(content)) == digest else None


def kept_record(checkpoint: Path, dataset: str, plan: str, stages: dict[str, dict[str, str]]) -> Record | None:
    """The record of a ``best.ckpt`` that holds these weights and was calibrated on these predictions; else None.

    Args:
        checkpoint: the file.
        dataset: the fingerprint.
        plan: the split's hash.
        stages: name -> outputs of the stages before it, as they are now.
    """
    try:
        record, weights = read_record(checkpoint)
    except UserError:
        return None
    said = {stage.get("name"): stage.get("outputs") for stage in record.stages}  # of a round, the last of that name
    same = digest_of(dict(weights)) == stages["fit"]["weights"] and said.get("predict") == stages["predict"]
    known = record.dataset_fingerprint == dataset and (record.sets or {}).get("hash") == plan
    return record if same and known else None


def finish(folder: Path, mark: Mark) -> dict[str, Any]:
    """Let ``run.json`` and, last of all, ``metrics.json`` stand as the report's mark holds them.

    Returns:
        The metrics, with ``run_dir`` and ``summary``.
    """
    kept = mark.kept
    for name, content in (("run.json", kept["record"]), ("metrics.json", kept["metrics"])):
        if _read(folder / name) != content:
            write_json(folder / name, content)
    return {**kept["metrics"], "run_dir": str(folder), "summary": kept["summary"]}


def _read(path: Path) -> Any:
    try:
        return read_note(path)
    except (OSError, ValueError):
        return None
