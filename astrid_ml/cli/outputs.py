"""An output folder belongs to one command: another one, or the same with other settings, is refused there."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from astrid_ml.cli.typed import is_sweep, overrides_of
from astrid_ml.cli.verbs.catalogue import Verb
from astrid_ml.cli.verbs.keys import Keys, keys_of
from astrid_ml.errors import UserError
from astrid_ml.files import read_note
from astrid_ml.found import LOCK, NOT_DATA, held, kind_at, of_others
from astrid_ml.layers import Folder
from astrid_ml.places import check_place

RECORD = NOT_DATA
# What may differ when the same command is typed again, wherever it stands: where results go, and who works.
FREE = {"output_dir", "executor", "trials_on", "device", "trust", "hydra", "num_workers"}
# The same of a command's own keys: which part of the whole is done, how much of it, and in what order.
_OWN_FREE = {
    "stage", "order", "dry_run", "skip_completed", "retry_absent", "workers", "sweep.trials", "sweep.minutes",
    "serve", "port", "compared", "watts",
}  # fmt: skip
# What a verb makes anew each time, from nothing that lies in its folder.
_VERB_FREE = {"board": ("runs", "command.runs")}
# Keys whose change makes again what depends on it, in the same folder: a download is too dear to be begun anew.
_REMADE, _PLAYED = "acquisition.", "acquisition.play."
# Keys that choose a part of one whole: several commands, at once or one after the other, fill one folder.
PARTS = ("start_index", "end_index", "shard")
# Verbs whose output_dir is a folder of others' things, in which they make one of their own.
MAKERS = ("new",)
_PRODUCT = re.compile(r"\b[\w-]+\.(?:fits|parquet|json|png|csv|html|npy|h5|ecsv)\b")


@contextmanager
def owned_output(cfg: Any, verb: Verb, conf: Folder) -> Iterator[None]:
    """Be the only command in ``output_dir`` until the block ends; ``made_by.json`` says which command it is.

    A verb or a run without an output folder of that name has nothing to own here.

    Args:
        cfg: the composed configuration.
        verb: that was typed.
        conf: the folder of the configuration.

    Raises:
        UserError: the folder holds the results of another command, or of this one with other settings.
    """
    from astrid_ml.build import plain

    tree = plain(cfg)
    place = tree.get("output_dir")
    if not isinstance(place, str) or verb.name in MAKERS:
        yield
        return
    from astrid_ml.pipeline.lock import Lock

    folder = check_place(place, "output_dir")
    keys = keys_of(verb.config, conf)
    settings = settings_of(tree, keys)
    for name in _VERB_FREE.get(verb.name, ()):
        settings.pop(name, None)
    refuse_others(folder, verb, settings, products_of(keys))
    made = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            "an output folder that can be written", f"{folder}: {error.strerror}", "choose another output_dir"
        ) from error
    try:
        shared = any(_chooses_a_part(name.rpartition(".")[2], value) for name, value in _leaves(tree, ""))
        with nullcontext() if shared else Lock(folder / LOCK, f"the output folder {folder}", guards=folder):
            refuse_others(folder, verb, settings, products_of(keys))  # another process may have been there meanwhile
            yield from _recorded(folder, {"verb": verb.name, "settings": settings}, shared)
    finally:
        if made and not any(folder.iterdir()):
            folder.rmdir()  # of a command that was refused before it wrote anything


def folders_of_jobs(words: Sequence[str], verb: Verb, conf: Folder) -> tuple[bool, list[str]]:
    """Whether the jobs of a sweep get output folders of their own, FOLDER/0, FOLDER/1 and so on.

    They do where one ``output_dir`` would be that of several jobs which do not fill it together.

    Args:
        words: of the sweep, as Hydra reads them.
        verb: that was typed.
        conf: the folder of the configuration.

    Returns:
        Whether they do, and further words for Hydra.

    Raises:
        UserError: FOLDER holds something else than the jobs of a sweep; the sweep goes over parts and over other keys.
    """
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    if not is_sweep(words):
        return False, []
    try:
        parsed = {word.key_or_group: word for word in OverridesParser.create().parse_overrides([*overrides_of(words)])}
    except HydraException:
        return False, []  # Hydra says it itself
    for name in ("paths.sweep_dir", "hydra.sweep.dir"):
        if name in parsed and parsed[name].is_sweep_override():
            got = next(word for word in words if word.startswith(f"{name}="))
            raise UserError(f"{name}=FOLDER, one for all jobs, without commas", got, "choose a name without commas")
        if name in parsed:
            _refuse_taken(Path(str(parsed[name].value())), name)
    keys = keys_of(verb.config, conf)
    if not keys["output_dir"] or verb.name in MAKERS:
        return False, []
    swept = {name for name, word in parsed.items() if word.is_sweep_override()} - {"output_dir"}
    parts = sorted(name for name in swept if name.rpartition(".")[2] in PARTS)
    if parts and len(swept) > len(parts):
        beside = ", ".join(sorted(swept - set(parts)))
        fix = f"sweep over {beside} alone, or type the command once for each of its values"
        raise UserError(f"a sweep over {parts[0]} alone: its jobs fill one output_dir", f"{beside} beside it", fix)
    given = parsed.get("output_dir")
    if given is not None and given.is_sweep_override():
        for value in given.sweep_string_iterator():
            refuse_others(Path(value.strip("'\"")), verb, {}, products_of(keys))
    place = given.value() if given is not None else keys["output_dir"][0].value
    if swept and place == "???":
        raise UserError(
            "output_dir=FOLDER", "nothing", "add output_dir=FOLDER: the jobs lie in FOLDER/0, FOLDER/1, ..."
        )
    if not swept or parts or place is None:
        return False, []
    if given is not None and given.is_sweep_override():
        return True, []
    _refuse_taken(Path(str(place)), "output_dir")
    elsewhere = keys["paths.sweep_dir"] or "hydra.sweep.dir" in parsed
    return True, [] if elsewhere else ["hydra.sweep.dir=${output_dir}"]


def _refuse_taken(folder: Path, key: str) -> None:
    """Refuse a folder for a sweep that holds files and no sweep."""
    there = of_others(folder)
    if there and kind_at(folder) != "a sweep's folder":
        got = f"{folder}, which holds other files: {held(folder, there)}"
        raise UserError(f"{key}= of a sweep, new or empty, for its jobs' folders", got, f"choose another {key}")


def enter_job(cfg: Any) -> None:
    """Let a job of a sweep write into the folder of its number."""
    from hydra.core.hydra_config import HydraConfig
    from omegaconf import OmegaConf

    OmegaConf.update(cfg, "output_dir", f"{cfg.output_dir}/{HydraConfig.get().job.num}")


def _chooses_a_part(name: str, value: Any) -> bool:
    if name != "shard" or value is None:
        return name in PARTS and name != "shard"
    from astrid_ml.pipeline.shards import JOIN

    return bool(value != JOIN)


def _recorded(folder: Path, record: dict[str, Any], shared: bool) -> Iterator[None]:
    from astrid_ml.files import write_json

    before, former = {path.name for path in folder.iterdir()}, _read(folder / RECORD)
    write_json(folder / RECORD, {**record, "status": "running"})
    try:
        yield
    except BaseException as error:
        if not shared and not of_others(folder, before - {RECORD}) and _refused(error) and not _pieces(folder):
            _clear(folder, {*before, LOCK})
        elif former is not None and _refused(error):
            write_json(folder / RECORD, former)  # what lies there is still that command's
        elif _results(folder):
            status = "failed" if isinstance(error, Exception) else "stopped"
            write_json(folder / RECORD, {**record, "status": status})
        else:
            (folder / RECORD).unlink()
        raise
    write_json(folder / RECORD, {**record, "status": "done"})


def _refused(error: BaseException) -> bool:
    """Whether a command was refused: a lock that was lost and a machine that failed are no mistakes of the user's."""
    from astrid_ml.pipeline.lock import LockLostError
    from astrid_ml.pipeline.machine import causes

    machine = (LockLostError, OSError)
    return isinstance(error, UserError) and not any(isinstance(cause, machine) for cause in causes(error))


