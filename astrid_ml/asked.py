"""Raw files scored with a checkpoint, as the command line and notebooks ask for it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from astrid_ml.build import build, registry, resolve, with_defaults
from astrid_ml.errors import UserError
from astrid_ml.executors.contract import Executor
from astrid_ml.executors.local import Serial
from astrid_ml.found import NOT_DATA, found, held, of_others
from astrid_ml.nearest import nearest
from astrid_ml.values import fields_of, fits, words_of

COLUMNS = ("full", "brief")  # of tables of predictions


def predict(
    ckpt_path: str | Path,
    inputs: str | Path | Sequence[str | Path],
    output_dir: str | Path,
    *,
    reader: str = "auto",
    trust: Sequence[str] = (),
    overrides: Mapping[str, Any] | None = None,
    executor: Executor | None = None,
    shard: str | None = None,
    device: str = "auto",
    survey: str | Mapping[str, Any] | list[Any] | None = None,
    schemas: str | Path | None = None,
    format: str | Sequence[str] | None = None,
    prevalence: float | str | None = None,
    allow_outside: bool = False,
    columns: str = "full",
) -> dict[str, Any]:
    """Score raw files. Typed again with the same words, it scores what is missing.

    Args:
        ckpt_path: ``checkpoints/best.ckpt`` of a run, or imported weights.
        inputs: a file, a folder that is walked through, or several.
        output_dir: gets ``predictions.parquet``, ``report.json`` and a contact sheet.
        reader: ``auto``, or the domain whose pipeline reads the files.
        trust: classes outside this project that the checkpoint may name.
        overrides: nodes (``preprocessing``, ``evaluation``, ``datamodule``) merged onto the checkpoint's
            configuration; an unknown key is refused.
        executor: where units are read and scored; this process by default.
        shard: ``i/n`` scores every n-th unit alone, and ``join`` joins what such shards have scored.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        survey: name or YAML file of the survey whose files they are; by default files say so themselves.
        schemas: file or folder of Avro schemas for Kafka messages; by default those that lie beside them.
        format: of the table beside parquet: ``ecsv``, ``votable``, ``fits``, or several.
        prevalence: share of real ones in the sky, ``1/300`` or a number: probabilities and threshold are for it. None
            keeps that of the checkpoint.
        allow_outside: give probabilities outside the checkpoint's domain of validity too; there they are null.
        columns: ``full``, or ``brief``: what a reader of a list needs, without columns that hold nothing.

    Returns:
        The content of ``report.json``; of a shard, which units failed.
    """
    from astrid_ml.checkpoint.load import read_record
    from astrid_ml.described.formats import formats_of
    from astrid_ml.devices import device_of
    from astrid_ml.pipeline.shards import share_of
    from astrid_ml.preprocessing.surveys.registry import settled
    from astrid_ml.run.prediction.assumed import settled_calibration, with_prevalence
    from astrid_ml.run.prediction.predict import Workplace, predict_files
    from astrid_ml.run.prediction.readers import GivenValues, choose_reader, kinds_read
    from astrid_ml.run.prediction.scoring import Scoring

    for name, place in (("ckpt_path", ckpt_path), ("inputs", inputs), ("output_dir", output_dir)):
        check_place(name, place)
    if overrides is not None and not isinstance(overrides, Mapping):
        got = f"a {type(overrides).__name__}"
        raise UserError("overrides as a dictionary, {'evaluation': {...}}", got, "name the node and its values")
    paths = [Path(inputs)] if isinstance(inputs, str | Path) else [Path(path) for path in inputs]
    _refuse_raw(Path(output_dir), paths)
    share, where, formats = share_of(shard), device_of(device), formats_of(format)
    if columns not in COLUMNS:
        raise UserError(f"columns of {' or '.join(COLUMNS)}", repr(columns), "choose one of them")
    record, _ = read_record(Path(ckpt_path))
    config = with_prevalence(merged(record.config, overrides) if overrides else record.config, prevalence)
    settled_calibration(config, record.calibration, trust)  # refused before a file is opened
    reads = kinds_read(config, trust)
    given = GivenValues(settled(survey), None if schemas is None else str(schemas), record.channels.sky)
    own = config["preprocessing"]
    chosen = choose_reader(reader, record.domain, own, paths, list(trust), reads, given)
    scoring = Scoring(Path(ckpt_path), config, tuple(trust), where, allow_outside)
    brief = _brief(config, trust) if columns == "brief" else None
    workplace = Workplace(Path(output_dir), executor or Serial(), share, formats=formats, brief=brief)
    return predict_files(scoring, record, chosen, workplace)


def _brief(config: Mapping[str, Any], trust: Sequence[str]) -> Sequence[str]:
    """The columns that a reader of a list needs, as the judge says; those of every table where it does not."""
    from astrid_ml.checkpoint.predictions import FIRST
    from astrid_ml.contracts.told import HasBrief

    judge = build(config["evaluation"], trust)
    return judge.brief if isinstance(judge, HasBrief) else FIRST


def check_place(name: str, place: object) -> None:
    """Refuse what is no path, or no sequence of them."""
    if not place or not isinstance(place, str | Path | Sequence):
        got = repr(place) if place is None or isinstance(place, int | float | list) else f"a {type(place).__name__}"
        raise UserError(f"{name}: a path", got, f"give {name} the path of a file or a folder")


def _refuse_raw(folder: Path, inputs: Sequence[Path]) -> None:
    """Refuse to write between files of others; results of an earlier prediction are welcome.

    Raises:
        UserError: the folder is one of the inputs, or holds other files.
    """
    fix = f"choose another output_dir, for instance output_dir={folder.with_name('predicted')}"
    if any(os.path.realpath(folder) == os.path.realpath(path) for path in inputs):
        raise UserError("an output folder of its own", f"{folder}, which holds the raw files", fix)
    if folder.exists() and not folder.is_dir():
        raise UserError("output_dir=FOLDER", found(folder), fix)
    own = any((folder / name).exists() for name in (NOT_DATA, "parts", "predictions.parquet"))
    if not own and (foreign := of_others(folder)):
        got = f"{folder}, which holds other files: {held(folder, foreign)}"
        raise UserError("an output folder of its own, new or empty", got, fix)


def merged(config: dict[str, Any], overrides: Mapping[str, Any], where: str = "") -> dict[str, Any]:
    """Merge values onto a checkpoint's configuration; a key that it does not know is the user's mistake."""
    out: dict[str, Any] = with_defaults(dict(config))
    for key, value in overrides.items():
        if key not in out:
            known = [name for name in out if not name.startswith("_")]
            place = where.rstrip(".") or "configuration"
            raise UserError(
                f"a key of the checkpoint's {place}: {', '.join(known) or 'it has none'}",
                f"{where}{key}",
                nearest(key, known) or ("choose one of them" if known else "leave it out"),
            )
        if isinstance(out[key], Mapping) and not isinstance(value, Mapping) and not where:
            known = [name for name in out[key] if not name.startswith("_")]
            raise UserError(f"{key}.KEY=VALUE, with a KEY of {', '.join(known)}", f"{key}={value}", "set one of them")
        if isinstance(value, Mapping) and "_target_" in value:
            out[key] = dict(value)
        elif isinstance(value, Mapping) and isinstance(out[key], Mapping):
            out[key] = merged(dict(out[key]), value, f"{where}{key}.")
        else:
            _refuse_misfit(out, key, value, where)
            out[key] = value
    return out


def _refuse_misfit(node: Mapping[str, Any], key: str, value: Any, where: str) -> None:
    """A value that the field of its class does not take; classes of strangers are asked when they are built."""
    target = str(node.get("_target_", ""))
    if target not in registry():
        return
    hints = fields_of(resolve(target))
    if key in hints and not fits(value, hints[key], resolve):
        usual = node[key]
        known = isinstance(usual, str | int | float | list)
        fix = f"for instance {where}{key}={usual}" if known else f"leave out {where}{key}"
        raise UserError(f"{where}{key}: {words_of(hints[key])}", f"{where}{key}={value}", fix)
