"""Names of objects are what the file says to the last figure, whatever its form, and where one of them is missing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from astrid_ml.preprocessing.lightcurves.curves.ingest import Account
from astrid_ml.preprocessing.lightcurves.readers.recognise import find_curves

LONG = 6_112_557_598_370_694_017
LAYOUTS: dict[str, tuple[str, dict[str, Any]]] = {
    "guessed": ("object_id", {"mjd": 58000.25, "filter": "g", "mag": 18.0, "mag_err": 0.05}),
    "sources": (
        "diaObjectId",
        {"diaSourceId": 1, "midpointMjdTai": 58000.25, "band": "g", "psfFlux": 9.0, "psfFluxErr": 1.0},
    ),
    "elasticc": ("SNID", {"MJD": 58000.25, "BAND": "g", "FLUXCAL": 9.0, "FLUXCALERR": 1.0, "PHOTFLAG": 0}),
    "plasticc": ("object_id", {"mjd": 58000.25, "passband": 1, "flux": 9.0, "flux_err": 1.0, "detected_bool": 1}),
}


def read(path: Path) -> tuple[list[str], Account]:
    account = Account()
    (source,) = find_curves([path]).sources
    return sorted(str(n) for table in source.read(account) for n in table.objects["object_id"]), account


def as_csv(path: Path, name: str, ids: list[Any], rest: dict[str, Any]) -> Path:
    lines = [",".join([name, *rest])]
    lines += [",".join(["" if one is None else str(one), *map(str, rest.values())]) for one in ids]
    path = path / "a.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def as_json(path: Path, name: str, ids: list[Any], rest: dict[str, Any]) -> Path:
    path = path / "a.json"
    path.write_text(json.dumps([{name: one, **rest} for one in ids]))
    return path


def as_parquet(path: Path, name: str, ids: list[Any], rest: dict[str, Any]) -> Path:
    path = path / "a.parquet"
    pq.write_table(pa.table({name: ids, **{key: [value] * len(ids) for key, value in rest.items()}}), path)
    return path


@pytest.mark.parametrize(
    ("layout", "write"),
    [
        *((layout, write) for layout in LAYOUTS for write in (as_csv, as_parquet)),
        *((layout, as_json) for layout in ("guessed", "sources")),  # the others are tables alone
    ],
)
def test_ids_of_64_bits_beside_a_missing_one(layout: str, write: Any, tmp_path: Path) -> None:
    name, rest = LAYOUTS[layout]
    names, account = read(write(tmp_path, name, [LONG, LONG + 1, None], rest))
    assert names == [str(LONG), str(LONG + 1)]
    (lost,) = account.dropped
    assert "without a name" in lost["reason"]


def test_ids_are_texts_as_they_are_written(tmp_path: Path) -> None:
    name, rest = LAYOUTS["guessed"]
    written = ["00012", "12", "1.10", "1.1", "1e5"]
    assert read(as_csv(tmp_path, name, written, rest))[0] == sorted(written)
    assert read(as_csv(tmp_path, name, ["7.0", "8.0"], rest))[0] == ["7", "8"]


@pytest.mark.parametrize("form", ["float", "text"])
def test_ids_that_were_cut_to_floats_are_refused(form: str, tmp_path: Path) -> None:
    name, rest = LAYOUTS["guessed"]
    path = tmp_path / "a.parquet"
    rows = pd.DataFrame([{name: float(LONG), **rest}, {name: float(LONG + 1024), **rest}])
    rows.to_parquet(path) if form == "float" else rows.to_csv(path := tmp_path / "a.csv", index=False)
    names, account = read(path)
    assert not names and f"64 bits in the column {name}" in account.dropped[0]["reason"]
