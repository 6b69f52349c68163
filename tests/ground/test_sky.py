"""The nearest of many positions, in strips, is the one that astropy finds."""

from __future__ import annotations

import numpy as np
import pytest
from astropy import units
from astropy.coordinates import SkyCoord

from astrid_ml.sky import nearest


@pytest.mark.parametrize("block", [1, 7, 1 << 20])
@pytest.mark.parametrize("centre", [(10.0, -30.0), (0.0, 0.0), (123.0, 90.0), (200.0, -89.9999)], ids=str)
def test_the_nearest_is_that_of_astropy(centre: tuple[float, float], block: int) -> None:
    random = np.random.default_rng(3)
    middle = SkyCoord(*centre, unit="deg")

    def around(n: int) -> SkyCoord:
        return middle.directional_offset_by(
            random.uniform(0, 360, n) * units.deg, random.uniform(0, 60, n) * units.arcsec
        )

    places, known = around(200), around(300)
    sky = [np.stack([part.ra.deg, part.dec.deg], axis=1) for part in (places, known)]
    found, distance = nearest(sky[0], sky[1], 2.0, block)
    place, apart, _ = places.match_to_catalog_sky(known)
    near = apart.arcsec <= 2.0
    assert 5 < near.sum() < 200
    assert (found == np.where(near, place, -1)).all()
    assert distance[near] == pytest.approx(apart.arcsec[near], abs=1e-6)
    assert np.isinf(distance[~near]).all()


def test_what_has_no_position_is_near_nothing() -> None:
    nowhere = np.array([[np.nan, 0.0], [10.0, np.inf], [10.0, 5.0]])
    assert nearest(nowhere, nowhere, 1.0)[0].tolist() == [-1, -1, 2]
    assert nearest(nowhere[:0], nowhere, 1.0)[0].tolist() == []
    assert nearest(nowhere, nowhere[:0], 1.0)[0].tolist() == [-1, -1, -1]
