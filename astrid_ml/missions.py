"""One name for each mission: datasets, splits and predictions write it, and every other name is read as it.

The names stand in the packaged descriptions of surveys (``preprocessing/surveys/<name>.yaml``): this module reads
``mission``, ``name`` and ``aliases`` there, and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from importlib.resources import files

import pandas as pd
import yaml

from astrid_ml.nearest import nearest

COLUMN = "mission"


@cache
def names_of_missions() -> dict[str, tuple[str, ...]]:
    """Each canonical name with the others under which files and people know it, in small letters."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    found: dict[str, tuple[str, ...]] = {}
    for path in sorted(files("astrid_ml").joinpath("preprocessing", "surveys").iterdir(), key=lambda path: path.name):
        if path.name.endswith(".yaml"):
            said = yaml.load(path.read_text(encoding="utf-8"), Loader=loader)
            others = [str(alias).lower() for alias in (said["name"], *said.get("aliases", ()))]
            found[said["mission"]] = tuple(dict.fromkeys(alias for alias in others if alias != said["mission"]))
    return found


@cache
def _names() -> dict[str, str]:
    """Every name in small letters -> the canonical one."""
    return {alias: name for name, aliases in names_of_missions().items() for alias in (name, *aliases)}


def canonical(name: str) -> str:
    """The one name of a mission; an unknown one in small letters.

    >>> canonical(" PS1"), canonical("Pan-STARRS"), canonical("MyScope")
    ('ps1', 'ps1', 'myscope')
    """
    plain = name.strip().lower()
    return _names().get(plain, plain)


def is_known(name: str) -> bool:
    """Whether a mission is one of those with a name of its own here; a survey of yours may have any other."""
    return name.strip().lower() in _names()


def misspelt(name: str) -> str:
    """``did you mean ztf?`` for a name that is nearly one of a known mission; empty for known ones and for others.

    >>> misspelt("zft"), misspelt("ztf"), misspelt("myscope")
    ('did you mean ztf?', '', '')
    """
    return "" if is_known(name) else nearest(name.strip().lower(), _names())


def canonical_all(names: Iterable[str]) -> list[str]:
    """The same for several, in order."""
    return [canonical(name) for name in names]


def with_canonical(index: pd.DataFrame) -> pd.DataFrame:
    """A table whose column ``mission``, where it has one, holds canonical names; missing ones stay missing."""
    if COLUMN not in index:
        return index
    known = index[COLUMN].dropna().unique()
    names = {name: canonical(str(name)) for name in known}
    if all(name == wanted for name, wanted in names.items()):
        return index
    return index.assign(**{COLUMN: index[COLUMN].map(names).astype(index[COLUMN].dtype)})
