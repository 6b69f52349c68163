"""A checkpoint of simulated curves on real and foreign ones: what are transients called, and does it warn?

The sets are SNAD's (2,289 supernovae of ZTF; RR Lyrae of SDSS beside them), ZTF's 55 (30 supernovae, 25 periodic, of
which 5 long-period variables have no leaf), PLAsTiCC's 94 and SuperNNova's 319 supernovae of another simulation. For
transients and for the others: the share called a transient (with its 95 % interval), the three classes that are called
most, the share in the domain with the reasons of the rest, and the share with ``novelty_p`` below 0.05; before them
what is said of each set as a whole.

Run: ``python benchmarks/lightcurve_real.py [CKPT] [folder of the shared data] [words...]``, words being those of
``astrid predict``; the checkpoint is that which ``lightcurve_leave_survey_out.py`` leaves, of all four surveys.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
import pandas as pd

from astrid_ml.preprocessing.lightcurves.simulate.look import KINDS
from astrid_ml.stats import wilson
from astrid_ml.taxonomy import load_taxonomy

SETS = {
    "SNAD": ["ztf_lightcurves/snad_test_data.tar.gz"],
    "ZTF 55": [f"ztf_lightcurves/{name}" for name in ("30_sne_*", "periodic_*")],
    "PLAsTiCC 94": ["plasticc"],
    "OODcontrol 319": ["snana/OODcontrol-0001_HEAD.FITS"],
}
# Their curves have no flag of a trigger that ours would know: time zero is the first epoch of S/N 5.
RULE = ["preprocessing.selection.rule=snr", "allow_outside=true"]


def predicted(checkpoint: Path, inputs: Sequence[Path], words: Sequence[str]) -> pd.DataFrame:
    """A row an object, with all its epochs seen."""
    with tempfile.TemporaryDirectory(prefix="real-") as folder:
        together = Path(folder) / "in"  # tables of labels stand beside the curves
        together.mkdir()
        for path in inputs:
            (shutil.copytree if path.is_dir() else shutil.copy)(path, together / path.name)
        if inputs[0].name.endswith("HEAD.FITS"):
            shutil.copy(inputs[0].with_name(inputs[0].name.replace("HEAD", "PHOT")), together)
        given = [f"ckpt_path={checkpoint}", f"input={together}", f"output_dir={folder}/out"]
        call = [sys.executable, "-m", "astrid_ml", "predict", *given, *RULE, *words]
        subprocess.run(call, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        words = json.loads((Path(folder) / "out" / "report.json").read_text())["domain"]["set_words"]
        print(f"{', '.join(path.name for path in inputs[:2])}: {words or 'nothing is said of the set'}")
        return pd.read_parquet(Path(folder) / "out" / "predictions.parquet")


def is_transient(table: pd.DataFrame, name: str) -> pd.Series:
    """Of each object, by what its file says; all of a set of supernovae."""
    if name in ("PLAsTiCC 94", "OODcontrol 319"):
        return pd.Series(True, index=table.index)
    return table["variability"] == "transient"


def row_of(table: pd.DataFrame, name: str, what: str) -> dict[str, Any]:
    """What was said of some objects."""
    tree = load_taxonomy("elasticc2")
    leaves = {tree.node_of_label[label] for label, kind in KINDS.items() if kind is not None}
    hits = int(table["top_class"].isin(leaves).sum())
    low, high = (float(end[0]) for end in wilson(np.array([hits / len(table)]), np.array([float(len(table))])))
    most = table["top_class"].value_counts(normalize=True).head(3)
    out = table["in_domain"].astype("boolean")
    reasons = (
        table["outside_because"] if "outside_because" in table else pd.Series(None, index=table.index, dtype=object)
    )
    why = reasons[~out.fillna(True)].value_counts().head(2)
    return {
        "set": name,
        "objects": what,
        "n": len(table),
        "called transient": f"{hits / len(table):.3f} ({low:.3f} to {high:.3f})",
        "called": ", ".join(f"{label} {share:.2f}" for label, share in most.items()),
        "in domain": round(float(out.mean()), 3),
        "because": "; ".join(f"{reason} ({count})" for reason, count in why.items()),
        "novelty_p < .05": round(float((table["novelty_p"] < 0.05).mean()), 3),
    }


def main() -> None:
    """Print the table."""
    checkpoint = Path(sys.argv[1] if len(sys.argv) > 1 else "surveys/none-1.ckpt")
    data = Path(sys.argv[2] if len(sys.argv) > 2 else os.environ.get("ASTRID_SHARED", "../shared")) / "data"
    rows = []
    for name, patterns in SETS.items():
        inputs = [path for pattern in patterns for path in sorted(data.glob(pattern))]
        table = predicted(checkpoint, inputs, sys.argv[3:])
        transient = is_transient(table, name)
        for what, chosen in (("transients", transient), ("others", ~transient)):
            if chosen.any():
                rows.append(row_of(table[chosen], name, what))
    with pd.option_context("display.max_colwidth", 200, "display.width", 300):
        print(pd.DataFrame(rows).to_string(index=False))


if __name__ == "__main__":
    main()
