"""``astrid predict ckpt_path=C input=P output_dir=O`` (= ``python predict.py ...``)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from astrid_ml.build import build, plain
from astrid_ml.cli.verbs.domain import print_summary
from astrid_ml.config import reader_of
from astrid_ml.errors import UserError
from astrid_ml.printable import printable
from astrid_ml.progress import waiting
from astrid_ml.reasons import told
from astrid_ml.start import importing
from astrid_ml.typed_values import share_of

MOST_REASONS, MOST_FAILED = 20, 10  # that are printed
IMPOSSIBLE = "impossible_values_of_"  # how pipelines count values that became null
# Keys that only training reads; and those of scoring with a checkpoint.
_OF_TRAINING = {
    "datamodule": ("batch_size", "balance", "undersample_ratio", "augment"),
    "evaluation": ("calibration", "threshold"),
}
_OF_CHECKPOINTS = ("prevalence", "columns", "reader", "survey", "schemas", "evaluation", "datamodule")
NORMALISED = "stamps_normalised_before_by_"  # how the pipeline of triplets counts them


def first(tree: Mapping[str, Any]) -> None:
    """Refuse a checkpoint that was left out and a reader that there is not, before torch is imported."""
    reader_of(tree["reader"])
    if tree.get("prevalence") is not None:
        share_of(tree["prevalence"])
    _refuse_unread(tree)
    if tree["ckpt_path"] is None and not tree.get("predictor"):
        raise UserError("ckpt_path=CHECKPOINT", "none", "add ckpt_path=RUN/checkpoints/best.ckpt")


def _refuse_unread(tree: Mapping[str, Any]) -> None:
    """Refuse keys that scoring does not read: those of training, and of a task's own command those that it lacks."""
    if own := tree.get("predictor"):
        unread = [key for key in _OF_CHECKPOINTS if key not in own and tree.get(key) not in (None, "auto", "full", {})]
        if unread:
            got, fix = ", ".join(f"{key}=" for key in unread), f"leave out {' and '.join(unread)}"
            raise UserError(f"keys that {str(own['_target_']).rpartition('.')[2]} reads", got, fix)
        return
    given = {group: tree.get(group) or {} for group in _OF_TRAINING}
    lost = [f"{group}.{key}" for group, keys in _OF_TRAINING.items() for key in keys if key in given[group]]
    if lost:
        fix = f"leave out {' and '.join(lost)}; prevalence=1/300 moves a threshold to another sky"
        raise UserError("keys that scoring reads, beside what training has fixed", ", ".join(lost), fix)


def command(cfg: Any) -> int:
    """Score raw files; a task may bring its own command (ramps work without a checkpoint)."""
    tree = plain(cfg)
    if tree.get("predictor"):
        summary: dict[str, Any] = build(tree["predictor"], tree["trust"]).run()
        print_summary(summary)
        return 1 if summary.get("failed") else 0
    with importing(), waiting("loading libraries"):
        from astrid_ml.api import predict

    overrides = {name: tree[name] for name in ("preprocessing", "evaluation", "datamodule") if tree.get(name)}
    report = predict(
        tree["ckpt_path"],
        tree["input"],
        tree["output_dir"],
        reader=tree["reader"],
        trust=tree["trust"],
        overrides=overrides,
        executor=build(tree["executor"], tree["trust"]),
        shard=tree["shard"],
        device=tree["device"],
        survey=tree["survey"],
        schemas=tree["schemas"],
        format=tree["format"],
        prevalence=tree["prevalence"],
        allow_outside=tree["allow_outside"],
        columns=tree["columns"],
    )
    if "shard" in report:
        print(
            f"shard {report['shard']}: {report['units']} units, {report['failed']} failed; when all are done: "
            f"astrid publish input={tree['output_dir']}"
        )
        return _failures(report, Path(tree["output_dir"]) / "shards")
    table = Path(tree["output_dir"]) / "predictions.parquet"
    counts = f"{report['scored']} scored, {report['dropped']} dropped, {report['failed']} units failed"
    print(printable(f"{counts} -> {table}"))
    reasons = sorted(report["dropped_by_reason"].items(), key=lambda item: -item[1])
    for reason, number in reasons[:MOST_REASONS]:
        print(printable(f"  dropped {number}: {reason}"))
    if report["scored"] and not report["calibrated"]:
        print("  probability is null in all rows: the checkpoint was not calibrated; decision is by the score")
    for words in filter(None, (report["domain"]["words"], report["domain"]["set_words"])):
        print(printable(f"  {words}"))
    if len(reasons) > MOST_REASONS:
        rest = sum(number for _, number in reasons[MOST_REASONS:])
        print(f"  dropped {rest}: {len(reasons) - MOST_REASONS} other reasons")
    if reasons:
        print(printable(f"  each with its file: {table.with_name('drops.parquet')}"))
    _contradictions(report)
    return _failures(report, table.with_name("report.json"))


def _contradictions(report: dict[str, Any]) -> None:
    """Say which stamps were normalised before, and which are not as the checkpoint's training samples were."""
    for name, count in report["counts"].items():
        if name.startswith(NORMALISED):
            print(f"  {count} stamps were normalised before ({name.removeprefix(NORMALISED)})")
        elif name.startswith(IMPOSSIBLE):
            print(f"  {count} values of {name.removeprefix(IMPOSSIBLE)} cannot be: null in the table")
    if report["against_sky"]:
        first = report["against_sky_named"][0]
        other = "without it" if report["sky"] == "included" else "with it"
        print(
            printable(
                f"  {report['against_sky']} stamps {other}, where the checkpoint was trained with the sky "
                f"{report['sky']}: {first['id']} has a template median of {first['median_sigma']} sigma"
            )
        )
    for kind, count in report["against_normalisation"].items():
        print(f"  {count} of them ({kind}) in a way that the checkpoint's channels do not undo: give raw stamps")


def _failures(report: dict[str, Any], where: Path) -> int:
    """Name units that failed, and give the exit code."""
    lost = [f"failed {failure['unit']}: {failure['reason']}" for failure in report["failed_units"]]
    for line in told(lost, MOST_FAILED, str(where)):
        print(printable(f"  {line}"))
    return 1 if report["failed"] else 0
