"""Templates of variable objects against closed forms: Planck, Bazin, Paczynski, a damped random walk."""

from __future__ import annotations

import numpy as np
import pytest

from astrid_ml.preprocessing.lightcurves.simulate.templates import (
    OTHERS,
    TRANSIENTS,
    Transient,
    bazin,
    dwarf_nova,
    eclipsing,
    flare,
    galactic_flux,
    microlens,
    planck_colour,
    pulsator,
    random_walk,
    transient_flux,
)
from astrid_ml.types import Floats

PLAIN = {name: np.ones((1, 1)) for name in ("rise", "fall", "heat", "bump")}


def number(value: float) -> Floats:
    return np.full((1, 1), value)


def shapes(n: int = 1, **values: float) -> dict[str, Floats]:
    return {name: np.full((n, 1), values.get(name, 0.5)) for name in ("a", "b", "c", "d", "phase")}


def at(wavelength: float, t: Floats) -> Floats:
    return np.full(t.shape, wavelength)


def test_colours_are_those_of_a_black_body() -> None:
    from astropy import units
    from astropy.modeling.models import BlackBody

    waves = np.array([0.37, 0.48, 0.62, 0.97])
    for kelvin in (3000.0, 6000.0, 20000.0):
        body = BlackBody(kelvin * units.K)
        expected = (body(waves * units.um) / body(0.5 * units.um)).value
        assert planck_colour(waves, np.full(4, kelvin)) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(("rise", "fall"), [(3.0, 20.0), (1.0, 50.0), (10.0, 30.0)])
def test_a_bazin_curve_peaks_at_one_where_its_derivative_vanishes(rise: float, fall: float) -> None:
    t = np.linspace(-10 * rise, 6 * fall, 20_001)[None]
    light = bazin(t, number(rise), number(fall), number(0.0))[0]
    assert light.max() == pytest.approx(1.0, abs=1e-4)
    assert t[0, light.argmax()] == pytest.approx(rise * np.log(fall / rise - 1), abs=0.03)
    late = t[0] > 12 * rise
    assert -np.diff(np.log(light[late])) / np.diff(t[0][late]) == pytest.approx(1 / fall, rel=1e-3)


@pytest.mark.parametrize("kind", TRANSIENTS, ids=[kind.label for kind in TRANSIENTS])
def test_redshift_stretches_time_and_wavelength_alike(kind: Transient) -> None:
    t, z = np.linspace(-20, 120, 141)[None], 0.3
    near = transient_flux(kind, PLAIN, number(0.0), t, at(0.5, t))
    far = transient_flux(kind, PLAIN, number(z), t * (1 + z), at(0.5 * (1 + z), t))
    assert far == pytest.approx((1 + z) * near, rel=1e-9)  # F_nu: a hertz is narrower there
    assert (near >= 0).all()
    assert near.max() == pytest.approx(1.0, abs=0.15)  # the flux is relative to the peak near 0.5 um
    assert near[0, -1] < near.max()


def test_a_second_maximum_stands_in_the_red_alone() -> None:
    ia = next(kind for kind in TRANSIENTS if kind.label == "SNIa-SALT3")
    t = np.linspace(15, 45, 61)[None]
    without = PLAIN | {"bump": np.zeros((1, 1))}
    blue, red = (
        transient_flux(ia, PLAIN, number(0.0), t, at(w, t)) / transient_flux(ia, without, number(0.0), t, at(w, t))
        for w in (0.5, 0.8)
    )
    assert blue == pytest.approx(1.0)
    assert red.max() > 1.5


def test_microlensing_is_paczynskis_without_a_change_of_colour() -> None:
    shape = shapes(a=0.5, b=0.5)
    crossing, least = 8 * 10**0.55, 0.35
    t = 2 * crossing + crossing * np.array([[-2.0, -1.0, 0.0, 1.0]])
    u = np.hypot(least, (t - 2 * crossing) / crossing)
    # A point lens makes two images at (u +- sqrt(u^2 + 4)) / 2, each magnified by 1 / |1 - x^-4|.
    images = [(u + sign * np.sqrt(u**2 + 4)) / 2 for sign in (1, -1)]
    magnification = sum(1 / np.abs(1 - x**-4) for x in images)
    reference = microlens(shape, t, at(0.5, t))
    assert reference == pytest.approx((magnification - 1) / 3, rel=1e-9)
    colour = microlens(shape, t, at(0.9, t)) / reference
    assert np.ptp(colour) == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize(("low", "high"), [(2.0, 45.0), (0.3, 0.85)])
