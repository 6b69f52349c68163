"""What can be said of the words of a command line before anything reads them: flags, missing ``=``, lost effects."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from astrid_ml.cli.verbs.catalogue import Verb
from astrid_ml.config import option_names
from astrid_ml.errors import UserError
from astrid_ml.layers import Folder
from astrid_ml.nearest import nearest

# Hydra's flags; those that take a value behind a blank.
FLAGS = (
    "--multirun", "-m", "--run", "-r", "--cfg", "-c", "--resolve", "--package", "-p", "--info", "-i", "--config-dir",
    "-cd", "--config-name", "-cn", "--config-path", "-cp", "--hydra-help", "--version", "--shell-completion", "-sc",
    "--experimental-rerun",
)  # fmt: skip
WITH_VALUE = (
    "--cfg", "-c", "--package", "-p", "--config-dir", "-cd", "--config-name", "-cn", "--config-path", "-cp",
    "--experimental-rerun",
)  # fmt: skip
_OPTION_OF_INFO = ("all", "config", "defaults", "defaults-tree", "plugins", "searchpath")
_KEY = re.compile(r"[+~]{0,2}[A-Za-z_$][\w.$:/@{}-]*")
# Keys that say how raw files become a dataset, of which there is one already where dataset= is given.
_BEFORE_DATASET = re.compile(r"(paths\.raw|data\.seed|max_failed|hash_inputs|simulate\.\S+|label\.\S+)")


# Verbs whose first words may be typed without their keys.
WORDS = {"new": ("what", "name")}


def named(arguments: Sequence[str], keys: Sequence[str]) -> list[str]:
    """Bare words with the keys that they are for, in order.

    Raises:
        UserError: more words than keys.

    >>> named(["model", "mynet", "output_dir=a"], ("what", "name"))
    ['what=model', 'name=mynet', 'output_dir=a']
    """
    if not keys:
        return list(arguments)
    left, out = list(keys), []
    for position, argument in enumerate(arguments):
        value_of_flag = position > 0 and arguments[position - 1] in WITH_VALUE
        if "=" in argument or argument.startswith("-") or value_of_flag:
            left = [key for key in left if not argument.startswith(f"{key}=")]
            out.append(argument)
            continue
        if not left:
            raise UserError(
                f"{' and '.join(keys)}, a word each", f"{argument!r} beside them", "give other values as key=value"
            )
        out.append(f"{left.pop(0)}={argument}")
    return out


def overrides_of(arguments: Sequence[str]) -> Iterator[str]:
    """The words that are neither flags nor values of flags."""
    before = ""
    for word in arguments:
        value = before in WITH_VALUE or (before in ("--info", "-i") and word in _OPTION_OF_INFO)
        if not word.startswith("-") and not value:
            yield word
        before = word


def is_sweep(arguments: Sequence[str]) -> bool:
    """Whether ``-m`` was typed."""
    return any(word in ("-m", "--multirun") for word in arguments)


def check_typed(arguments: Sequence[str], verb: Verb, conf: Folder) -> None:
    """Refuse words that cannot mean anything here.

    Args:
        arguments: as typed, after the verb.
        verb: that was typed.
        conf: the folder of the configuration.

    Raises:
        UserError: an unknown flag, a word without ``=``, a group left out that a run needs, a key without effect.
    """
    for word in arguments:
        if word.startswith("-"):
            check_flag(word)
    words = list(overrides_of(arguments))
    for word in words:
        check_word(word, verb, conf)
    given = dict(word.lstrip("+").split("=", 1) for word in words if "=" in word)
    check_effects(given, is_sweep(arguments), verb)


def check_flag(word: str) -> None:
    """Refuse a flag that nobody knows."""
    name, equals, value = word.partition("=")
    if name in FLAGS:
        return
    key = name.lstrip("-").replace("-", "_")
    fix = nearest(name, (*FLAGS, "--help")) or (
        f"write {key}={value}" if equals else f"write {key}=VALUE if it is a key"
    )
    raise UserError("key=value, or one of the flags -m, --cfg job, --info, --config-dir DIR, --help", word, fix)


def check_word(word: str, verb: Verb, conf: Folder) -> None:
    """Refuse a word that sets nothing, and a deletion of what the verb needs."""
    if word.startswith("~"):
        name = word[1:].partition("=")[0]
        if "." not in name and "/" not in name:
            options = option_names(conf / name) if (conf / name).is_dir() else []
            fix = f"write {name}=none" if "none" in options else "leave it, or give it another value"
            raise UserError(f"the key {name}, which astrid {verb.name} needs", word, fix)
        return
    key, equals, _ = word.partition("=")
    if not equals:
        raise UserError("key=value", word, f"write KEY={word}; astrid {verb.name} --help lists the keys")
    if not key:
        raise UserError("key=value", word, f"write a key before the =; astrid {verb.name} --help lists them")
    if not _KEY.fullmatch(key):
        fix = f"no blanks around the =; astrid {verb.name} --help lists the keys"
        raise UserError("key=value, where the key is one word of letters, digits, dots and _", word, fix)


def check_effects(given: dict[str, str], sweep: bool, verb: Verb) -> None:
    """Refuse a key that would change nothing, given the others."""
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


def _refuse_lost(lost: Sequence[str], given: dict[str, str], beside: str) -> None:
    if lost:
        named = ", ".join(f"{key}={given[key]}" for key in lost)
        raise UserError(f"keys that have an effect beside {beside}", named, f"leave out {' and '.join(lost)}")
