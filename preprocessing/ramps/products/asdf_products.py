"""The same files in ASDF, as Roman has them: ``roman`` with its data, bits and the input's own ``meta``."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from astrid_ml.errors import UserError
from astrid_ml.files import whole
from astrid_ml.preprocessing.ramps.exposure.dq import kind_of_bits
from astrid_ml.preprocessing.ramps.ramp.ramp import Ramp
from astrid_ml.preprocessing.ramps.readers.asdf_files import is_asdf, read_roman
from astrid_ml.types import Array, Floats32

# Names of the JWST pipeline's extensions in Roman's trees.
NAMES = {"SCI": "data", "ERR": "err", "DQ": "dq", "VAR_POISSON": "var_poisson", "VAR_RNOISE": "var_rnoise"}


class AsdfRamp:
    """A ramp that is filled in strips, which wait in a nameless file, and written whole.

    Args:
        path: of the file.
        ramp: its exposure.

    Raises:
        UserError: several integrations, which Roman does not have; the library asdf is not there.
    """

    def __init__(self, path: Path, ramp: Ramp) -> None:
        library()
        if ramp.shape[0] > 1:
            got = f"{ramp.shape[0]} integrations in {ramp.name}"
            raise UserError("one integration for a ramp in ASDF", got, "write FITS files")
        self._path, self._ramp = path, ramp
        with tempfile.TemporaryFile() as file:
            self._data = np.memmap(file, np.float32, "w+", shape=ramp.shape[1:])
        with tempfile.TemporaryFile() as file:
            self._bits = np.memmap(file, np.dtype(kind_of_bits(ramp)), "w+", shape=ramp.shape[1:])

    def write(self, integration: int, rows: slice, reads: Floats32, bits: Array) -> None:
        """A strip, both (n_groups, h, n_cols)."""
        self._data[:, rows], self._bits[:, rows] = reads, bits

    def close(self, pixels: Array) -> None:
        """Write PIXELDQ (n_rows, n_cols) and all the rest."""
        arrays: dict[str, Array] = {"data": self._data, "groupdq": self._bits, "pixeldq": pixels}
        arrays = {name: array.view(np.ndarray) for name, array in arrays.items()}  # asdf knows no mapped ones
        write_tree(self._path, self._ramp, arrays, "DN" if self._ramp.unit == "DN" else "electron")


def write_asdf_rate(path: Path, ramp: Ramp, planes: Mapping[str, Array]) -> None:
    """Count rates.

    Args:
        path: of the file.
        ramp: the exposure.
        planes: arrays by the names of the JWST pipeline's extensions.
    """
    unit = "DN / s" if ramp.unit == "DN" else "electron / s"
    write_tree(path, ramp, {NAMES[name]: image for name, image in planes.items()}, unit)


def write_tree(path: Path, ramp: Ramp, arrays: Mapping[str, Array], unit: str) -> None:
    """A file with ``roman``: arrays, and what the exposure's own file says under ``meta``.

    Args:
        path: of the file; it appears whole.
        ramp: the exposure.
        arrays: by their names.
        unit: of ``data``.
    """
    meta = _meta(ramp)
    meta |= {"filename": path.name, "unit": unit}
    groups = [[float(time) for time in group] for group in ramp.sampling.groups]
    meta["exposure"] = {**meta.get("exposure", {}), "read_times": groups}
    with whole(path) as part:
        library().AsdfFile({"roman": {"meta": meta, **arrays}}).write_to(part)


def _meta(ramp: Ramp) -> dict[str, Any]:
    """Plain numbers, texts, lists and mappings of the input's ``meta``."""
    if ramp.file is None or not is_asdf(ramp.file):
        return {"telescope": ramp.mission, "instrument": {"detector": ramp.detector, "optical_element": ramp.filter}}
    out: dict[str, Any] = _plain(read_roman(ramp.file).get("meta") or {})
    return out


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def library() -> Any:
    """asdf.

    Raises:
        UserError: it is not there.
    """
    try:
        import asdf
    except ImportError as error:
        fix = "pip install 'astrid-ml[roman]', or write FITS files"
        raise UserError("the library asdf, which writes Roman's files", "it is not installed", fix) from error
    return asdf
