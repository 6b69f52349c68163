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
import traceback
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from astrid_ml.identity import FORMER_TOP_LEVEL, targets
from astrid_ml.option_files import content_of, fault_of, yaml_files
from astrid_ml.reasons import shortened

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
        found = {target for path in self.files for target in targets(content_of(path))}
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
    found: list[Plugin] = []
    for plugin in sorted(_records(), key=lambda plugin: (plugin.name, plugin.distribution)):
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


def _records() -> Iterator[Plugin]:
    """What each installed package says of itself; one whose record cannot be read is named and left out."""
    import importlib.metadata

    seen: set[str] = set()
    for distribution in importlib.metadata.distributions():
        record = Path(str(getattr(distribution, "_path", "?"))).name
        if not _mentions(str(getattr(distribution, "_path", "")) + "/entry_points.txt"):
            continue
        try:
            name, version = str(distribution.name), str(distribution.version)
            points = [point for point in distribution.entry_points if point.group == GROUP]
        except Exception as error:  # whatever a damaged record leads to
            yield Plugin(record, "?", record, "?", faults=(shortened(f"its record cannot be read: {error}", 200),))
            continue
        if name not in seen:  # the first on the path is the one that is imported
            seen.add(name)
            yield from (_located(point, name, version) for point in points)


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


def shadowed(conf: Path, others: Iterable[Path]) -> Iterator[tuple[Path, Path]]:
    """Files of a folder that another one before it has under the same name, with other content: (its, the other's).

    Hydra takes the first of the two and says nothing: a choice by that name would not be what its author wrote.
    """
    for other in others:
        for path in yaml_files(other):
            own = conf / path.relative_to(other)
            if own.is_file() and own.read_bytes() != path.read_bytes():
                yield own, path


def _located(point: importlib.metadata.EntryPoint, distribution: str, version: str) -> Plugin:
    """A plugin and its folder, or why it has none."""
    plugin = Plugin(point.name, point.value, distribution, version)
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
    try:
        files = plugin.files
    except ValueError as error:
        yield str(error)
        return
    if not files:
        yield f"the folder conf/ of {plugin.package} holds no option: no .yaml file"
    for path in files:
        name = path.relative_to(plugin.conf).as_posix()
        if reason := fault_of(path, plugin.conf, OURS):
            yield f"conf/{name}: {reason}"
        if name.removesuffix(".yaml") in KEPT:
            yield f"conf/{name}: the command line keeps that name for itself"
        owner = next((owner for owner, conf in others.items() if (conf / name).is_file()), None)
        if owner:
            yield f"conf/{name} has the name of one of {owner}: give it a name of its own"


def guest_of(error: BaseException, trusted: Iterable[str] = ()) -> str:
    """The method of an installed plugin's class, or of a class that the user trusts, in which an error arose.

    Args:
        error: with its traceback.
        trusted: classes that ``trust=`` names.

    Returns:
        ``toy_spectra.training.PlateSplit.plan``; empty where the error is of this project or a library.
    """
    roots = {name.partition(".")[0] for name in (*(plugin.package for plugin in sound()), *trusted)}
    found = ""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        module = str(frame.f_globals.get("__name__", ""))
        if module.partition(".")[0] in roots:
            owner = type(frame.f_locals["self"]).__qualname__ + "." if "self" in frame.f_locals else ""
            found = f"{module}.{owner}{frame.f_code.co_name}"
    return found
