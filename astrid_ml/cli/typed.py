"""What can be said of the words of a command line before anything reads them: flags, missing ``=``, bare words."""

from __future__ import annotations

import itertools
import os
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from astrid_ml.cli.verbs.catalogue import Verb
from astrid_ml.cli.verbs.keys import Keys, keys_of
from astrid_ml.config import option_names
from astrid_ml.errors import UserError
from astrid_ml.found import kind_at
from astrid_ml.layers import Folder
from astrid_ml.nearest import nearest

# Hydra's flags; those that take a value behind a blank.
FLAGS = (
    "--multirun", "-m", "--run", "-r", "--cfg", "-c", "--resolve", "--package", "-p", "--info", "-i", "--config-dir",
    "-cd",
)  # fmt: skip
WITH_VALUE = ("--cfg", "-c", "--package", "-p", "--config-dir", "-cd")
# Flags of Hydra's that have no use here, and what has.
_INSTEAD = {
    "--config-name": "choose another command, or experiment=NAME",
    "--config-path": "write --config-dir FOLDER for options of your own",
    "--hydra-help": "write --help",
    "--version": "astrid --version says it",
    "--shell-completion": "write astrid completion bash, zsh or fish",
    "--experimental-rerun": "type the command again: a run carries on in its folder",
}
# Flags of which Hydra takes one, by their long names, and what it shows with them.
_LONG = {
    "-m": "--multirun", "-r": "--run", "-c": "--cfg", "-i": "--info", "-p": "--package", "-cd": "--config-dir",
    "-cn": "--config-name", "-cp": "--config-path", "-sc": "--shell-completion",
}  # fmt: skip
_ONE_OF = ("--multirun", "--run", "--cfg", "--info")
_SHOWN = ("job", "hydra", "all")
_OPTION_OF_INFO = ("all", "config", "defaults", "defaults-tree", "plugins", "searchpath")
_KEY = re.compile(r"[+~]{0,2}[A-Za-z_$][\w.$:/@{}-]*")


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
        UserError: an unknown flag, flags that do not go together,
            a word without ``=``, a group left out that a run needs.
    """
    for word in arguments:
        if word.startswith("-"):
            check_flag(word)
    check_flags(flags_of(arguments), verb)
    words = list(overrides_of(arguments))
    for before, word in itertools.pairwise(words):
        if word.startswith("=") and "=" not in before:
            typed = f"{before}=VALUE" if word == "=" else f"{before}{word}"
            raise UserError("key=value as one word", f"{before} {word}", f"no blanks around the =: write {typed}")
    for word in words:
        check_word(word, verb, conf, words)


def check_flag(word: str) -> None:
    """Refuse a flag that nobody knows."""
    name, equals, value = word.partition("=")
    if name in FLAGS:
        return
    known = "key=value, or one of the flags -m, --cfg job, --info, --config-dir DIR, --help"
    if fix := _INSTEAD.get(_LONG.get(name, name)):
        raise UserError(known, word, fix)
    key = name.lstrip("-").replace("-", "_")
    fix = nearest(name, (*FLAGS, "--help")) or (
        f"write {key}={value}" if equals else f"write {key}=VALUE if it is a key"
    )
    raise UserError(known, word, fix)


def flags_of(arguments: Sequence[str]) -> dict[str, str | None]:
    """Long name of each flag -> its value, None without one.

    >>> flags_of(["-m", "seed=1,2", "--cfg", "job", "--info"])
    {'--multirun': None, '--cfg': 'job', '--info': None}
    """
    found: dict[str, str | None] = {}
    for position, word in enumerate(arguments):
        name, equals, value = word.partition("=")
        name = _LONG.get(name, name)
        if not word.startswith("-") or name not in FLAGS:
            continue
        after = arguments[position + 1] if position + 1 < len(arguments) else ""
        takes = name in WITH_VALUE or (name == "--info" and "=" not in after)
        found[name] = value if equals else after if takes and after and after[0] not in "-+~" else None
    return found


def check_flags(flags: Mapping[str, str | None], verb: Verb) -> None:
    """Refuse flags that do not go together, and values that a flag does not know.

    Args:
        flags: by their long names.
        verb: that was typed.

    Raises:
        UserError: Hydra would say it in its own words.
    """
    together = [name for name in _ONE_OF if name in flags]
    if len(together) > 1:
        shows = next((name for name in together if name in ("--cfg", "--info")), together[-1])
        left = " and ".join(name.replace("--multirun", "-m") for name in together if name != shows)
        fix = f"leave out {left}: {shows} shows one job, with one value of each key"
        raise UserError(f"one of {', '.join(_ONE_OF)} at a time", " and ".join(together), fix)
    for name in ("--resolve", "--package"):
        if name in flags and "--cfg" not in flags:
            raise UserError(f"{name} beside --cfg job", "no --cfg", f"add --cfg job, or leave out {name}")
    for name in [name for name in WITH_VALUE if name in flags and not flags[name]]:
        example = {"--cfg": "job", "--config-dir": "FOLDER"}.get(name, "VALUE")
        raise UserError(f"{name} {example}", f"{name} alone", f"write {name} {example}, or leave out {name}")
    if (shown := flags.get("--cfg", "job")) not in _SHOWN:
        fix = nearest(str(shown), _SHOWN) or "write --cfg job"
        raise UserError(f"--cfg {', '.join(_SHOWN)}", f"--cfg {shown}", fix)
    if (shown := flags.get("--info")) and shown not in _OPTION_OF_INFO:
        fix = nearest(shown, _OPTION_OF_INFO) or f"write astrid {verb.name} ... --info"
        raise UserError(f"--info alone, or with one of {', '.join(_OPTION_OF_INFO)}", f"--info {shown}", fix)


def check_word(word: str, verb: Verb, conf: Folder, beside: Sequence[str] = ()) -> None:
    """Refuse a word that sets nothing, and a deletion of what the verb needs.

    Args:
        word: as typed.
        verb: that was typed.
        conf: the folder of the configuration.
        beside: all words, itself among them.

    Raises:
        UserError: says what to type.
    """
    if word.startswith("~"):
        name = word[1:].partition("=")[0]
        if "." not in name and "/" not in name:
            options = option_names(conf / name) if (conf / name).is_dir() else []
            fix = f"write {name}=none" if "none" in options else "leave it, or give it another value"
            raise UserError(f"the key {name}, which astrid {verb.name} needs", word, fix)
        return
    key, equals, _ = word.partition("=")
    if not equals and verb.name == "simulate" and word in option_names(conf / "simulate"):
        raise UserError("what=KIND", word, f"write what={word}")
    if not equals and word.lstrip("+") in keys_of(verb.config, conf).found and "." in word:
        raise UserError("key=value", word, f"write {word}=VALUE")
    if not equals:
        meant = with_keys(beside or [word], verb, conf)
        after = next((other for one, other in itertools.pairwise(beside) if one == word and "=" not in other), "")
        fix = f"write {meant or f'{word}={after}' if after else meant or f'KEY={word}'}"
        fix += f"; astrid {verb.name} --help lists the keys"
        raise UserError("key=value", word, fix)
    if not key:
        raise UserError("key=value", word, f"write a key before the =; astrid {verb.name} --help lists them")
    if not _KEY.fullmatch(key):
        fix = f"no blanks around the =; astrid {verb.name} --help lists the keys"
        raise UserError("key=value, where the key is one word of letters, digits, dots and _", word, fix)


# What stands at a path, or how its name ends -> the keys that it may be for, the likeliest first.
_KEYS_OF_KINDS = (
    (("a file of torch (a checkpoint)",), (".ckpt", ".pt", ".pth"), ("ckpt_path", "input")),
    (("a prepared dataset",), (), ("dataset", "input")),
    (("a finished run", "a run's folder"), (), ("runs", "run_dir", "input", "paths.run_dir")),
    (("a store of prepared data",), (), ("input", "paths.data")),
    (("a FITS image",), (".fits", ".fits.gz", ".fit", ".fits.fz"), ("science", "reference", "input", "paths.raw")),
    (("a parquet table", "a text file"), (".csv", ".parquet", ".ecsv"), ("positions", "input", "truth", "paths.raw")),
)
_KEYS_OF_PLACES = ("input", "paths.raw", "dataset", "runs", "run_dir", "science", "reference")


def with_keys(words: Sequence[str], verb: Verb, conf: Folder) -> str:
    """Paths and names of experiments with the keys that they are for, as they are typed; empty where none is one.

    Args:
        words: as typed; those without a key are looked at.
        verb: that was typed.
        conf: the folder of the configuration.
    """
    keys = keys_of(verb.config, conf)
    given = {word.partition("=")[0] for word in words if "=" in word}
    out: dict[str, list[str]] = {}
    for word in [word for word in words if "=" not in word]:
        able = [key for key in _keys_of_word(word, keys, conf) if key in keys.groups or keys[key]]
        if "science" in able:  # a verb of images has other uses for its other keys
            several = "input" in able and Path(word).expanduser().is_dir()
            able = ["input"] if several else ["science", "reference"]
        able = [key for key in able if key not in given and (key != "paths.raw" or "experiment" in keys.groups)]
        free = [key for key in able if key not in out] or [key for key in able if keys.takes_list(key)]
        if free:
            out.setdefault(free[0], []).append(word)
    return " ".join(_as_typed(key, places, keys.takes_list(key)) for key, places in out.items())


def _keys_of_word(word: str, keys: Keys, conf: Folder) -> tuple[str, ...]:
    """The keys that a word may be for, the likeliest first."""
    if "experiment" in keys.groups and word in option_names(conf / "experiment"):
        return ("experiment",)
    there = os.path.lexists(os.path.expanduser(word))
    if not there and "/" not in word and not re.search(r"[^.]\.[A-Za-z]\w*$", word):
        return ("input", "output_dir") if keys["input"] else ()
    return keys_of_place(word)


def keys_of_place(word: str) -> tuple[str, ...]:
    """The keys that a path may be for, the likeliest first: by what stands there, or how its name ends."""
    there = os.path.lexists(os.path.expanduser(word))
    kind = kind_at(Path(word).expanduser()) if there else ""
    for kinds, endings, able in _KEYS_OF_KINDS:
        if kind in kinds or (not there and word.lower().endswith(endings or ("\0",))):
            return able
    return _KEYS_OF_PLACES


def _as_typed(key: str, places: Sequence[str], several: bool) -> str:
    """``input=a``, or ``'input=[a,b]'``; of more places than the key takes the first."""
    whole = f"[{','.join(places)}]" if several and (len(places) > 1 or key == "runs") else places[0]
    return shlex.quote(f"{key}={whole}")


def refuse_slot(verb: str, key: str, value: str, conf: Folder) -> None:
    """Refuse an option of a slot where the pipeline is the checkpoint's: its keys are set one by one.

    Args:
        verb: the primary configuration's name.
        key: that was typed, ``preprocessing/selection``.
        value: the option.
        conf: the folder of the configuration.

    Raises:
        UserError: says those keys.
    """
    import yaml

    own = [path.read_text() for path in (conf / "task").glob("*.yaml")]  # a task with a pipeline of its own has slots
    place = key.rpartition("/")[0]
    if verb != "predict" or ("/" in place and any(f"/{place}/" in text for text in own)):
        return
    slot = key.rpartition("/")[2]
    texts = [path.read_text() for path in (conf / "preprocessing").glob(f"*/{slot}/{value}.yaml") if path.is_file()]
    said = yaml.safe_load(texts[0]) if len(texts) == 1 else {}
    plain = {name: set_to for name, set_to in said.items() if isinstance(set_to, str | int | float)}
    keys = [f"preprocessing.{slot}.{name}={set_to}" for name, set_to in plain.items() if not name.startswith("_")]
    fix = f"set its keys one by one: {' '.join(keys) or f'preprocessing.{slot}.KEY=VALUE'}"
    raise UserError("keys of the checkpoint's own pipeline", f"{key}={value}, an option of a pipeline", fix)
