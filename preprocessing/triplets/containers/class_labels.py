"""Names of classes that tables of Hugging Face keep as numbers: a ``ClassLabel`` says what 0 and 1 mean."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from astrid_ml.errors import UserError
from astrid_ml.reasons import shortened

TABLES = (".parquet", ".pq", ".arrow")
FILES = ("dataset_info.json", "dataset_infos.json", "README.md")  # the last as their hub has it: YAML between dashes
UP = 2  # folders above the table: DATASET/data/train-00000-of-00001.parquet
LARGEST = 2**22  # bytes


def said_beside(path: Path) -> Path | None:
    """The file that names the classes of a table, beside it or above it; None where no file does."""
    if path.suffix.lower() not in TABLES:
        return None
    folders = [path.parent, *path.parent.parents][:UP]
    return next((one for folder in folders for name in FILES if _names_of_file(one := folder / name)), None)


def with_class_names(table: pd.DataFrame, path: Path, metadata: Mapping[bytes, bytes] | None) -> pd.DataFrame:
    """A table whose numbers of classes are their names; those below 0 are null: nobody labelled them.

    Args:
        table: columns of a file.
        path: of it; what it does not say itself is looked for beside it.
        metadata: of its schema.

    Raises:
        UserError: a number without a name.
    """
    beside = said_beside(path)
    names = _names_of_file(beside) if beside is not None else {}
    names |= _names_in(_parsed((metadata or {}).get(b"huggingface", b"").decode("utf-8", "replace"), json.loads))
    for column in (name for name in names if name in table and pd.api.types.is_numeric_dtype(table[name])):
        values = table[column].astype("Int64")
        values = values.mask(values < 0)
        if len(values.dropna()) and int(values.max()) >= len(names[column]):
            got = shortened(
                f"{int(values.max())} in {column} of {path.name}, which names {', '.join(names[column])}", 200
            )
            raise UserError("numbers of classes that have names", got, "complete the names of its ClassLabel")
        table = table.assign(**{column: values.map(dict(enumerate(names[column]))).astype("string")})
    return table


def _names_of_file(path: Path) -> dict[str, list[str]]:
    if not path.is_file() or path.stat().st_size > LARGEST:
        return {}
    text = path.read_text("utf-8", "replace")
    if path.suffix == ".json":
        return _names_in(_parsed(text, json.loads))
    return _names_in(_parsed(text.split("---")[1], yaml.safe_load)) if text.startswith("---") else {}


def _parsed(text: str, parse: Any) -> Any:
    try:
        return parse(text) if text.strip() else None
    except (ValueError, RecursionError, yaml.YAMLError):
        return None  # of some other program


def _names_in(told: Any) -> dict[str, list[str]]:
    """Column -> names of its classes, of all features that stand anywhere in what was told."""
    found: dict[str, list[str]] = {}
    for features in _features(told):
        named = features.items() if isinstance(features, Mapping) else ((str(f.get("name")), f) for f in features)
        for column, feature in named:
            names = _names_of(feature)
            if names:
                found[str(column)] = names
    return found


def _features(told: Any) -> Iterator[Any]:
    parts = told.items() if isinstance(told, Mapping) else enumerate(told) if isinstance(told, list) else ()
    for key, value in parts:
        if key == "features" and isinstance(value, Mapping | list):
            yield value if isinstance(value, Mapping) else [one for one in value if isinstance(one, Mapping)]
        else:
            yield from _features(value)


def _names_of(feature: Any) -> list[str]:
    """``{"_type": "ClassLabel", "names": [...]}``, or the hub's ``{dtype: {class_label: {names: {"0": ...}}}}``."""
    if not isinstance(feature, Mapping):
        return []
    kind = feature.get("dtype")
    inner = kind.get("class_label") if isinstance(kind, Mapping) else feature
    names = inner.get("names") if isinstance(inner, Mapping) else None
    if inner is feature and feature.get("_type") != "ClassLabel":
        return []
    if isinstance(names, Mapping) and sorted(map(str, names)) == sorted(map(str, range(len(names)))):
        by_text = {str(number): name for number, name in names.items()}
        names = [by_text[str(number)] for number in range(len(by_text))]
    return [str(name) for name in names] if isinstance(names, list) else []
