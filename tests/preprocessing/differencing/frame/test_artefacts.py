"""Candidates that are no change carry the kind of what they lie on; stamps hold the sky where that was asked for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from astrid_ml.config import preprocessing_of
from astrid_ml.errors import UserError
from astrid_ml.pipeline.writer import MemoryUnitWriter
from astrid_ml.preprocessing.differencing.frame.artefacts import NOISE, artefact_of, artefact_table, groups_by_artefact
from astrid_ml.preprocessing.differencing.pipeline import COLUMNS, DifferencingPipeline
from astrid_ml.preprocessing.differencing.pixels.cutouts import Cutout
from astrid_ml.preprocessing.differencing.sky.background import KeepBackground
from astrid_ml.preprocessing.simulated_sky.command_sky import SimulateSky
from astrid_ml.run.prediction.readers import GivenValues


def _candidates(*places: tuple[float, float], label: int | None = None) -> pd.DataFrame:
    table = pd.DataFrame(list(places), columns=["x", "y"]).astype(float)
    return table.assign(label=pd.array([label] * len(places), dtype="Int8"))


def test_the_one_that_a_candidate_is_deepest_in_names_it() -> None:
    known = pd.DataFrame({"x": [10.0, 12.0], "y": [10.0, 10.0], "radius": [8.0, 2.0], "kind": ["galaxy", "hot pixel"]})
    at = _candidates((11.0, 10.0), (11.9, 10.0), (17.0, 10.0), (40.0, 40.0))
    assert artefact_of(at, known).tolist() == ["galaxy", "hot pixel", "galaxy", NOISE]
    assert artefact_of(at, known.iloc[:0]).tolist() == [NOISE] * 4
    assert artefact_of(_candidates((11.0, 10.0), label=1), known).isna().all()
    assert artefact_of(_candidates(), known).empty


def test_candidates_of_one_trail_are_one_group_and_others_keep_theirs() -> None:
    x = np.arange(100.0)
    trail = pd.DataFrame({"x": x, "y": 50.0, "radius": 3.0, "kind": "trail", "instance": "trail 0"})
    star = pd.DataFrame({"x": [10.0], "y": [10.0], "radius": [3.0], "kind": ["star"], "instance": ["star 0"]})
    known = pd.concat([trail, star, trail.assign(y=80.0, instance="trail 1")], ignore_index=True)
    at = _candidates((5.0, 50.5), (40.0, 49.0), (90.0, 51.0), (10.0, 10.0), (30.0, 80.0), (31.0, 20.0), (50.0, 50.0))
    at.loc[6, "label"] = 1  # a change that lies on the trail
    at["group_id"] = pd.array(list("abcdefg"), dtype="string")
    assert groups_by_artefact(at, known).tolist() == ["a", "a", "a", "d", "e", "f", "g"]
    assert groups_by_artefact(at, known.drop(columns="instance")).tolist() == list("abcdefg")
    assert groups_by_artefact(at.iloc[:0], known).empty


@pytest.mark.parametrize(
    ("text", "got"),
    [("x,y,kind\n1,2,star\n", "radius"), ("x,y,radius,kind\n1,2,star,star\n", "row 1"), ("", "which is empty")],
)
def test_a_table_that_cannot_be_used_is_refused(tmp_path: Path, text: str, got: str) -> None:
    (tmp_path / "artefacts.csv").write_text(text)
    with pytest.raises(UserError, match=got):
        artefact_table(str(tmp_path / "artefacts.csv"))


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One simulated pair of ZTF with many artefacts."""
    folder = tmp_path_factory.mktemp("artefacts")
    SimulateSky(n=1, missions=("ztf",), shape=(256, 256), artefacts=8.0).run(folder, 5)
    return folder


def _samples(folder: Path, pipeline: DifferencingPipeline) -> tuple[pd.DataFrame, np.ndarray]:
    [unit] = pipeline.plan([folder])
    writer = MemoryUnitWriter(pipeline.describe())
    pipeline.process(unit, writer, 0)
    source = writer.source()
    return source.index, np.concatenate([part for _, part in source.groups("stamps", np.arange(len(source.index)))])


def test_each_candidate_is_real_or_says_what_it_is(pair: Path) -> None:
    index, _ = _samples(pair, DifferencingPipeline())
    assert (index["artefact"].isna() == (index["label"] == 1).fillna(False)).all() and "artefact" in COLUMNS
    assert np.allclose(index["pixel_scale"], 1.012, rtol=1e-3)  # of the files' WCS
    known = pd.read_csv(next(pair.glob("*_artefacts.csv")))
    bogus = index[index["artefact"].notna()]
    assert {"cosmic ray", "hot pixel"} <= set(bogus["artefact"]) <= {*known["kind"], NOISE}
    trail = bogus[bogus["artefact"] == "trail"]
    trails = known.loc[known["kind"] == "trail", "instance"].nunique()
    assert len(trail) > 2 * trails and trail["group_id"].nunique() <= trails  # one exposure's trail is one group
    assert (bogus["artefact"] == NOISE).mean() < 0.1  # of 5 sigma few are in so small a frame
    without = pd.read_csv(pair / "manifest.csv").drop(columns="artefacts")
    without.to_csv(pair / "plain.csv", index=False)
    assert "artefact" not in _samples(pair / "plain.csv", DifferencingPipeline())[0]


def test_stamps_hold_the_sky_where_it_was_asked_for(pair: Path) -> None:
    """ZTF's packets: about 110 DN with a noise of 10.8 in the science stamps, the same level in the template."""
    included = DifferencingPipeline(cutout=Cutout(sky="included"))
    assert included.describe()["sky"] == "included" and DifferencingPipeline().describe()["sky"] == "subtracted"
    with_sky, without = _samples(pair, included)[1], _samples(pair, DifferencingPipeline())[1]
    change = with_sky - without
    level = np.nanmedian(change[:, :2])
    assert 100 < level < 120 and np.nanstd(change[:, :2]) < 1e-3 and np.nanmax(np.abs(change[:, 2])) == 0
    flat = without[:, 0].reshape(len(without), -1)
    noise = 1.4826 * np.nanmedian(np.abs(flat - np.nanmedian(flat, axis=1, keepdims=True)), axis=1)
    assert 9 < np.median(noise) < 14


def test_a_sky_that_no_step_measures_is_not_given_back() -> None:
    with pytest.raises(UserError, match="background=none"):
        DifferencingPipeline(background=KeepBackground(), cutout=Cutout(sky="included"))


def test_cutouts_of_another_domain_take_the_checkpoints_sky() -> None:
    node = preprocessing_of("differencing")
    given = GivenValues(sky="included")
    assert given.put(node, own=False)["cutout"]["sky"] == "included"
    others = given.put(node, own=True), GivenValues().put(node, own=False)
    assert [other["cutout"]["sky"] for other in others] == ["subtracted"] * 2


def test_a_manifest_keeps_the_artefacts_of_a_row_that_stands_twice(pair: Path) -> None:
    row = pd.read_csv(pair / "manifest.csv")
    pd.concat([row, row]).to_csv(pair / "twice.csv", index=False)
    units = DifferencingPipeline().plan([pair / "twice.csv"])
    assert len({unit.id for unit in units}) == 2 and all(unit.parameters["artefacts"] for unit in units)
    assert replace(units[0], id="x").inputs == units[1].inputs
