"""What keys a verb has: read from the files of the configuration that it can compose, with their comments and types.

Nothing is composed or built for it, so that help and messages answer at once.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import yaml
from yaml.constructor import SafeConstructor

from astrid_ml.config import option_names
from astrid_ml.errors import UserError
from astrid_ml.layers import Folder

# The parser in C where there is one: messages and completion wait for this.
LOADER: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
# A comment that begins so says that the value is a place; "of fluxes in files that ..." is about something else.
_FILE = re.compile(r"(file|files|folder|folders)\b")
_FILES = re.compile(r"(files|folders)\b")
_PACKAGE = re.compile(r"^#\s*@package\s+(\S+)", re.MULTILINE)
_REFERENCE = re.compile(r"^\$\{([\w.]+)\}$")
# Names that keys had before; they are read, and written nowhere.
FORMER = {
    ("audit", "checks"): "audit",
    ("baseline", "run"): "run_dir",
    ("croissant", "path"): "dataset",
    ("import_weights", "source"): "input",
    ("import_weights", "output"): "ckpt_path",
    ("score_ramps", "load"): "preprocessing.load",
    ("score_ramps", "precision"): "preprocessing.precision",
}


@dataclass(frozen=True)
class Key:
    """A key as one file declares it.

    Args:
        name: dotted, from the top of the configuration.
        value: as YAML gives it; a dictionary for a node.
        comment: behind it on its line.
        target: the class that the node around it names; empty for none.
        shown: how the file writes it, for help.
        option: the file without its suffix, from the top of the configuration: ``simulate/ramps``.
    """

    name: str
    value: Any
    comment: str = ""
    target: str = ""
    shown: str = ""
    option: str = ""

    @property
    def is_path(self) -> bool:
        """Whether it names a file or a folder: its field can hold a text, and the comment begins with the word."""
        if not _FILE.match(self.comment) or isinstance(self.value, bool | int | float):
            return False
        from astrid_ml.written import may_be_text  # numpy with it

        return not self.target or may_be_text(self.target, self.name.rpartition(".")[2]) or self.is_texts()

    @property
    def is_open(self) -> bool:
        """Whether further keys may stand below it: ``{}``."""
        return isinstance(self.value, dict) and not self.value

    def is_texts(self) -> bool:
        """Whether the class's field takes several texts."""
        from astrid_ml.written import takes_text  # numpy with it

        return bool(self.target) and takes_text(self.target, self.name.rpartition(".")[2], several=True)

    def takes_number(self) -> bool:
        """Whether the class's field takes a number."""
        from astrid_ml.written import takes_number  # numpy with it

        return bool(self.target) and takes_number(self.target, self.name.rpartition(".")[2])

    def is_text(self) -> bool:
        """Whether the class's field takes text."""
        from astrid_ml.run.settings import PLAIN_NODES  # numpy with it: help and the first word need neither
        from astrid_ml.values import fields_of
        from astrid_ml.written import is_text, takes_text

        node, _, last = self.name.rpartition(".")
        plain = fields_of(PLAIN_NODES[node]) if node in PLAIN_NODES else {}
        return is_text(plain[last]) if last in plain else bool(self.target) and takes_text(self.target, last)


