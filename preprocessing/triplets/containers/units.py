"""The units of columns, where a container says them: parquet in its schema, HDF5 in attributes, npz in JSON."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Sequence
from pathlib import Path

from astrid_ml.described.parquet import meanings_in
from astrid_ml.files import read_arrays
from astrid_ml.hdf5 import array_of, open_hdf5, text_of
from astrid_ml.preprocessing.triplets.containers.grouped import OF_EACH
from astrid_ml.preprocessing.triplets.containers.stack import Stack
from astrid_ml.preprocessing.triplets.containers.stacks import HDF5

MEANINGS = "columns"  # an array of one text in npz: JSON, column -> unit, description, ucd
ATTRIBUTES = ("unit", "units")
MOST = 2**20  # bytes of that text


def units_in(container: Path, stacks: Sequence[Stack]) -> dict[str, str]:
    """Column -> unit, of the columns whose unit a container says; empty where it says none.

    Args:
        container: file, or folder of zarr.
        stacks: its arrays.
    """
    ending = container.suffix.lower()
    if ending in (".parquet", ".pq"):
        return {name: meaning.unit for name, meaning in meanings_in(container).items()}
    if ending == ".npz":
        return _of_npz(container)
    names = [stack.name for stack in stacks if len(stack.shape) == 1 and not stack.name.startswith(OF_EACH)]
    return _of_hdf5(container, names) if ending in HDF5 and names else {}


def _of_npz(container: Path) -> dict[str, str]:
    with zipfile.ZipFile(container) as archive:
        sizes = {member.filename: member.file_size for member in archive.infolist()}
    if not 0 < sizes.get(f"{MEANINGS}.npy", 0) <= MOST:
        return {}
    text = read_arrays(container, [MEANINGS])[MEANINGS]
    if text.shape != () or text.dtype.kind != "U":
        return {}  # somebody's own array of that name
    try:
        said = json.loads(text.item())
    except ValueError:
        return {}
    if not isinstance(said, dict):
        return {}
    about = {name: one.get("unit") for name, one in said.items() if isinstance(one, dict)}
    return {name: unit for name, unit in about.items() if isinstance(unit, str) and unit}


def _of_hdf5(container: Path, names: Sequence[str]) -> dict[str, str]:
    out = {}
    with open_hdf5(container) as file:
        for name in names:
            attributes = array_of(file, name).attrs
            said = next((attributes[key] for key in ATTRIBUTES if key in attributes), None)
            if isinstance(said, str | bytes) and said:
                out[name.rpartition("/")[2]] = text_of(said)
    return out