def _pieces(folder: Path) -> bool:
    """Whether pieces of the work are done, which the same command finds again."""
    from astrid_ml.pipeline.parts import PARTS as DONE

    return any((folder / DONE).glob("*.json"))


def _clear(folder: Path, kept: set[str]) -> None:
    """Remove what a command wrote that was refused."""
    for path in [path for path in folder.iterdir() if path.name not in kept or path.name == RECORD]:
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def _results(folder: Path) -> bool:
    """Whether a folder holds anything beside what this module keeps in it."""
    return any(path.name not in (RECORD, LOCK) for path in folder.iterdir())


def settings_of(tree: Mapping[str, Any], keys: Keys) -> dict[str, Any]:
    """Dotted key -> value of all that decides the results; files and folders by their whole paths."""
    out: dict[str, Any] = {}
    own = whole_places(tree.get("output_dir"))
    for name, value in _leaves(tree, ""):
        if keys.is_path(name) and own is not None and whole_places(value) == own:
            continue  # where the results lie is no setting: the folder may be moved
        if decides(name):
            out[name] = whole_places(value) if keys.is_path(name) else value
    return out


def decides(name: str) -> bool:
    """Whether a key changes what is made; earlier versions noted others too.

    >>> decides("command.pipeline.detect.n_sigma"), decides("command.executor.limits.retries")
    (True, False)
    >>> decides("command.align.order"), decides("command.order")
    (True, False)
    >>> decides("sweep.sampler"), decides("sweep.trials"), decides("trials_on.limits.seconds")
    (True, False, False)
    >>> decides("acquisition.play.simulate.n"), decides("acquisition.labels.ratio")
    (True, False)
    """
    parts = name.split(".")
    own = name.removeprefix("command.")
    if own.startswith(_REMADE) and not own.startswith(_PLAYED):
        return False
    return not FREE.intersection(parts) and own not in _OWN_FREE and parts[-1] not in PARTS


