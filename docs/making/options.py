"""Pages of the site that the configuration writes: a page a group, a section an option, a row a key; a page a verb."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from inspect import getdoc
from pathlib import Path
from typing import Any

import griffe
import mkdocs_gen_files
import yaml
from hydra._internal.utils import _locate as _located
from mkdocs_gen_files.nav import Nav

from astrid_ml.build import conf_folder
from astrid_ml.cli.help import described, of_verb
from astrid_ml.cli.verbs.catalogue import all_verbs
from astrid_ml.config import option_names
from astrid_ml.values import fields_of, words_of

CONF = Path(str(conf_folder()))
_KEY = re.compile(r"^( *)([A-Za-z_][\w.]*):([^#]*)(?:#\s*(.*))?$")
_BASE = re.compile(r"^  - (?!_self_)(\w+)$", re.MULTILINE)
_PACKAGE = re.compile(r"^#\s*@package\s+(\S+)", re.MULTILINE)
OUTSIDE = {"torch", "pytorch_lightning", "torchmetrics"}  # documented by their own pages


@dataclass(frozen=True)
class Key:
    """A row: the key below its option, its default, what values it takes, what it means."""

    name: str
    default: str
    kind: str
    meaning: str


def groups() -> list[str]:
    """Folders of options, as they are typed."""
    found = {file.parent.relative_to(CONF).as_posix() for file in CONF.rglob("*.yaml") if file.parent != CONF}
    return sorted(found)


def keys_of(file: Path) -> list[Key]:
    """Keys of an option, with those of the options that it builds on."""
    node, said = _whole(file)
    return [
        Key(name, _shown(value), kind, said.get(name) or meaning) for name, value, (kind, meaning) in _leaves(node, "")
    ]


def _whole(file: Path) -> tuple[dict[str, Any], dict[str, str]]:
    """What an option says with its bases, and the comments of its keys."""
    text = file.read_text(encoding="utf-8")
    node: dict[str, Any] = {}
    said: dict[str, str] = {}
    for base in _BASE.findall(text):
        if (other := file.with_name(f"{base}.yaml")).is_file():
            before, words = _whole(other)
            node, said = _merged(node, before), said | words
    return _merged(node, yaml.safe_load(text) or {}), said | dict(_comments(text))


def _merged(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Two nodes, the second over the first, as Hydra lays them."""
    out = dict(under)
    for name, value in over.items():
        both = isinstance(value, dict) and isinstance(out.get(name), dict)
        out[name] = _merged(out[name], value) if both else value
    return out


def _leaves(node: Mapping[str, Any], place: str) -> Iterator[tuple[str, Any, tuple[str, str]]]:
    """(key, default, (kind, meaning) where its class tells) of each leaf."""
    target = node.get("_target_")
    known = _told(str(target)) if target else {}
    for name, value in node.items():
        if name in ("defaults", "hydra", "command") or str(name).startswith("_"):
            continue
        inner = isinstance(value, dict) and value and ("_target_" in value or name not in known)
        if inner:
            yield from _leaves(value, f"{place}{name}.")
        else:
            yield f"{place}{name}", value, known.get(str(name), ("", ""))


def _told(target: str) -> dict[str, tuple[str, str]]:
    """Parameter -> (kind, meaning) of a class or function of ours."""
    if target.partition(".")[0] in OUTSIDE:
        return {}
    thing = _located(target)
    hints = fields_of(thing)
    parts = griffe.Docstring(getdoc(thing) or "", lineno=1).parse("google", warnings=False)
    meanings = {
        one.name: " ".join(one.description.split())
        for part in parts
        if part.kind is griffe.DocstringSectionKind.parameters
        for one in part.value
    }
    for names in [name for name in meanings if "," in name]:
        meanings |= {name.strip(): meanings[names] for name in names.split(",")}
    return {name: (_kind(hints.get(name)), meanings.get(name, "")) for name in {*hints, *meanings}}


def _kind(hint: object) -> str:
    return "" if hint is None else words_of(hint) or ""


