"""The index of 1.3 million candidates of 1,000 jobs: joined, finalised, written as parquet and as ``master_index.csv``.

Claim: less than 4 GB of memory. Run: ``python benchmarks/roman_index.py``. Needs 2 GB on the temporary disk.
"""

from __future__ import annotations

import resource
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from astrid_ml.pipeline.index import write_index
from astrid_ml.preprocessing.labels import TruthLabel
from astrid_ml.preprocessing.roman.job.catalogues import COLUMNS
from astrid_ml.preprocessing.roman.job.columns import same, texts
from astrid_ml.preprocessing.roman.job.frames import CHANNELS
from astrid_ml.preprocessing.roman.job.header import Science
from astrid_ml.preprocessing.roman.job.match import Match, label
from astrid_ml.preprocessing.roman.job.read import _records
from astrid_ml.preprocessing.roman.pipeline import RomanPipeline

JOBS, EACH, MATCHED = 1000, 1300, 65


def unit(folder: Path, number: int) -> Path:
    """One finished unit: its records as preparing a job leaves them."""
    rng, job = np.random.default_rng(number), f"jid{number}"
    table = pd.DataFrame({name: rng.uniform(0, 4088, EACH) for name in COLUMNS}).assign(id=np.arange(EACH))
    table["ra"], table["dec"] = 7 + table["x"] * 3e-5 + number % 50, -44 + table["y"] * 3e-5
    table = table.assign(sign=np.int8(1), sample=texts(f"{job}_{row}" for row in range(EACH)))
    names = [f"{row}_inj" for row in range(MATCHED)]
    truth = table[["x", "y"]].iloc[:MATCHED].assign(match_id=names, truth_id=[f"{job}_{n}" for n in names])
    truth = truth.assign(mag_truth=24.0, injected=True, sign=1)
    labelled, _ = label(table, truth, Match(), 26.0)
    science = Science("Y106", 17.638, 62000.0, 1, str(5_261_331 + number % 20), False, None)
    records = _records(labelled, science, job)
    for name in CHANNELS:
        records[f"zscale_low_{name}"], records[f"zscale_high_{name}"] = -1.0, 1.0
    records = records.assign(source=same(job, EACH), image=f"images/{job}.npy", row=0, array=f"{number:012d}-0")
    folder.mkdir()
    records.to_parquet(folder / "records.parquet", index=False)
    return folder


def main() -> None:
    """Print rows, seconds and the most memory used."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        folders = [unit(root / str(number), number) for number in range(JOBS)]
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        started = time.perf_counter()
        pipeline = RomanPipeline()
        made = write_index(pipeline, folders, TruthLabel(), root / "index.parquet")
        assert made is not None
        index = made.index
        assert isinstance(index, pd.DataFrame)
        account = pipeline.complete(index, root)
        took = time.perf_counter() - started
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        print(f"{len(index):,} candidates, {account['master_index_rows']:,} rows in master_index.csv: {took:.0f} s")
        print(f"most memory: {most:.2f} GB, before it {before:.2f} GB (claim: < 4 GB)")


if __name__ == "__main__":
    main()
