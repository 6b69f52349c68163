"""Forced photometry of sources whose flux is known, on written difference images, and the curves that it makes."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits

from astrid_ml.errors import UserError
from astrid_ml.preprocessing.differencing.epochs.forced import (
    DETECTED,
    FORCED_COLUMNS,
    MASKED,
    by_mission,
    forced_photometry,
    light_curves,
    read_epoch,
)
from astrid_ml.preprocessing.differencing.subtract.pair import Subtract
from astrid_ml.preprocessing.differencing.subtract.steps import Gaussian, Zogy
from astrid_ml.preprocessing.lightcurves.curves.exchange import ExchangeWriter, is_exchange, read_exchange

ZERO_POINT = 25.0  # of the epochs


@pytest.mark.parametrize("step", [Zogy(), Gaussian()])
def test_fluxes_between_pixels_are_unbiased_with_honest_errors(
    epoch: Callable[..., Path], positions: pd.DataFrame, step: Subtract
) -> None:
    truth = positions
    pulls: list[pd.Series] = []
    ratios: list[pd.Series] = []
    for seed in range(4):
        table = forced_photometry(read_epoch(epoch(seed, step=step)), truth)
        assert tuple(table.columns) == FORCED_COLUMNS and len(table) == len(truth)
        calibrated = truth["flux"].to_numpy() * 10 ** (0.4 * (27.5 - ZERO_POINT))
        good = ~table["masked"].to_numpy()
        pulls.append(((table["flux"] - calibrated) / table["flux_err"])[good])
        strong = good & (np.abs(truth["flux"].to_numpy()) > 1000)
        ratios.append((table["flux"] / np.where(calibrated == 0, 1, calibrated))[strong])
    pull = np.concatenate(pulls)
    assert abs(pull.mean()) < 3 / math.sqrt(len(pull)) and 0.85 < pull.std() < 1.15
    assert np.concatenate(ratios).mean() == pytest.approx(1, abs=0.015)


def test_limits_detections_and_masks(epoch: Callable[..., Path], positions: pd.DataFrame) -> None:
    truth = positions
    table = forced_photometry(read_epoch(epoch(3)), truth, n_sigma=3.0)
    assert table["masked"].tolist() == [True, *[False] * (len(truth) - 1)]
    assert math.isnan(table["flux"][0]) and table["phot_flag"][0] == MASKED
    strong = np.abs(truth["flux"].to_numpy()) > 1000
    assert table["detected"][strong].all() and (table["phot_flag"][strong] == DETECTED).all()
    assert not table["detected"][(truth["flux"] == 0) & ~table["masked"]].any()
    faded = table[truth["flux"] < 0]
    assert (faded["snr"] < -5).all() and faded["mag"].isna().all()
    bright = table[truth["flux"] == 3000]
    assert np.allclose(bright["mag"], ZERO_POINT - 2.5 * np.log10(3000), atol=0.15)
    # an optimal error of a Gaussian PSF in two images of white noise lies between the two bounds
    error = 10 ** (-0.4 * (table["limit"][1:] - ZERO_POINT)) / 3
    assert (error > 10 * math.sqrt(4 * math.pi) * 1.5).all()
    assert (error < math.hypot(10, 8) * math.sqrt(4 * math.pi) * 1.5).all()


def test_positions_beyond_the_frame_or_behind_the_sky_are_left_out(epoch: Callable[..., Path]) -> None:
    far = pd.DataFrame({"object_id": ["in", "out", "behind"], "ra": [359.99, 0.5, 179.99], "dec": [40.0, 40.0, -40.0]})
    assert forced_photometry(read_epoch(epoch(1)), far)["object_id"].tolist() == ["in"]
    assert len(forced_photometry(read_epoch(epoch(2)), far.iloc[1:])) == 0


def test_epochs_become_curves_that_light_curve_tools_read(
    epoch: Callable[..., Path], positions: pd.DataFrame, tmp_path: Path
) -> None:
    truth = positions.assign(label="SN")
    paths = [epoch(9, 0.0), epoch(7, 1.0), epoch(8, 0.5, MISSION="PS1")]
    table = pd.concat([forced_photometry(read_epoch(path), truth) for path in paths], ignore_index=True)
    curves, account = light_curves(by_mission(table), truth)
    assert account.counts["rows_flux_not_finite"] == 3  # the masked one
    assert len(curves) == len(truth) - 1 and (curves.lengths == 3).all()
    with ExchangeWriter(tmp_path / "part.parquet") as writer:
        writer.write(curves)
    assert is_exchange(tmp_path / "part.parquet")
    back = next(read_exchange(tmp_path / "part.parquet"))
    row = back.objects.set_index("object_id").loc["o3"]
    assert (row["flux_kind"], row["label"], row["survey"]) == ("difference", "SN", "PS1+ZTF")
    i = int(np.flatnonzero(back.objects["object_id"] == "o3")[0])
    part = slice(back.offsets[i], back.offsets[i + 1])
    assert back.mjd[part].tolist() == [60007.0, 60008.0, 60009.0]
    assert [back.bands[b] for b in back.band[part]] == ["ZTF-r", "PS1-r", "ZTF-r"]
    assert (
        np.allclose(back.flux[part] / np.array([30000, 15000, 1]), [1, 1, 0], atol=0.2) or abs(back.flux[part][2]) < 3e3
    )
    assert (back.phot_flag[part] == DETECTED).tolist() == [True, True, False]
    assert np.allclose(back.wavelengths, 0.6223)


@pytest.mark.parametrize(
    ("cards", "message"), [({"ZP": None}, "ZP"), ({"MJD": None}, "MJD"), ({"FILTER": None}, "FILTER")]
)
def test_what_a_curve_needs_is_asked_for(epoch: Callable[..., Path], cards: dict[str, object], message: str) -> None:
    path = epoch(1, **cards)
    with pytest.raises(UserError, match=message):
        read_epoch(path)
    if message != "MJD":
        found = read_epoch(path, zero_point=24.0, band="g")
        assert (found.zero_point, found.band) == (24.0, "g")


def test_other_files_are_refused(tmp_path: Path) -> None:
    fits.PrimaryHDU().writeto(tmp_path / "a.fits")
    with pytest.raises(UserError, match="extensions"):
        read_epoch(tmp_path / "a.fits")
    (tmp_path / "b.fits").write_text("no")
    with pytest.raises(UserError, match="which cannot be read"):
        read_epoch(tmp_path / "b.fits")
