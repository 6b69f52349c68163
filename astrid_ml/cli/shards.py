"""``shard=i/n`` and ``astrid publish``: jobs of a batch system share one result if they are the same command."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from astrid_ml.build import conf_folder, plain
from astrid_ml.cli.outputs import RECORD, changes, decides, owned_output, settings_of, whole_places
from astrid_ml.cli.verbs.catalogue import Verb, all_verbs
from astrid_ml.cli.verbs.keys import Keys, keys_of
from astrid_ml.errors import UserError
from astrid_ml.files import discard, read_note, write_json
from astrid_ml.found import found
from astrid_ml.layers import Folder
from astrid_ml.nearest import nearest
from astrid_ml.pipeline.engine import is_dataset
from astrid_ml.pipeline.shards import JOIN, SHARDS, share_of
from astrid_ml.pipeline.shares import joined_datasets, notes_of_name
from astrid_ml.printable import printable

COMMAND = "command-"  # begins the names of the files that keep what shards were typed with
# What decides a prepared dataset; the rest of that verb's configuration is about training.
OF_DATASETS = ("name", "preprocessing", "label", "simulate", "data", "paths.raw", "hash_inputs")


def note_command(cfg: Any, verb: Verb, conf: Folder) -> None:
    """Keep the command of a shard beside its results; refuse one that differs from that of the other shards.

    Args:
        cfg: the composed configuration.
        verb: that was typed.
        conf: the folder of the configuration.

    Raises:
        UserError: ``shard=`` is none, or other shards in that place were typed with other settings.
    """
    tree = plain(cfg)
    share = share_of(tree.get("shard"))
    if share is None or share.joins:
        return
    keys = keys_of(verb.config, conf)
    place, name = _place(tree, verb)
    path = place / SHARDS / f"{COMMAND}{name}.json"
    settings = {key: value for key, value in settings_of(tree, keys).items() if _decides(key, verb)}
    known = read_command(path) if path.is_file() else None
    if known is not None and known.get("of", share.of) != share.of:  # notes of earlier versions do not say it
        got = f"shard={share} in {place}, which was begun with shard=i/{known['of']}"
        fix = f"give shard=i/{known['of']}, or remove {path.parent} to begin anew"
        raise UserError("shards of one number", got, fix)
    before = {} if known is None else {key: value for key, value in known["settings"].items() if decides(key)}
    if known is not None and before != settings:
        changed = changes(before, settings) or f"another {', '.join(sorted(set(before) ^ set(settings))[:3])}"
        fix = f"give this shard the settings of the others, or remove {path.parent} to begin anew"
        raise UserError("shards of one configuration", f"others in {place} with {changed}", fix)
    path.parent.mkdir(parents=True, exist_ok=True)
    kept = {name: value for name, value in tree.items() if name not in ("trust", "hydra")}
    write_json(path, {"verb": verb.name, "of": share.of, "settings": settings, "config": absolute(kept, keys)})


def read_command(path: Path) -> dict[str, Any]:
    """What a shard has kept.

    Raises:
        UserError: it is damaged.
    """
    try:
        content = read_note(path)
        if isinstance(content["verb"], str) and isinstance(content["settings"], dict):
            return {**content, "config": dict(content["config"])}
    except (ValueError, TypeError, KeyError, RecursionError, OSError):
        pass
    raise UserError("the command of the shards", f"{path}, which cannot be read", "run one of the shards again")


def joined(config: Mapping[str, Any], trust: list[str]) -> dict[str, Any]:
    """The configuration with which the results of shards are joined: that of a shard, wherever ``shard`` stands in it.

    Args:
        config: of a shard.
        trust: classes that the user trusts now.
    """

    def replaced(node: Any) -> Any:
        if isinstance(node, Mapping):
            return {key: JOIN if key == "shard" else replaced(value) for key, value in node.items() if key != "trust"}
        return [replaced(part) for part in node] if isinstance(node, list) else node

    return {**replaced(config), "trust": trust}


def placed(config: Mapping[str, Any], verb: Verb, folder: Path) -> dict[str, Any]:
    """The configuration of a shard with the folder that is published as its place: it may have been moved or copied.

    Args:
        config: of a shard.
        verb: that was typed.
        folder: holds ``shards/``.
    """
    if verb.name == "prepare":
        return {**config, "paths": {**config["paths"], "data": str(folder.absolute())}}
    return {**config, "output_dir": str(folder.absolute())}


def absolute(tree: Any, keys: Keys, prefix: str = "") -> Any:
    """A configuration whose files and folders are named from the root of the file system.

    Args:
        tree: plain containers.
        keys: of the verb.
        prefix: of the names in ``tree``.
    """
    if isinstance(tree, Mapping):
        return {key: absolute(part, keys, f"{prefix}.{key}" if prefix else str(key)) for key, part in tree.items()}
    return whole_places(tree) if keys.is_path(prefix) else tree


def published(folder: Path, which: str | None = None) -> list[Path]:
    """What ``astrid publish`` has made of shards in a folder before, and still stands there whole.

    Args:
        folder: a store, or the output folder of a verb.
        which: name of the dataset, or of the verb; None for any.

    Returns:
        The output folder, or the datasets; not those that one command made alone.
    """
    try:
        record = read_note(folder / RECORD)
        if isinstance(record, dict) and record.get("published") and which in (None, record.get("verb")):
            return [folder]
    except (OSError, ValueError):
        pass
    return [place for place in joined_datasets(folder, which) if is_dataset(place)]


def _place(tree: Mapping[str, Any], verb: Verb) -> tuple[Path, str]:
    """The folder that shards share, and a name for their work in it."""
    if verb.name == "prepare":
        return Path(tree["paths"]["data"]), str(tree["name"])
    return Path(str(tree["output_dir"])), verb.name


def _decides(key: str, verb: Verb) -> bool:
    return verb.name != "prepare" or any(key == part or key.startswith(f"{part}.") for part in OF_DATASETS)


def command(cfg: Any) -> int:
    """``astrid publish input=DIR``: join what shards have done, with the command that they were typed with.

    The notes of that result go when it is published; typed again, it says what stands there.
    """
    tree = plain(cfg)
    folder, which = Path(tree["input"]), tree["which"]
    notes = {path.stem.removeprefix(COMMAND): path for path in sorted((folder / SHARDS).glob(f"{COMMAND}*.json"))}
    if (not notes or (which is not None and which not in notes)) and (there := published(folder, which)):
        print(printable(f"already published: {', '.join(map(str, there))}"))
        return 0
    if not notes:
        got = f"no {SHARDS}/ in {folder}" if folder.is_dir() else found(folder)
        fix = "give the output_dir of the shards, or their paths.data; or run them with shard=i/n first"
        raise UserError("input=FOLDER that commands with shard=i/n have filled", got, fix)
    names = ", ".join(notes)
    if which is not None and which not in notes:
        fix = nearest(str(which), notes) or f"write which={next(iter(notes))}"
        raise UserError(f"which= of {names}, whose shards are in {folder}", f"which={which}", fix)
    if which is None and len(notes) > 1:
        fix = f"write which={next(iter(notes))}"
        raise UserError("which=NAME of one of the results", f"{folder} with shards of {names}", fix)
    note = notes[which or names]
    known = read_command(note)
    conf = conf_folder()
    verb = all_verbs(conf).get(known["verb"])
    if verb is None or verb.name == "publish":
        raise UserError("shards of a verb of this version", str(known["verb"]), "run them with this version")
    config = placed(joined(known["config"], list(tree["trust"])), verb, folder)
    own = notes_of_name(folder, which or names) if verb.name == "prepare" else [*(folder / SHARDS).glob("*-of-*.json")]
    shards = sum(1 if path.is_file() else len([*path.glob("*-of-*.json")]) for path in own)
    print(printable(f"publishing what {shards} shards of {verb.name} have done"))
    run = importlib.import_module(f"astrid_ml.cli.{verb.module}").command
    with owned_output(config, verb, conf) if "output_dir" in config else nullcontext():
        code: int = run(config)
    if code == 0:
        for path in (*own, note):
            discard(path)
        if not any((folder / SHARDS).glob(f"{COMMAND}*.json")):  # shards of other results may still run
            discard(folder / SHARDS)
        if (folder / RECORD).is_file():
            write_json(folder / RECORD, {**read_note(folder / RECORD), "published": True})
    return code
