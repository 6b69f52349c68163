"""Packages that add options: each announces itself by an entry point ``astrid_ml.plugins`` and is found when installed.

The entry point's value names a package that holds a folder ``conf/``, laid out as ours. Nothing of it is imported to
find it: a package that is broken costs a line, and only what a user chooses from it is ever run.
"""

from __future__ import annotations

import functools
import importlib.util
import os
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from astrid_ml.identity import FORMER_TOP_LEVEL, targets

if TYPE_CHECKING:
    import importlib.metadata

GROUP = "astrid_ml.plugins"
OURS = Path(__file__).parent / "conf"
# Words that the command line keeps for itself, beside the verbs that stand in conf/.
KEPT = ("completion", "help", "new")
_DOTTED = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", re.ASCII)


@dataclass(frozen=True)
class Plugin:
    """An installed package that announces options.

    Args:
        name: of its entry point.
        package: that the entry point names.
        distribution: what ``pip`` installed.
        version: of the distribution.
        conf: its folder of options; None where it has none.
        faults: why it is left out; empty for a sound one.
    """

    name: str
    package: str
    distribution: str
    version: str
    conf: Path | None = None
    faults: tuple[str, ...] = ()

    @property
    def files(self) -> tuple[Path, ...]:
        """Its files of configuration, sorted."""
        return yaml_files(self.conf) if self.conf else ()

    @property
    def options(self) -> list[str]:
        """Its options and commands by their groups, ``model/own``; bases of others (``_base``) are none."""
        names = [path.relative_to(self.conf).with_suffix("").as_posix() for path in self.files if self.conf]
        return [name for name in names if not name.rpartition("/")[2].startswith("_")]

    @functools.cached_property
    def classes(self) -> frozenset[str]:
        """Classes of its own package that its files name: they may be built as ours may.

        What else they name (a class of torch, of another package) is trusted by the user or not at all: a checkpoint
        that a stranger made could ask for it with values of its own.
        """
        found = {target for path in self.files for target in targets(_content(path))}
        own = f"{self.package}."
        return frozenset(target for target in found if _DOTTED.fullmatch(target) and target.startswith(own))

    def said(self) -> str:
        """Why it is left out, in one line."""
        more = f" (and {len(self.faults) - 1} more: see astrid doctor)" if len(self.faults) > 1 else ""
        return f"the plugin {self.name} ({self.distribution} {self.version}) is left out: {self.faults[0]}{more}"


@functools.cache
def announced() -> tuple[Plugin, ...]:
    """All packages that announce themselves, the broken ones too, by their names."""
    if not _any_record():
        return ()
    import importlib.metadata

    found: list[Plugin] = []
    points = importlib.metadata.entry_points(group=GROUP)
    for point in sorted(points, key=lambda point: (point.name, point.dist.name if point.dist else "")):
        plugin = _located(point)
        if not plugin.faults:
            others = {"astrid_ml": OURS, **{p.name: p.conf for p in found if p.conf and not p.faults}}
            plugin = replace(plugin, faults=tuple(_faults_of(plugin, others)))
        found.append(plugin)
    return tuple(found)


def sound() -> tuple[Plugin, ...]:
    """Those whose options can be chosen."""
    return tuple(plugin for plugin in announced() if not plugin.faults)


def broken() -> tuple[Plugin, ...]:
    """Those that are left out."""
    return tuple(plugin for plugin in announced() if plugin.faults)


def _any_record() -> bool:
    """Whether any installed package mentions the group.

    The library that reads records takes longer to import than ``astrid --help`` takes: without plugins it is not asked.
    """
    for place in dict.fromkeys(sys.path):
        with suppress(OSError), os.scandir(place or ".") as entries:
            for entry in entries:
                if entry.name.endswith((".dist-info", ".egg-info")) and _mentions(f"{entry.path}/entry_points.txt"):
                    return True
    return False


def _mentions(record: str) -> bool:
    try:
        with open(record, "rb") as stream:
            return GROUP.encode() in stream.read()
    except OSError:
        return False


def package_folder(package: str) -> Path:
    """Where a package stands; no code of it is run.

    Raises:
        ValueError: there is none of that name, or it is a single file.
    """
    top, *rest = package.split(".")
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError, AttributeError):
        spec = None
    if spec is None:
        raise ValueError(f"there is no package {top}")
    for place in spec.submodule_search_locations or ():
        folder = Path(place).joinpath(*rest)
        if folder.is_dir():
            return folder
    raise ValueError(f"{package} is no package: it has no folder")


def yaml_files(conf: Path) -> tuple[Path, ...]:
    """Files of configuration in a folder, sorted."""
    return tuple(sorted(path for path in conf.rglob("*.yaml") if path.is_file()))


def shadowed(conf: Path, others: Iterable[Path]) -> Iterator[tuple[Path, Path]]:
    """Files of a folder that another one before it has under the same name, with other content: (its, the other's).

    Hydra takes the first of the two and says nothing: a choice by that name would not be what its author wrote.
    """
    for other in others:
        for path in yaml_files(other):
            own = conf / path.relative_to(other)
            if own.is_file() and own.read_bytes() != path.read_bytes():
                yield own, path


def _located(point: importlib.metadata.EntryPoint) -> Plugin:
    """A plugin and its folder, or why it has none."""
    distribution = point.dist.name if point.dist else "?"
    version = point.dist.version if point.dist else "?"
    plugin = Plugin(point.name, point.value, str(distribution), str(version))
    if not _DOTTED.fullmatch(point.value):
        return replace(plugin, faults=(f"its entry point names {point.value!r} and not a package",))
    if point.value.split(".")[0] in ("astrid_ml", *FORMER_TOP_LEVEL):
        return replace(plugin, faults=(f"its package {point.value} has a name that astrid_ml keeps for itself",))
    try:
        conf = package_folder(point.value) / "conf"
    except ValueError as error:
        return replace(plugin, faults=(str(error),))
    if not conf.is_dir():
        return replace(plugin, faults=(f"the package {point.value} has no folder conf/",))
    return replace(plugin, conf=conf)


def _faults_of(plugin: Plugin, others: dict[str, Path]) -> Iterator[str]:
    """What is wrong with its files."""
    assert plugin.conf is not None
    if not plugin.files:
        yield f"the folder conf/ of {plugin.package} holds no option: no .yaml file"
    for path in plugin.files:
        name = path.relative_to(plugin.conf).as_posix()
        if reason := unreadable(path):
            yield f"conf/{name}: {reason}"
        if name.removesuffix(".yaml") in KEPT:
            yield f"conf/{name}: the command line keeps that name for itself"
        owner = next((owner for owner, conf in others.items() if (conf / name).is_file()), None)
        if owner:
            yield f"conf/{name} has the name of one of {owner}: give it a name of its own"


def unreadable(path: Path) -> str:
    """Why a file is no file of configuration; empty where it is one."""
    import yaml

    try:
        content = _content(path)
    except OSError as error:
        return str(error.strerror)
    except UnicodeDecodeError:
        return "no text in UTF-8"
    except yaml.YAMLError as error:
        return f"no YAML: {' '.join(str(error).split())[:200]}"
    return "" if isinstance(content, dict) else f"keys and values should stand there, not {type(content).__name__}"


def _content(path: Path) -> Any:
    """What a file of configuration says; an empty one says nothing."""
    import yaml

    content = yaml.load(path.read_text(encoding="utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    return {} if content is None else content
