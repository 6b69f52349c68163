"""``croissant.json``: the prepared dataset described in Croissant 1.1, so that other tools can read it.

Nothing in it depends on when or where it was written: ``datePublished`` is a declared field of the provenance, never
the clock, so that the same configuration gives the same bytes.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, fields
from itertools import islice
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from astrid_ml.dataset.prepared import PreparedDataset
from astrid_ml.dataset.sample_tables import SampleTable, write_sample_tables
from astrid_ml.errors import UserError
from astrid_ml.files import whole, write_text
from astrid_ml.fingerprint import file_hash
from astrid_ml.found import found

PARQUET, NUMPY = "application/x-parquet", "application/x-numpy"
# Tables that a domain may leave beside the index.
EXTRA = {"master_index.csv": "text/csv", "truth.parquet": PARQUET}
TEXTS = ("jid", "match_id", "truth_id", "image_filename")  # a name of digits is still a name
EXTRA_TEXT = {
    "master_index.csv": "One row for each labelled candidate; image_filename is the path of its (H, W, 4) frame.",
    "truth.parquet": "One row for each true source on a detector; sample is null where it was not detected.",
}
REQUIRED = ("name", "description", "url", "license", "datePublished", "citeAs", "version")


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
    date_published: str = "2026-11-21"
    version: str = "1.0.0"
    creators: tuple[str, ...] = ()


def write_croissant(
    dataset_path: Path,
    *,
    splits: pd.DataFrame | None = None,
    provenance: Provenance | Mapping[str, Any] | None = None,
) -> Path:
    """Write ``croissant.json`` and its tables into a prepared dataset and return its path.

    Args:
        dataset_path: the dataset's folder.
        splits: columns ``id, fold``: the experiment's split.
        provenance: what the data card declares; a mapping may hold any of its fields.

    Raises:
        UserError: no dataset, an unknown field of the provenance, or a split without ``id`` and ``fold``.
    """
    import mlcroissant as mlc

    dataset, declared = PreparedDataset(dataset_path), _declared(provenance)
    tables = write_sample_tables(dataset)
    files = {"index": "index.parquet"} | {f"array-table-{table.kind}": table.file for table in tables}
    if splits is not None:
        files["table-split"] = _write_split(dataset.path, splits)
    version = type(mlc.Context().conforms_to)  # the library keeps its table of versions private
    context = mlc.Context(conforms_to=version.V_1_1)
    objects = [_file(context, dataset.path, name, file, PARQUET) for name, file in files.items()]
    arrays = sorted((dataset.path / "arrays").glob("*.npy"))
    objects += [_file(context, dataset.path, array.stem, f"arrays/{array.name}", NUMPY) for array in arrays]
    objects += [_file(context, dataset.path, name, name, NUMPY) for name in _frames(dataset)]
    extra = [name for name in EXTRA if (dataset.path / name).is_file()]
    objects += [_file(context, dataset.path, name, name, EXTRA[name]) for name in extra]
    records = [_columns(context, dataset.path, "samples", "index", files["index"], "One row for each sample.")]
    records += [_samples(context, dataset.path, table) for table in tables]
    if splits is not None:
        records.append(
            _columns(context, dataset.path, "split", "table-split", files["table-split"], "The fold of each sample.")
        )
    for name in extra:
        records.append(_columns(context, dataset.path, Path(name).stem, name, name, EXTRA_TEXT[name]))
    metadata = mlc.Metadata(
        ctx=context,
        name=str(dataset.meta.get("name", dataset.path.name)),
        description=declared.description or _describe(dataset),
        license=declared.license,
        cite_as=declared.cite_as,
        url=declared.url or f"urn:astrid_ml:{dataset.fingerprint}",
        date_published=declared.date_published,
        version=declared.version,
        creators=[mlc.Person(ctx=context, name=name) for name in declared.creators],
        distribution=objects,
        record_sets=records,
        **dataset.meta.get("description", {}).get("rai", {}),
    )
    return _write(dataset.path / "croissant.json", json.dumps(metadata.to_json(), indent=1, default=str) + "\n")


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
    text = EXTRA_TEXT["master_index.csv"]
    metadata = mlc.Metadata(
        ctx=context,
        name=table.stem,
        description=declared.description or f"Candidates in {len(images)} frames, as {table.name} lists them.",
        license=declared.license,
        cite_as=declared.cite_as,
        url=declared.url or f"urn:sha256:{file_hash(table)}",
        date_published=declared.date_published,
        version=declared.version,
        creators=[mlc.Person(ctx=context, name=name) for name in declared.creators],
        distribution=objects,
        record_sets=[_columns(context, folder, table.stem, table.name, table.name, text)],
    )
    return _write(folder / "croissant.json", json.dumps(metadata.to_json(), indent=1, default=str) + "\n")


def check_croissant(path: Path) -> list[str]:
    """All that is wrong with a ``croissant.json``: an empty list is a pass.

    mlcroissant's errors and warnings, the fields that the specification asks for and mlcroissant does not, files and
    their sha256, and the first record of every RecordSet, which validation alone never reads.
    """
    file = path / "croissant.json" if path.is_dir() else path
    if not file.is_file():
        raise UserError("a croissant.json", f"none at {file}", "write one: astrid croissant dataset=DATASET")
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
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
            wrong.append(f"{url[:100]} is no file of this folder")  # never fetched: a description must not send us out
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


def _declared(provenance: Provenance | Mapping[str, Any] | None) -> Provenance:
    if provenance is None or isinstance(provenance, Provenance):
        return provenance or Provenance()
    known = [item.name for item in fields(Provenance)]
    unknown = sorted(set(provenance) - set(known))
    if unknown:
        raise UserError(f"provenance of {', '.join(known)}", ", ".join(unknown), "remove or rename them")
    return Provenance(**provenance)


def _describe(dataset: PreparedDataset) -> str:
    counts = dataset.meta.get("counts", {})
    return (
        f"{counts.get('samples', len(dataset.by_column))} samples in {counts.get('groups', '?')} groups, prepared by "
        f"astrid_ml's pipeline {dataset.meta.get('domain')!r} from {counts.get('units', '?')} units of raw data; "
        f"{counts.get('dropped', 0)} records were dropped. Fingerprint {dataset.fingerprint}."
    )


def _write_split(folder: Path, splits: pd.DataFrame) -> str:
    if not {"id", "fold"} <= set(splits.columns):
        raise UserError("a split with the columns id and fold", ", ".join(map(str, splits.columns)), "name them so")
    (folder / "croissant").mkdir(exist_ok=True)
    with whole(folder / "croissant" / "_split.parquet") as part:
        splits[["id", "fold"]].astype(str).to_parquet(part, index=False)
    return "croissant/_split.parquet"


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


def _columns(context: Any, folder: Path, name: str, source: str, file: str, text: str) -> Any:
    """A RecordSet over all columns of a parquet file that hold one plain value a row."""
    import mlcroissant as mlc

    schema = csv_schema(folder / file) if file.endswith(".csv") else pq.read_schema(folder / file)
    plain = [(item.name, _data_type(item.type)) for item in schema]
    parts = [_field(context, name, source, column, kind) for column, kind in plain if kind is not None]
    return mlc.RecordSet(ctx=context, id=name, name=name, description=text, fields=parts)


def csv_schema(path: Path) -> pa.Schema:
    """Types of a CSV table's columns; one that is empty throughout is text."""
    table = pd.read_csv(path, dtype=dict.fromkeys(TEXTS, "string"))
    names = {name: "string" if table[name].isna().all() else table[name].dtype.name for name in table.columns}
    types = {"int64": pa.int64(), "float64": pa.float64(), "bool": pa.bool_()}
    return pa.schema({name: types.get(kind, pa.string()) for name, kind in names.items()})


