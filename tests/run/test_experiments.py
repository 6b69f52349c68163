"""Every experiment runs from raw files to a report, for a few batches, on data that are made here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import fastavro
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import yaml
from hydra.core.global_hydra import GlobalHydra

from astrid_ml.build import build, conf_folder, plain
from astrid_ml.config import compose, option_names
from astrid_ml.contracts.verbs import TellsColumns
from astrid_ml.files import save_array
from astrid_ml.preprocessing.lightcurves.simulate.command import SimulateLightcurves
from astrid_ml.run.training.train import train

COMMON = ["trainer.fast_dev_run=true", "trainer.enable_progress_bar=false", "trainer.precision=32-true", "logger=none"]
SMALL = Path(__file__).parents[1] / "experiments"
EXPERIMENTS = option_names(conf_folder() / "experiment")


def make_alerts(folder: Path) -> None:
    """Sixty packets, half of them with a star in the centre and a high ``drb``."""
    from made.alerts import SCHEMA, make_packet

    packets = [make_packet(number, star=bool(number % 2)) for number in range(60)]
    with (folder / "night.avro").open("wb") as stream:
        fastavro.writer(stream, SCHEMA, packets)


def make_lightcurves(folder: Path) -> None:
    """Six hundred simulated objects in SNANA's files."""
    SimulateLightcurves(n=600, templates=5).run(folder, 1)


def make_supernovae(folder: Path) -> None:
    """Twelve supernovae with two real and four bogus triplets each, in the files of ``astrid acquire``."""
    rng = np.random.default_rng(1)
    for number in range(12):
        label = np.array([1, 1, 0, 0, 0, 0])
        stamps = rng.normal(size=(6, 3, 63, 63)).astype(np.float32)
        stamps[label == 1, ::2, 30:33, 30:33] += 8
        rows = pd.DataFrame({"id": [f"{number}-{k}" for k in range(6)], "group_id": f"SN{number}", "label": label})
        save_array(folder / f"SN{number}_triplets.npy", stamps)
        rows.assign(ra=10.0 * number, dec=0.01 * rows.index, mission="ztf").to_parquet(
            folder / f"SN{number}_triplets.parquet"
        )


RAW = {"alerts": make_alerts, "lightcurves": make_lightcurves, "supernovae": make_supernovae}


def small_form(experiment: str, folder: Path) -> list[str]:
    """Words that make the experiment small (tests/experiments/), and the raw files that it needs."""
    path = SMALL / f"{experiment}.yaml"
    assert path.is_file(), f"a new experiment needs a small form of itself: {path}"
    form = yaml.safe_load(path.read_text(encoding="utf-8"))
    if form["raw"] == "none":
        return list(form["words"])
    raw = folder / "raw"
    raw.mkdir()
    RAW[form["raw"]](raw)
    return [*form["words"], f'paths.raw="{raw}"']


@pytest.mark.slow
@pytest.mark.parametrize("experiment", EXPERIMENTS)
@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_an_experiment_runs_to_its_report(experiment: str, tmp_path: Path) -> None:
    GlobalHydra.instance().clear()
    overrides = [f"experiment={experiment}", *COMMON, *small_form(experiment, tmp_path)]
    overrides += [f'paths.data="{tmp_path / "store"}"', f'paths.run_dir="{tmp_path / "run"}"', "paths.sweep_dir=none"]
    config: dict[str, Any] = plain(compose("train", overrides))
    shrink_bootstrap(config["evaluation"])
    metrics = train(config)
    pipeline = build(config["preprocessing"])
    told = pipeline.column_names() if isinstance(pipeline, TellsColumns) else None
    for index in (tmp_path / "store").glob("*/index.parquet"):
        assert told is None or set(pq.read_schema(index).names) <= {*told, "array", "row"}
    headline = [value for name, value in metrics.items() if name.startswith("test/") and isinstance(value, float)]
    assert headline
    assert np.isfinite(headline).all()
    for name in ("report.html", "metrics.json", "checkpoints/best.ckpt"):
        assert list((tmp_path / "run").rglob(Path(name).name)), name
    assert json.loads((tmp_path / "run" / "run.json").read_text())["status"] == "done"


def shrink_bootstrap(node: Any) -> None:
    """Fewer replicates: the wiring is tested here, not the intervals."""
    if isinstance(node, dict):
        if "replicates" in node:
            node["replicates"] = 30
        for value in node.values():
            shrink_bootstrap(value)
