"""The map between two grids against the WCS itself, pixel by pixel."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from astropy.wcs import WCS

from astrid_ml.preprocessing.differencing.grid.pixel_map import pixel_map, stretched
from astrid_ml.types import Floats

SHAPE = (70, 90)


def grid(scale: float, turn: float = 0.0, crpix: tuple[float, float] = (45.0, 35.0), sip: float = 0.0) -> WCS:
    """TAN about one point of the sky; arcsec a pixel, degrees."""
    out = WCS(naxis=2)
    c, s = np.cos(np.radians(turn)), np.sin(np.radians(turn))
    out.wcs.crval, out.wcs.crpix = [150.0, 20.0], crpix
    out.wcs.cd = scale / 3600 * np.array([[-c, s], [s, c]])
    out.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    if sip:
        header = out.to_header()
        header["CTYPE1"], header["CTYPE2"] = "RA---TAN-SIP", "DEC--TAN-SIP"
        header["A_ORDER"] = header["B_ORDER"] = 2
        header["A_2_0"], header["B_1_1"] = sip, -sip
        out = WCS(header)
    return out


def by_wcs(target: WCS, source: WCS, x: Floats, y: Floats) -> Floats:
    return np.array(source.all_world2pix(*target.all_pix2world(x, y, 0), 0))


@pytest.mark.parametrize("step", [1, 4, 7])
def test_values_between_nodes_are_linear(step: int) -> None:
    nodes = torch.tensor([[0.0, 3.0, -1.0, 8.0], [5.0, 5.0, 5.0, 5.0]]).double()
    length = 3 * step - step // 2
    found = stretched(nodes, step, length)
    for row, values in zip(found, nodes, strict=True):
        expected = np.interp(np.arange(length), step * np.arange(4), values.numpy())
        np.testing.assert_allclose(row.numpy(), expected, atol=1e-12)


@pytest.mark.parametrize("sip", [0.0, 5e-5], ids=["straight", "distorted"])
def test_every_pixel_falls_where_the_wcs_puts_it(sip: float) -> None:
    target, source = grid(1.0), grid(0.8, 33.0, (60.3, 41.7), sip)
    found = pixel_map(target, source, SHAPE).rows(0, SHAPE[0])
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]].astype(float)
    expected = by_wcs(target, source, x.ravel(), y.ravel()).reshape(2, *SHAPE)
    # the chord of a parabola of curvature 2 a lies a (16 / 2)^2 from it
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-5 + 4 * sip * 8**2)
    nodes = found[:, ::16, ::16].numpy()
    np.testing.assert_allclose(nodes, expected[:, ::16, ::16], atol=1e-9)


def test_a_band_of_rows_is_a_part_of_the_whole() -> None:
    found = pixel_map(grid(1.0), grid(0.8, 33.0, sip=5e-5), SHAPE)
    assert torch.equal(found.rows(23, 50), found.rows(0, SHAPE[0])[:, 23:50])
    assert torch.equal(found.area(23, 50), found.area(0, SHAPE[0])[23:50])


def test_the_area_of_straight_grids_is_one_number_the_square_of_their_scales() -> None:
    area = pixel_map(grid(1.0), grid(0.5, 120.0), SHAPE).area(10, 20)
    assert area.shape == (1, 1)
    assert float(area) == pytest.approx(4.0, rel=1e-5)


def test_the_area_of_a_distorted_grid_is_its_jacobian() -> None:
    target, source = grid(1.0), grid(0.8, 33.0, sip=2e-4)
    area = pixel_map(target, source, SHAPE).area(0, SHAPE[0])
    assert area.shape == SHAPE
    x, y = np.array([20.0, 45.0, 70.0]), np.array([20.0, 30.0, 50.0])
    along_x = by_wcs(target, source, x + 0.5, y) - by_wcs(target, source, x - 0.5, y)
    along_y = by_wcs(target, source, x, y + 0.5) - by_wcs(target, source, x, y - 0.5)
    jacobian = np.abs(along_x[0] * along_y[1] - along_x[1] * along_y[0])
    assert np.ptp(jacobian) > 0.02
    np.testing.assert_allclose(area.numpy()[y.astype(int), x.astype(int)], jacobian, rtol=1e-3)


def test_a_correction_moves_the_place_at_which_the_map_is_taken() -> None:
    same = grid(1.0)
    correction = torch.tensor([[0.4, 0.01, 0.0], [-0.3, 0.0, -0.02]]).double()
    found = pixel_map(same, same, SHAPE, correction).rows(0, SHAPE[0]).numpy()
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]].astype(float)
    np.testing.assert_allclose(found[0], x + 0.4 + 0.01 * x, atol=1e-7)
    np.testing.assert_allclose(found[1], y - 0.3 - 0.02 * y, atol=1e-7)
