"""``croissant.json``: the prepared dataset described in Croissant 1.1, so that other tools can read it.

Nothing in it depends on when or where it was written: ``datePublished`` is a declared field of the provenance, never
the clock, so that the same configuration gives the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any

import pandas as pd

from astrid_ml.dataset.data_card import array_words, frames_of, index_meaning, label_words, responsible_ai, sample_words
from astrid_ml.dataset.prepared import FRAMES, INDEX, PreparedDataset
from astrid_ml.dataset.record_sets import (
    LABEL,
    TableWords,
    fold_columns,
    fold_records,
    list_records,
    table_records,
    write_folds,
)
from astrid_ml.dataset.sample_tables import SampleTable, shape_text, write_sample_tables
from astrid_ml.errors import UserError
from astrid_ml.files import write_text
from astrid_ml.fingerprint import file_hash
from astrid_ml.found import found
from astrid_ml.nearest import nearest
from astrid_ml.types import Shaped
from astrid_ml.values import fields_of, fits, words_of

PARQUET, NUMPY = "application/x-parquet", "application/x-numpy"
# Tables that a domain may leave beside the index.
EXTRA = {"master_index.csv": "text/csv", "truth.parquet": PARQUET}
EXTRA_WORDS = {
    "master_index.csv": TableWords(
        "One row for each labelled candidate; image_filename is the path of its (H, W, 4) frame."
    ),
    "truth.parquet": TableWords(
        "One row for each true source on a detector; sample is null where it was not detected.",
        references={"sample": ("index", "id")},
    ),
}
_DATE = r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])"
NOT_DECLARED = "Neither its licence nor a date of publication was declared: datePublished is that of the format."


@dataclass(frozen=True)
class Provenance:
    """What a data card says beside the data; the user's to declare.

    Args:
        description: what the data are; made from the dataset's counts where empty.
        license: of the data.
        cite_as: how to cite them.
        url: where they are to be found; a name made from the fingerprint where empty.
        date_published: ISO date. The default is the date of this format's first version, not today's.
        version: of the data, as major.minor.patch.
        creators: names.
    """

    description: str = ""
    license: str = "Not stated: the terms of the raw files apply"
    cite_as: str = "Cite the sources of the raw files, and astrid_ml, with which they were prepared"
    url: str = ""
    date_published: Annotated[str, Shaped(_DATE, "a date as 2026-12-01")] = "2026-11-21"
    version: Annotated[str, Shaped(r"\d+\.\d+\.\d+", "major.minor.patch, as 1.0.0")] = "1.0.0"
    creators: tuple[str, ...] = ()


_UNDECLARED = (Provenance.license, Provenance.date_published)


def write_croissant(
    dataset_path: Path,
    *,
    splits: pd.DataFrame | Sequence[pd.DataFrame] | None = None,
    provenance: Provenance | Mapping[str, Any] | None = None,
) -> Path:
    """Write ``croissant.json`` and its tables into a prepared dataset and return its path.

    Args:
        dataset_path: the dataset's folder.
        splits: columns ``id, fold``: the experiment's split; one table a round.
        provenance: what the data card declares; a mapping may hold any of its fields.

    Raises:
        UserError: no dataset, an unknown field of the provenance, or a split without ``id`` and ``fold``.
    """
    import mlcroissant as mlc

    dataset, declared = PreparedDataset(dataset_path), _declared(provenance)
    rounds = _rounds(splits)
    tables = write_sample_tables(dataset)
    files = {"index": INDEX} | {f"array-table-{table.kind}": table.file for table in tables}
    if rounds:
        files["table-split"] = write_folds(dataset.path, rounds)
    context = mlc.Context(conforms_to=type(mlc.Context().conforms_to).V_1_1)  # its table of versions is private
    objects = [_file(context, dataset.path, name, file, PARQUET) for name, file in files.items()]
    arrays = sorted((dataset.path / "arrays").glob("*.npy"))
    objects += [_file(context, dataset.path, array.stem, f"arrays/{array.name}", NUMPY) for array in arrays]
    frames = frames_of(dataset)
    objects += [_file(context, dataset.path, name, name, NUMPY) for name in frames]
    extra = [name for name in EXTRA if (dataset.path / name).is_file()]
    objects += [_file(context, dataset.path, name, name, EXTRA[name]) for name in extra]
    records = _record_sets(context, dataset, tables, frames)
    if rounds:
        columns = fold_columns(rounds)
        words = TableWords(
            "The fold of each sample" + (f", in each of {len(rounds)} rounds." if len(rounds) > 1 else "."),
            "id",
            {"id": ("index", "id")} | dict.fromkeys(columns, "folds/name"),
            kinds=dict.fromkeys(columns, mlc.DataType.SPLIT),
        )
        records += [
            fold_records(context, rounds),
            table_records(context, dataset.path, "split", "table-split", files["table-split"], words),
        ]
    for name in extra:
        records.append(table_records(context, dataset.path, Path(name).stem, name, name, EXTRA_WORDS[name]))
    content = _metadata(
        context,
        declared,
        str(dataset.meta.get("name", dataset.path.name)),
        _describe(dataset, declared),
        f"urn:astrid_ml:{dataset.fingerprint}",
        distribution=objects,
        record_sets=records,
        **responsible_ai(dataset),
    )
    return _write(dataset.path / "croissant.json", content)


def _rounds(splits: pd.DataFrame | Sequence[pd.DataFrame] | None) -> list[pd.DataFrame]:
    rounds = [] if splits is None else [splits] if isinstance(splits, pd.DataFrame) else list(splits)
    for table in rounds:
        if not {"id", "fold"} <= set(table.columns):
            raise UserError("a split with the columns id and fold", ", ".join(map(str, table.columns)), "name them so")
    return rounds


def _record_sets(
    context: Any, dataset: PreparedDataset, tables: Sequence[SampleTable], frames: Sequence[str]
) -> list[Any]:
    """Samples, what their arrays mean, where each lies, and whole frames."""
    words = TableWords(
        "One row for each sample.",
        "id",
        {FRAMES: "frames/path"} if frames else {},
        meaning=index_meaning(dataset.meta, dataset.by_column.columns),
        own={"label": label_words(dataset.meta)},
        kinds={"label": LABEL},
    )
    records = [table_records(context, dataset.path, "samples", "index", INDEX, words)]
    kinds = {table.kind: sample_words(table) for table in tables}
    if frames:
        kinds["frame"] = "Whole frames, np.load(path, mmap_mode='r'): samples name theirs in the column image."
    about = {kind: array_words(dataset.meta, kind) for kind in kinds}
    if about:
        rows = [
            {
                "kind": kind,
                "axes": array.axes,
                "channels": ",".join(array.channels),
                "unit": array.unit,
                "normalised": array.normalised,
                "missing": array.missing,
            }
            for kind, array in about.items()
        ]
        records.append(list_records(context, "arrays", rows, "What the arrays of the samples mean, by their kind."))
    for table in tables:
        text = f"{kinds[table.kind]} {about[table.kind].sentence}"
        name, source = f"array-{table.kind}", f"array-table-{table.kind}"
        place = TableWords(text, "id", {"id": ("index", "id")})
        records.append(table_records(context, dataset.path, name, source, table.file, place))
    if frames:
        shapes = [{"path": name, "shape": shape_text(dataset.frame(name).shape)} for name in frames]
        text = f"{kinds['frame']} {about['frame'].sentence}"
        records.append(list_records(context, "frames", shapes, text))
    return records


def _metadata(context: Any, declared: Provenance, name: str, text: str, url: str, **content: Any) -> str:
    """The text of ``croissant.json``."""
    import mlcroissant as mlc

    metadata = mlc.Metadata(
        ctx=context,
        name=name,
        description=declared.description or text,
        license=declared.license,
        cite_as=declared.cite_as,
        url=declared.url or url,
        date_published=declared.date_published,
        version=declared.version,
        creators=[mlc.Person(ctx=context, name=name) for name in declared.creators],
        **content,
    )
    return json.dumps(metadata.to_json(), indent=1, default=str) + "\n"


def write_table_croissant(table: Path, *, provenance: Provenance | Mapping[str, Any] | None = None) -> Path:
    """Write ``croissant.json`` beside a CSV table whose column ``image_filename`` names arrays; return its path.

    Raises:
        UserError: no such table, an image that it names is missing, or an unknown field of the provenance.
    """
    import mlcroissant as mlc

    if not table.is_file():
        raise UserError("a CSV table of samples", found(table), "check the path")
    declared, folder = _declared(provenance), table.parent
    images = sorted(pd.read_csv(table, usecols=["image_filename"], dtype=str)["image_filename"].dropna().unique())
    absent = [name for name in images if not (folder / name).is_file()]
    if absent:
        got = f"{len(absent)} missing ({', '.join(absent[:3])})"
        raise UserError(f"the images that {table.name} names", got, "restore them, or remove their rows")
    context = mlc.Context(conforms_to=type(mlc.Context().conforms_to).V_1_1)
    objects = [_file(context, folder, table.name, table.name, EXTRA["master_index.csv"])]
    objects += [_file(context, folder, name, name, NUMPY) for name in images]
    words = EXTRA_WORDS["master_index.csv"]
    content = _metadata(
        context,
        declared,
        table.stem,
        f"Candidates in {len(images)} frames, as {table.name} lists them.",
        f"urn:sha256:{file_hash(table)}",
        distribution=objects,
        record_sets=[table_records(context, folder, table.stem, table.name, table.name, words)],
    )
    return _write(folder / "croissant.json", content)


def _declared(provenance: Provenance | Mapping[str, Any] | None) -> Provenance:
    if provenance is None or isinstance(provenance, Provenance):
        return provenance or Provenance()
    known = [item.name for item in fields(Provenance)]
    unknown = sorted(set(provenance) - set(known))
    if unknown:
        fix = " ".join(near for name in unknown if (near := nearest(name, known))) or "remove or rename them"
        raise UserError(f"provenance of {', '.join(known)}", ", ".join(unknown), fix)
    told: dict[str, Any] = {
        name: str(value) if isinstance(value, int | float) else value for name, value in provenance.items()
    }
    for name, hint in fields_of(Provenance).items():
        if name in told and not fits(told[name], hint, None) and (hint, told[name]) != (str, ""):
            example = getattr(Provenance, name) if name in ("date_published", "version") else "TEXT"
            fix = f"for instance provenance.{name}={example}"
            if name == "creators" and isinstance(told[name], str):
                fix = f"write 'provenance.creators=[{told[name]}]'"
            raise UserError(f"provenance.{name}: {words_of(hint)}", f"provenance.{name}={told[name]}", fix)
    return Provenance(**told)


def _describe(dataset: PreparedDataset, declared: Provenance) -> str:
    undeclared = f" {NOT_DECLARED}" if (declared.license, declared.date_published) == _UNDECLARED else ""
    counts = dataset.meta.get("counts", {})
    return (
        f"{counts.get('samples', len(dataset.by_column))} samples in {counts.get('groups', '?')} groups, prepared by "
        f"astrid_ml's pipeline {dataset.meta.get('domain')!r} from {counts.get('units', '?')} units of raw data; "
        f"{counts.get('dropped', 0)} records were dropped. Fingerprint {dataset.fingerprint}.{undeclared}"
    )


def _file(context: Any, folder: Path, name: str, file: str, encoding: str) -> Any:
    import mlcroissant as mlc

    return mlc.FileObject(
        ctx=context,
        id=name,
        name=name,
        content_url=file,
        encoding_formats=[encoding],
        sha256=file_hash(folder / file),
        content_size=f"{(folder / file).stat().st_size} B",
    )


def _write(path: Path, text: str) -> Path:
    write_text(path, text)
    return path
