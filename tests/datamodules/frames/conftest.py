"""A small prepared dataset of full frames, as a pipeline of job folders leaves it."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from astrid_ml.dataset.prepared import PreparedDataset

CHANNELS = ("science", "reference", "difference", "scorr")
HEIGHT, WIDTH, JOBS, PER_JOB = 120, 150, 12, 24


def make_job(number: int, random: np.random.Generator) -> tuple[np.ndarray, pd.DataFrame]:
    """A frame (H, W, 4) with PSF-like sources at a quarter of its positions and hot pixels at the others."""
    frame = random.normal(0, 1, (HEIGHT, WIDTH, 4)).astype(np.float32)
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    x, y = random.uniform(0, WIDTH - 1, PER_JOB), random.uniform(0, HEIGHT - 1, PER_JOB)
    real = np.arange(PER_JOB) % 4 == 0
    sign = np.where(np.arange(PER_JOB) % 7 == 5, -1, 1)  # real and bogus ones, of both signs

    for px, py, is_real, s in zip(x, y, real, sign, strict=True):
        if is_real:
            profile = np.exp(-((columns - px) ** 2 + (rows - py) ** 2) / 4)
            frame[..., 0 if s > 0 else 1] += 30 * profile
            frame[..., 2:] += s * 30 * profile[..., None]
        else:
            frame[int(py + 0.5), int(px + 0.5), 2:] += s * 30
    table = pd.DataFrame(
        {
            "id": [f"jid{number}_{k}" for k in range(PER_JOB)],
            "group_id": [f"jid{number}_{k}" for k in range(PER_JOB)],
            "jid": f"jid{number}",
            "image": f"images/jid{number}.npy",
            "x": x,
            "y": y,
            "sign": sign,
            "label": pd.array(real.astype(int), dtype="Int8"),
            "ambiguous": np.arange(PER_JOB) == 7,
            "injected": pd.array(np.where(real, np.arange(PER_JOB) % 8 == 0, False), dtype="boolean"),
            "mag_truth": np.where(real, random.uniform(20, 26, PER_JOB), np.nan),
            "truth_id": pd.array([f"{number}_{k}" if real[k] else None for k in range(PER_JOB)], dtype="string"),
            "filter": "H158" if number % 2 else "R062",
            "field": number,
            "ra": number + x * 0.11 / 3600,
            "dec": y * 0.11 / 3600,
            "mag": np.where(np.arange(PER_JOB) == 3, np.nan, random.normal(20, 2, PER_JOB)),
            "sharpness": np.where(real, 0.6, 0.9) + random.normal(0, 0.15, PER_JOB),
        }
    )
    for place, name in enumerate(CHANNELS):
        low, high = np.percentile(frame[..., place], [2, 98])
        table[f"zscale_low_{name}"], table[f"zscale_high_{name}"] = low, high
    return frame, table


@pytest.fixture(scope="session")
def frames(tmp_path_factory: pytest.TempPathFactory) -> PreparedDataset:
    """Twelve jobs of 24 detections each."""
    folder = tmp_path_factory.mktemp("frames")
    (folder / "images").mkdir()
    (folder / "arrays").mkdir()
    random = np.random.default_rng(3)
    tables = []
    for number in range(JOBS):
        frame, table = make_job(number, random)
        np.save(folder / "images" / f"jid{number}.npy", frame)
        tables.append(table.assign(array="", row=np.arange(PER_JOB)))
    pd.concat(tables, ignore_index=True).to_parquet(folder / "index.parquet")
    meta = {
        "schema": 1,
        "name": "frames",
        "fingerprint": "f" * 64,
        "domain": "roman",
        "description": {"channels": list(CHANNELS)},
    }
    (folder / "dataset.json").write_text(json.dumps(meta))
    return PreparedDataset(folder)
