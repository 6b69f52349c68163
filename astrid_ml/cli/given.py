"""What a command is given: folders of options (``--config-dir DIR``, ``hydra.searchpath``), keys of other names."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from astrid_ml.build import conf_folder
from astrid_ml.cli.typed import keys_of_place
from astrid_ml.cli.verbs.keys import Keys
from astrid_ml.config import configuration, folder_of, option_names
from astrid_ml.errors import UserError
from astrid_ml.found import found
from astrid_ml.installed import shadowed, sound
from astrid_ml.layers import Folder, Layers
from astrid_ml.nearest import nearest
from astrid_ml.option_files import fault_of, misplaced, yaml_files
from astrid_ml.typed_values import elements_of

# Hydra's flag, its abbreviations and its short form, with its value behind = or as the next word.
_FLAG = re.compile(r"(?:--config-d(?:i|ir)?|-cd)(?:=(.*))?", re.DOTALL)
_WHOLE = "--config-dir="
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?", re.IGNORECASE)
_SEARCHPATH = "hydra.searchpath="


def whole_flags(arguments: Sequence[str]) -> list[str]:
    """The arguments with ``--config-dir`` in one form, its folder from the root of the file system.

    A folder's name may hold ``=``: as a word of its own it would be read as ``key=value``.

    >>> whole_flags(["-cd", "/a=b", "seed=1"])
    ['--config-dir=/a=b', 'seed=1']
    """
    words, out = iter(arguments), []
    for word in words:
        flag = _FLAG.fullmatch(word)
        folder = flag and (flag.group(1) if flag.group(1) is not None else next(words, None))
        if folder == "":
            raise UserError("--config-dir=FOLDER that holds options", "no folder", "write its path behind the =")
        out.append(word if folder is None else f"{_WHOLE}{Path(folder).expanduser().absolute()}")
    return out


def flags_first(words: Sequence[str]) -> list[str]:
    """The words with flags before overrides, whatever the order: Hydra takes no flag between two overrides.

    >>> flags_first(["seed=1", "--cfg", "job", "~loss"])
    ['--cfg', 'job', '--', 'seed=1', '~loss']
    >>> flags_first(["seed=1"])
    ['seed=1']
    """
    overrides = [word for word in words if word.startswith(("~", "+")) or ("=" in word and not word.startswith("-"))]
    flags = [word for word in words if word not in overrides]
    return [*flags, "--", *overrides] if flags and overrides else list(words)


def given_folders(arguments: Sequence[str]) -> list[Path]:
    """The folders of the arguments, in the order in which Hydra searches them.

    Raises:
        UserError: there is no such folder.
    """
    words = whole_flags(arguments)
    folders = []
    for word in [word for word in words if word.startswith(_WHOLE)][-1:]:
        folders.append(Path(word.removeprefix(_WHOLE)))
        if not folders[0].is_dir():
            raise UserError("--config-dir=FOLDER that holds options", found(folders[0]), "check the path")
    for word in [word for word in words if word.startswith(f"{_SEARCHPATH}[")][:1]:
        folders += [folder_of(part.strip("'\"")) for part in elements_of(word.removeprefix(_SEARCHPATH))]
    return folders


def _refuse_faulty(folder: Path) -> None:
    """Refuse a folder with a file that may not be used."""
    try:
        got, fix = misplaced(folder, conf_folder())
        files = yaml_files(folder)
    except ValueError as error:
        raise UserError("a folder that holds options alone", str(error), "name that folder") from error
    if got:
        raise UserError(f"options as GROUP/NAME.yaml in {folder}, for instance split/mine.yaml", got, fix)
    for path in files:
        if reason := fault_of(path, folder, conf_folder()):
            raise UserError(
                f"options that can be used in {folder}", f"{path.relative_to(folder)}: {reason}", "correct it"
            )


def configuration_of(arguments: Sequence[str]) -> Layers:
    """Where the options of a command are looked for.

    Raises:
        UserError: a folder is not there, or holds an option under a name that is taken: Hydra would take the other one.
    """
    folders = given_folders(arguments)
    for folder in folders:
        _refuse_faulty(folder)
    taken = [conf_folder(), *(plugin.conf for plugin in sound() if plugin.conf)]
    for folder in folders:
        for own, other in shadowed(folder, [root for root in taken if root != folder]):
            raise UserError(
                "options with names of their own in a folder of yours",
                f"{own}, where {other} has the same name and would be taken",
                "give yours another name",
            )
    return configuration(*folders)


def shorter_or_longer(key: str, live: Keys) -> str:
    """``ckpt_path`` for ``ckpt``, ``radius`` for ``audit.radius``: the only key at the top of which this is a part."""
    last = key.rpartition(".")[2]
    top = [name for name in live.names if "." not in name]
    fits = [name for name in top if name.startswith(f"{key}_")] or [name for name in top if name == last != key]
    return fits[0] if len(fits) == 1 else ""


def key_by_value(key: str, words: Sequence[str], live: Keys) -> str:
    """The key that takes a path as this one's value is: ``ckpt_path=best.ckpt`` for ``checkpoint=best.ckpt``."""
    given = [word.partition("=") for word in words if "=" in word and not word.startswith("-")]
    value = next((value for name, _, value in given if name == key), "")
    if "." in key or not value or not ("/" in value or os.path.lexists(value) or "." in value.strip("0123456789.")):
        return ""
    taken = {name for name, _, _ in given}
    able = (name for name in keys_of_place(value) if live[name] and name not in taken)
    return next((f"{name}={value}" for name in able), "")


