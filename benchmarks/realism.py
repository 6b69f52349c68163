"""Simulated candidates of ZTF as a network sees them that nobody here trained: published weights of ZTF itself.

Claim, with the sky in the stamps as ZTF's packets have it: ROC AUC of real against bogus at equal S/N at least .90 in
each of 5 to 8, 8 to 15 and 15 to 40; median score of the real ones above .9, of each artefact below .3. Beside it the
same stamps without the sky. ``triplets``: the same of triplets drawn directly (simulate=triplets).
Run: ``python benchmarks/realism.py WEIGHTS.h5 pairs|triplets N SEED...``: Keras weights of Braai d6_m7 or d6_m9; N
pairs or triplets for each seed.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch
from sklearn.metrics import roc_auc_score

from astrid_ml.checkpoint.load import LoadedModel, load_model
from astrid_ml.fingerprint import file_hash
from astrid_ml.models.commands.import_weights import PUBLISHED, ImportWeightsCommand
from astrid_ml.pipeline.writer import MemoryUnitWriter
from astrid_ml.preprocessing.differencing.pipeline import DifferencingPipeline
from astrid_ml.preprocessing.differencing.pixels.cutouts import Cutout
from astrid_ml.preprocessing.simulated_sky.command_sky import SimulateSky
from astrid_ml.preprocessing.triplets.pipeline import TripletsPipeline
from astrid_ml.preprocessing.triplets.simulate import SimulateTriplets
from astrid_ml.progress import bar

torch.set_num_threads(1)
BINS, STEP = ((5, 8), (8, 15), (15, 40)), 1.15  # of |S/N|; equal S/N: within this factor
SKIES: tuple[Literal["included", "subtracted"], ...] = ("included", "subtracted")
# Cosmic rays, trails, hot and bad pixels at twice the preset, so that few frames hold enough of each.
FACTOR, SHAPE = 2.0, (512, 512)


def candidates(model: LoadedModel, pairs: int, seed: int) -> pd.DataFrame:
    """Candidates of simulated pairs with a column of scores for each sky."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        SimulateSky(n=pairs, missions=("ztf",), shape=SHAPE, artefacts=FACTOR).run(folder, seed)
        return pd.concat(list(_scored(model, folder)), ignore_index=True)


def triplets(model: LoadedModel, count: int, seed: int) -> pd.DataFrame:
    """Triplets drawn directly, half of them real, with a column of scores for each sky."""
    found = pd.DataFrame()
    for sky in SKIES:
        with tempfile.TemporaryDirectory() as name:
            SimulateTriplets(count, ("ztf",), prevalence=0.5, snr=(5.0, 40.0), sky=sky).run(Path(name), seed)
            pipeline, tables = TripletsPipeline(), list[pd.DataFrame]()
            for unit in bar(pipeline.plan([Path(name)]), "scoring"):
                writer = MemoryUnitWriter(pipeline.describe())
                pipeline.process(unit, writer, 0)
                source = writer.source()
                tables.append(source.index.assign(**{sky: model.score(source)["score"].to_numpy()}))
        table = pd.concat(tables, ignore_index=True)
        found = found.assign(**{sky: table[sky]}) if len(found) else table
    kind = found["artefact"].astype("string")
    return found.assign(artefact=kind.mask(kind == ""), truth_kind="transient")


def _scored(model: LoadedModel, folder: Path) -> Iterator[pd.DataFrame]:
    pipeline = DifferencingPipeline()
    for unit in bar(pipeline.plan([folder]), "scoring"):
        found = pd.DataFrame()
        for sky in SKIES:
            writer = MemoryUnitWriter(pipeline.describe())
            replace(pipeline, cutout=Cutout(sky=sky)).process(unit, writer, 0)
            source = writer.source()
            scores = model.score(source)["score"].to_numpy() if len(source.index) else np.zeros(0)
            found = found if len(found) else source.index
            found = found.assign(**{sky: scores})
        yield found


def auc_at_equal_snr(real: np.ndarray, snr: np.ndarray, scores: np.ndarray) -> float:
    """Mean ROC AUC of narrow steps of S/N, each weighted by its real ones; steps of one class alone tell nothing."""
    step = np.floor(np.log(snr) / np.log(STEP)).astype(int)
    parts = [(real[step == s], scores[step == s]) for s in np.unique(step)]
    told = [(y.sum(), roc_auc_score(y, x)) for y, x in parts if 0 < y.sum() < len(y)]
    return float(np.average([auc for _, auc in told], weights=[n for n, _ in told])) if told else float("nan")


def report(table: pd.DataFrame) -> None:
    """A line a bin of S/N, a line a kind."""
    real, snr = (table["label"] == 1).fillna(False).to_numpy(dtype=bool), table["snr"].abs().to_numpy()
    for sky in SKIES:
        print(f"sky {sky}")
        scores = table[sky].to_numpy()
        for low, high in BINS:
            here = (snr >= low) & (snr < high)
            auc = auc_at_equal_snr(real[here], snr[here], scores[here])
            medians = (np.median(scores[here & real]), np.median(scores[here & ~real]))
            counts = f"{(here & real).sum():5d} real {(here & ~real).sum():5d} bogus"
            print(f"  S/N {low:2d} to {high:2d}: {counts}  AUC {auc:.3f}  medians {medians[0]:.3f} {medians[1]:.3f}")
        kinds = table["artefact"].fillna("real: " + table["truth_kind"].astype("string"))
        for kind, rows in table.assign(kind=kinds).groupby("kind"):
            above = float((rows[sky] > 0.5).mean())
            print(f"  {kind:16s} {len(rows):5d}  median {rows[sky].median():.3f}  above one half {above:.2f}")


def main() -> None:
    """On the weights that were given."""
    weights, what, count = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    seeds = [int(value) for value in sys.argv[4:]]
    with tempfile.TemporaryDirectory() as name:
        at, variant = Path(name) / "model.ckpt", PUBLISHED[file_hash(weights)]
        chosen: Any = variant  # the names of the class's field
        ImportWeightsCommand(str(weights), chosen, str(at)).run()
        model = load_model(at)
        made = {"pairs": candidates, "triplets": triplets}[what]
        tables = [made(model, count, seed) for seed in seeds]
    for seed, table in zip(seeds, tables, strict=True):
        if len(seeds) > 1:
            print(f"{variant}, {count} {what}, seed {seed}")
            report(table)
    print(f"{variant}, {count} {what} of each of the seeds {seeds}")
    report(pd.concat(tables, ignore_index=True))


if __name__ == "__main__":
    main()
