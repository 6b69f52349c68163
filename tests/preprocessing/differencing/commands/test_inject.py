"""Injected light is what the truth says, and nothing else of the file changes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits

from astrid_ml.errors import UserError
from astrid_ml.preprocessing.differencing.commands.inject import InjectCommand, free_places, most_places
from astrid_ml.preprocessing.differencing.frame.load import Frame, LoadFits
from astrid_ml.preprocessing.differencing.pixels.masks import grow
from astrid_ml.preprocessing.simulated_sky.command_sky import SimulateSky
from astrid_ml.preprocessing.simulated_sky.missions import MISSIONS
from astrid_ml.preprocessing.simulated_sky.psf import moffat_stamp


@pytest.fixture(scope="module")
def sky(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An image of each mission, and a PSF."""
    folder = tmp_path_factory.mktemp("inject")
    SimulateSky(n=7, missions=tuple(MISSIONS), shape=(160, 160), transients=0).run(folder, 1)
    fits.PrimaryHDU(moffat_stamp(3.0, 3.0, 10)).writeto(folder / "psf.fits")
    return folder


def image_of(sky: Path, mission: str) -> str:
    return next(
        str(path) for path in sorted(sky.iterdir()) if path.name.startswith(mission) and "_science" in path.name
    )


@pytest.mark.parametrize("mission", sorted(MISSIONS))
def test_light_is_added_and_the_layout_stays(sky: Path, tmp_path: Path, mission: str) -> None:
    path = image_of(sky, mission)
    frame = Frame(path, psf=str(sky / "psf.fits"))
    done = InjectCommand(frame, str(tmp_path), n=4, spacing=30, margin=30, snr=(50, 60), poisson=False).run()
    truth = pd.read_csv(done["truth"])
    before, after = LoadFits()(frame), LoadFits()(Frame(done["image"], psf=frame.psf))
    gained = (after.data - before.data).numpy()
    for row in truth.itertuples():
        i, j = round(float(str(row.y))), round(float(str(row.x)))
        stamp = gained[i - 10 : i + 11, j - 10 : j + 11]
        clean = ~before.mask.numpy()[i - 10 : i + 11, j - 10 : j + 11]
        if clean.all():
            assert stamp.sum() == pytest.approx(float(str(row.flux)), rel=0.03)
    total = gained[~before.mask.numpy() & ~after.mask.numpy()].sum()
    assert total == pytest.approx(truth["flux"].sum(), rel=0.05)
    for name in ("zero_point", "filter", "mjd", "mission", "unit", "exposure_time"):
        assert getattr(before, name) == getattr(after, name)
    noisy = InjectCommand(frame, str(tmp_path / "noisy"), n=4, spacing=30, margin=30, snr=(50, 60)).run()
    assert LoadFits()(Frame(noisy["image"])).gain == pytest.approx(before.gain, rel=0.03)
    with fits.open(path) as old, fits.open(done["image"]) as new:
        assert [(h.name, type(h), h.shape) for h in old] == [(h.name, type(h), h.shape) for h in new]
        index = before.hdu
        assert set(old[index].header) == set(new[index].header)
    assert before.zero_point is not None
    np.testing.assert_allclose(truth["mag"], before.zero_point - 2.5 * np.log10(truth["flux"]), atol=1e-6)


def test_photon_noise_follows_the_gain_and_the_seed(sky: Path, tmp_path: Path) -> None:
    frame = Frame(image_of(sky, "rubin"), psf=str(sky / "psf.fits"), gain=2.0)
    where = pd.DataFrame({"x": [80.0], "y": [80.0], "flux": [4e4]})
    where.to_csv(tmp_path / "where.csv", index=False)
    before, sums = LoadFits()(frame), []
    for seed in range(30):
        done = InjectCommand(frame, str(tmp_path / str(seed)), positions=str(tmp_path / "where.csv"), seed=seed).run()
        after = LoadFits()(Frame(done["image"], gain=2.0))
        sums.append(float((after.data - before.data)[70:91, 70:91].sum()))
    # 4e4 units of 2 e- each are 8e4 e-: the sum scatters by sqrt(8e4) / 2 = 141 units.
    assert np.mean(sums) == pytest.approx(4e4, abs=5 * 141 / 30**0.5)
    assert 141 * 0.6 < np.std(sums) < 141 * 1.5
    more = (after.variance - before.variance)[70:91, 70:91]
    assert float(more.sum()) == pytest.approx(4e4 / 2, rel=0.02)
    again = InjectCommand(frame, str(tmp_path / "again"), positions=str(tmp_path / "where.csv"), seed=29).run()
    assert Path(again["image"]).read_bytes() == Path(done["image"]).read_bytes()


