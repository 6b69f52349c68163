"""Cadences of surveys: their nights, bands and depths, total light beside differences, and objects shared out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from astrid_ml.errors import UserError
from astrid_ml.preprocessing.lightcurves.curves.exchange import read_epochs
from astrid_ml.preprocessing.lightcurves.curves.hosts import distance_modulus
from astrid_ml.preprocessing.lightcurves.curves.ingest import Account
from astrid_ml.preprocessing.lightcurves.readers.recognise import find_curves
from astrid_ml.preprocessing.lightcurves.simulate.cadence import DETECT, bands_of_nights, detect, draw_visits
from astrid_ml.preprocessing.lightcurves.simulate.command import SimulateLightcurves
from astrid_ml.preprocessing.lightcurves.simulate.look import KINDS, SurveyLook, draw_library
from astrid_ml.preprocessing.lightcurves.simulate.surveys import cadence_named, known_cadences
from astrid_ml.preprocessing.lightcurves.simulate.templates import OTHERS, TRANSIENTS, steady_flux

NAMES = known_cadences()
MINE = "survey: Mine\nbands: {q: {depth: 21.0, share: 1.0, wavelength: 0.7}}\ngap: 3.0\n"


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("several")
    summary = SimulateLightcurves(n=840, templates=5, seasons=1, surveys=tuple(NAMES)).run(folder, 3)
    assert set(summary["surveys"]) == {cadence_named(name).survey for name in NAMES}
    assert max(summary["surveys"].values()) == min(summary["surveys"].values()) == 140
    return folder


@pytest.mark.parametrize("name", NAMES)
def test_a_survey_looks_as_often_and_as_deep_as_its_file_says(name: str) -> None:
    cadence, random = cadence_named(name), np.random.default_rng(1)
    visits = draw_visits(300, 2, random, cadence)
    assert (np.diff(visits.mjd, axis=1) >= 0).all()
    nights = [len(np.unique(np.floor(mjd[there]))) for mjd, there in zip(visits.mjd, visits.there, strict=True)]
    # Nights are whole days: two drawn within one day are one.
    assert np.mean(nights) == pytest.approx(2 * cadence.season / (cadence.gap + cadence.shortest), rel=0.25)
    seen = detect(visits, np.zeros(visits.mjd.shape), np.zeros(300), random, cadence)
    depth = 27.5 - 2.5 * np.log10(5 * seen.flux_err.astype(float))
    for code, limit in enumerate(cadence.depth):
        assert np.median(depth[visits.there & (visits.band == code)]) == pytest.approx(limit, abs=0.05)


def test_visits_of_a_night_are_as_the_survey_makes_them() -> None:
    random = np.random.default_rng(0)
    made = {name: bands_of_nights((50, 40), cadence_named(name), random) for name in NAMES}
    assert made["atlas"].shape == (50, 40, 1)
    assert (made["ps1"][..., 0] == made["ps1"][..., 1]).all()
    assert (made["des"] == np.arange(4)).all()
    assert np.abs(np.diff(made["ztf"], axis=2)).max() == 1
    assert np.bincount(made["atlas"].ravel()) / 2000 == pytest.approx(cadence_named("atlas").share, abs=0.04)


def test_each_survey_has_its_own_bands_wavelengths_and_flux(several: Path) -> None:
    account = Account()
    tables = [table for source in find_curves([several]).sources for table in source.read(account)]
    assert not account.dropped and sum(map(len, tables)) == 840
    for table in tables:
        survey = str(table.objects["survey"].iloc[0])
        cadence = next(c for c in map(cadence_named, NAMES) if c.survey == survey)
        wave = dict(zip(cadence.bands, cadence.wavelengths, strict=True))
        there = np.unique(table.band)
        assert table.wavelengths[there] == pytest.approx(np.array([wave[table.bands[k]] for k in there]))
        assert set(table.objects["flux_kind"]) == {cadence.flux_kind}
        found = np.bincount(table.owner[(table.phot_flag & DETECT) != 0], minlength=len(table))
        assert (found >= 2).all()


def test_total_light_never_goes_far_below_zero_and_holds_the_steady_part(several: Path) -> None:
    stars = read_epochs(several / "PS1" / "train-RRL.parquet")
    good = stars[stars["flux_err"] < 1e7]
    assert (good["flux"] > -5 * good["flux_err"]).all()
    assert (good.groupby("object_id")["flux"].median() > 0).all()
    differences = read_epochs(several / "LSST" / "train-RRL.parquet")
    assert (differences["flux"] < -5 * differences["flux_err"]).any()


def test_total_light_is_the_difference_and_a_constant() -> None:
    cadence = cadence_named("ps1")
    visits = draw_visits(20, 1, np.random.default_rng(0), cadence)
    flux = 200 * np.sin(visits.mjd)
    steady = np.full(visits.mjd.shape, 500.0)
    one, two = (detect(visits, flux, np.zeros(20), np.random.default_rng(5), cadence, s) for s in (None, steady))
    assert (two.flux_err >= one.flux_err).all()  # the star's own photons
    pull = (two.flux - flux - 500) / two.flux_err
    assert pull[visits.there].std() == pytest.approx(1.0, abs=0.05)
    for label in OTHERS:
        assert (steady_flux(label, np.array([[0.4, 0.9]])) > 0).all()


def test_what_a_shallow_survey_cannot_reach_is_not_looked_for() -> None:
    shallow, deep = (SurveyLook(SimulateLightcurves(), cadence_named(name)) for name in ("atlas", "lsst_wide"))
    for kind in TRANSIENTS:
        assert shallow.farthest(kind) < deep.farthest(kind)
        z = np.array(shallow.farthest(kind))
        brightest = kind.peak[0] - 2 * kind.peak[1] + distance_modulus(z)
        assert brightest == pytest.approx(20.45 + 0.5, abs=0.01)
        assert deep.farthest(kind) > kind.redshift  # nothing changes for Rubin


def test_hosts_stand_under_transients_in_total_light() -> None:
    random = np.random.default_rng(2)
    look = SurveyLook(SimulateLightcurves(templates=3, hostless=0.5), cadence_named("ps1"))
    visits, head = look.batch("SNIa-SALT3", 64, draw_library(KINDS["SNIa-SALT3"], 3, random), random)
    lost = head["HOSTGAL_MAG_r"].to_numpy() < 0
    quiet = visits.there & (visits.mjd < head["PEAKMJD"].to_numpy()[:, None] - 60)
    middle = np.array([np.median(f[q]) if q.sum() > 10 else np.nan for f, q in zip(visits.flux, quiet, strict=True)])
    assert np.nanmedian(middle[~lost]) > 5 * abs(np.nanmedian(middle[lost]))


def test_presence_of_a_host_is_no_class(several: Path) -> None:
    truth = pd.read_parquet(several / "truth.parquet")
    there = truth["HOSTGAL_PHOTOZ"] > 0
    star = truth["label"].isin([name for name in OTHERS if name != "CLAGN"])
    assert 0.1 < there[star].mean() < 0.5
    assert 0.5 < there[~star].mean() < 0.9


def test_a_survey_of_the_users_own_is_read_and_what_is_wrong_with_it_is_said(tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text(MINE)
    summary = SimulateLightcurves(n=60, templates=3, surveys=(str(mine),), seasons=1).run(tmp_path / "out", 1)
    assert list(summary["surveys"]) == ["Mine"]
    mine.with_name("two.yaml").write_text(MINE.replace("share: 1.0", "share: 0.5"))
    with pytest.raises(UserError, match="add up to 1"):
        cadence_named(str(mine.with_name("two.yaml")))
    mine.with_name("three.yaml").write_text(MINE.replace(", wavelength: 0.7", ""))
    with pytest.raises(UserError, match="wavelengths"):
        cadence_named(str(mine.with_name("three.yaml")))
    mine.with_name("four.yaml").write_text(MINE + "mission: ztff\n")
    with pytest.raises(UserError, match=r"did you mean ztf\?"):
        cadence_named(str(mine.with_name("four.yaml")))
    with pytest.raises(UserError, match="did you mean lsst_wide"):
        SimulateLightcurves(surveys=("lsst_wid",))
    with pytest.raises(UserError, match=r"each of simulate\.surveys once"):
        SimulateLightcurves(surveys=("ztf", "ztf"))
