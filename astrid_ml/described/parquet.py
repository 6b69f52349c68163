"""What columns mean, inside a parquet file: for astropy, for pandas, for pyarrow, for programs of the VO.

Four readers look in four places: pyarrow in the fields' own metadata; ``astropy.table.Table.read`` in the text
``table_meta_yaml``; pandas in ``PANDAS_ATTRS`` (``frame.attrs["units"]``); TOPCAT and STILTS in a VOTable without data
(VOParquet 1.0, https://www.ivoa.net/documents/Notes/VOParquet/).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape, quoteattr

from astrid_ml.described.columns import ColumnMeaning, TableMeaning

if TYPE_CHECKING:
    import pyarrow as pa

# Names of types in VOTable, by that of arrow; others travel as text.
VOTABLE = {
    "bool": "boolean", "int8": "short", "uint8": "unsignedByte", "int16": "short", "uint16": "int", "int32": "int",
    "uint32": "long", "int64": "long", "uint64": "long", "float": "float", "halffloat": "float", "double": "double",
}  # fmt: skip


def with_meaning(schema: pa.Schema, meaning: TableMeaning) -> pa.Schema:
    """A schema whose columns carry their units, descriptions and UCDs, each in the four places.

    Args:
        schema: of the table; its own metadata stay.
        meaning: of the columns.

    Returns:
        the same names and types, with metadata.
    """
    import pyarrow as pa

    columns = {name: meaning.column(name) for name in schema.names}
    fields = [field.with_metadata(_plain(columns[field.name]) or None) for field in schema]
    metadata: dict[bytes | str, bytes | str] = dict(schema.metadata or {})
    metadata["table_meta_yaml"] = _astropy(schema, columns)
    metadata["IVOA.VOTable-Parquet.version"] = "1.0"
    metadata["IVOA.VOTable-Parquet.content"] = _votable(schema, columns)
    # pandas reads what it finds beside its own account of the columns, if there is one.
    metadata["PANDAS_ATTRS"] = json.dumps(_attrs(columns))
    return pa.schema(fields, metadata)


@dataclass(frozen=True)
class ParquetMeaning:
    """What a :class:`astrid_ml.table_files.TableWriter` says of its columns.

    Args:
        meaning: of the columns.
    """

    meaning: TableMeaning

    def schema(self, schema: pa.Schema) -> pa.Schema:
        """The schema with its metadata."""
        return with_meaning(schema, self.meaning)

    def text_lengths(self, lengths: Mapping[str, int]) -> dict[str, str]:
        """Letters of the longest text of each column, as astropy wants them; it writes None where there is nothing."""
        return {f"table::len::{name}": str(max(length, 4)) for name, length in lengths.items()}


def meanings_in(path: Path) -> dict[str, ColumnMeaning]:
    """What a parquet file says of its columns: ours, or one of astropy; a file without a word says nothing.

    Args:
        path: of the file.
    """
    import pyarrow.parquet as pq
    import yaml

    schema = pq.read_schema(path)
    found = {}
    for field in schema:
        said = {key.decode(): value.decode(errors="replace") for key, value in (field.metadata or {}).items()}
        found[field.name] = ColumnMeaning(said.get("unit", ""), said.get("description", ""), said.get("ucd", ""))
    text = (schema.metadata or {}).get(b"table_meta_yaml")
    if text is None or any(meaning != ColumnMeaning() for meaning in found.values()):
        return found
    try:
        entries = yaml.safe_load(text.decode(errors="replace"))["datatype"]
        for entry in entries:
            about = ColumnMeaning(str(entry.get("unit") or ""), str(entry.get("description") or ""))
            found[str(entry["name"])] = about
    except (yaml.YAMLError, TypeError, KeyError, AttributeError):
        return found  # tags of astropy's own: columns that are no plain numbers
    return found


def _plain(column: ColumnMeaning) -> dict[str, str]:
    parts = {"unit": column.unit, "description": column.description, "ucd": column.ucd}
    return {name: value for name, value in parts.items() if value}


def _attrs(columns: Mapping[str, ColumnMeaning]) -> dict[str, dict[str, str]]:
    """``attrs`` of a data frame: units, descriptions, UCDs by column."""
    named = {"units": "unit", "descriptions": "description", "ucds": "ucd"}
    return {
        kind: {name: getattr(column, part) for name, column in columns.items() if getattr(column, part)}
        for kind, part in named.items()
    }


def _astropy(schema: pa.Schema, columns: Mapping[str, ColumnMeaning]) -> str:
    """The YAML of astropy's ECSV header; JSON is YAML too."""
    lines = ["datatype:"]
    for field in schema:
        column = columns[field.name]
        entry: dict[str, Any] = {"name": field.name, "datatype": str(field.type)}
        entry |= {name: value for name, value in _plain(column).items() if name != "ucd"}
        if column.ucd:
            entry["meta"] = {"ucd": column.ucd}
        lines.append(f"- {json.dumps(entry)}")
    return "\n".join(lines)


def _votable(schema: pa.Schema, columns: Mapping[str, ColumnMeaning]) -> str:
    """A VOTable with the fields alone."""
    import pyarrow as pa

    fields = []
    for field in schema:
        column, kind = columns[field.name], field.type
        size = ""
        if pa.types.is_list(kind):
            kind, size = kind.value_type, ' arraysize="*"'
        name = VOTABLE.get(str(kind))
        if name is None:
            name, size = "char", ' arraysize="*"'
        given = {"unit": column.unit.replace(" ", "") if column.unit[:1].isdigit() else column.unit, "ucd": column.ucd}
        more = "".join(f" {key}={quoteattr(value)}" for key, value in given.items() if value)
        text = f"<DESCRIPTION>{escape(column.description)}</DESCRIPTION>" if column.description else ""
        fields.append(f'<FIELD name={quoteattr(field.name)} datatype="{name}"{size}{more}>{text}</FIELD>')
    return (
        '<?xml version="1.0" encoding="UTF-8"?><VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3">'
        f'<RESOURCE><TABLE>{"".join(fields)}<DATA><PARQUET type="Parquet-local-XML"/></DATA></TABLE></RESOURCE>'
        "</VOTABLE>"
    )
