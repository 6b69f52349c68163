"""``astrid new WHAT NAME``: a small package of your own that works, with its test."""

from __future__ import annotations

import importlib.util
import keyword
import re
import shlex
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined

from astrid_ml.build import conf_folder
from astrid_ml.config import option_names
from astrid_ml.errors import UserError
from astrid_ml.files import whole_folder
from astrid_ml.nearest import nearest
from astrid_ml.places import check_place

TEMPLATES = "skeletons"
EVERY = "every"  # files of all kinds
PLACEHOLDER = "NAME"
_NAME = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True)
class Skeleton:
    """What is written for one kind of part.

    Args:
        group: of the configuration, in which the option stands.
        module: of the package, that holds the class; empty where there is none.
        ending: of the class's name.
        sentence: what the package is.
        command: what chooses the option; ``NAME`` stands for its name.
        files: file -> what it is, for the README.
        raises: what else there is to know; empty for nothing.
    """

    group: str
    module: str
    ending: str
    sentence: str
    command: str
    files: dict[str, str]
    raises: str = ""


@cache
def kinds() -> dict[str, Skeleton]:
    """What can be written, by name."""
    text = (files("astrid_ml") / TEMPLATES / "kinds.yaml").read_text(encoding="utf-8")
    return {name: Skeleton(**node) for name, node in yaml.safe_load(text).items()}


@dataclass(frozen=True)
class NewCommand:
    """Write a package with one part of your own.

    Args:
        what: dataset, step, model, split, executor or experiment.
        name: of the package, its folder and its option: small letters, digits and ``_``.
        output_dir: folder that gets the folder ``name``; nothing in it is changed.
    """

    what: str
    name: str
    output_dir: str = "."

    def run(self) -> dict[str, Any]:
        """Write it, and say what to type next.

        Raises:
            UserError: another kind, a name that cannot be one or is taken, or a folder of that name.
        """
        if self.what not in kinds():
            fix = nearest(self.what, kinds()) or "choose one of them"
            raise UserError(f"what to write: {', '.join(kinds())}", self.what, fix)
        target = check_place(self.output_dir, "output_dir") / self.name
        check_name(self.name, self.what)
        if target.exists() or target.is_symlink():
            raise UserError(f"a new folder {target}", "it is there already", "choose another name or output_dir")
        refuse_taken(self.name, self.what)
        try:
            with whole_folder(target, "pyproject.toml") as work:
                for place, text in pages(self.what, self.name):
                    (work / place).parent.mkdir(parents=True, exist_ok=True)
                    (work / place).write_text(text, encoding="utf-8")
        except OSError as error:
            raise UserError(
                "an output_dir that can be written", f"{self.output_dir}: {error.strerror}", "choose another output_dir"
            ) from error
        following = f"cd {shlex.quote(str(target))} && pytest"
        return {"made": str(target), "next": following, "then": "README.md says how to use it"}


def pages(what: str, name: str) -> Iterator[tuple[str, str]]:
    """(path below the package's folder, content) of each of its files."""
    skeleton = kinds()[what]
    kind = class_name(name, skeleton.ending) if skeleton.module else ""
    known = {
        "name": name,
        "kind": kind,
        "sentence": skeleton.sentence,
        "command": skeleton.command.replace(PLACEHOLDER, name),
        "classes": f"{name}.{skeleton.module}.{kind}" if kind else "",
        "files": [(file.replace(PLACEHOLDER, name), words) for file, words in skeleton.files.items()],
        "raises": skeleton.raises,
    }
    environment = Environment(
        loader=PackageLoader("astrid_ml", TEMPLATES),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # Python, YAML and Markdown, no pages
    )
    for template in environment.list_templates(extensions=["j2"]):
        folder, _, place = template.partition("/")
        if folder in (EVERY, what):
            path = place.replace(PLACEHOLDER, name).removesuffix(".j2")
            yield path, environment.get_template(template).render(known)


def class_name(name: str, ending: str) -> str:
    """The class of an option.

    >>> class_name("my_net2", "Network"), class_name("mysplit", "Split")
    ('MyNet2Network', 'Mysplit')
    """
    words = "".join(part[:1].upper() + part[1:] for part in name.split("_"))
    return words if words.endswith((ending, ending.lower())) else words + ending


def check_name(name: str, what: str) -> None:
    """Refuse what cannot be the name of a package and of an option.

    Raises:
        UserError: names what it may be.
    """
    if not _NAME.fullmatch(name) or name.endswith("_"):
        fix = f"for instance astrid new {what} my_{what}"
        raise UserError("a name of small letters, digits and _, which begins with a letter", repr(name), fix)
    if keyword.iskeyword(name) or keyword.issoftkeyword(name) or name in ("true", "false", "null", "none"):
        raise UserError("a name that Python and YAML leave free", name, f"for instance my_{name}")
    if name in ("tests", "conf", "astrid", "astrid_ml"):
        raise UserError("a name of its own", f"{name}, which the package or astrid_ml uses", f"for instance my_{name}")


def refuse_taken(name: str, what: str) -> None:
    """Refuse the name of an option that is there, or of a module that Python imports.

    Raises:
        UserError: says who has it.
    """
    groups = [kinds()[what].group, *(("experiment",) if what == "dataset" else ())]
    for group in groups:
        if name in option_names(conf_folder() / group):
            raise UserError("the name of a new option", f"{name}, which {group}= knows", f"for instance my_{name}")
    try:
        taken = name in sys.stdlib_module_names or importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        taken = True
    if taken:
        raise UserError("the name of a new package", f"{name}, which Python imports already", f"for instance my_{name}")
