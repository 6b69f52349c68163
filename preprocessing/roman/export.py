"""The reference's layout: frames in [0, 1] by ZScale, and ``master_index.csv``."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np

from astrid_ml.dataset.prepared import PreparedDataset
from astrid_ml.errors import UserError
from astrid_ml.files import whole
from astrid_ml.preprocessing.roman.job.frames import CHANNELS
from astrid_ml.preprocessing.roman.job.old_dataset import TABLE

_ROWS = 64


def export_zscale(dataset: PreparedDataset, output_dir: Path) -> dict[str, Any]:
    """Write ``images/jidNNN.npy`` (H, W, 4) float32 in [0, 1] and ``master_index.csv`` into a folder.

    As in the reference, pixels without data count as 0 before scaling; the limits are those of the finite pixels.

    Raises:
        UserError: the dataset holds no frames, or the folder is the dataset itself.
    """
    if "image" not in dataset.index or not (dataset.path / TABLE).is_file():
        raise UserError(
            "a dataset of whole frames", f"{dataset.path}", "prepare it with preprocessing.images.keep=frames"
        )
    if output_dir.resolve() == dataset.path.resolve():
        raise UserError("output_dir apart from the dataset", str(output_dir), "give another folder")
    first = dataset.index.drop_duplicates("image").set_index("image")
    for name, row in first.iterrows():
        low, high = (np.array([row[f"zscale_{end}_{c}"] for c in CHANNELS], np.float32) for end in ("low", "high"))
        _scale(dataset.path / str(name), output_dir / str(name), low, high)
    shutil.copyfile(dataset.path / TABLE, output_dir / TABLE)
    return {"output_dir": str(output_dir), "images": len(first)}


def _scale(source: Path, target: Path, low: Any, high: Any) -> None:
    """One frame, some rows at a time; whole or not at all."""
    target.parent.mkdir(parents=True, exist_ok=True)
    frame = np.load(source, mmap_mode="r")
    with whole(target) as part:
        out = np.lib.format.open_memmap(part, mode="w+", dtype=np.float32, shape=frame.shape)
        width = np.where(high > low, high - low, 1)
        for start in range(0, len(frame), _ROWS):
            block = np.nan_to_num(frame[start : start + _ROWS], nan=0.0)
            out[start : start + _ROWS] = np.clip((block - low) / width, 0, 1)
        out.flush()
