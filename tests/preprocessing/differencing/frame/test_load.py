"""Loading: layouts, calibration, and what is refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from astrid_ml.errors import UserError
from astrid_ml.preprocessing.differencing.frame.hdus import split_name
from astrid_ml.preprocessing.differencing.frame.headers import read_calibration
from astrid_ml.preprocessing.differencing.frame.load import Frame, LoadFits


def _header(**cards: object) -> fits.Header:
    wcs = WCS(naxis=2)
    wcs.wcs.ctype, wcs.wcs.crval, wcs.wcs.crpix = ["RA---TAN", "DEC--TAN"], [150.0, 2.0], [30, 30]
    wcs.wcs.cdelt = [-1 / 3600, 1 / 3600]
    header = wcs.to_header()
    header.update({("MJD-OBS" if k == "MJD_OBS" else k): v for k, v in cards.items()})
    return header


def _sky(shape: tuple[int, int] = (60, 60)) -> np.ndarray:
    return np.random.default_rng(0).normal(100, 5, shape).astype(np.float32)


def test_sci_err_dq_layout(tmp_path: Path) -> None:
    data, dq = _sky(), np.zeros((60, 60), np.int32)
    dq[3, 4], dq[5, 6], data[7, 8] = 1, 4, np.nan
    primary = fits.PrimaryHDU(header=fits.Header({"TELESCOP": "JWST", "FILTER": "F444W", "PUPIL": "F470N"}))
    hdus = [primary, fits.ImageHDU(data, _header(BUNIT="DN"), "SCI"), fits.ImageHDU(np.full((60, 60), 5.0), name="ERR")]
    fits.HDUList([*hdus, fits.ImageHDU(dq, name="DQ")]).writeto(tmp_path / "a.fits.gz")
    image = LoadFits()(Frame(str(tmp_path / "a.fits.gz")))
    assert image.mission == "jwst" and image.filter == "F470N"
    assert image.mask.nonzero().tolist() == [[3, 4], [7, 8]]
    assert image.data[7, 8] == 0 and float(image.variance[0, 0]) == 25.0
    assert LoadFits(bad_bits=4)(Frame(str(tmp_path / "a.fits.gz"))).mask[5, 6]


def test_an_hdu_is_named_behind_the_file(tmp_path: Path) -> None:
    assert split_name("a.fits[SCI]", None) == ("a.fits", "SCI") and split_name("a.fits[2]", None) == ("a.fits", 2)
    (tmp_path / "b.fits[1]").touch()
    assert split_name(str(tmp_path / "b.fits[1]"), None) == (str(tmp_path / "b.fits[1]"), None)


def test_scaled_integers_compressed_and_named(tmp_path: Path) -> None:
    data = np.random.default_rng(1).poisson(40000, (64, 64)).astype(np.uint16)
    fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(data, _header(GAIN=2.0), "CHIP2")]).writeto(
        tmp_path / "b.fits.fz"
    )
    for name in ("b.fits.fz", "b.fits.fz[CHIP2]", "b.fits.fz[1]"):
        image = LoadFits()(Frame(str(tmp_path / name)))
        assert np.array_equal(image.data.numpy(), data.astype(np.float32))
    assert image.gain == 2.0 and image.data.dtype.is_floating_point
    # Half the counts' Poisson variance at gain 2 is not what these pixels have: theirs is 40000, and it is measured.
    assert float(image.variance.median()) == pytest.approx(40000, rel=0.1)


def test_mid_exposure_zero_point_and_gain() -> None:
    header = _header(EXPTIME=60.0, BUNIT="electron/s", MJD_OBS=60000.0, TIMESYS="TAI", NCOMBINE=4)
    said = read_calibration(header)
    assert said.mjd == pytest.approx(60000 + 30 / 86400 - 37 / 86400, abs=1e-9)
    assert said.gain == 240.0
    assert read_calibration(_header(BUNIT="MJy/sr", PIXAR_SR=2.25e-14)).zero_point == pytest.approx(
        -2.5 * np.log10(1e6 * 2.25e-14 / 3631),  # definition of AB
        abs=1e-3,
    )
    hst = read_calibration(_header(PHOTFLAM=7.0e-20, PHOTPLAM=5921.0, BUNIT="ELECTRONS/S"))
    assert hst.zero_point == pytest.approx(-2.5 * np.log10(7.0e-20 * 5921.0**2 / 2.99792458e18) - 48.6, abs=2e-3)


@pytest.mark.parametrize(
    ("data", "cards", "words"),
    [
        (np.full((60, 60), np.nan), {}, "all NaN"),
        (np.ones((60, 60)), {}, "constant"),
        (np.arange(100.0)[None], {}, "32 x 32"),
        (np.zeros((3, 60, 60)), {}, "2-D"),
    ],
)
def test_bad_frames_are_the_users_mistake(tmp_path: Path, data: np.ndarray, cards: dict[str, Any], words: str) -> None:
    fits.PrimaryHDU(data, _header(**cards) if data.ndim == 2 else None).writeto(tmp_path / "c.fits")
    with pytest.raises(UserError, match=words):
        LoadFits()(Frame(str(tmp_path / "c.fits")))


def test_no_wcs_names_the_way_out_and_wrong_hdu_the_choices(tmp_path: Path) -> None:
    fits.PrimaryHDU(_sky()).writeto(tmp_path / "d.fits")
    with pytest.raises(UserError, match="preprocessing/align=none"):
        LoadFits()(Frame(str(tmp_path / "d.fits")))
    assert LoadFits(need_wcs=False)(Frame(str(tmp_path / "d.fits"))).wcs is None
    with pytest.raises(UserError, match="PRIMARY"):
        LoadFits()(Frame(str(tmp_path / "d.fits[SCI]")))
    (tmp_path / "e.fits").write_text("no FITS")
    with pytest.raises(UserError, match="cannot be read"):
        LoadFits()(Frame(str(tmp_path / "e.fits")))


@pytest.mark.real_data
def test_real_nircam_and_frames_without_wcs(real_data: Path) -> None:
    stem = str(real_data / "nircam" / "jw01324001001-01324-o001_t001_nircam_clear-f200w_i2d_stamp")
    image = LoadFits()(Frame(f"{stem}.fits", noise=f"{stem}.noise.fits", psf=f"{stem}.WebbPSF.fits"))
    assert image.shape == (900, 900) and image.filter == "F200W" and image.mission == "jwst"
    assert int((image.data == 0).sum()) >= 5 and int(image.mask.sum()) >= 5
    assert image.mjd is not None and 59759.4 < image.mjd < 59761
    assert image.psf is not None and image.psf.shape == (205, 205)
    with pytest.raises(UserError, match="align=none"):
        LoadFits()(Frame(str(real_data / "properimage" / "aligned_eso085-030-004.fit")))