def test_pulsators_repeat_about_their_mean_and_are_larger_in_the_blue(low: float, high: float) -> None:
    for a, period in ((0.0, low), (0.5, np.sqrt(low * high)), (1.0, high)):
        t = np.arange(2000)[None] / 1000 * period
        curve = pulsator(low, high, 0.5, shapes(a=a), t, at(0.5, t))
        assert curve[:, 1000:] == pytest.approx(curve[:, :1000], abs=1e-9)
        assert curve[:, :1000].mean() == pytest.approx(0.0, abs=1e-9)
        blue, red = (pulsator(low, high, 0.5, shapes(a=a), t, at(w, t)).std() / planck_colour(
            number(w), number(6800.0)).item() for w in (0.4, 0.8))  # fmt: skip
        assert blue / red == pytest.approx(2**0.9)


def test_eclipses_stand_at_their_phases_with_nothing_between() -> None:
    shape = shapes(a=0.5, b=0.5, c=1.0, d=0.4, phase=0.0)
    period = 0.3 * np.sqrt(30)
    t = period * np.array([[0.0, 0.25, 0.5, 0.75, 1.0, 3.5]])
    light = eclipsing(shape, t, at(0.5, t))[0]
    assert light[[0, 4]] == pytest.approx(-0.7)
    assert light[[2, 5]] == pytest.approx(-0.7 * 0.4)
    assert light[[1, 3]] == pytest.approx(0.0, abs=1e-6)
    assert light.min() > -1  # nothing is darker than dark


def test_outbursts_and_flares_come_again() -> None:
    t = np.linspace(0, 100, 5001)[None]
    for curve, period in ((dwarf_nova, 40 + 160 * 0.5), (flare, 8 + 40 * 0.5)):
        light = curve(shapes(), t, at(0.5, t))
        assert curve(shapes(), t + 3 * period, at(0.5, t)) == pytest.approx(light, abs=1e-6)
        assert light.max() == pytest.approx(1.0, abs=0.05)
    lit = flare(shapes(), t, at(0.5, t))[0] > np.exp(-1)
    assert lit.mean() == pytest.approx(0.09 / 28, rel=0.35)  # an hour or two of a month


def test_a_damped_random_walk_has_its_variance_and_its_memory() -> None:
    n = 40_000
    shape = shapes(n, a=0.5, b=1.0)
    tau, sigma = 30 * np.sqrt(20), 0.5
    t = np.broadcast_to(np.array([0.0, 10.0, tau, 3 * tau]), (n, 4))
    walk = np.log(random_walk(shape, t, at(0.5, t), np.random.default_rng(5)) + 1)
    assert walk.std(axis=0) == pytest.approx(sigma, rel=0.02)
    assert walk.mean(axis=0) == pytest.approx(0.0, abs=0.01)
    memory = np.corrcoef(walk.T)[0]
    assert memory == pytest.approx(np.exp(-t[0] / tau), abs=0.02)
    one, two = (random_walk(shapes(), t[:1], at(w, t[:1]), np.random.default_rng(6)) for w in (0.5, 1.0))
    assert two / one == pytest.approx(2**-0.3)


@pytest.mark.parametrize("label", OTHERS)
def test_every_other_class_has_a_finite_curve_of_its_own(label: str) -> None:
    t = np.sort(np.random.default_rng(7).uniform(-200, 900, (5, 400)), axis=1)
    flux = galactic_flux(label, shapes(5), t, at(0.6, t), np.random.default_rng(8))
    assert flux.shape == t.shape
    assert np.isfinite(flux).all()
    assert np.ptp(flux) > 0.05
    assert flux.min() > -1  # a variable star loses at most its light
