"""``astrid publish input=DIR``: what shards have done becomes one dataset or one result."""

from __future__ import annotations

import importlib
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from astrid_ml.build import conf_folder, plain
from astrid_ml.cli.outputs import owned_output
from astrid_ml.cli.shards import COMMAND, joined, read_command
from astrid_ml.cli.verbs.catalogue import all_verbs
from astrid_ml.errors import UserError
from astrid_ml.files import discard
from astrid_ml.found import found
from astrid_ml.pipeline.shards import SHARDS
from astrid_ml.printable import printable


def command(cfg: Any) -> int:
    """Join, with the command that the shards were typed with; their notes go when all is published."""
    tree = plain(cfg)
    folder = Path(tree["input"])
    notes = sorted((folder / SHARDS).glob(f"{COMMAND}*.json"))
    if tree["which"] is not None:
        notes = [path for path in notes if path.stem == f"{COMMAND}{tree['name']}"]
    if not notes:
        got = f"no {SHARDS}/ in {folder}" if folder.is_dir() else found(folder)
        fix = "give the output_dir of the shards, or their paths.data; or run them with shard=i/n first"
        raise UserError("input=FOLDER that commands with shard=i/n have filled", got, fix)
    if len(notes) > 1:
        names = ", ".join(path.stem.removeprefix(COMMAND) for path in notes)
        raise UserError("which=NAME of one of the results", f"{folder} with shards of {names}", "add which=")
    known = read_command(notes[0])
    conf = conf_folder()
    verb = all_verbs(conf).get(known["verb"])
    if verb is None or verb.name == "publish":
        raise UserError("shards of a verb of this version", str(known["verb"]), "run them with this version")
    config = joined(known["config"], list(tree["trust"]))
    print(
        printable(
            f"publishing what {len(list((folder / SHARDS).rglob('*-of-*.json')))} shards of {verb.name} have done"
        )
    )
    run = importlib.import_module(f"astrid_ml.cli.verbs.{verb.module}").command
    with owned_output(config, verb, conf) if "output_dir" in config else nullcontext():
        code: int = run(config)
    if code == 0:
        discard(folder / SHARDS)
    return code
