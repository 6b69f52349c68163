"""Refuses words that would change nothing beside the others: what is typed has an effect, or is told to have none."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from astrid_ml.cli.typed import is_sweep, overrides_of
from astrid_ml.cli.verbs.catalogue import Verb
from astrid_ml.cli.verbs.keys import keys_of
from astrid_ml.errors import UserError
from astrid_ml.layers import Folder
from astrid_ml.ranks import first_process
from astrid_ml.typed_values import elements_of

# Groups and nodes that only a training reads.
_OF_TRAINING = frozenset(
    "datamodule channels augment split audit model loss optimizer scheduler calibration threshold evaluation trainer "
    "callbacks logger seed".split()
)

# Keys that say how raw files become a dataset, of which there is one already where dataset= is given.
_BEFORE_DATASET = re.compile(r"(paths\.raw|data\.seed|max_failed|hash_inputs|simulate\.\S+|label\.\S+)")


def check_effects(words: Sequence[str], verb: Verb, conf: Folder) -> None:
    """Refuse words that change nothing beside the others.

    Args:
        words: as typed, after the verb.
        verb: that was typed.
        conf: the folder of the configuration.

    Raises:
        UserError: says which to leave out.
    """
    given = dict(word.lstrip("+").split("=", 1) for word in overrides_of(words) if "=" in word)
    _refuse_idle(given, verb)
    _refuse_without_effect(given, is_sweep(words), verb, conf)


def _refuse_idle(given: Mapping[str, str], verb: Verb) -> None:
    """Refuse keys that no command reads, and those of many pairs beside one."""
    idle = [key for key in given if (verb.name, key) == ("doctor", "name")]
    if "hydra.job.name" in given and os.environ.get("LOCAL_RANK", "0") == "0":  # Lightning names its processes by it
        idle.append("hydra.job.name")
    if verb.name == "difference" and given.get("input", "null") == "null" and "science" in given:
        idle += [key for key in given if key.partition(".")[0] == "executor" and given[key] != "serial"]
    if idle:
        beside = " beside one pair" if idle[0].startswith("executor") else ""
        got = ", ".join(f"{key}={given[key]}" for key in idle)
        raise UserError(f"keys that astrid {verb.name} reads{beside}", got, f"leave out {' and '.join(idle)}")
    names = elements_of(f"[{given.get('trust', '').strip('[]')}]")
    if python := [name for name in names if name.partition(".")[0] in sys.stdlib_module_names - {"__main__"}]:
        got, fix = f"{python[0]}, which is Python's own", "leave it out of trust="
        raise UserError("trust= of classes of yours or of a package", got, fix)


def refuse_untaken(raw: Mapping[str, Any], words: Sequence[str]) -> None:
    """Refuse a group that no part of this configuration takes: channels of a datamodule that has none.

    Args:
        raw: the composed configuration, with its references.
        words: as typed, after the verb.

    Raises:
        UserError: names the group, and the class that would have to take it.
    """
    for word in [word for word in overrides_of(words) if "=" in word and not word.startswith("~")]:
        key, _, value = word.lstrip("+").partition("=")
        group = key.partition(".")[0]
        if group not in ("channels", "augment", "loss") or group not in raw or value == "none":
            continue
        if f"${{{group}" not in str({name: part for name, part in raw.items() if name != group}):
            home = "model" if group == "loss" else "datamodule"
            target = str((raw.get(home) or {}).get("_target_", "")).rpartition(".")[2] or home
            raise UserError(f"groups that {home}= takes", f"{word}, and {target} has no {group}", f"leave out {group}=")


def note_unused(words: Sequence[str], verb: Verb) -> None:
    """Say which words prepare does not use: the same words may be typed for train.

    Args:
        words: as typed, after the verb.
        verb: that was typed.
    """
    if verb.name != "prepare" or not first_process():
        return
    keys = [word.lstrip("+").partition("=")[0] for word in overrides_of(words) if "=" in word]
    if unused := [key for key in keys if re.split(r"[./@]", key)[0] in _OF_TRAINING]:
        print(f"astrid: prepare does not use {', '.join(dict.fromkeys(unused))}: a training does", file=sys.stderr)


def refuse_twice(words: Sequence[str], read: Sequence[str]) -> None:
    """Refuse a key that is given twice, perhaps under two names: the first value would be lost.

    Args:
        words: as typed, after the verb.
        read: the same as Hydra reads them, one for each.

    Raises:
        UserError: names both.

    >>> refuse_twice(["what=triplets", "simulate=pairs"], ["simulate=triplets", "simulate=pairs"])
    Traceback (most recent call last):
    astrid_ml.errors.UserError: expected one of what= and simulate=, ...
    """
    typed: dict[str, str] = {}
    for word, meant in zip(words, read, strict=True):
        key, equals, _ = meant.lstrip("+").partition("=")
        if not equals or meant.startswith(("-", "~")) or key.startswith("hydra."):
            continue  # Lightning's further processes bring Hydra's own keys along
        if key in typed:
            names = list(dict.fromkeys(one.lstrip("+").partition("=")[0] for one in (typed[key], word)))
            one_of = f"one of {' and '.join(f'{name}=' for name in names)}, which mean the same"
            raise UserError(
                one_of if len(names) > 1 else f"{names[0]}= once", f"{typed[key]} and {word}", "leave out one of them"
            )
        typed[key] = word


def _refuse_without_effect(given: Mapping[str, str], sweep: bool, verb: Verb, conf: Folder) -> None:
    """Refuse a key that would change nothing, given the others."""
    if verb.name == "train" and given.get("dry_run", "false").lower() == "true":
        fix = "write astrid prepare ... dry_run=true; --cfg job shows the configuration of a training"
        raise UserError("a key that astrid train knows", "dry_run=true, which is for astrid prepare", fix)
    if verb.name == "prepare" and given.get("output_dir", "null") != "null" and "export" not in given:
        fix = "leave out output_dir; the dataset goes to paths.data=FOLDER"
        raise UserError("output_dir= beside export=", f"output_dir={given['output_dir']} alone", fix)
    for name, ours in (("hydra.run.dir", "paths.run_dir"), ("hydra.sweep.dir", "paths.sweep_dir")):
        # Lightning starts further processes of a training with Hydra's own key
        if first_process() and name in given and ours in keys_of(verb.config, conf).found:
            fix = f"write {ours}={given[name]}"
            raise UserError(f"{ours}= for the folder of results", f"{name}={given[name]}", fix)
    if sweep and "paths.run_dir" in given:
        fix = "write paths.sweep_dir=FOLDER: the jobs lie in FOLDER/0, FOLDER/1 and so on"
        raise UserError("paths.sweep_dir= for the folder of a sweep", f"paths.run_dir={given['paths.run_dir']}", fix)
    if not sweep and "paths.sweep_dir" in given:
        fix = "write paths.run_dir=FOLDER, or add -m for a sweep"
        raise UserError("paths.run_dir= for the folder of a run", f"paths.sweep_dir={given['paths.sweep_dir']}", fix)
    if given.get("dataset", "null") not in ("null", ""):
        lost = [key for key in given if _BEFORE_DATASET.fullmatch(key)]
        _refuse_lost(lost, given, f"dataset={given['dataset']}, which is prepared already")
    elif given.get("paths.raw", "null") not in ("null", ""):
        lost = [key for key in given if key.startswith("simulate.")]
        _refuse_lost(lost, given, f"paths.raw={given['paths.raw']}, so that nothing is simulated")


def _refuse_lost(lost: Sequence[str], given: Mapping[str, str], beside: str) -> None:
    if lost:
        named = ", ".join(f"{key}={given[key]}" for key in lost)
        raise UserError(f"keys that have an effect beside {beside}", named, f"leave out {' and '.join(lost)}")
