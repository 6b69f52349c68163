"""Figures of a prediction: drawn, with what they must show."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.patches import Circle

from astrid_ml.errors import UserError
from astrid_ml.preprocessing.ramps.commands.overview import FEW, ROOM, brightest, overview_figure, place
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
    listed = {text.get_text().rsplit(" (", 1)[0] for text in overview.subfigs[0].legends[0].get_texts()}
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


def events(kind: str, number: int, seed: int) -> list[dict[str, Any]]:
    """Events at random places of 400 x 300 pixels, of rising intensity."""
    xy = np.random.default_rng(seed).uniform((0, 0), (300, 400), (number, 2))
    shared = {"type": kind, "integration": 0, "first_frame": 3, "spatial_extent": 1}
    return [shared | {"centroid": list(at), "max_intensity": 10.0 + rank} for rank, at in enumerate(xy)]


def panels(figure: Figure) -> list[Any]:
    """The read and the maps."""
    return [axes for axes in figure.subfigs[0].axes if axes.get_label() != "<colorbar>"]


def test_a_thousand_events_are_dots_and_a_map_that_counts_each_of_them() -> None:
    many, few = events("cosmic_ray", 1000, 1), events("snowball", 3, 2)
    few[0]["radius"] = 20.0
    figure = overview_figure(np.zeros((400, 300), np.float32), [*many, *few], "case", 4)
    read, density = panels(figure)
    dots, open_ones = read.collections
    assert len(dots.get_offsets()) == 1000 and dots.get_sizes()[0] < open_ones.get_sizes()[0]
    assert len(dots.get_facecolor()) == 1 and len(open_ones.get_facecolor()) == 0
    assert density.images[0].get_array().sum() == 1000
    assert sum(isinstance(patch, Circle) for patch in read.patches) == 1
    # The only text on the detector are the numbers of the named: four rays, three snowballs.
    assert [text.get_text() for text in read.texts] == list("1234567")
    [rays, balls] = [text.get_text().splitlines() for text in figure.subfigs[1].texts]
    assert rays[0] == "brightest: cosmic ray" and len(rays) == 5 and len(balls) == 4 and rays[1].endswith("1009 DN")


def test_few_events_keep_their_symbols_and_need_no_map() -> None:
    figure = overview_figure(np.zeros((400, 300), np.float32), events("telegraph_noise", FEW, 3), "case", 2)
    [read] = panels(figure)
    assert len(read.collections[0].get_facecolor()) == 0 and len(read.texts) == 2
    bare = overview_figure(np.full((400, 300), np.nan, np.float32), [], "case", 2)
    assert not bare.subfigs[1].texts and not bare.subfigs[0].legends


def test_named_events_are_the_brightest_that_leave_each_other_room() -> None:
    crowd = events("cosmic_ray", 2000, 4)
    named = brightest(crowd, (400, 300), 5)
    assert named[0] is crowd[-1] and [e["max_intensity"] for e in named] == sorted(
        (e["max_intensity"] for e in named), reverse=True
    )
    apart = [np.hypot(*np.subtract(place(a), place(b))) for i, a in enumerate(named) for b in named[:i]]
    assert min(apart) > ROOM * 400
    passed = [e for e in crowd if e["max_intensity"] > named[-1]["max_intensity"] and e not in named]
    near = [min(np.hypot(*np.subtract(place(e), place(n))) for n in named) for e in passed]
    assert max(near, default=0.0) <= ROOM * 400
    showers = [
        event | {"max_intensity": None, "spatial_extent": 10 * i} for i, event in enumerate(events("shower", 4, 5))
    ]
    assert brightest(showers, (400, 300), 1) == [showers[-1]]
