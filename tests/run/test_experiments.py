"""Every experiment runs from raw files to a report, for a few batches, on data that are made here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import fastavro
import numpy as np
import pytest
from hydra.core.global_hydra import GlobalHydra

from astrid_ml.build import conf_folder, plain
from astrid_ml.config import compose
from astrid_ml.preprocessing.lightcurves.simulate.command import SimulateLightcurves
from astrid_ml.run.training.train import train

COMMON = ["trainer.fast_dev_run=true", "trainer.enable_progress_bar=false", "trainer.precision=32-true", "logger=none"]
SMALL = {
    "realbogus_triplets": ["simulate.n=240", "simulate.prevalence=0.3", "channels.size=31"],
    "realbogus_sim": ["simulate.n=12", "simulate.shape=[160,160]", "simulate.transients=400", "channels.size=31"],
    "realbogus_alerts": ["split.k=2"],
    "lightcurves_sim": ["simulate.n=600", "simulate.templates=5"],
    "lightcurves_elasticc": ["executor=serial"],
    "lightcurves_real": ["split.k=2", "datamodule.taxonomy=elasticc2"],
    "lightcurves_surveys": ["datamodule.taxonomy=elasticc2"],
    "realbogus_roman": ["simulate=roman", "simulate.n=9", "simulate.fields=9", "simulate.shape=[128,128]"],
    "ramp_anomalies": ["simulate.n=12", "simulate.num_frames=12", "simulate.image_shape=[72,72]"],
    "ramp_anomalies_full": [
        *("simulate.n=12", "simulate.num_frames=12", "simulate.image_shape=[40,40]", "preprocessing.tile=32"),
        *("simulate.cosmic_ray_per_exp_range=[20,20]", "simulate.rtn_per_exp_range=[10,10]"),
        *("simulate.snowballs_per_exp_range=[1,1]", "simulate.snowball_radius_range=[4,5]"),
        *("model.network.widths=[4,8,8]", "datamodule.num_workers=0", "datamodule.crop=16"),
    ],
}
EXPERIMENTS = sorted(path.stem for path in (conf_folder() / "experiment").glob("*.yaml"))


def make_alerts(folder: Path) -> None:
    """Sixty packets, half of them with a star in the centre and a high ``drb``."""
    from tests_alerts import SCHEMA, make_packet

    packets = [make_packet(number, star=bool(number % 2)) for number in range(60)]
    with (folder / "night.avro").open("wb") as stream:
        fastavro.writer(stream, SCHEMA, packets)


def raw_of(experiment: str, folder: Path) -> list[str]:
    """Raw files for the experiments that simulate none themselves."""
    raw = folder / "raw"
    raw.mkdir()
    if experiment == "realbogus_alerts":
        make_alerts(raw)
    elif experiment in ("lightcurves_elasticc", "lightcurves_real", "lightcurves_surveys"):
        SimulateLightcurves(n=600, templates=5).run(raw, 1)
    else:
        return []
    return [f'paths.raw="{raw}"']


@pytest.mark.slow
@pytest.mark.parametrize("experiment", EXPERIMENTS)
@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_an_experiment_runs_to_its_report(experiment: str, tmp_path: Path) -> None:
    assert experiment in SMALL, "a new experiment needs a small form of itself here"
    GlobalHydra.instance().clear()
    overrides = [f"experiment={experiment}", *COMMON, *SMALL[experiment], *raw_of(experiment, tmp_path)]
    overrides += [f'paths.data="{tmp_path / "store"}"', f'paths.run_dir="{tmp_path / "run"}"', "paths.sweep_dir=none"]
    config: dict[str, Any] = plain(compose("train", overrides))
    shrink_bootstrap(config["evaluation"])
    metrics = train(config)
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
