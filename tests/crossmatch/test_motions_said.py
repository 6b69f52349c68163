"""What the command says on the screen of proper motions that cannot count."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from astrid_ml.commands.crossmatch import CrossmatchCommand


def said(folder: Path, capfd: pytest.CaptureFixture[str], more: dict[str, float], mjd: float, motion: float) -> str:
    pd.DataFrame({"ra": [1.0], "dec": [2.0], "mjd": [mjd]}).to_csv(folder / "mine.csv", index=False)
    star = pd.DataFrame({"ra": [1.0], "dec": [2.0], "pmra": [motion], "pmdec": [0.0]})
    star.to_csv(folder / "gaia.csv", index=False)
    out = str(folder / "out")
    CrossmatchCommand([str(folder / "gaia.csv")], out, input=str(folder / "mine.csv"), epoch=more).run()
    return capfd.readouterr().err


@pytest.mark.parametrize(
    ("more", "mjd", "lacking"),
    [
        ({}, 60_000.0, "the catalogue has no epoch (epoch.gaia=2016.0)"),
        ({"gaia": 2016.0}, np.nan, "the input has no mjd, jd or date (or epoch.input=2020.5)"),
        ({}, np.nan, "(epoch.gaia=2016.0) and the input has no mjd"),
    ],
)
def test_motions_without_a_time_are_said_in_a_line(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], more: dict[str, float], mjd: float, lacking: str
) -> None:
    text = said(tmp_path, capfd, more, mjd, 600.0)
    [line] = [line for line in text.splitlines() if line.startswith("note: proper motions of gaia are not applied")]
    assert lacking in line
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["gaia"]["proper_motions"] == "no epoch of both"


def test_motions_that_count_or_are_none_say_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert "proper motions" not in said(tmp_path, capfd, {"gaia": 2016.0}, 60_000.0, 600.0)
    assert "proper motions" not in said(tmp_path, capfd, {}, 60_000.0, 0.0)
    assert "proper motions" not in said(tmp_path, capfd, {}, 60_000.0, np.nan)


@pytest.mark.parametrize(("column", "zero"), [("mjd", 0.0), ("jd", 2_400_000.5), ("obsjd", 2_400_000.5)])
def test_rows_without_a_motion_an_epoch_or_a_time_are_counted_and_said(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], column: str, zero: float
) -> None:
    """Each row lies 1 arcsec from where its star was in 2016, which moves by 1 arcsec / yr: it is met in 2017."""
    time = 51544.5 + 17 * 365.25 + zero
    rows = pd.DataFrame({"ra": np.arange(4) + 1 / 3600, "dec": 0.0, column: [time, time, time, np.nan]})
    stars = pd.DataFrame({"ra": np.arange(4.0), "dec": 0.0, "pmra": 1000.0, "pmdec": 0.0, "ref_epoch": 2016.0})
    stars.loc[1, "pmra"], stars.loc[2, "ref_epoch"] = np.nan, np.nan
    rows.to_csv(tmp_path / "mine.csv", index=False)
    stars.to_csv(tmp_path / "gaia.csv", index=False)
    out = tmp_path / "out"
    CrossmatchCommand([str(tmp_path / "gaia.csv")], str(out), input=str(tmp_path / "mine.csv"), radius=0.5).run()
    found = pd.read_parquet(out / "matches.parquet")
    assert found["gaia_matched"].tolist() == [True, False, False, False]
    whole = json.loads((out / "report.json").read_text())
    report = whole["gaia"]
    assert whole["columns_read"] == ["ra", "dec", column]
    assert [report[key] for key in ("without_proper_motion", "without_epoch", "rows_without_time")] == [1, 1, 1]
    lines = [line for line in capfd.readouterr().err.splitlines() if "matched unmoved" in line]
    assert lines == [
        "note: 1 of 4 rows of gaia have no proper motion: they are matched unmoved",
        "note: 1 of 4 rows of gaia have no epoch: they are matched unmoved",
        "note: 1 of 4 rows of the input have no time: they are matched unmoved",
    ]
