"""Predictions outside a model's domain: named, without a probability, and said once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from made.untrained import untrained

from astrid_ml.api import predict
from astrid_ml.checkpoint.load import read_record, save_model
from astrid_ml.found import SIMULATED
from astrid_ml.run.prediction.domain import (
    counted,
    domain_record,
    fit_validity,
    said,
    simulated_files,
    without_outside,
)
from astrid_ml.run.raw import artefacts_of
from astrid_ml.run.told.dataset import artefacts_of_dataset, channels_of, simulated_of
from astrid_ml.validity import spread


def table() -> pd.DataFrame:
    inside = pd.array([True, False, None, False], dtype="boolean")
    because = pd.array([None, "a; b", None, "b"], dtype="string")
    return pd.DataFrame({"probability": 0.5, "p_SN": 0.1, "score": 0.9}, index=range(4)).assign(
        in_domain=inside, outside_because=because
    )


def test_probabilities_are_null_outside_unless_they_are_wanted() -> None:
    found = without_outside(table(), False)
    for name in ("probability", "p_SN"):
        assert found[name].isna().tolist() == [False, True, False, True]
    assert (found["score"] == 0.9).all()
    pd.testing.assert_frame_equal(without_outside(table(), True), table())


def test_counts_and_one_line() -> None:
    counts = counted(table())
    assert counts == {"inside": 1, "outside": 2, "not_measured": 1, "because": {"a": 1, "b": 2}}
    line = said(counts, False)
    assert line.startswith("2 of 4 samples lie outside") and "allow_outside=true gives it" in line
    assert "is given" in said(counts, True) and "do not trust" in said(counts, False, probabilities=False)
    assert not said({**counts, "outside": 0}, False)
    for more, words in ((0, "c: 3)"), (1, "c: 3; and 1 more reason)"), (3, "c: 3; and 3 more reasons)")):
        because = dict.fromkeys(["a", "b", "c", "d", "e", "f"][: 3 + more], 3)
        assert words in said({**counts, "because": because}, False)
    unknown = counted(table().drop(columns="outside_because").assign(in_domain=pd.array([None] * 4, dtype="boolean")))
    assert "earlier version" in said(unknown, False)
    assert counted(pd.DataFrame({"score": np.ones(3)}))["not_measured"] == 3


def test_a_light_curve_counts_once_at_however_many_windows() -> None:
    """Case: 66 of 990 samples were said to lie outside, of 90 light curves at 11 windows."""
    once = table().assign(id=list("wxyz"))
    many = pd.concat([once.assign(days=days) for days in (2.0, 8.0, 64.0)], ignore_index=True)
    assert counted(many) == counted(once)


def test_a_simulation_is_known_by_its_mark(tmp_path: Path) -> None:
    file = tmp_path / "sim" / "a" / "b.npy"
    file.parent.mkdir(parents=True)
    file.touch()
    assert not simulated_files([file]) and not simulated_files([])
    (tmp_path / "sim" / SIMULATED).touch()
    assert simulated_files([file])
    assert not simulated_files([file, tmp_path / "other.npy"])
    assert simulated_of({"config": {"simulated": True}}) is True
    assert simulated_of({}) is None


def test_the_channels_that_a_page_names_are_those_of_the_stamps() -> None:
    arrays = {"stamps": {"channels": ["science", "reference", "difference"]}}
    assert channels_of({"description": {"arrays": arrays}}) == ["science", "reference", "difference"]
    assert channels_of({}) == [] == channels_of({"description": {"arrays": {"ramps": {}}}})


def test_the_factor_on_artefacts_is_read_from_the_simulators_mark_or_the_configuration(tmp_path: Path) -> None:
    files = []
    for name, mark in (("a", '{"artefacts": 12.0}'), ("b", '{"artefacts": 1}'), ("c", ""), ("d", None)):
        files.append(tmp_path / name / "deep" / "x.fits")
        files[-1].parent.mkdir(parents=True)
        if mark is not None:
            (tmp_path / name / SIMULATED).write_text(mark)
    assert artefacts_of(files) == [1.0, 12.0] and artefacts_of(files[2:]) == []
    assert artefacts_of_dataset({"config": {"simulate": {"artefacts": 12.0}, "simulated": True}}) == [12.0]
    assert artefacts_of_dataset({"config": {"simulate": None, "artefacts": [1.0, 12.0]}}) == [1.0, 12.0]
    assert artefacts_of_dataset({"config": {"simulate": {"prevalence": 0.1}}}) == []


def test_of_the_own_held_out_rows_a_few_outside_are_no_news() -> None:
    record: Any = SimpleNamespace(calibrated=True, validity=None)
    few = {"inside": 97, "outside": 3, "not_measured": 0, "because": {"far": 3}}
    assert domain_record(record, few, own=True)["words"] == ""
    assert domain_record(record, few, own=True)["share_inside"] == 0.97
    many = {"inside": 8, "outside": 2, "not_measured": 0, "because": {"far": 2, "|S/N| outside 4 to 9": 1}}
    said_of_many = domain_record(record, many, own=True)["words"]
    assert said_of_many.endswith("(far: 2; |S/N| outside 4 to 9: 1): new samples like these get no probability")
    assert "is null" in domain_record(record, many)["words"]


def test_a_set_that_differs_as_a_whole_is_told_of_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spread, "LEAST", 5)  # of forty triplets of several missions
    made = untrained(tmp_path / "made")
    record, state = read_record(made.checkpoint)
    validity = fit_validity(made.task, made.datamodule, made.dataset, [np.arange(20), np.arange(20, 40)], None, False)
    assert all("snr" in columns for columns in validity["spread"].values())
    for factor in (1, 1000):
        for columns in validity["spread"].values():
            columns["snr"]["grid"] *= factor
        save_model(tmp_path / f"{factor}.ckpt", state, replace(record, validity=validity))
        told = predict(tmp_path / f"{factor}.ckpt", made.raw, tmp_path / f"out{factor}")["domain"]
        assert {each["name"] for each in told["as_a_set"]} == ({"|S/N|"} if factor > 1 else set())
        assert told["set_words"].startswith("as a set, samples of ") == (factor > 1)
