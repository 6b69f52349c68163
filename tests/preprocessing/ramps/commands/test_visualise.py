"""Figures of a prediction: drawn, with what they must show."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from astrid_ml.errors import UserError
from astrid_ml.preprocessing.ramps.commands.predict import PredictRamps
from astrid_ml.preprocessing.ramps.commands.visualise import ResultVisualizer
from astrid_ml.preprocessing.ramps.simulate.command import SimulateRamps


def test_figures_of_a_prediction(tmp_path: Path) -> None:
    SimulateRamps(
        gain_library={"a": 1.5},
        n=1,
        image_shape=(96, 96),
        num_frames=20,
        exp_time=2000.0,
        cosmic_ray_per_exp_range=(20, 20),
        rtn_per_exp_range=(10, 10),
        rtn_period_range=(6.0, 10.0),
        snowballs_per_exp_range=(1, 1),
        snowball_radius_range=(5.0, 6.0),
        snowball_halo_decay_scale_range=(2.0, 3.0),
    ).run(tmp_path / "raw", 4)
    PredictRamps(str(tmp_path / "raw"), str(tmp_path / "out")).run()
    results = ResultVisualizer.open(tmp_path / "out" / "a_0000")
    overview = results.overview()
    assert isinstance(overview, Figure)
    listed = {text.get_text().rsplit(" (", 1)[0] for text in overview.legends[0].get_texts()}
    assert listed == {event["type"].replace("_", " ") for event in results.detections}
    event = next(e for e in results.detections if e["type"] == "cosmic_ray")
    reads, model = results.event(event).axes[1].lines[:2]
    assert np.size(reads.get_xdata()) == np.size(model.get_xdata()) == 20
    paths = results.save(tmp_path / "figures")
    assert len(paths) >= 3 and "sanity.png" in {path.name for path in paths}
    assert results.sanity().get_suptitle().startswith("a_0000: sound")
    withheld = results.event(event | {"confidence": None})
    assert withheld.get_suptitle().endswith("confidence withheld")
    assert all(path.stat().st_size > 5000 for path in paths)


def test_a_folder_without_results_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"detections\.json"):
        ResultVisualizer.open(tmp_path)