def refuse_others(folder: Path, verb: Verb, settings: Mapping[str, Any], products: set[str]) -> None:
    """Refuse a folder that holds what another command made.

    Args:
        folder: perhaps not there.
        verb: that wants to write there.
        settings: its own.
        products: names of files by which a folder without a record is known as one of results.
    """
    fix = "choose another output_dir, or remove that folder"
    record = _read(folder / RECORD)
    if record is None:
        if not folder.is_dir():
            if folder.exists():
                raise UserError("output_dir=FOLDER", f"a file at {folder}", "choose another output_dir")
            return
        from astrid_ml.pipeline.sound import is_store

        kind = kind_at(folder)
        if kind != "a folder" or is_store(folder):
            raise UserError("an output folder of its own", f"{kind} at {folder}", fix)
        there = sorted(name for name in products if (folder / name).exists())
        if there:
            got = f"{folder} with {', '.join(there[:3])} of which nobody knows the settings"
            raise UserError("an output folder of its own", got, fix)
        # The record of an equal command may come to stand while this one looks; the look under the lock decides.
        if foreign := [name for name in of_others(folder) if name != RECORD]:
            got = f"{folder}, which holds other files: {held(folder, foreign)}"
            raise UserError("an output folder of its own, new or empty", got, "choose another output_dir")
        return
    if not _results(folder):
        return  # it was stopped before it wrote anything
    if record.get("verb") != verb.name:
        raise UserError("an output folder of its own", f"{folder} with results of astrid {record.get('verb')}", fix)
    told = changes(record.get("settings") or {}, settings)
    if told:
        got = f"{folder} with results of other settings ({told})"
        raise UserError("an output folder of its own (the same command again is welcome)", got, fix)


def changes(before: Mapping[str, Any], settings: Mapping[str, Any]) -> str:
    """What differs between the settings of two commands, up to three of them in words; empty where nothing does.

    Args:
        before: of the first.
        settings: of the second.
    """
    shared = [name for name in before if name in settings]
    changed = [name for name in shared if before[name] != settings[name] and not _moved(before[name])]
    shown = sorted(changed, key=lambda name: (name.count("."), name))[:3]
    return ", ".join(f"{name}: {_short(before[name])} -> {_short(settings[name])}" for name in shown)


def products_of(keys: Keys) -> set[str]:
    """Names of the files that a verb's ``output_dir`` gets, as its configuration says."""
    return {name for key in keys["output_dir"] for name in _PRODUCT.findall(key.comment)}


def _leaves(node: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    if isinstance(node, Mapping):
        for key, value in node.items():
            yield from _leaves(value, f"{prefix}.{key}" if prefix else str(key))
    else:
        yield prefix, node


def whole_places(value: Any) -> Any:
    """A path, or each of several, from the root of the file system."""
    if isinstance(value, list):
        return [whole_places(part) for part in value]
    # Not Path.resolve: it ends in a RuntimeError for a link that leads to itself.
    return os.path.realpath(Path(value).expanduser()) if isinstance(value, str) else value


def _moved(value: Any) -> bool:
    """Whether a former value names something that is no longer there: the files were moved, with their results."""
    places = value if isinstance(value, list) else [value]
    return bool(places) and all(isinstance(p, str) and p.startswith("/") and not Path(p).exists() for p in places)


def _short(value: Any) -> str:
    text = "null" if value is None else str(value)
    return text if len(text) <= 60 else f"...{text[-57:]}"


def _read(path: Path) -> dict[str, Any] | None:
    try:
        content = read_note(path)
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None
