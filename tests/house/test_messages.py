"""A message that tells the user to set a key names one that can be set, in every verb from which it can be reached."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache

from house import ROOT, House

from astrid_ml.build import conf_folder
from astrid_ml.cli.verbs.catalogue import all_verbs
from astrid_ml.cli.verbs.keys import Keys

KEY = re.compile(r"(?<![\w./-])([a-z_]+(?:\.[a-z_0-9]+)*)=(?![=\s])")
# A message that names another verb's command line is about that verb.
COMMAND = re.compile(r"astrid (\w[\w-]*) [^;,)]*")
CONF = conf_folder()
# What the framework says of its own verbs' keys stands where only they pass; the sciences know no verb.
SCIENCES = ("astrid_ml.preprocessing.", "astrid_ml.datamodules.", "astrid_ml.models.")


def texts(tree: ast.AST) -> Iterator[str]:
    """Texts of every ``UserError(...)``; what an f-string computes is an X."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "UserError":
            for argument in node.args:
                yield from _parts(argument)


def _parts(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.JoinedStr):
        yield "".join(str(v.value) if isinstance(v, ast.Constant) else "X" for v in node.values)
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    else:
        for child in ast.iter_child_nodes(node):
            yield from _parts(child)


@cache
def keys_of(verb: str) -> Keys:
    return Keys(verb, CONF)


def reachable(house: House, verb: str) -> set[str]:
    """Modules that a verb may run: those of its own targets, with all that they import."""
    start = {verb_module(verb)} | {
        key.target.rpartition(".")[0] for keys in keys_of(verb).found.values() for key in keys if key.target
    }
    todo, found = [name for name in start if name in house.modules], set()
    while todo:
        name = todo.pop()
        if name not in found:
            found.add(name)
            todo += [other for other in house.imports[name] if other in house.modules]
    return found


def verb_module(verb: str) -> str:
    return (
        f"astrid_ml.cli.verbs.{verb if verb in ('train', 'prepare', 'predict', 'evaluate', 'simulate') else 'domain'}"
    )


def test_every_key_that_a_message_names_can_be_set() -> None:
    house, wrong = House(ROOT), []
    said = {name: [t for t in texts(house.modules[name].tree) if KEY.search(t)] for name in house.modules}
    for verb in sorted({verb.config for verb in all_verbs(CONF).values()} - {"doctor"}):
        keys = keys_of(verb)
        for module in sorted(name for name in reachable(house, verb) if name.startswith(SCIENCES)):
            if verb == "simulate" and "simulat" not in module:  # it imports what it makes files for, and reads nothing
                continue
            if ".commands." in module and not module.endswith(f".{verb}") and verb == "acquire":
                continue  # it subtracts with the command of another verb, whose keys it fills itself
            for text in said[module]:
                named = KEY.findall(COMMAND.sub("", text))
                good = [key for key in named if key in keys.names or keys.is_open(key) or (CONF / key).is_dir()]
                if named and not good:
                    wrong.append(f"{verb}: {module}: {text}")
    assert not wrong, "\n".join(wrong)
