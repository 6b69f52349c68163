"""The source object: features, flags, shorter versions, the figure."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from astrid_ml.errors import UserError
from astrid_ml.preprocessing.lightcurves.commands.convert import ConvertCommand
from astrid_ml.preprocessing.lightcurves.curves.table import CurveTable
from astrid_ml.preprocessing.lightcurves.select.augment import Augmentation
from astrid_ml.preprocessing.lightcurves.select.selection import WINDOWS, Selection, window
from astrid_ml.preprocessing.lightcurves.select.sky_flags import ENGINEERED_FEATURES, sky_flags
from astrid_ml.preprocessing.lightcurves.select.source import LSST_Source, LSSTSource, read_sources, sources_of


def table() -> CurveTable:
    """One object with a host and epochs of every kind, one without detections."""
    flags = [0, 0, 6144, 0, 4096, 1024, 4096, 0, 0, 0]
    objects = {"object_id": ["a", "b"], "label": ["TDE", None], "RA": [150.1, np.nan], "DEC": [2.2, np.nan]}
    return CurveTable(
        pd.DataFrame({**objects, "MWEBV": [0.02, 0.1]}),
        np.array([0, 8, 10]),
        60000.0 + np.array([-9.0, -2.0, 0.0, 1.0, 3.0, 4.0, 30.0, 40.0, 0.0, 1.0]),
        np.array([1, 2, 50, 8, 60, 0, 40, 3, 1, 1], dtype=np.float32),
        np.array([3, 3, 3, 3, 3, 1e8, 3, 3, 3, 3], dtype=np.float32),
        np.array(flags, dtype=np.int32),
        np.array([0, 1, 0, 1, 0, 1, 0, 1, 0, 1], dtype=np.int16),
        ("g", "r"),
        np.array([0.48, 0.62], dtype=np.float32),
    )


def test_features_and_preprocessing() -> None:
    source, other = sources_of(table())
    assert LSST_Source is LSSTSource
    assert LSSTSource.time_series_features == ("MJD", "BAND", "PHOTFLAG", "FLUXCAL", "FLUXCALERR")
    assert len(LSSTSource.other_features) == len(set(LSSTSource.other_features)) == 37
    assert LSSTSource.engineered_features == ENGINEERED_FEATURES
    assert set(source.static) == {*LSSTSource.other_features, *ENGINEERED_FEATURES}
    series = source.time_series
    assert tuple(series.columns) == LSSTSource.time_series_features
    # Saturation gone, the last non-detection before the trigger kept, nothing after the last detection.
    assert (series["MJD"] - 60000).tolist() == [-2.0, 0.0, 1.0, 3.0, 30.0]
    assert series["BAND"].tolist() == ["r", "g", "r", "g", "g"]
    assert source.detected.tolist() == [False, True, False, True, True]
    assert (source.start, source.label, source.static["COSMOS_flag"]) == (60000.0, "TDE", 1.0)
    assert (source.static["MWEBV"], source.static["MW_plane_flag"]) == (0.02, 0.0)
    assert np.isnan(source.static["HOSTGAL_SPECZ"])
    assert other.label is None
    assert np.isnan(other.start)
    assert np.isnan(other.static["COSMOS_flag"])
    with pytest.raises(UserError, match="trigger or detection in b"):
        other.get_augmented_sources()


def test_augmented_sources_are_windows_that_share_what_is_static() -> None:
    source, _ = sources_of(table())
    made = source.get_augmented_sources()
    assert [len(one) for one in made] == [3, 4, 5]  # 1 and 2 days, 4 to 16, 32 and more
    assert all(one.static is source.static for one in made)
    assert made[0].time_series.equals(source.time_series[:3])
    random = source.get_augmented_sources(days=[1], random_lengths=5, seed=1)
    assert [len(one) for one in random] == sorted(len(one) for one in random)
    assert len(random) == 6
    assert [len(x) for x in source.get_augmented_sources(days=[1], random_lengths=5, seed=1)] == [
        len(x) for x in random
    ]


def test_augmentation_of_a_source() -> None:
    source, _ = sources_of(table())
    dimmer = source.get_augmented_sources(days=[1024], augmentation=Augmentation(dimming=1.0, noise=0.5), seed=2)[0]
    assert (dimmer.flux_err[: len(dimmer)] >= 3).all()
    assert dimmer.detected.any()
    assert (dimmer.phot_flag & 2048 != 0).sum() == 1
    assert dimmer.start == dimmer.mjd[dimmer.detected][0]
    assert np.abs(dimmer.flux / dimmer.flux_err)[dimmer.detected].min() >= 5
    with pytest.raises(UserError, match="redshift"):
        source.get_augmented_sources(augmentation=Augmentation(redshift=0.1))


def test_flags_equal_astropys_separations() -> None:
    from astropy import units
    from astropy.coordinates import SkyCoord

    random = np.random.default_rng(0)
    centres = {
        name: SkyCoord(l=x * units.deg, b=y * units.deg, frame="galactic").icrs for name, (x, y) in FIELDS.items()
    }
    near = [c.directional_offset_by(random.uniform(0, 360, 300) * units.deg, random.uniform(0, 3, 300) * units.deg)
            for c in centres.values()]  # fmt: skip
    ra = np.concatenate([random.uniform(0, 360, 3000), *(c.ra.deg for c in near)])
    dec = np.concatenate([np.degrees(np.arcsin(random.uniform(-1, 1, 3000))), *(c.dec.deg for c in near)])
    sky = SkyCoord(ra * units.deg, dec * units.deg)
    flags = sky_flags(ra, dec)
    assert tuple(flags) == ENGINEERED_FEATURES
    assert np.array_equal(flags["MW_plane_flag"] == 1, np.abs(sky.galactic.b.deg) < 15)
    for name, centre in centres.items():
        assert np.array_equal(flags[name] == 1, sky.separation(centre).deg < 1.75)
        assert 100 < flags[name].sum() < 250


FIELDS = {
    "ELAIS_S1_flag": (311.30, -72.90), "XMM-LSS_flag": (171.20, -58.77),
    "Extended_Chandra_Deep_Field-South_flag": (224.07, -54.47), "COSMOS_flag": (236.83, 42.09),
}  # fmt: skip


def test_the_figure_has_every_epoch_and_the_trigger(tmp_path: Path) -> None:
    source, other = sources_of(table(), Selection(last_non_detection=False, drop_after_last_detection=False))
    figure = source.plot_flux_curve(tmp_path / "a.png")
    axes, _ = figure.axes
    drawn = {
        (line.get_markerfacecolor() == "white", float(x), float(y))
        for line in axes.lines
        if line.get_marker() not in ("None", None, "", "_")
        for x, y in zip(np.atleast_1d(line.get_xdata()), np.atleast_1d(line.get_ydata()), strict=True)
    }
    assert drawn == {(not d, t, f) for d, t, f in zip(source.detected, source.mjd, source.flux, strict=True)}
    assert any(
        line.get_linestyle() == "--" and np.atleast_1d(line.get_xdata())[0] == source.start for line in axes.lines
    )
    legend = axes.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == [
        "g",
        "r",
        "detection",
        "non-detection,\nlimit at 3 sigma",
        "trigger",
    ]
    assert (tmp_path / "a.png").stat().st_size > 10_000
    assert len(other.plot_flux_curve().axes) == 2
    assert axes.get_ylim()[1] > 63


@pytest.mark.real_data
def test_real_sources_have_the_golden_counts(real_data: Path, tmp_path: Path) -> None:
    ConvertCommand(str(real_data / "elasticc"), str(tmp_path)).run()
    sources = list(read_sources(tmp_path / "objects"))
    assert len(sources) == 400
    assert sum(map(len, sources)) == 21504
    everything = Selection(last_non_detection=False, drop_after_last_detection=False)
    whole = list(read_sources(tmp_path / "objects", everything))
    assert [sum(len(s.within(d)) for s in whole) for d in (1, 64, 1024)] == [3289, 7956, 23482]
    for source in whole[::40]:
        lengths = {len(source.within(day)) for day in WINDOWS}
        assert [len(one) for one in source.get_augmented_sources()] == sorted(lengths)


def test_windows_of_sources_are_windows_of_the_table() -> None:
    selection = Selection()
    kept, start, _ = selection.apply(table())
    source = next(sources_of(table()))
    for day in WINDOWS:
        assert window(kept, start, day).lengths[0] == len(source.within(day))
