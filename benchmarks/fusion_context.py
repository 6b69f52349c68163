"""Fusion networks with and without what catalogues say of the place: AUCPR, paired intervals, three seeds.

Claim: context that tells something is used, and a network that was trained with blanked blocks answers without it.
The sky is simulated and so are the catalogues: of transients six in ten have a galaxy, of bogus four in ten a star and
one in ten a galaxy. The figures say that the path works, not what a real catalogue is worth.
Run: ``python benchmarks/fusion_context.py [SAMPLES] [EPOCHS]``: 3,000 and 8 by default.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.metrics import average_precision_score

SEEDS = (1, 2, 3)
SMALL = ("channels.size=31", "model=fusion", "model.network.trunk.in_channels=3", "logger=none", "scheduler=none")
BLOCKS = (
    "datamodule.context.blocks.galaxies=[galaxies_mag,galaxies_match_distance]",
    "datamodule.context.blocks.stars=[stars_mag,stars_match_distance]",
    "datamodule.context.blank=0.3",
    "model.network.n_features=10",
)


def astrid(*words: str) -> None:
    """Run a verb; what it prints is kept for its failure."""
    done = subprocess.run([sys.executable, "-m", "astrid_ml", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"astrid {' '.join(words)}\n{done.stdout}{done.stderr}")


def write_catalogues(index: pd.DataFrame, folder: Path) -> None:
    """``galaxies.csv`` and ``stars.csv``: by object, some arcsec and less from it."""
    rng = np.random.default_rng(5)
    objects = index.drop_duplicates("group_id")
    real = objects["label"].to_numpy(dtype=int) == 1
    for name, shares, mean, far in (("galaxies", (0.1, 0.6), 19.5, 0.6), ("stars", (0.4, 0.05), 16.0, 0.1)):
        there = rng.uniform(size=len(objects)) < np.where(real, shares[1], shares[0])
        place = objects.loc[there, ["ra", "dec"]].to_numpy()
        off = rng.normal(0, far / 3600, place.shape) / np.column_stack(
            [np.cos(np.radians(place[:, 1])), np.ones(len(place))]
        )
        table = pd.DataFrame(place + off, columns=["ra", "dec"])
        table.assign(mag=rng.normal(mean, 1.5, len(table))).to_csv(folder / f"{name}.csv", index=False)


def tested(run: Path) -> pd.DataFrame:
    """Predictions of the test fold by id."""
    return pd.read_parquet(run / "predictions" / "test.parquet").set_index("id")


def blank_aucpr(run: Path, raw: Path, folder: Path) -> float:
    """AUCPR of the same checkpoint on the test fold, all blocks blank."""
    words = ["predict", f"ckpt_path={run / 'checkpoints' / 'best.ckpt'}", f"input={raw}", f"output_dir={folder}"]
    astrid(*words, "datamodule.context.absent=blank")
    scores = pd.read_parquet(folder / "predictions.parquet").set_index("id")["score"]
    known = tested(run)["label"].astype(int)
    return float(average_precision_score(known, scores.loc[known.index]))


def main(samples: int = 3000, epochs: int = 8) -> None:
    """Simulate, match, train, compare."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        raw, store = folder / "raw", folder / "store"
        made = ["simulate.n=" + str(samples), "simulate.prevalence=0.2"]
        astrid("simulate", "what=triplets", *made, f"output_dir={raw}")
        base = ["experiment=realbogus_triplets", "simulate=none", f"paths.raw={raw}", f"paths.data={store}"]
        astrid("prepare", *base)
        plain = store / json.loads((store / "latest.json").read_text(encoding="utf-8"))["dataset"]
        write_catalogues(pd.read_parquet(plain / "index.parquet"), folder)
        catalogues = f"catalogues=[{folder / 'galaxies.csv'},{folder / 'stars.csv'}]"
        astrid("crossmatch", f"dataset={plain}", catalogues, "radius=3", f"output_dir={folder / 'matched'}")
        data = f"dataset={folder / 'matched' / 'dataset'}"
        for seed in SEEDS:
            runs = {}
            for kind, more in (("pixels", ["model.network.n_features=0"]), ("context", list(BLOCKS))):
                runs[kind] = folder / f"{kind}-{seed}"
                words = [
                    data,
                    *SMALL,
                    *more,
                    f"seed={seed}",
                    f"trainer.max_epochs={epochs}",
                    f"paths.run_dir={runs[kind]}",
                ]
                astrid("train", "experiment=realbogus_triplets", *words)
            both = f"runs=[{runs['pixels']},{runs['context']}]"
            compared = folder / f"compared-{seed}"
            astrid("compare", both, f"output_dir={compared}")
            rows = json.loads((compared / "compare.json").read_text(encoding="utf-8"))
            blank = blank_aucpr(runs["context"], raw, folder / f"blank-{seed}")
            print(f"seed {seed}: {json.dumps(rows)}; context run with all blocks blank: {blank:.4f}", flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:3]))
