"""Make the encoder of light curves (models/weights/lightcurve_encoder.ckpt) and its card. From one seed.

``astrid train experiment=lightcurves_pretrain`` on 20,000 simulated curves of six surveys; no class is looked at. The
card has what the training said of hidden epochs, and with ``cells`` what ``lightcurve_pretraining.py`` measured of
trainings that begin with it.

Run: ``python benchmarks/lightcurve_weights.py [cells] [folder=models/weights]``; ten minutes of one core.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parents[1]))

from astrid_ml.shipped import CARDS

NAME, SEED, OBJECTS = "lightcurve_encoder", 500, 20_000
WORDS = ["experiment=lightcurves_pretrain", f"simulate.n={OBJECTS}", f"data.seed={SEED}", "logger=none", "audit=off"]


def trained(folder: Path) -> Path:
    """The run."""
    words = [*WORDS, f"paths.run_dir={folder / 'run'}", f"paths.data={folder / 'data'}"]
    subprocess.run([sys.executable, "-m", "astrid_ml", "train", *words], check=True)
    return folder / "run"


def card_of(run: Path, cells: Path | None) -> dict[str, Any]:
    """What is to be said of the encoder."""
    content = (run / "checkpoints" / "best.ckpt").read_bytes()
    metrics = json.loads((run / "metrics.json").read_text())
    foreseen = {name: round(float(metrics[f"test/hidden/explained/{name}"]), 4) for name in ("4d", "64d", "1024d")}
    card = {
        "file": f"{NAME}.ckpt",
        "sha256": hashlib.sha256(content).hexdigest(),
        "bytes": len(content),
        "task": "light curves: a small GRU that foresees hidden epochs; it knows no class; "
        f"init={NAME} model=lightcurve_gru_small",
        "made_by": f"make weights (astrid train {' '.join(WORDS[:3])})",
        "fitted_on": "simulated curves of lsst_wide, lsst_deep, ztf, ps1, des, atlas, 3,333 each, no label looked at: "
        "the same simulator as the curves that it was measured on, with other template parameters",
        "explained_variance_of_hidden_asinh_flux_of_test_objects": foreseen,
    }
    return {**card, "with_and_without": measured(cells)} if cells else card


def measured(cells: Path) -> list[dict[str, Any]]:
    """Rows of the summary of ``lightcurve_pretraining.py``."""
    import lightcurve_pretraining as pretraining  # type: ignore[import-not-found,unused-ignore]

    found = {}
    for file in sorted(cells.glob("*-*-*.json")):
        size, seed, way = file.stem.split("-")
        found[int(size), int(seed), way] = json.loads(file.read_text())
    table = pretraining.summary(found).round(4)
    return [dict(row) for row in table.to_dict("records")]


def main() -> None:
    """Write weights and card; an existing run is taken over where ``RUN`` in the environment names it."""
    cells = Path(sys.argv[1]) if len(sys.argv) > 1 and sys.argv[1] else None
    folder = Path(sys.argv[2]) if len(sys.argv) > 2 else Path("models/weights")
    with tempfile.TemporaryDirectory(prefix="encoder-") as scratch:
        run = Path(os.environ["RUN"]) if "RUN" in os.environ else trained(Path(scratch))
        card = card_of(run, cells)
        (folder / f"{NAME}.ckpt").write_bytes((run / "checkpoints" / "best.ckpt").read_bytes())
    known = json.loads((folder / CARDS).read_text())
    (folder / CARDS).write_text(json.dumps({**known, NAME: card}, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(card, indent=1))


if __name__ == "__main__":
    main()
