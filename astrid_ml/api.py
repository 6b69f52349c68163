"""The framework from a notebook: train, predict, load a checkpoint, open a prepared dataset."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from astrid_ml.build import build, registry, resolve, with_defaults
from astrid_ml.checkpoint.load import LoadedModel, load_model
from astrid_ml.config import in_use, option_names, refuse_no_name
from astrid_ml.dataset.prepared import PreparedDataset
from astrid_ml.errors import UserError
from astrid_ml.executors.contract import Executor
from astrid_ml.executors.local import Serial
from astrid_ml.found import NOT_DATA, found, held, of_others
from astrid_ml.nearest import nearest
from astrid_ml.run.settings import PLAIN_NODES
from astrid_ml.typed_values import unreadable
from astrid_ml.values import example_of, fields_of, fits, words_of

__all__ = ["PreparedDataset", "compose", "load_checkpoint", "predict", "train"]

COLUMNS = ("full", "brief")  # of tables of predictions


def compose(*overrides: str) -> Any:
    """The configuration of ``astrid train`` with these overrides: ``compose("experiment=realbogus_sim")``.

    Raises:
        UserError: an override that cannot be; what Hydra says of it.
    """
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    from astrid_ml.config import compose as compose_config

    if strange := [override for override in overrides if not isinstance(override, str)]:
        got = f"a {type(strange[0]).__name__} among them"
        raise UserError("overrides as texts, compose('a=1', 'b=2')", got, "give each as a text of its own")
    for group, _, value in (override.lstrip("+").partition("=") for override in overrides):
        if (in_use() / group).is_dir():
            refuse_no_name(group, value, option_names(in_use() / group))
    try:
        return compose_config("train", overrides)
    except (HydraException, OmegaConfBaseException) as error:
        raise _told(error, overrides) from error


def _told(error: Exception, overrides: Sequence[str]) -> UserError:
    """What Hydra says of an override, in our words."""
    from hydra.errors import OverrideParseException

    if isinstance(error, OverrideParseException):
        return unreadable(str(error.override))
    said = f"{error} {error.__cause__ or ''}".split("\nConfig search path")[0].split(" Available options")[0]
    if named := re.search(r"Could not find '([^']+)/([^'/]+)'", said):
        options = option_names(in_use() / named[1])
        fix = nearest(named[2], options) or "choose one of them"
        return UserError(f"{named[1]}: one of {', '.join(options)}", named[2], fix)
    wrong = re.search(r"Could not override '([^']+)'|Key '([^']+)' is not in struct", said)
    if wrong:
        key = wrong[1] or wrong[2]
        fix = nearest(key, _keys([other for other in overrides if not other.startswith(f"{key}=")]))
        return UserError("overrides of astrid train: keys that there are", key, fix or "see astrid train --help")
    if several := re.search(r"Ambiguous value for argument '([^=']+)=([^']*)'", said):
        fix = f"give one; of a list, {several[1]}=[{several[2]}]"
        return UserError(f"one value of {several[1]}", f"{several[1]}={several[2]}", fix)
    got = " ".join(said.split("See https")[0].split())[:300]
    return UserError("overrides of astrid train", f"{got} ({', '.join(overrides)})", "give key=value each, as a text")


def _keys(overrides: Sequence[str]) -> list[str]:
    """The keys that there are beside the other overrides; none where these are wrong too."""
    from hydra.errors import HydraException
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    from astrid_ml.config import compose as compose_config
    from astrid_ml.run.environment import flattened

    try:
        composed = OmegaConf.to_container(compose_config("train", overrides), resolve=False)
    except (HydraException, OmegaConfBaseException):
        return []
    assert isinstance(composed, dict)
    return [name for name, _ in flattened(composed)]


def train(cfg: Any) -> dict[str, Any]:
    """Run a training as ``astrid train`` does.

    Args:
        cfg: from :func:`compose`, or what a Hydra job receives.

    Returns:
        The content of ``metrics.json``; ``run_dir`` in it says where all else is.
    """
    from astrid_ml.build import plain
    from astrid_ml.run.training.train import train as run_train

    if not isinstance(cfg, Mapping) and not hasattr(cfg, "items"):
        raise UserError(
            "a configuration, as compose('experiment=...') makes it", f"a {type(cfg).__name__}", "compose one"
        )
    tree = plain(cfg)
    _refuse_misfits(tree)
    return run_train(tree)


def _refuse_misfits(tree: Mapping[str, Any]) -> None:
    """Refuse values of plain nodes (trainer, data, paths) before a class is built that takes one of them over."""
    for node, kind in PLAIN_NODES.items():
        values = tree.get(node) if node else tree
        for name, hint in fields_of(kind).items():
            if isinstance(values, Mapping) and name in values and not fits(values[name], hint, resolve):
                key = f"{node}.{name}" if node else name
                example = example_of(hint)
                fix = f"for instance {key}={example}" if example else "see astrid train --help"
                raise UserError(f"{key}: {words_of(hint)}", f"{key}={values[name]}", fix)


def load_checkpoint(path: str | Path, trust: Sequence[str] = ()) -> LoadedModel:
    """Load ``best.ckpt`` for scoring, without running anything that the file brings."""
    _check_place("path", path)
    return load_model(Path(path), trust)


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
        _check_place(name, place)
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


def _check_place(name: str, place: object) -> None:
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