def _frames(dataset: PreparedDataset) -> list[str]:
    """Whole frames that samples name by path, each once."""
    if "image" not in dataset.by_column:
        return []
    return sorted(name for name in dataset.different("image") if (dataset.path / name).is_file())


def _samples(context: Any, folder: Path, table: SampleTable) -> Any:
    import mlcroissant as mlc

    name, source = f"array-{table.kind}", f"array-table-{table.kind}"
    what = "large: np.load(path)[row]" if table.by_path else "flattened row-major; shape restores it"
    schema = pq.read_schema(folder / table.file)
    parts = [
        _field(context, name, source, item.name, kind) for item in schema if (kind := _data_type(item.type)) is not None
    ]
    if not table.by_path:
        kind = _data_type(schema.field("values").type.value_type)
        parts.append(_field(context, name, source, "values", kind, array=True))
    text = f"Array {table.kind!r} ({table.dtype}) of each sample, {what}."
    return mlc.RecordSet(ctx=context, id=name, name=name, description=text, fields=parts)


def _field(context: Any, record_set: str, source: str, column: str, kind: str | None, array: bool = False) -> Any:
    import mlcroissant as mlc

    extra = {"is_array": True, "array_shape": "-1"} if array else {}
    return mlc.Field(
        ctx=context,
        id=f"{record_set}/{column}",
        name=column,
        description=f"The column {column}.",
        data_types=[getattr(mlc.DataType, kind or "TEXT")],
        source=mlc.Source(ctx=context, file_object=source, extract=mlc.Extract(ctx=context, column=column)),
        **extra,
    )


def _data_type(kind: pa.DataType) -> str | None:
    """The name of a column's type in mlcroissant; None where it holds no plain value."""
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if pa.types.is_boolean(kind):
        return "BOOL"
    if pa.types.is_integer(kind):
        return "INTEGER"
    if pa.types.is_floating(kind):
        return "FLOAT"
    return "TEXT" if pa.types.is_string(kind) or pa.types.is_large_string(kind) else None


def _write(path: Path, text: str) -> Path:
    write_text(path, text)
    return path
