"""What the simulated sky is made of, against closed forms and sums that must hold."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from astrid_ml.preprocessing.simulated_sky.artefacts import Artefacts, saturate
from astrid_ml.preprocessing.simulated_sky.config import SkyConfig
from astrid_ml.preprocessing.simulated_sky.galaxies import galaxy_layer
from astrid_ml.preprocessing.simulated_sky.pair import SkyPair, simulate_pair
from astrid_ml.preprocessing.simulated_sky.psf import Psf, add_sources
from astrid_ml.preprocessing.simulated_sky.sources import KINDS

EMPTY = SkyConfig(shape=(400, 400), stars=0, galaxies=0, transients=0, shift=(0.0, 0.0), rotation=0.0)


def means(pair: SkyPair, config: SkyConfig) -> list[np.ndarray]:
    """Expected e- of both images, from their true variances."""
    return [pair.variances[i].double().numpy() - config.read_noise[i] ** 2 for i in (0, 1)]


@pytest.mark.parametrize("psf", [Psf(1.8, 3.0), Psf(3.4, 3.5), Psf(5.0, 2.6, 0.15, 0.6), Psf(2.5, 3.0, 0.1, 0.3, 0.1)])
def test_a_sources_flux_is_what_falls_into_the_psfs_stamp(psf: Psf) -> None:
    for x, y in ((100.0, 100.0), (100.37, 99.81), (100.5, 100.5)):
        image = np.zeros((201, 201))
        add_sources(image, np.array([x]), np.array([y]), np.array([1000.0]), psf)
        assert image.sum() == pytest.approx(1000, rel=2e-3)
    assert psf.stamp().sum() == pytest.approx(1, abs=1e-12)


def test_bright_stars_have_wings_and_the_same_core() -> None:
    psf, one = Psf(3.4, 2.6), np.array([100.0])
    faint, bright = np.zeros((201, 201)), np.zeros((201, 201))
    add_sources(faint, one, one, np.array([1.0]), psf)
    add_sources(bright, one, one, np.array([1e6]), psf)
    np.testing.assert_allclose(bright[75:126, 75:126], 1e6 * faint[75:126, 75:126], rtol=1e-9)
    assert bright[100, 140] > 0 == faint[100, 140]


def test_an_elliptical_psf_keeps_its_peak_and_has_its_axes() -> None:
    psf, t = Psf(6.0, 3.5, 0.3, np.radians(30)), np.linspace(0, 10, 20001)
    profile = [psf.profile(t * np.cos(a), t * np.sin(a)) for a in (psf.angle, psf.angle + np.pi / 2)]
    half = [float(t[np.argmax(p < p[0] / 2)]) for p in profile]
    assert half[1] / half[0] == pytest.approx(0.7, abs=0.002)
    assert 2 * np.sqrt(half[0] * half[1]) == pytest.approx(6.0, rel=1e-3)


def test_galaxies_keep_their_flux_on_fine_and_coarse_pixels() -> None:
    cat = pd.DataFrame({"flux": [1e4], "r_e": [2.5], "n": [1.0], "q": [0.7], "theta": [0.4]})
    x, y = np.array([80.3]), np.array([79.6])
    for psf in (Psf(3.0, 3.5), Psf(1.8, 3.5), Psf(3.0, 3.5, 0.0, 0.0, 0.1)):
        layer = galaxy_layer((160, 160), cat, x, y, psf)
        assert layer.sum() == pytest.approx(1e4, rel=0.01) and layer.min() > -0.02
        rows, cols = np.mgrid[:160, :160]
        centre = (layer * cols).sum() / layer.sum(), (layer * rows).sum() / layer.sum()
        assert centre == pytest.approx((80.3, 79.6), abs=0.03)


def test_new_and_vanished_sources_shine_in_their_own_image() -> None:
    config = SkyConfig(**{**vars(EMPTY), "transients": 100.0, "vanished": 80.0, "moving": 30.0, "scale": 1.01})
    pair = simulate_pair(config, 2)
    science, reference = (m - 200.0 for m in means(pair, config))
    flux = pair.truth["flux"]
    assert science.sum() == pytest.approx(flux[flux > 0].sum(), rel=3e-3)
    assert reference.sum() * config.flux_ratio == pytest.approx(-flux[flux < 0].sum(), rel=3e-3)
    assert (flux[pair.truth["kind"] == "vanished"] < 0).all() and (flux[pair.truth["kind"] == "isolated"] > 0).all()
    movers = pair.truth[pair.truth["kind"] == "moving"].groupby("object_id")["flux"]
    assert (movers.count() == 2).all() and (movers.max() > 0).all() and (movers.min() < 0).all()


def test_variable_stars_change_by_the_truths_flux() -> None:
    changes = {"stars": 1500.0, "variables": 100.0, "flux_ratio": 1.0, "fwhm": (3.0, 3.0)}
    config = SkyConfig(**{**vars(EMPTY), **changes})
    pair = simulate_pair(config, 3)
    science, reference = means(pair, config)
    assert len(pair.truth) >= 10 and set(pair.truth["flux"].gt(0)) == {True, False}
    assert (science - reference).sum() == pytest.approx(
        pair.truth["flux"].sum(), abs=2e-3 * pair.truth["flux"].abs().sum()
    )


def test_snr_counts_the_sources_own_photons() -> None:
    """Equal PSFs and a flat sky: F = snr sqrt((v_s + v_r + F c) / sum P^2), c the mean of P under P^2."""
    config = SkyConfig(**{**vars(EMPTY), "transients": 60.0, "vanished": 60.0, "flux_ratio": 1.0, "fwhm": (3.0, 3.0)})
    truth = simulate_pair(config, 4).truth
    p = Psf(3.0, 3.5).stamp()
    flux = truth["flux"].abs()
    cube = np.sum(p**3) / np.sum(p**2)
    expected = flux / np.sqrt((2 * 225.0 + flux * cube) / np.sum(p**2))
    np.testing.assert_allclose(truth["snr_opt"], expected, rtol=5e-3)


def test_changes_keep_apart_and_have_known_kinds() -> None:
    everything = {"transients": 300.0, "galaxies": 200.0, "stars": 1500.0, "vanished": 60.0, "moving": 30.0}
    truth = simulate_pair(SkyConfig(**{**vars(EMPTY), **everything, "variables": 60.0}), 5).truth
    xy = truth[["x", "y"]].to_numpy()
    distance = np.hypot(*(xy[:, None] - xy[None, :]).transpose(2, 0, 1)) + 1e9 * np.eye(len(xy))
    assert distance.min() >= 12 and set(truth["kind"]) == set(KINDS)
    assert truth["host_distance"].notna().equals(truth["kind"].isin(["galaxy", "nucleus"]))


def test_the_wcs_does_not_know_of_the_distortion() -> None:
    config = SkyConfig(**{**vars(EMPTY), "vanished": 60.0, "distortion": 0.5, "snr": (100.0, 101.0)})
    pair = simulate_pair(config, 6)
    light = means(pair, config)[1] - 200.0
    truth, wcs = pair.truth, pair.reference.wcs
    assert wcs is not None
    px, py = wcs.all_world2pix(truth["ra"], truth["dec"], 0)
    rows, cols = np.mgrid[-4:5, -4:5]
    off = []
    for x, y in zip(px, py, strict=True):
        part = light[round(y) - 4 : round(y) + 5, round(x) - 4 : round(x) + 5]
        off.append((round(x) + (part * cols).sum() / part.sum() - x, round(y) + (part * rows).sum() / part.sum() - y))
    largest = np.abs(off).max()
    assert 0.25 < largest < 0.55


def test_bleeding_keeps_the_charge_and_flags_it() -> None:
    data = np.full((60, 20), 10.0)
    data[28:31, 7] = 1000.0
    out, over = saturate(data, 200.0, bleed=True)
    assert out.sum() == pytest.approx(data.sum()) and out.max() <= 200
    assert over[:, 7].sum() > 12 and not over[:, 8].any()
    plain, flagged = saturate(data, 200.0, bleed=False)
    assert plain.max() == 200 and flagged.sum() == 3


def test_artefacts_are_there_in_numbers_and_off_by_default() -> None:
    art = Artefacts(gradient=0.5, trails=3, cosmic_rays=200, hot_pixels=200, bad_pixels=0.01, bad_columns=20)
    clean, dirty = (simulate_pair(SkyConfig(**{**vars(EMPTY), "artefacts": a}), 8) for a in (Artefacts(), art))
    assert not bool(clean.science.mask.any())
    assert 0.005 < float(dirty.science.mask.float().mean()) < 0.1
    pull = (clean.science.data - 200) / 15
    assert float(pull.abs().max()) < 6
    expected = dirty.variances[0] - 25
    hits = ((dirty.science.data - expected)[~dirty.science.mask] > 6 * 15).sum()
    assert 50 < int(hits) < 600  # 32 tracks of some pixels and 32 hot pixels
    assert float(expected.max()) > 230 and 60 < float(expected.quantile(0.95) - expected.quantile(0.05)) < 140
    reference = dirty.variances[1] - 25
    assert float(reference.max() - reference.min()) > 40  # the reference's sky bends too


def test_a_compact_galaxy_looks_like_a_star_anywhere_in_the_field() -> None:
    """The galaxies' first-order PSFs against the stars' exact ones."""
    psf, at = Psf(3.0, 3.5, 0.05, 0.7, 0.06), np.array([30.2, 80.0, 140.7])
    cat = pd.DataFrame({"flux": [1e4] * 3, "r_e": [0.01] * 3, "n": [1.0] * 3, "q": [1.0] * 3, "theta": [0.0] * 3})
    layer, stars = galaxy_layer((160, 160), cat, at, at[::-1], psf), np.zeros((160, 160))
    add_sources(stars, at, at[::-1], np.full(3, 1e4), psf)
    assert np.abs(layer - stars).max() < 0.01 * stars.max()
