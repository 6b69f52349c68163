"""Whether a file of configuration from outside may be used: asked before anything reads it for good.

A folder of options may come from anybody. Its files choose options and set values; they trust no class, start no
program of Hydra's, and cannot keep a command busy by their size.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from astrid_ml.reasons import shortened

LARGEST = 1_000_000  # bytes of one file
DEEPEST = 60  # nodes in nodes
ALIASES = 50  # of one file: each may stand for all that stands before it
MOST = 20_000  # entries of a folder of options
DESCRIPTIONS = "surveys"  # a folder of descriptions, which are no options
_NAME = re.compile(r"[A-Za-z0-9_][\w.-]*", re.ASCII)
_PACKAGE = re.compile(r"^\s*#\s*@package\s+(\S+)", re.MULTILINE)
# What a file may choose of Hydra's own options: who runs the jobs of a sweep.
LAUNCHERS = ("basic", "joblib", "submitit_local", "submitit_slurm")


def yaml_files(conf: Path) -> tuple[Path, ...]:
    """Files of configuration in a folder, sorted.

    Raises:
        ValueError: the folder is too large to hold options alone.
    """
    found: list[Path] = []
    seen = 0
    for here, _, names in os.walk(conf):
        seen += 1 + len(names)
        if seen > MOST:
            raise ValueError(f"more than {MOST} files and folders in {conf}")
        found += [Path(here, name) for name in names if name.endswith(".yaml")]
    return tuple(sorted(path for path in found if path.is_file()))


def misplaced(conf: Path, ours: Path) -> tuple[str, str]:
    """What of a folder of options would be found by nobody, and what to do; two empty texts where all is well.

    Args:
        conf: the folder.
        ours: the packaged folder, which says what groups there are.

    Raises:
        ValueError: see :func:`yaml_files`.

    Example:
        >>> import tempfile
        >>> from astrid_ml.build import conf_folder
        >>> mine = Path(tempfile.mkdtemp())
        >>> (mine / "split").mkdir()
        >>> _ = (mine / "split" / "night.yml").write_text("seed: 1")
        >>> misplaced(mine, conf_folder())
        ('split/night.yml', 'rename it to split/night.yaml')
    """
    of_ours = (path.relative_to(ours) for path in sorted(ours.rglob("*")) if path.is_dir())
    groups = [Path(), Path(DESCRIPTIONS), *of_ours]
    inside = [path for group in groups if (conf / group).is_dir() for path in sorted((conf / group).iterdir())]
    for path in inside:
        name = path.relative_to(conf).as_posix()
        if path.suffix == ".yml" and path.is_file() and "/" in name:
            return name, f"rename it to {name[:-4]}.yaml"
        if path.suffix in (".yaml", ".yml") and path.is_dir():
            return f"{name}, a folder", f"name a file {name.rpartition('.')[0]}.yaml, and folders without .yaml"
    here = [path for path in inside if path.suffix == ".yaml"]
    if not here:
        below = [path for path in yaml_files(conf) if any(path.parent.relative_to(conf).parts)]
        roots = [conf / path.relative_to(conf).parts[0] for path in below]
        around = next((root for root in roots if any((root / group).is_dir() for group in groups[1:])), None)
        got = f"none, and options in {around.name}" if around else "none"
        return got, f"name {around}" if around else "name the folder that holds GROUP/NAME.yaml"
    alone = all(path.parent == conf and "command:" not in path.read_text("utf-8", "replace") for path in here)
    if alone and (ours / conf.name).is_dir():
        return f"{here[0].name} without its group", f"name the folder around it, {conf.parent}"
    return "", ""


def content_of(path: Path) -> Any:
    """What a file says; an empty one says nothing.

    Raises:
        OSError, UnicodeDecodeError, yaml.YAMLError: it cannot be read.
        ValueError: it is too large, nested too deep, or no file.
    """
    import yaml

    state = path.stat()  # a pipe would be waited for
    if not (stat.S_ISREG(state.st_mode) or stat.S_ISDIR(state.st_mode)):
        raise ValueError("no file, but a pipe, a device or a socket")
    if state.st_size > LARGEST:
        raise ValueError(f"it is larger than {LARGEST} bytes")
    text = path.read_text(encoding="utf-8")
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    _refuse_bombs(text, loader)
    content = yaml.load(text, Loader=loader)
    return {} if content is None else content


def _refuse_bombs(text: str, loader: Any) -> None:
    import yaml

    depth = 0
    for character in text:  # before the parser, which takes a square of the time for these
        depth += (character in "[{") - (character in "]}")
        if depth > DEEPEST:
            raise ValueError(f"it is nested more than {DEEPEST} deep")
    depth = aliases = 0
    for event in yaml.parse(text, Loader=loader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        aliases += isinstance(event, yaml.AliasEvent)
        if depth > DEEPEST or aliases > ALIASES:
            what = f"nested more than {DEEPEST} deep" if depth > DEEPEST else f"of more than {ALIASES} aliases"
            raise ValueError(f"it is {what}")


def fault_of(path: Path, conf: Path, ours: Path | None = None) -> str:
    """Why a file may not be used; empty where it may.

    Args:
        path: the file.
        conf: the folder of options that it stands in.
        ours: the packaged folder: an option beside some of ours must be mounted where those are.
    """
    import yaml

    inside = path.relative_to(conf).with_suffix("")
    odd = [part for part in inside.parts if not _NAME.fullmatch(part)]
    if odd:
        return f"a name of letters, digits, _, - and dots is needed, not {odd[0]!r}"
    try:
        content = content_of(path)
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        return str(error.strerror)
    except UnicodeDecodeError:
        return "no text in UTF-8"
    except yaml.YAMLError as error:
        return f"no YAML: {shortened(' '.join(str(error).split()), 200)}"
    except ValueError as error:
        return str(error)
    if not isinstance(content, dict):
        return f"keys and values should stand there, not {type(content).__name__}"
    return next(_liberties(content, inside, text), "") or _elsewhere(text, inside, ours)


def _elsewhere(text: str, inside: Path, ours: Path | None) -> str:
    """Whether an option would be mounted elsewhere than the options of its group that we have; empty where not."""
    siblings = sorted((ours / inside.parent).glob("[!_]*.yaml")) if ours and len(inside.parts) > 1 else []
    if not siblings or inside.name.startswith("_"):
        return ""
    places = {_mounted(path.read_text(encoding="utf-8")) for path in siblings}
    if len(places) != 1 or None in places or _mounted(text) in places:
        return ""
    return f"its first line must be '# @package {places.pop()}', as of the other options of {inside.parent.as_posix()}"


def _mounted(text: str) -> str | None:
    """Where the keys of a file stand by its own word."""
    stated = _PACKAGE.search(text)
    return stated[1] if stated else None


def _liberties(content: dict[str, Any], inside: Path, text: str) -> Iterator[str]:
    """What a file takes upon itself that only the user may."""
    package = _PACKAGE.search(text)
    mounted = package.group(1).removeprefix("_global_.") if package else ""
    if "hydra" in content or inside.parts[0] == "hydra" or mounted.split(".")[0] == "hydra":
        yield "it sets keys of hydra: type them on the command line instead"
    if _trusts(content):
        yield "it trusts classes: only trust=[...] on the command line does"
    for name, option in _chosen(content.get("defaults")):
        group, _, mount = name.partition("@")
        own = group.lstrip("/").split("/")[0] == "hydra"
        if mount.removeprefix("_global_.").split(".")[0] == "hydra":
            yield f"{name} in its defaults sets keys of hydra: type them on the command line instead"
        if own and not (group.lstrip("/") == "hydra/launcher" and option in LAUNCHERS):
            yield f"{name} in its defaults chooses an option of hydra: type it on the command line instead"


def _chosen(defaults: Any) -> Iterator[tuple[str, str]]:
    """(group, option) of each entry of a defaults list."""
    for item in defaults if isinstance(defaults, list) else []:
        for name, option in item.items() if isinstance(item, Mapping) else [(str(item), "")]:
            words = str(name).split()
            if words:
                yield words[-1], str(option)


def _trusts(node: Any) -> bool:
    if isinstance(node, Mapping):
        own = any(str(key) == "trust" and value not in ([], None, "[]", "${trust}") for key, value in node.items())
        return own or any(_trusts(value) for value in node.values())
    return isinstance(node, list) and any(_trusts(value) for value in node)
