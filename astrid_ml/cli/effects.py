"""Refuses words that would change nothing beside the others: what is typed has an effect, or is told to have none."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from astrid_ml.cli.typed import is_sweep, overrides_of
from astrid_ml.cli.verbs.catalogue import Verb
from astrid_ml.cli.verbs.keys import keys_of
from astrid_ml.errors import UserError
from astrid_ml.layers import Folder
from astrid_ml.ranks import first_process

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
    _refuse_without_effect(given, is_sweep(words), verb, conf)


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
