"""Distances against astropy's cosmology, the flux of a far source against its definition, hosts as they are known."""

from __future__ import annotations

import numpy as np
import pytest

from astrid_ml.preprocessing.lightcurves.curves.hosts import (
    MATCH,
    MISSING,
    distance_modulus,
    extragalactic,
    galactic,
    host,
    stretched,
)
from astrid_ml.preprocessing.lightcurves.simulate.templates import OTHERS, TRANSIENTS, Transient, transient_flux
from astrid_ml.types import Floats

PLAIN = {name: np.ones((1, 1)) for name in ("rise", "fall", "heat", "bump")}


def test_distances_equal_astropys_near_and_far() -> None:
    from astropy.cosmology import FlatLambdaCDM

    z = np.array([1e-5, 1e-3, 0.01, 0.1, 0.5, 1.5, 3.0, 3.5, 7.0, 20.0, 1100.0])
    expected = FlatLambdaCDM(H0=70, Om0=0.3, Tcmb0=0).distmod(z).value
    assert distance_modulus(z) == pytest.approx(expected, abs=1e-6)
    assert np.isnan(distance_modulus(np.array([np.nan]))).all()


def fluxes(kind: Transient, z: float, rest: Floats, wave: Floats) -> Floats:
    """Of the simulator, in units of the AB flux of magnitude 0: days and micrometres at rest."""
    relative = transient_flux(kind, PLAIN, np.full((1, 1), z), rest * (1 + z), wave * (1 + z))
    out: Floats = relative * 10 ** (-0.4 * (kind.peak[0] + distance_modulus(np.array(z))))
    return out


@pytest.mark.parametrize("kind", TRANSIENTS, ids=[kind.label for kind in TRANSIENTS])
@pytest.mark.parametrize("z", [0.01, 0.5, 2.0, 6.0])
def test_a_far_source_has_the_flux_of_its_luminosity(kind: Transient, z: float) -> None:
    """F_nu = (1 + z) L_nu(nu (1 + z)) / (4 pi d_L^2), with the distance of astropy and L_nu as seen from 10 pc."""
    from astropy import units
    from astropy.cosmology import FlatLambdaCDM

    rest, wave = np.linspace(-10, 60, 15)[None], np.linspace(0.2, 0.8, 15)[None]
    ten = 10 * units.pc
    at_ten = transient_flux(kind, PLAIN, np.zeros((1, 1)), rest, wave) * 10 ** (-0.4 * kind.peak[0])
    luminosity = 4 * np.pi * ten**2 * at_ten
    distance = FlatLambdaCDM(H0=70, Om0=0.3, Tcmb0=0).luminosity_distance(z)
    expected = ((1 + z) * luminosity / (4 * np.pi * distance**2)).to_value(units.dimensionless_unscaled)
    assert fluxes(kind, z, rest, wave) == pytest.approx(expected, rel=1e-6)


def test_the_energy_of_all_bands_falls_with_the_distance_squared_alone() -> None:
    """What a bolometer counts: the integral of F_nu over all nu is L / (4 pi d_L^2), whatever the redshift."""
    kind = TRANSIENTS[5]
    wave = np.geomspace(0.05, 50, 4000)[None]  # micrometres at rest
    at = np.full_like(wave, 20.0)
    found = []
    for z in (0.0, 1.0, 4.0):
        flux = transient_flux(kind, PLAIN, np.full((1, 1), z), at * (1 + z), wave * (1 + z))[0]
        nu = 1 / (wave[0] * (1 + z))
        found.append(-np.trapezoid(flux, nu))
    assert found == pytest.approx([found[0]] * 3, rel=1e-6)


def test_hosts_far_away_are_as_bright_as_their_masses_say() -> None:
    near, far = (host(np.full(4000, z), np.random.default_rng(1)) for z in (0.1, 2.5))
    assert far["HOSTGAL_LOGMASS"].tolist() == near["HOSTGAL_LOGMASS"].tolist()
    dimmer = distance_modulus(np.array(2.5)) - distance_modulus(np.array(0.1))
    fainter = (far["HOSTGAL_MAG_r"] - near["HOSTGAL_MAG_r"]).mean()
    assert fainter == pytest.approx(dimmer - stretched(np.array(2.5)) + stretched(np.array(0.1)), abs=0.01)


def test_hosts_are_unknown_or_there_by_chance_as_often_as_asked() -> None:
    head, _, _ = extragalactic(4000, 0.5, (-19.3, 0.2), np.random.default_rng(2), hostless=0.4)
    hosts = head.filter(like="HOSTGAL")
    lost = (hosts == MISSING).all(axis=1)
    assert lost.mean() == pytest.approx(0.4, abs=0.03)
    assert (hosts.loc[~lost, "HOSTGAL_PHOTOZ"] > 0).all()
    for label in OTHERS:
        head, _ = galactic(label, 4000, np.random.default_rng(3), chance=0.3, hostless=0.2)
        there = head["HOSTGAL_PHOTOZ"] > 0
        assert there.mean() == pytest.approx(0.8 if label == "CLAGN" else 0.3, abs=0.03)
        if label != "CLAGN":
            apart = head.loc[there, "HOSTGAL_SNSEP"]
            assert apart.max() <= MATCH and apart.median() == pytest.approx(MATCH / np.sqrt(2), rel=0.05)
            assert head.loc[there, "HOSTGAL_PHOTOZ"].std() > 0.2
