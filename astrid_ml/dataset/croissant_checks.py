"""What is wrong with a ``croissant.json``: its fields, its files, and the first record of every RecordSet."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from astrid_ml.errors import UserError
from astrid_ml.files import read_note
from astrid_ml.fingerprint import file_hash
from astrid_ml.reasons import shortened

REQUIRED = ("name", "description", "url", "license", "datePublished", "citeAs", "version")


def check_croissant(path: Path) -> list[str]:
    """All that is wrong with a ``croissant.json``: an empty list is a pass.

    mlcroissant's errors and warnings, the fields that the specification asks for and mlcroissant does not, files and
    their sha256, and the first record of every RecordSet, which validation alone never reads.
    """
    file = path / "croissant.json" if path.is_dir() else path
    if not file.is_file():
        raise UserError("a croissant.json", f"none at {file}", "write one: astrid croissant dataset=DATASET")
    try:
        content = read_note(file)
    except ValueError as error:
        return [f"not JSON: {error}"]
    wrong = [f"{name} is missing" for name in REQUIRED if not content.get(name)]
    wrong += _check_files(file.parent, content)
    return wrong + (_check_records(file) if not wrong else [])


def first_records(path: Path) -> dict[str, dict[str, Any]]:
    """RecordSet -> its first record, read by mlcroissant; text as str, keys without the RecordSet's name."""
    dataset = _open(path / "croissant.json" if path.is_dir() else path)
    out = {}
    for record_set in dataset.metadata.record_sets:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # mlcroissant's own use of pandas
            record = next(iter(islice(dataset.records(record_set.id), 1)), None)
        if record is None:
            raise ValueError(f"RecordSet {record_set.id} has no record")
        out[record_set.id] = {
            key.removeprefix(f"{record_set.id}/"): value.decode() if isinstance(value, bytes) else value
            for key, value in record.items()
        }
    return out


def _open(file: Path) -> Any:
    import mlcroissant as mlc

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of the RDF library below mlcroissant
        return mlc.Dataset(jsonld=str(file))


def _check_files(folder: Path, content: Mapping[str, Any]) -> list[str]:
    wrong = []
    for item in content.get("distribution", []):
        url = str(item.get("contentUrl"))
        file = folder / url
        if "://" in url or ":" in url.split("/")[0] or not file.resolve().is_relative_to(folder.resolve()):
            wrong.append(
                f"{shortened(url, 100)} is no file of this folder"
            )  # never fetched: a description must not send us out
        elif not file.is_file():
            wrong.append(f"{item.get('contentUrl')} is missing")
        elif item.get("sha256") != file_hash(file):
            wrong.append(f"{item.get('contentUrl')}: its sha256 is another one")
    return wrong


def _check_records(file: Path) -> list[str]:
    try:
        issues = _open(file).metadata.ctx.issues
        found = [f"error: {text}" for text in issues.errors] + [f"warning: {text}" for text in issues.warnings]
        first_records(file)
    except Exception as error:  # mlcroissant raises many kinds; each of them is a finding
        return [f"{type(error).__name__}: {error}"]
    return found