def takes(known: str, key: str, words: Sequence[str], live: Keys) -> bool:
    """Whether a key can have the value that was typed for another one: by the field of its class, as it is written."""
    from astrid_ml.values import fits  # numpy with them: help and the first word need neither
    from astrid_ml.written import written_fields

    value = _typed_for(key, words)
    for declared in live[known] if value else ():
        hint, _ = written_fields(declared.target).get(known.rpartition(".")[2], (None, None))
        if hint is not None and not any(fits(form, hint, None) for form in _forms(value)):
            return False
        if hint is None and isinstance(declared.value, bool | int | float) and not _NUMBER.fullmatch(value):
            return False
    return True


def _typed_for(key: str, words: Sequence[str]) -> str:
    given = [word.lstrip("+").partition("=") for word in words if "=" in word and not word.startswith("-")]
    return next((value for name, _, value in given if name == key), "")


def _forms(value: str) -> list[Any]:
    """What a text may stand for: itself, a number, true or false, null."""
    import yaml

    try:
        return (
            [value, yaml.safe_load(value), float(value)] if _NUMBER.fullmatch(value) else [value, yaml.safe_load(value)]
        )
    except yaml.YAMLError:
        return [value]


def option_by_value(key: str, words: Sequence[str], keys: Keys, domain: str | None) -> str:
    """The key of the same name in the plural, or the group of which a value is an option; empty where none is alone.

    ``preprocessing/subtract=zogy`` for ``method=zogy``, ``methods`` where the verb has that key.

    Args:
        key: as it was typed.
        words: that were typed after the verb.
        keys: all of the verb.
        domain: the pipeline in use.
    """
    value = _typed_for(key, words)
    if several := [name for name in (f"{key}s", key.removesuffix("s")) if name != key and keys[name]]:
        return several[0]
    if not re.fullmatch(r"[a-z]\w{2,}", value) or value in ("none", "null", "true", "false"):
        return ""
    able = [group for group in sorted(keys.groups) if value in option_names(keys.conf / group)]
    slots = keys.conf / "preprocessing" / (domain or "")
    homes = slots.glob("*") if domain and "preprocessing" in keys.groups else ()
    able += [f"preprocessing/{slot.name}" for slot in homes if slot.is_dir() and value in option_names(slot)]
    return f"{able[0]}={value}" if len(able) == 1 else ""


def refuse_dotted(key: str, value: str, conf: Folder, domain: str | None) -> None:
    """Refuse a choice of an option that was typed as a key: ``preprocessing.subtract=zogy``, ``hydra.launcher=joblib``.

    Args:
        key: as it was typed.
        value: its value.
        conf: the folder of the configuration.
        domain: the pipeline in use.

    Raises:
        UserError: writes it with ``/``.
    """
    first, _, rest = key.partition(".")
    if not re.fullmatch(r"[A-Za-z_]\w*", value) or value.lower() in ("null", "none", "true", "false") or not rest:
        return
    slot = rest.removeprefix(f"{domain}.")
    group = f"preprocessing/{domain}/{slot}" if first == "preprocessing" else key.replace(".", "/")
    shown = f"preprocessing/{slot}" if first == "preprocessing" else group
    if key in ("hydra.launcher", "hydra.sweeper") or ("." not in slot and (conf / group).is_dir()):
        options = option_names(conf / group) if (conf / group).is_dir() else []
        near = nearest(value, options) if options and value not in options else ""
        meant = near.removeprefix("did you mean ").removesuffix("?") if near else value
        known = f": one of {', '.join(options)}" if options else "=NAME, an option of Hydra's"
        raise UserError(f"{shown}{known}", f"{key}={value}", f"write {shown}={meant}, with /")


def unknown_of_hydra(key: str, name: str) -> UserError | None:
    """What to say of a key or a group that Hydra has not; None for one that it has."""
    from hydra.conf import HydraConf
    from omegaconf import OmegaConf

    tree = OmegaConf.structured(HydraConf)
    known = [f"hydra.{part}" for part in tree] + [
        f"hydra.{part}.{key}" for part in ("run", "sweep", "job") for key in tree[part]
    ]
    if key in known:
        return None
    groups = [f"hydra/{part}" for part in ("launcher", "sweeper", "job_logging", "hydra_logging")]
    near = [part for part in known if part.count(".") == key.count(".")]
    fix = nearest(key, groups if "/" in key else near) or f"astrid {name} --cfg hydra prints them"
    return UserError("a key of Hydra's own" if "/" not in key else f"one of {', '.join(groups)}", key, fix)
