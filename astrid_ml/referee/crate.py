"""An RO-Crate of a run: what its ``ro-crate-metadata.json`` says, and how a stranger's is read.

A reader opens no path that the metadata name: the files of the folder are listed, and the names compared.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from astrid_ml.errors import UserError
from astrid_ml.files import json_text, read_note
from astrid_ml.fingerprint import file_hash
from astrid_ml.run.training.publish import repeat_command

METADATA = "ro-crate-metadata.json"
VERSION = "https://w3id.org/ro/crate/1.1"
MOST_FILES, LARGEST_NOTE = 10_000, 1 << 27  # of a stranger's bundle: files, and bytes of a JSON or YAML text
# Name (or how it ends) -> what it is, and its kind.
MEANINGS = (
    ("config.yaml", "the whole configuration", "application/yaml"),
    ("constraints.txt", "versions of the packages that decide numbers, as the run recorded them", "text/plain"),
    ("run.json", "the record: dataset, split, audit, seeds, versions, stages with their digests", "application/json"),
    ("metrics.json", "all metrics with intervals", "application/json"),
    ("history.json", "loss and metrics of validation by epoch, of each network", "application/json"),
    ("report.html", "the report", "text/html"),
    ("model_card.md", "the model card", "text/markdown"),
    ("model_card.json", "the model card, for programs", "application/json"),
    ("val.parquet", "predictions of the validation fold", "application/vnd.apache.parquet"),
    ("test.parquet", "predictions of the test fold", "application/vnd.apache.parquet"),
    ("best.ckpt", "the network with its record; read it with weights_only=True", "application/octet-stream"),
    ("dataset/croissant.json", "the dataset in Croissant, with its data card (rai:)", "application/ld+json"),
    ("dataset/dataset.json", "what the dataset is: pipeline, labels, counts", "application/json"),
    ("dataset/digests.json", "SHA-256 of each file of the dataset", "application/json"),
    ("dataset/report.json", "where and when it was prepared", "application/json"),
    (".parquet", "the split: id and fold", "application/vnd.apache.parquet"),
)


@dataclass(frozen=True)
class CrateFacts:
    """What the metadata say beside the list of files.

    Args:
        name: of the run.
        title: one sentence.
        published: day on which the run ended, ISO 8601.
        command: that repeats the run.
        version: of astrid_ml that made the run.
        sources: SHA-256 of the sources of astrid_ml that made the bundle.
        dataset: the fingerprint.
        missing: parts that the run did not have, each with the reason.
        license: of the bundle; None where nobody said.
    """

    name: str
    title: str
    published: str
    command: str
    version: str
    sources: str
    dataset: str
    missing: Mapping[str, str]
    license: str | None = None


def facts_of(
    config: dict[str, Any], record: dict[str, Any], missing: Mapping[str, str], sources: str, license: str | None
) -> CrateFacts:
    """What the metadata of a run say.

    Args:
        config: of the run.
        record: its ``run.json``.
        missing: see :class:`CrateFacts`.
        sources: see :class:`CrateFacts`.
        license: see :class:`CrateFacts`.
    """
    ended = max((str(stage["started"]) for stage in record.get("stages") or []), default="1970-01-01")
    return CrateFacts(
        str(record["name"]),
        f"A run of astrid_ml on {record['dataset']['domain']}, bundled for whoever checks it.",
        ended[:10],
        repeat_command(config, list(record.get("overrides") or [])),
        str(record["versions"].get("astrid-ml", "unknown")),
        sources,
        str(record["dataset"]["fingerprint"]),
        missing,
        license,
    )


def metadata_text(facts: CrateFacts, files: Mapping[str, tuple[int, str]]) -> str:
    """``ro-crate-metadata.json``: the same run gives the same bytes.

    Args:
        facts: of the run.
        files: path in the bundle -> (bytes, sha256).
    """
    root: dict[str, Any] = {
        "@id": "./", "@type": "Dataset", "name": facts.name, "description": facts.title,
        "datePublished": facts.published, "hasPart": [{"@id": name} for name in sorted(files)],
        "mentions": [{"@id": "#training"}],
    }  # fmt: skip
    if facts.license is not None:
        root["license"] = facts.license
    if facts.missing:
        root["additionalProperty"] = [{"@id": f"#missing-{n}"} for n in range(len(facts.missing))]
    absent = [
        {"@id": f"#missing-{n}", "@type": "PropertyValue", "name": f"missing: {name}", "value": why}
        for n, (name, why) in enumerate(sorted(facts.missing.items()))
    ]
    code = {
        "@id": "#astrid_ml", "@type": "SoftwareApplication", "name": "astrid_ml", "softwareVersion": facts.version,
        "sha256": facts.sources, "description": "sha256 is that of the sources that made this bundle",
    }  # fmt: skip
    data = {"@id": "#dataset", "@type": "Dataset", "name": "the prepared dataset", "identifier": facts.dataset}
    training = {
        "@id": "#training", "@type": "CreateAction", "name": facts.command, "endTime": facts.published,
        "instrument": {"@id": "#astrid_ml"}, "object": [{"@id": "#dataset"}], "result": root["hasPart"],
    }  # fmt: skip
    about = {
        "@id": METADATA, "@type": "CreativeWork", "conformsTo": {"@id": VERSION}, "about": {"@id": "./"},
    }  # fmt: skip
    listed = [_file(name, *files[name]) for name in sorted(files)]
    context = [f"{VERSION}/context", {"sha256": "https://schema.org/sha256"}]
    return json_text({"@context": context, "@graph": [about, root, *listed, training, code, data, *absent]}) + "\n"


def _file(name: str, size: int, digest: str) -> dict[str, Any]:
    words, kind = next((words, kind) for ending, words, kind in MEANINGS if name.endswith(ending))
    return {
        "@id": name, "@type": "File", "name": name, "description": words, "encodingFormat": kind,
        "contentSize": str(size), "sha256": digest,
    }  # fmt: skip


@dataclass(frozen=True)
class Listed:
    """What the metadata of a bundle say.

    Args:
        files: name -> (bytes, sha256).
        missing: parts that the run did not have, each with the reason.
        sources: SHA-256 of the sources that made the bundle; empty where it is not told.
        license: of the bundle; None where it is not told.
    """

    files: Mapping[str, tuple[int, str]]
    missing: Mapping[str, str]
    sources: str
    license: str | None = None


def listed_in(folder: Path) -> Listed:
    """The list of files of a bundle.

    Raises:
        UserError: there is no bundle, or its metadata are not those of one.
    """
    path = folder / METADATA
    fix = "give the folder that astrid bundle made"
    if not path.is_file() or path.is_symlink():
        below = sorted(part.parent for part in folder.glob(f"*/{METADATA}"))
        fix = f"give the bundle itself, for instance input={below[0]}" if below else fix
        raise UserError(f"a bundle (a folder with {METADATA})", str(folder), fix)
    try:
        graph = small_note(path)["@graph"]
        parts = [part for part in graph if part.get("@type") == "File"]
        files = {str(part["@id"]): (int(part["contentSize"]), str(part["sha256"])) for part in parts}
        absent = [part for part in graph if part["@type"] == "PropertyValue"]
        missing = {str(part["name"]).removeprefix("missing: "): str(part.get("value", "")) for part in absent}
        root: dict[str, Any] = next((part for part in graph if part.get("@id") == "./"), {})
        license = str(root["license"]) if "license" in root else None
        sources = next((str(part.get("sha256", "")) for part in graph if part.get("@id") == "#astrid_ml"), "")
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        got = f"{path} without a list of files ({type(error).__name__})"
        raise UserError("the metadata of a bundle of astrid bundle", got, fix) from error
    return Listed(files, missing, sources, license)


def small_note(path: Path) -> Any:
    """A JSON file of a stranger.

    Raises:
        UserError: it is larger than any note.
        ValueError, RecursionError: it is no JSON, or nested too deep.
    """
    refuse_large(path)
    return read_note(path)


def refuse_large(path: Path) -> None:
    """Refuse a text that would fill the memory.

    Raises:
        UserError: it is larger than any note.
    """
    if path.stat().st_size > LARGEST_NOTE:
        got = f"{path.stat().st_size:,} bytes in {path}"
        raise UserError(f"a text of at most {LARGEST_NOTE:,} bytes", got, "ask for the bundle again")


def files_in(folder: Path) -> dict[str, Path]:
    """Name -> path of each file of a bundle, without the metadata; no link is followed.

    Raises:
        UserError: a link, a device, or far too many files.
    """
    out: dict[str, Path] = {}
    for place, folders, names in os.walk(folder):
        for name in [*folders, *names]:
            path = Path(place) / name
            mode = path.lstat().st_mode
            if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
                got = f"{path}, which is a link or no file"
                raise UserError("a bundle of plain files and folders", got, "copy what it points to")
        out |= {(Path(place) / name).relative_to(folder).as_posix(): Path(place) / name for name in names}
        if len(out) > MOST_FILES:
            got = f"more than {MOST_FILES:,} in {folder}"
            raise UserError("a bundle of a run, which has a few files", got, "give the folder of the bundle itself")
    out.pop(METADATA, None)
    return dict(sorted(out.items()))


def sized(path: Path) -> tuple[int, str]:
    """(bytes, sha256) of a file."""
    return path.stat().st_size, file_hash(path)


def sources_digest() -> str:
    """SHA-256 of the sources of astrid_ml as they are installed here: names and bytes of all modules and options."""
    import hashlib

    import astrid_ml

    root, found = Path(astrid_ml.__file__).parent, hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        found.update(f"{path.relative_to(root).as_posix()} {file_hash(path)}\n".encode())
    return found.hexdigest()


def constraints(record: dict[str, Any]) -> str:
    """Versions as ``pip install -c`` reads them; local parts (``+cpu``) are left out, since no index has them."""
    found = dict(record.get("versions") or {})
    python = found.pop("python", "unknown")
    lines = [f"{name}=={str(version).partition('+')[0]}" for name, version in sorted(found.items())]
    return "\n".join([f"# Python {python}", *lines]) + "\n"
