"""``astrid completion bash|zsh|fish``: the script of a shell, and the words that it asks for while the user types.

The words come from the files of configuration: nothing is composed, and no class is imported.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from astrid_ml.cli.given import configuration_of
from astrid_ml.cli.help import described, groups_of
from astrid_ml.cli.overrides import choices_of, domain_of, slots_of
from astrid_ml.cli.verbs.catalogue import Verb, all_verbs
from astrid_ml.cli.verbs.keys import Keys
from astrid_ml.config import configuration, option_names
from astrid_ml.errors import UserError
from astrid_ml.layers import Folder
from astrid_ml.nearest import nearest
from astrid_ml.option_files import content_of

SHELLS = ("bash", "zsh", "fish")
FLAGS = ("--cfg", "--config-dir=", "--help", "--info", "--multirun", "--package", "--resolve")
_FOLDER_FLAG = re.compile(r"--config-dir=|-cd=")
# (word, what it is): a shell shows the second beside the first.
Word = tuple[str, str]
HELP = """astrid completion bash|zsh|fish

Prints a script for your shell: it completes verbs, options and keys. Its first lines say where it belongs.

  source <(astrid completion bash)      # for this shell alone
"""


def completion(arguments: Sequence[str]) -> str:
    """What ``astrid completion ...`` prints.

    Args:
        arguments: the name of a shell; or ``words``, ``--`` and what was typed behind ``astrid``, the last unfinished.

    Raises:
        UserError: no shell, or one that is not known.
    """
    if arguments[:1] == ["words"]:
        typed = list(arguments[1:])
        return "".join(f"{word}\t{told}\n" for word, told in words(typed[1:] if typed[:1] == ["--"] else typed))
    if list(arguments) in (["--help"], ["-h"]):
        return HELP
    if len(arguments) == 1 and arguments[0] in SHELLS:
        return (Path(__file__).parent / "shells" / f"astrid.{arguments[0]}").read_text(encoding="utf-8")
    got = " ".join(arguments)
    raise UserError(
        "astrid completion bash, zsh or fish",
        got or "no shell",
        nearest(got, SHELLS) or "choose one; the first lines of what is printed say how to use it",
    )


def words(typed: Sequence[str]) -> list[Word]:
    """What may stand in place of the last of the words behind ``astrid``, as far as it is typed."""
    done, last = [unquoted(word) for word in typed[:-1]], unquoted(typed[-1]) if typed else ""
    try:
        conf = configuration_of(done)
    except UserError:
        conf = configuration()
    verbs = all_verbs(conf)
    if not done:
        found = [(verb.name, verb.summary) for verb in verbs.values()]
        found += [("completion", "for bash, zsh or fish"), ("--help", ""), ("--version", "")]
    elif done[0] == "completion":
        found = [(shell, "") for shell in SHELLS]
    elif done[0] in verbs:
        found = list(_of_verb(verbs[done[0]], conf, done[1:], last))
    else:
        found = []
    fitting = {word: told for word, told in found if word.startswith(last)}
    return sorted(fitting.items())


def unquoted(word: str) -> str:
    """A word as the shell would hand it over, where it may still be unfinished.

    >>> unquoted("'night 1/"), unquoted(r"night\\ 1/a")
    ('night 1/', 'night 1/a')
    """
    return re.sub(r"\\(.)|['\"]", lambda match: match.group(1) or "", word)


def _of_verb(verb: Verb, conf: Folder, done: Sequence[str], last: str) -> Iterator[Word]:
    flag = _FOLDER_FLAG.match(last)
    if flag or (done and done[-1] in ("--config-dir", "-cd")):
        yield from paths(last, flag.group() if flag else "", folders=True)
    elif last.startswith("-"):
        yield from ((name, "") for name in FLAGS)
    elif "=" in last:
        yield from _values(verb, conf, done, last)
    else:
        if verb.name == "new" and not any("=" not in word and not word.startswith("-") for word in done):
            kinds = content_of(Path(__file__).parents[1] / "skeletons" / "kinds.yaml")
            yield from ((name, str(kind["sentence"])) for name, kind in kinds.items())
        yield from _names(verb, conf, done, last)


def _names(verb: Verb, conf: Folder, done: Sequence[str], last: str) -> Iterator[Word]:
    """Groups, slots and keys of the options that are chosen, keys up to their next dot."""
    plus = re.match(r"\+*", last)
    before = plus.group() if plus else ""
    start = last.removeprefix(before)
    for name in _groups(verb, conf, done):
        if name.count("/") < 2 or start.count("/") > 1:  # slots by their short names, unless the long one is begun
            yield f"{before}{name}=", "one of its options"
    choices = choices_of(done, verb.config, conf)
    if verb.name == "simulate":  # until a kind is chosen, the keys of all kinds
        choices.setdefault("simulate", option_names(conf / "simulate"))
    keys = Keys(verb.config, conf, choices)
    for name in keys.names:
        if not name.startswith(start) or name.split(".")[0] == "command":  # how a verb is built is nobody's key
            continue
        part = name[: name.find(".", len(start))] if "." in name[len(start) :] else name
        comment = next((key.comment for key in keys[name] if key.comment), "")
        if part != name or any(isinstance(key.value, dict) for key in keys[name]):
            yield f"{before}{part}.", ""
        if part == name and (keys.path_of_node(name) or not isinstance(keys[name][0].value, dict)):
            yield f"{before}{name}=", comment


def _values(verb: Verb, conf: Folder, done: Sequence[str], last: str) -> Iterator[Word]:
    """Options of a group, files of a path, true and false."""
    key, _, value = last.partition("=")
    groups = _groups(verb, conf, done)
    name = key.lstrip("+")
    if name in groups:
        before = last[: last.rfind(",") + 1] if "," in value else f"{key}="  # of a sweep
        folder = groups[name]
        for option in option_names(folder):
            yield before + option, described(folder / f"{option}.yaml")
        return
    keys = Keys(verb.config, conf)
    place = keys.path_of_node(name) or name
    if keys.is_path(place):
        comments = [declared.comment for declared in keys[place] if declared.is_path]
        element = re.match(r"\[(?:.*,)?", value)
        before = f"{key}={element.group() if element else ''}"
        yield from paths(last, before, folders=all(re.match(r"folders?\b(?! or file)", text) for text in comments))
    elif any(isinstance(declared.value, bool) for declared in keys[name]):
        yield from ((f"{key}={word}", "") for word in ("false", "true"))


def _groups(verb: Verb, conf: Folder, done: Sequence[str]) -> dict[str, Folder]:
    """Group -> the folder of its options, under the names that a user types."""
    groups = {name: conf / name for name, _ in groups_of(verb, conf)}
    if any(name.startswith("preprocessing") for name in groups):
        domain = domain_of(done, conf, verb.config)
        slots = slots_of(domain, conf)
        groups |= {f"preprocessing/{slot}": conf / "preprocessing" / str(domain) / slot for slot in slots}
    if verb.name == "simulate":
        groups["what"] = conf / "simulate"
    return groups


def paths(last: str, before: str, folders: bool = False) -> Iterator[Word]:
    """Files and folders that begin as the word does.

    Args:
        last: the word so far.
        before: what stands in it before the path.
        folders: only these.
    """
    head, slash, start = last.removeprefix(before).rpartition("/")
    try:
        entries = sorted(os.scandir(os.path.expanduser(head) or slash or "."), key=lambda entry: entry.name)
    except OSError:
        return
    for entry in entries:
        if entry.name.startswith(start) and (start or not entry.name.startswith(".")):
            if entry.is_dir():
                yield f"{before}{head}{slash}{entry.name}/", "folder"
            elif not folders:
                yield f"{before}{head}{slash}{entry.name}", "file"