def _comments(text: str) -> Iterator[tuple[str, str]]:
    """(key, comment in its line) of a YAML file of blocks."""
    place: list[tuple[int, str]] = []
    for line in text.splitlines():
        match = _KEY.match(line)
        if match is None:
            continue
        depth, name, _, comment = len(match[1]), match[2], match[3], match[4]
        place = [(at, above) for at, above in place if at < depth] + [(depth, name)]
        if comment:
            yield ".".join(above for _, above in place), comment


def _shown(value: object) -> str:
    text = yaml.safe_dump(value, default_flow_style=True, width=10**6).strip().removesuffix("...").strip()
    return text if len(text) <= 80 else f"{text[:77]}..."


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("``", "`").replace("\n", " ")


@cache
def addresses() -> dict[str, str]:
    """Address in a whole configuration -> meaning, of all keys that say one: experiments set keys of other groups."""
    found: dict[str, str] = {}
    for group in groups():
        for option in option_names(CONF / group):
            file = CONF / group / f"{option}.yaml"
            stated = _PACKAGE.search(file.read_text(encoding="utf-8"))
            place = stated[1] if stated else group.replace("/", ".")
            before = "" if place == "_global_" else f"{place}."
            found |= {f"{before}{key.name}": key.meaning for key in keys_of(file) if key.meaning}
    for file in CONF.glob("*.yaml"):
        found |= {name: words for name, words in _comments(file.read_text(encoding="utf-8")) if name not in found}
    return found


def meaning_of(group: str, key: Key) -> str:
    """What a key says of itself, or the same key where its class is named."""
    before = "" if group == "experiment" else f"{group.replace('/', '.')}."
    return key.meaning or addresses().get(f"{before}{key.name}", "")


def page_of(group: str) -> str:
    """Markdown of one group."""
    lines = [f"# {group}", ""]
    for option in option_names(CONF / group):
        file = CONF / group / f"{option}.yaml"
        lines += [f"## {option}", "", described(file) or "Nothing of this kind.", "", f"`{group}={option}`", ""]
        keys = [key for key in keys_of(file) if not (option == "none" and key.default == "null")]
        if keys:
            lines += [*_table(group, keys), ""]
    return "\n".join(lines)


def _table(group: str, keys: Sequence[Key]) -> list[str]:
    typed = any(key.kind for key in keys)
    heads = ["key", "default", *(["takes"] if typed else []), "meaning"]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for key in keys:
        kind = [_cell(key.kind)] if typed else []
        cells = [f"`{key.name}`", f"`{_cell(key.default)}`", *kind, _cell(meaning_of(group, key))]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def write_options() -> None:
    """A page for each group, and the menu of them."""
    menu = Nav()  # type: ignore[no-untyped-call]
    for group in groups():
        place = f"{group.replace('/', '-')}.md"
        menu[tuple(group.split("/"))] = place
        with mkdocs_gen_files.open(f"options/{place}", "w") as page:
            page.write(page_of(group))
    with mkdocs_gen_files.open("options/menu.md", "w") as file:
        file.writelines(menu.build_literate_nav())


def write_commands() -> None:
    """A page for each verb, one of all, and the menu of them."""
    rows = ["# Commands", "", "| command | does |", "|---|---|"]
    menu = Nav()  # type: ignore[no-untyped-call]
    menu["All"] = "index.md"
    for verb in all_verbs(CONF).values():
        rows.append(f"| [`astrid {verb.name}`]({verb.name}.md) | {_cell(verb.summary)} |")
        menu[verb.name] = f"{verb.name}.md"
        text = f"# {verb.name}\n\nWhat `astrid {verb.name} --help` says.\n\n```text\n{of_verb(verb, CONF)}\n```\n"
        with mkdocs_gen_files.open(f"commands/{verb.name}.md", "w") as page:
            page.write(text)
    with mkdocs_gen_files.open("commands/index.md", "w") as page:
        page.write("\n".join(rows) + "\n")
    with mkdocs_gen_files.open("commands/menu.md", "w") as file:
        file.writelines(menu.build_literate_nav())


if __name__ in ("__main__", "<run_path>"):
    write_options()
    write_commands()