@dataclass
class Keys:
    """All keys of a verb, or those that it has with some options.

    Args:
        verb: the primary configuration's name.
        conf: the folder of the configuration.
        chosen: group -> its options; of other groups the default counts. None: every option of every group.
        found: name -> its declarations; filled when it is made.
        groups: of which the verb takes an option.
    """

    verb: str
    conf: Folder
    chosen: Mapping[str, Sequence[str]] | None = None
    found: dict[str, list[Key]] = field(default_factory=dict)
    groups: set[str] = field(default_factory=set)
    _seen: set[tuple[Folder, str]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._read(self.conf / f"{self.verb}.yaml", "")

    def __getitem__(self, name: str) -> list[Key]:
        """Every declaration of a key; empty where nobody declares it."""
        return self.found.get(name, [])

    @property
    def names(self) -> list[str]:
        """All names, sorted."""
        return sorted(self.found)

    def is_path(self, name: str) -> bool:
        """Whether a key is a file or a folder."""
        return any(key.is_path for key in self[name])

    def is_text(self, name: str) -> bool:
        """Whether a key takes text: by every class that may get it, perhaps by way of ``${name}``."""
        typed = [key for key in (*self[name], *self._users.get(name, ())) if key.target]
        own = [
            key for key in typed if not (isinstance(key.value, str) and _REFERENCE.match(key.value)) or key.is_text()
        ]
        return bool(own) and all(key.is_text() for key in own)

    def takes_number(self, name: str) -> bool:
        """Whether a class that gets a key takes a number."""
        return any(key.takes_number() for key in (*self[name], *self._users.get(name, ())))

    def takes_list(self, name: str) -> bool:
        """Whether a key takes several texts: by its comment (*files*, *folders*) or by the class that gets it."""
        keys = (*self[name], *self._users.get(name, ()))
        return any(_FILES.match(key.comment) or isinstance(key.value, list) or key.is_texts() for key in keys)

    def path_of_node(self, name: str) -> str | None:
        """``science.path`` for a node ``science`` whose own value is a file; None for other keys."""
        inner = f"{name}.path"
        if (self.conf / name).is_dir():  # a group: label=table chooses an option
            return None
        return inner if any(isinstance(key.value, dict) for key in self[name]) and self.is_path(inner) else None

    def is_open(self, name: str) -> bool:
        """Whether a key lies below a node that takes any key."""
        parts = name.split(".")
        above = [".".join(parts[:n]) for n in range(1, len(parts))]
        return name not in self.found and any(key.is_open for place in above for key in self[place])

    @cached_property
    def _users(self) -> dict[str, list[Key]]:
        """Key -> the keys of classes that take its value."""
        users: dict[str, list[Key]] = {}
        for keys in self.found.values():
            for key in keys:
                used = _REFERENCE.match(key.value) if isinstance(key.value, str) else None
                if used:
                    users.setdefault(used.group(1), []).append(key)
        return users

    def _read(self, path: Folder, package: str) -> None:
        if (path, package) in self._seen or not path.is_file():
            return
        self._seen.add((path, package))
        text = path.read_text(encoding="utf-8")
        content = content_of(text, path)
        option = path.relative_to(self.conf).with_suffix("").as_posix()
        if package:  # an option: the place that it is mounted at is a node
            self.found.setdefault(package, []).append(Key(package, content, option=option))
        for key in keys_of_text(text, package):
            self.found.setdefault(key.name, []).append(replace(key, option=option))
        for item in content.get("defaults") or []:
            self._follow(item, path, package)

    def _follow(self, item: Any, path: Folder, package: str) -> None:
        """Read what an entry of a defaults list names: of a group all options that may be chosen."""
        group = path.parent.relative_to(self.conf).as_posix()
        if isinstance(item, str):
            if item == "_self_":
                return
            place = self.conf / item[1:] if item.startswith("/") else path.parent / item
            text = place.with_suffix(".yaml").read_text("utf-8") if place.with_suffix(".yaml").is_file() else ""
            self._read(place.with_suffix(".yaml"), package_of(text, place.parent, self.conf, package))
            return
        for name, default in item.items():
            if name.startswith(("override hydra", "hydra")) or (self.chosen is not None and "override " in name):
                continue
            name, _, mount = str(name).removeprefix("override ").partition("@")
            self.groups.add(name.lstrip("/"))
            folder = (self.conf if name.startswith("/") or group == "." else self.conf / group) / name.lstrip("/")
            for option in self._options(folder, mount, default):
                stated = mount.removeprefix("_global_.") if mount else ""
                self._read(option, stated or package_of(option.read_text("utf-8"), folder, self.conf, ""))

    def _options(self, folder: Folder, mount: str, default: Any) -> list[Folder]:
        """Files of a group that count: all, or those that are chosen."""
        if self.chosen is None:
            return sorted(folder.glob("*.yaml"), key=lambda option: option.name)
        group = folder.relative_to(self.conf).as_posix()
        names = self.chosen.get(f"{group}@{mount}" if mount else group)
        if names is None:
            names = [] if default is None else [str(default)] if not isinstance(default, list) else default
        return [folder / f"{name}.yaml" for name in names]

    def homes(self, name: str) -> dict[str, list[str]]:
        """Group -> its options that declare a key, by themselves or by what they build on."""
        homes: dict[str, list[str]] = {}
        for option in dict.fromkeys(key.option for key in self[name] if "/" in key.option):
            group = option.rpartition("/")[0]
            heirs = [
                heir for heir in option_names(self.conf / group) if option in bases_of(f"{group}/{heir}", self.conf)
            ]
            homes[group] = sorted({*homes.get(group, []), *heirs})
        return {group: options for group, options in homes.items() if options}


def bases_of(option: str, conf: Folder) -> list[str]:
    """An option and all that it builds on, ``simulate/ramps_light`` and ``simulate/ramps``; each after its heirs."""
    found = [option]
    for name in found:  # it grows meanwhile; a circle ends
        for item in _defaults(name, conf):
            if isinstance(item, str) and item != "_self_":
                base = item[1:] if item.startswith("/") else "/".join([*name.split("/")[:-1], item])
                found += [base] if base not in found else []
    return found


def overridden(option: str, conf: Folder) -> dict[str, list[str]]:
    """Group -> the options that a file and those that it builds on put in the place of others (``override /a: b``)."""
    out: dict[str, list[str]] = {}
    for name in reversed(bases_of(option, conf)):
        for item in _defaults(name, conf):
            for group, value in item.items() if isinstance(item, dict) else ():
                if str(group).startswith("override ") and value is not None:
                    names = value if isinstance(value, list) else [value]
                    out[str(group).removeprefix("override ").strip().lstrip("/")] = [str(part) for part in names]
    return out


def _defaults(option: str, conf: Folder) -> list[Any]:
    """The defaults list of a file; empty where it has none."""
    path = conf / f"{option}.yaml"
    found = content_of(path.read_text("utf-8"), path).get("defaults") if path.is_file() else None
    return found if isinstance(found, list) else []


def content_of(text: str, path: Folder) -> dict[str, Any]:
    """What a file of configuration says; an empty one says nothing.

    Raises:
        UserError: it is no YAML, or holds no keys.
    """
    try:
        content = yaml.load(text, Loader=LOADER)
    except yaml.YAMLError as error:
        raise UserError(f"YAML in {path}", " ".join(str(error).split()), "correct that file") from error
    if not isinstance(content, dict | None):
        raise UserError(f"keys and values in {path}", type(content).__name__, "write key: value there")
    return content or {}


@functools.lru_cache(maxsize=4)
def keys_of(verb: str, conf: Folder) -> Keys:
    """The keys of a verb, read once in a command."""
    return Keys(verb, conf)


def package_of(text: str, folder: Folder, conf: Folder, inherited: str) -> str:
    """Where an option's keys stand: by its ``@package`` line, else by its group; a base takes the place of its heir."""
    stated = _PACKAGE.search(text)
    if stated:
        return "" if stated.group(1) == "_global_" else stated.group(1)
    group = folder.relative_to(conf).as_posix()
    return inherited or ("" if group == "." else group.replace("/", "."))


def keys_of_text(text: str, package: str) -> Iterator[Key]:
    """The keys of one file, nodes included, each with the comment on its line."""
    lines = text.splitlines()
    root = yaml.compose(text, Loader=LOADER)
    if root is not None:
        yield from _keys_of_node(root, package, lines)


def _keys_of_node(node: Any, prefix: str, lines: list[str]) -> Iterator[Key]:
    if not isinstance(node, yaml.MappingNode):
        return
    target = next((v.value for k, v in node.value if k.value == "_target_"), "")
    for key, value in node.value:
        if key.value in ("defaults", "hydra", "_target_", "_partial_"):
            continue
        name = f"{prefix}.{key.value}" if prefix else str(key.value)
        line = lines[key.start_mark.line]
        comment = line.partition("#")[2].strip()
        yield Key(name, _plain(value), comment, target, line.strip())
        yield from _keys_of_node(value, name, lines)


def _plain(node: Any) -> Any:
    """The value of a YAML node."""
    return SafeConstructor().construct_document(node)
