"""Files of seven missions say what was drawn for them, and hold the pixels that were simulated."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from astropy.io import fits

from astrid_ml.errors import UserError
from astrid_ml.preprocessing.differencing.frame.headers import read_calibration
from astrid_ml.preprocessing.differencing.frame.image import Image
from astrid_ml.preprocessing.differencing.frame.load import Frame, LoadFits
from astrid_ml.preprocessing.simulated_sky import command_sky as simulate_files
from astrid_ml.preprocessing.simulated_sky.command_sky import SimulateSky
from astrid_ml.preprocessing.simulated_sky.files import write_image
from astrid_ml.preprocessing.simulated_sky.missions import MISSIONS, SkyExposure

Drawn = dict[str, tuple[Image, SkyExposure]]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Drawn]:
    """One pair of each mission, and what the simulator drew for each file."""
    folder, drawn = tmp_path_factory.mktemp("sky"), Drawn()

    def keep(path: Path, image: Image, exposure: SkyExposure) -> None:
        drawn[path.name] = (image, exposure)
        write_image(path, image, exposure)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(simulate_files, "write_image", keep)
        SimulateSky(n=7, missions=tuple(MISSIONS), shape=(256, 256)).run(folder, 5)
    return folder, drawn


@pytest.mark.parametrize("mission", sorted(MISSIONS))
def test_every_mission_loads_with_its_calibration(made: tuple[Path, Drawn], mission: str) -> None:
    folder, drawn = made
    names = [name for name in drawn if name.startswith(mission)]
    assert len(names) == 2
    for name in names:
        image, (electrons, exposure) = LoadFits()(Frame(str(folder / name))), drawn[name]
        assert (image.mission, image.filter) == (mission, exposure.filter)
        assert image.mjd == pytest.approx(exposure.mjd, abs=2e-8)  # 2 ms
        assert image.zero_point == pytest.approx(exposure.zero_point, abs=1e-3)
        # Where the header has no gain it is read off the variance plane.
        assert image.gain == pytest.approx(exposure.gain, rel=0.02)
        good = ~image.mask & ~electrons.mask
        assert float(good.float().mean()) > 0.97
        expected = (electrons.data - exposure.pedestal) / exposure.gain
        # Compressed files are rounded to a small part of their noise.
        error = (image.data - expected)[good] / (electrons.variance.sqrt()[good] / exposure.gain)
        assert float(error.square().mean().sqrt()) < 0.05
        assert electrons.saturated is not None and bool(image.mask[electrons.saturated].all())
        # Blank sky of a few whole counts tells its variance coarsely.
        noise = image.variance[good].median() / electrons.variance[good].median() * exposure.gain**2
        assert float(noise) == pytest.approx(1, rel=0.3 if mission == "galex" else 0.12)
        assert image.wcs is not None and electrons.wcs is not None
        at = np.array([[10.0, 200.0]])
        np.testing.assert_allclose(image.wcs.all_pix2world(at, 0), electrons.wcs.all_pix2world(at, 0), atol=1e-9)


def test_layouts_are_those_of_the_archives(made: tuple[Path, Drawn]) -> None:
    folder, drawn = made
    layouts = {}
    for name in (name for name in drawn if "_science" in name):
        with fits.open(folder / name) as hdus:
            layouts[name.split("_")[0]] = [hdu.name for hdu in hdus]
            assert hdus[0].header["NAXIS"] == (2 if name.startswith(("ztf", "galex")) else 0)
    assert layouts["roman"] == ["PRIMARY", "SCI", "ERR", "DQ"]
    assert layouts["jwst"][:4] == ["PRIMARY", "SCI", "ERR", "DQ"]
    assert layouts["rubin"] == ["PRIMARY", "IMAGE", "MASK", "VARIANCE"]
    assert len(layouts["ztf"]) == len(layouts["galex"]) == 1 and len(layouts["swift"]) == len(layouts["ps1"]) == 2


def test_manifest_and_truth_fit_the_images(made: tuple[Path, Drawn]) -> None:
    folder, _ = made
    table = pd.read_csv(folder / "manifest.csv")
    names = ["science", "reference", "truth", "artefacts", "mission", "filter", "name"]  # the last of another seed
    assert table.columns.tolist() == names
    assert sorted(table["mission"]) == sorted(MISSIONS)
    for row in table.to_dict("records"):
        truth, image = pd.read_csv(folder / row["truth"]), LoadFits()(Frame(str(folder / row["science"])))
        x, y = image.wcs.all_world2pix(truth["ra"], truth["dec"], 0)  # type: ignore[union-attr]
        np.testing.assert_allclose(np.hypot(x - truth["x"], y - truth["y"]), 0, atol=1e-3)
        assert image.zero_point is not None
        np.testing.assert_allclose(truth["mag"], image.zero_point - 2.5 * np.log10(truth["flux"].abs()), atol=2e-3)


def test_the_same_seed_gives_the_same_bytes_and_mistakes_are_named(tmp_path: Path) -> None:
    simulator = SimulateSky(n=7, missions=list(MISSIONS), shape=(128, 128))
    for name in ("a", "b"):
        simulator.run(tmp_path / name, 2)
    files = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert len(files) == 29
    assert all((tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes() for name in files)
    with pytest.raises(UserError, match="hubble"):
        SimulateSky(missions=("hubble",)).run(tmp_path, 0)
    with pytest.raises(UserError, match="128"):
        SimulateSky(shape=(64, 64)).run(tmp_path, 0)


def test_times_of_headers_become_utc_mid_exposure() -> None:
    # PS1 dates are TAI though the full skycells do not say so: 37 s after UTC in 2017 and later.
    ps1 = read_calibration(
        fits.Header({"HIERARCH FPA.ZP": 24.5, "HIERARCH FPA.FILTERID": "r.00000", "MJD-OBS": 58000.0, "EXPTIME": 40.0})
    )
    assert (ps1.mission, ps1.filter) == ("ps1", "r")
    assert ps1.mjd == pytest.approx(58000 + (20 - 37) / 86400, abs=1e-9)
    assert ps1.zero_point == pytest.approx(24.5 + 2.5 * np.log10(40))
    # A real UVOT header (gcn.gsfc.nasa.gov, sw00655451000): TT is 68.184 s after UTC in September 2015.
    cards = {"TELESCOP": "SWIFT", "INSTRUME": "UVOTA", "FILTER": "U", "TIMESYS": "TT", "EXPOSURE": 249.9}
    cards |= {"DATE-OBS": "2015-09-13T11:40:09.2", "DATE-END": "2015-09-13T11:44:19.1"}
    swift = read_calibration(fits.Header(cards))
    assert swift.mjd == pytest.approx(57278 + (11 * 3600 + 42 * 60 + 14.15 - 68.184) / 86400, abs=1e-7)
    galex = read_calibration(
        fits.Header(
            {"MPSTYPE": "AIS", "TILENUM": 1, "EXPSTART": 7.5e8, "OBS-DATE": "2006-01-02", "TIME-OBS": "12:00:00"}
        ),
        "AIS_1-fd-int.fits.gz",
    )
    assert (galex.mission, galex.filter, galex.zero_point) == ("galex", "FUV", 18.82)
    assert galex.mjd == pytest.approx(53737.5, abs=1e-8)


def test_roman_zero_point_has_its_bandpass() -> None:
    """OpenUniverse: ``mag`` of the truth is -2.5 log10(flux) + 15.0235472 and AB = mag + ZPTMAG in Y106."""
    said = read_calibration(fits.Header({"SCA_NUM": 3, "ZPTMAG": 17.638, "FILTER": "Y106", "EXPTIME": 302.275}))
    assert said.mission == "roman" and said.zero_point == pytest.approx(15.0235472 + 17.638, abs=1e-5)


def test_gain_is_not_invented_where_the_variance_does_not_follow_the_flux(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    header = fits.Header({"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 10.0, "CRVAL2": 0.0})
    header["CDELT1"], header["CDELT2"] = -1e-4, 1e-4
    data = rng.normal(0, 1, (128, 128)).astype(np.float32) + 200 * (rng.random((128, 128)) < 0.02)
    hdus = [fits.PrimaryHDU(), fits.ImageHDU(data.astype(np.float32), header, "SCI")]
    fits.HDUList([*hdus, fits.ImageHDU(np.ones_like(data, np.float32), name="ERR")]).writeto(tmp_path / "a.fits")
    image = LoadFits()(Frame(str(tmp_path / "a.fits")))
    assert not image.gain_known and torch.all(image.variance == 1)