def test_integers_stay_integers_and_magnitudes_are_fluxes(tmp_path: Path) -> None:
    data = np.random.default_rng(2).poisson(900, (120, 120)).astype(np.uint16)
    header = fits.Header({"GAIN": 1.0, "MAGZP": 25.0})
    fits.PrimaryHDU(data, header).writeto(tmp_path / "a.fits")
    fits.PrimaryHDU(moffat_stamp(3.0, 3.0, 10)).writeto(tmp_path / "psf.fits")
    frame = Frame(str(tmp_path / "a.fits"), psf=str(tmp_path / "psf.fits"))
    done = InjectCommand(frame, str(tmp_path / "o"), n=3, spacing=25, margin=20, mag=(14.0, 14.5)).run()
    with fits.open(done["image"]) as hdus, fits.open(done["image"], do_not_scale_image_data=True) as raw:
        assert hdus[0].data.dtype == np.uint16 and raw[0].header["BITPIX"] == 16 and raw[0].header["BZERO"] == 32768
        gained = hdus[0].data.astype(float).sum() - data.sum()
    truth = pd.read_parquet(Path(done["truth"]).with_suffix(".parquet"))
    assert truth["mag"].between(14.0, 14.5).all() and truth["injected"].all() and truth["ra"].isna().all()
    assert gained == pytest.approx(float((10 ** (-0.4 * (truth["mag"] - 25.0))).sum()), rel=0.02)


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    data = np.random.default_rng(2).normal(0, 1, (120, 120)).astype(np.float32)
    fits.PrimaryHDU(data).writeto(tmp_path / "a.fits")
    fits.PrimaryHDU(moffat_stamp(3.0, 3.0, 10)).writeto(tmp_path / "psf.fits")
    frame = Frame(str(tmp_path / "a.fits"), psf=str(tmp_path / "psf.fits"))
    with pytest.raises(UserError, match=r"science\.gain"):
        InjectCommand(frame, str(tmp_path / "o")).run()
    with pytest.raises(UserError, match="zero point"):
        InjectCommand(frame, str(tmp_path / "o"), poisson=False, mag=(18.0, 20.0), n=2).run()
    with pytest.raises(UserError, match="margin"):
        InjectCommand(frame, str(tmp_path / "o"), poisson=False, margin=60).run()
    with pytest.raises(UserError, match="smaller first"):
        InjectCommand(frame, str(tmp_path / "o"), mag=(20.0, 18.0)).run()


@pytest.mark.parametrize("spacing", [0.0, 3.0, 16.0])
def test_places_are_apart_and_those_that_all_pairs_would_give(sky: Path, spacing: float) -> None:
    image = LoadFits()(Frame(image_of(sky, "ztf"), psf=str(sky / "psf.fits")))
    x, y = free_places(image, 40, spacing, 20, np.random.default_rng(5))
    bad, random, kept = grow(image.mask, 4).numpy(), np.random.default_rng(5), np.zeros((0, 2))
    while len(kept) < len(x):
        place = np.array([random.uniform(20, 139), random.uniform(20, 139)])
        if not bad[round(place[1]), round(place[0])] and (((kept - place) ** 2).sum(1) >= spacing**2).all():
            kept = np.vstack([kept, place])
    assert (np.stack([x, y], 1) == kept).all()
    assert len(x) == 40 or spacing > 10


def test_more_sources_than_fit_are_refused_at_once(sky: Path, tmp_path: Path) -> None:
    frame = Frame(image_of(sky, "ztf"), psf=str(sky / "psf.fits"))
    with pytest.raises(UserError, match=r"at most \d+ sources in this image"):
        InjectCommand(frame, str(tmp_path), n=1_000_000).run()
    image = LoadFits()(frame)
    x, _ = free_places(image, 1_000_000, 30.0, 20, np.random.default_rng(1))
    assert 5 < len(x) <= most_places(image, 30.0, 20)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"mag": (18, 22), "flux": (10, 100)}, "leave out mag="),
        ({"mag": (18, 22), "snr": (5, 6)}, "leave out mag="),
        ({"positions": "where.csv", "n": 10}, "leave out one of the two"),
    ],
    ids=str,
)
def test_words_of_which_one_would_do_nothing_are_refused(said: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        InjectCommand(Frame("a.fits"), "o", **said)


def test_a_table_that_says_how_bright_takes_no_range(tmp_path: Path) -> None:
    table = tmp_path / "where.csv"
    table.write_text("x,y,flux\n10,10,5\n")
    with pytest.raises(UserError, match="beside a table with its own"):
        InjectCommand(Frame("a.fits"), "o", positions=str(table), snr=(5, 6)).run()
