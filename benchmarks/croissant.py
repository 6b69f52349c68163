"""Stamps a second that a stranger reads by croissant.json with mlcroissant and numpy, beside the loop over npy alone.

    python benchmarks/croissant.py [--samples 4000]

Claim: >= 1,000 a second for 63x63x3. Pixels that stand in a parquet table instead are converted number by number by
mlcroissant: 11,907 for each stamp.
"""

from __future__ import annotations

import argparse
import tempfile
import time
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from astrid_ml.dataset.prepared import PreparedDataset
from astrid_ml.pipeline.engine import prepare_dataset
from astrid_ml.preprocessing.triplets.pipeline import TripletsPipeline
from astrid_ml.preprocessing.triplets.simulate import SimulateTriplets


def described(folder: Path) -> Iterator[tuple[str, int]]:
    """Path and row of each sample, as croissant.json says."""
    import mlcroissant

    for record in mlcroissant.Dataset(jsonld=str(folder / "croissant.json")).records("array-stamps"):
        yield record["array-stamps/path"].decode(), record["array-stamps/row"]


def known(dataset: PreparedDataset) -> Iterator[tuple[str, int]]:
    """The same, from the index."""
    for name, row in zip(dataset.index["array"], dataset.index["row"], strict=True):
        yield f"arrays/{name}.stamps.npy", row


def read(folder: Path, places: Iterable[tuple[str, int]]) -> int:
    """Copy every stamp out of its file; how many there were."""
    opened: dict[str, Any] = {}
    number = 0
    for path, row in places:
        if path not in opened:
            opened[path] = np.load(folder / path, mmap_mode="r")
        number += len(np.array(opened[path][row])[None])
    return number


def main() -> None:
    """Print both rates."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=4000)
    given = parser.parse_args()
    warnings.simplefilter("ignore", DeprecationWarning)  # of the libraries below mlcroissant
    with tempfile.TemporaryDirectory() as place:
        raw = Path(place) / "raw"
        raw.mkdir()
        SimulateTriplets(n=given.samples, missions=("ztf",), prevalence=0.5).run(raw, seed=1)
        outcome = prepare_dataset(TripletsPipeline(), [raw], Path(place) / "store", name="b", progress=False)
        dataset = PreparedDataset(outcome.path)
        for name, places in (("croissant.json", described(outcome.path)), ("npy alone", known(dataset))):
            start = time.process_time()
            number = read(outcome.path, places)
            seconds = time.process_time() - start
            print(f"{name}: {number} stamps of 63x63x3, {number / seconds:,.0f} a second of processor time")


if __name__ == "__main__":
    main()
