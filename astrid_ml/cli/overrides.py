"""What a user types becomes what Hydra can read: paths are quoted, short forms are expanded."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from astrid_ml.errors import UserError

# Keys whose value is a path (or a list of paths). They are quoted: `epoch=3-step=4.ckpt`, `run (1)` are no overrides.
PATH_KEYS = frozenset(
    [
        "paths.raw",
        "paths.data",
        "paths.run_dir",
        "paths.sweep_dir",
        "dataset",
        "input",
        "output",
        "output_dir",
        "path",
        "ckpt_path",
        "source",
        "science",
        "reference",
        "science.path",
        "reference.path",
        "science.psf",
        "reference.psf",
        "science.noise",
        "reference.noise",
        "science.variance",
        "reference.variance",
        "science.mask",
        "reference.mask",
        "label.path",
        "truth",
        "positions",
        "known",
        "manifest",
        "images",
        "runs",
        "simulate.template",
    ]
)
# `science=A` would make the node a string, so it is written `science.path=A`; in any order with `science.gain=1.2`.
NODE_KEYS = frozenset({"science", "reference"})
_PLAIN_KEY = re.compile(r"^(\+{0,2})([A-Za-z_][\w./@-]*)=(.*)$", re.DOTALL)


def quote(value: str) -> str:
    """A Hydra double-quoted string. Lists ``[a,b]`` are quoted element by element."""
    if value.startswith("[") and value.endswith("]"):
        elements = [part.strip() for part in value[1:-1].split(",") if part.strip()]
        return "[" + ",".join(quote(part) for part in elements) + "]"
    if len(value) >= 2 and value[0] == value[-1] and value[0] in "'\"":
        value = value[1:-1]
    if value.startswith("~"):
        value = os.path.expanduser(value)
    # Hydra unescapes \" and the backslashes before it; a trailing backslash would escape our closing quote.
    escaped = re.sub(r'(\\*)"', lambda match: match.group(1) * 2 + '\\"', value)
    trailing = len(escaped) - len(escaped.rstrip("\\"))
    return '"' + escaped + "\\" * trailing + '"'


def rewrite(arguments: Sequence[str], verb: str, conf: Path) -> list[str]:
    """Rewrite the arguments of a verb for Hydra's parser.

    Args:
        arguments: as typed, after the verb.
        verb: the primary configuration's name.
        conf: the folder of the packaged configuration.
    """
    domain = domain_of(arguments, conf, verb)
    return [_rewrite_one(argument, verb, conf, domain) for argument in arguments]


def _rewrite_one(argument: str, verb: str, conf: Path, domain: str | None) -> str:
    match = _PLAIN_KEY.match(argument)
    if match is None or argument.startswith("-"):
        return argument
    plus, key, value = match.groups()
    if verb == "simulate" and key == "what":
        return f"simulate={value}"
    if key in NODE_KEYS:
        return f"{plus}{key}.path={quote(value)}"
    if key in PATH_KEYS and value not in ("null", ""):
        return f"{plus}{key}={quote(value)}"
    if key.startswith("preprocessing/"):
        return f"{plus}{expand_slot(key, value, conf, domain)}={value}"
    return argument


def expand_slot(key: str, value: str, conf: Path, domain: str | None) -> str:
    """``preprocessing/subtract`` -> ``preprocessing/differencing/subtract`` for the domain in use.

    Raises:
        UserError: the slot belongs to another domain, or the option does not exist; the fitting ones are listed.
    """
    parts = key.split("/")
    folder = conf / "preprocessing"
    if len(parts) == 2:
        if domain is None or not (folder / domain / parts[1]).is_dir():
            homes = sorted(path.parent.name for path in folder.glob(f"*/{parts[1]}") if path.is_dir())
            slots = (
                sorted(path.name for path in (folder / domain).iterdir() if path.is_dir())
                if domain and (folder / domain).is_dir()
                else []
            )
            raise UserError(
                f"a slot of the pipeline {domain!r}: {', '.join(slots) or 'it has none'}",
                f"{key} (a slot of {', '.join(homes) or 'no pipeline'})",
                "choose a slot of the pipeline in use, or an experiment of that pipeline",
            )
        parts = [parts[0], domain, parts[1]]
    options = sorted(path.stem for path in folder.joinpath(*parts[1:]).glob("*.yaml"))
    for option in value.split(","):
        if options and option.strip() not in options:
            raise UserError(f"{key} to be one of {', '.join(options)}", option, "choose one of them")
    return "/".join(parts)


def domain_of(arguments: Sequence[str], conf: Path, verb: str = "") -> str | None:
    """The pipeline in use: from ``preprocessing=``, else from the experiment's file, else from the verb's default."""
    given = dict(argument.split("=", 1) for argument in arguments if "=" in argument and not argument.startswith("-"))
    if "preprocessing" in given:
        return given["preprocessing"]
    name = given.get("experiment")
    candidates = [conf / "experiment" / f"{name}.yaml"] if name else []
    for path in candidates:
        if path.is_file():
            found = re.search(r"override\s+/preprocessing:\s*(\w+)", path.read_text(encoding="utf-8"))
            if found:
                return found.group(1)
    # A verb of one domain names its pipeline among its defaults; others inherit those of every run.
    for primary in (conf / f"{verb}.yaml", conf / "_run.yaml"):
        text = primary.read_text(encoding="utf-8") if primary.is_file() else ""
        if found := re.search(r"^\s*- preprocessing:\s*(\w+)", text, re.MULTILINE):
            return found.group(1)
    return None
