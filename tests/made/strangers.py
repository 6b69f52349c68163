"""Triplets as people keep them: arrays of any container and order, with a table."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from astropy.io import fits

from astrid_ml.types import Floats32

N, SIDE = 6, 21


def stamps() -> Floats32:
    """(6, 3, 21, 21): science, reference, difference; no two pixels alike."""
    return np.random.default_rng(3).normal(5, 2, (N, 3, SIDE, SIDE)).astype(np.float32)


def table() -> pd.DataFrame:
    """As BTSbot's: two detections of each of three objects."""
    return pd.DataFrame(
        {
            "objectId": [f"ZTF20aa{'abc'[n // 2]}" for n in range(N)],
            "candid": [10**17 + n for n in range(N)],
            "label": [1, 1, 0, 0, 1, 1],
            "jd": 2459000.5 + np.arange(N),
            "ra": 10.0,
            "dec": 5.0,
            "fid": [1, 2, 1, 2, 1, 3],
            "magpsf": 18.0,
        }
    )


def nested(array: Any) -> list[Any]:
    """An array as lists, for tables of Arrow."""
    return list(np.asarray(array).tolist())


def _beside(folder: Path, name: str = "candidates.csv") -> None:
    table().to_csv(folder / name, index=False)


def npy_last(folder: Path) -> None:
    np.save(folder / "triplets.npy", stamps().transpose(0, 2, 3, 1))
    _beside(folder)


def npy_first(folder: Path) -> None:
    np.save(folder / "train_triplets_v1.npy", stamps())
    _beside(folder, "train_cand_v1.csv")


def npz_with_columns(folder: Path) -> None:
    columns: dict[str, Any] = {str(name): table()[name].to_numpy() for name in table()}
    columns["objectId"] = columns["objectId"].astype(str)
    np.savez(folder / "all.npz", x=stamps().transpose(0, 2, 3, 1), **columns)


def npz_apart(folder: Path) -> None:
    sci, ref, diff = stamps().transpose(1, 0, 2, 3)
    np.savez(folder / "all.npz", sci=sci, template=ref, diff=diff)
    _beside(folder)


def hdf5(folder: Path) -> None:
    with h5py.File(folder / "all.h5", "w") as file:
        file["set/stamps"] = stamps()
        for name in table():
            values = table()[name]
            file[f"set/{name}"] = list(values) if name == "objectId" else values.to_numpy()


def zarr_group(folder: Path) -> None:
    import zarr

    group = zarr.open_group(str(folder / "all.zarr"), mode="w")
    group.create_array("triplets", data=stamps().transpose(0, 2, 3, 1), chunks=(2, SIDE, SIDE, 3))
    _beside(folder)


def _columns(**arrays: Any) -> pa.Table:
    plain = pa.Table.from_pandas(table(), preserve_index=False)
    for name, values in arrays.items():
        plain = plain.append_column(name, pa.array(nested(values), type=_lists(np.ndim(values) - 1)))
    return plain


def _lists(depth: int) -> pa.DataType:
    kind: pa.DataType = pa.float32()
    for _ in range(depth):
        kind = pa.list_(kind)
    return kind


def parquet_apart(folder: Path) -> None:
    sci, ref, diff = stamps().transpose(1, 0, 2, 3)
    made = _columns(science=sci, reference=ref, difference=diff)
    pq.write_table(made, folder / "all.parquet", row_group_size=4)


def hugging_face(folder: Path) -> None:
    (folder / "train").mkdir()
    whole = _columns(image=stamps())
    for shard in range(2):
        path = str(folder / "train" / f"data-0000{shard}-of-00002.arrow")
        with pa.OSFile(path, "wb") as sink, pa.ipc.new_stream(sink, whole.schema) as writer:
            writer.write_table(whole.slice(3 * shard, 3))
    (folder / "train" / "dataset_info.json").write_text("{}")
    (folder / "train" / "state.json").write_text("{}")


def fits_named(folder: Path) -> None:
    named = table()
    for column, channel in (("sci", 0), ("ref", 1), ("diff", 2)):
        named[column] = [f"stamps/{n}_{column}.fits" for n in range(N)]
        (folder / "stamps").mkdir(exist_ok=True)
        for n in range(N):
            fits.PrimaryHDU(stamps()[n, channel]).writeto(folder / "stamps" / f"{n}_{column}.fits")
    named.to_csv(folder / "table.csv", index=False)


def fits_cubes(folder: Path) -> None:
    named = table()
    for n, name in enumerate(named["candid"]):
        fits.PrimaryHDU(stamps()[n]).writeto(folder / f"{name}.fits")
    named.to_csv(folder / "table.csv", index=False)


FORMS: dict[str, Callable[[Path], None]] = {
    make.__name__: make
    for make in (npy_last, npy_first, npz_with_columns, npz_apart, hdf5, zarr_group, parquet_apart, hugging_face,
                 fits_named, fits_cubes)
}  # fmt: skip
