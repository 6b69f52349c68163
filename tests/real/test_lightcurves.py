"""Real light-curve files: counts and values that were measured independently."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from astropy.table import Table

from astrid_ml.pipeline.writer import MemoryUnitWriter
from astrid_ml.preprocessing.lightcurves.commands.convert import ConvertCommand
from astrid_ml.preprocessing.lightcurves.curves.ingest import Account
from astrid_ml.preprocessing.lightcurves.curves.row_blocks import read_any
from astrid_ml.preprocessing.lightcurves.curves.table import CurveTable, first_true, last_true
from astrid_ml.preprocessing.lightcurves.pipeline import LightcurvesPipeline
from astrid_ml.preprocessing.lightcurves.readers.long_tables import plasticc_objects
from astrid_ml.preprocessing.lightcurves.readers.recognise import find_curves
from astrid_ml.preprocessing.lightcurves.readers.snana import read_snana
from astrid_ml.preprocessing.lightcurves.select.selection import WINDOWS, Selection, window

pytestmark = pytest.mark.real_data
DES = "PIP_PLUS_10REAL_SIMDESREA73fe7_SNIaMODEL0-0001"
LOWZ = "PIP_PLUS_10REAL_SIMLOWZRE93e81_SNIaMODEL0-0001"


def test_stale_pointers_and_a_lost_separator(real_data: Path) -> None:
    account = Account()
    table = read_snana(real_data / "snana" / "OODcontrol-0001_HEAD.FITS", account)
    assert (len(table), len(table.mjd)) == (319, 18793)
    assert [drop["object_id"] for drop in account.dropped] == ["15384038"]
    assert table.objects["label"].value_counts().to_dict() == {
        "101": 157 if "15384038" in _of_type(real_data, 101) else 158,
        **{str(kind): count - ("15384038" in _of_type(real_data, kind)) for kind, count in OTHER_TYPES.items()},
    }
    peak = table.objects["PEAKMJD"].to_numpy()
    inside = (table.mjd[table.offsets[:-1]] <= peak) & (peak <= table.mjd[table.offsets[1:] - 1])
    assert inside.all()  # a curve cut at the wrong place would not hold its own peak


OTHER_TYPES = {120: 37, 123: 36, 122: 30, 132: 25, 133: 22, 121: 12}


def _of_type(real_data: Path, kind: int) -> set[str]:
    head = Table.read(real_data / "snana" / "OODcontrol-0001_HEAD.FITS", hdu=1)
    return {str(name) for name, value in zip(head["SNID"], head["SNTYPE"], strict=True) if value == kind}


@pytest.mark.parametrize(("name", "count", "bands"), [(DES, 620, 4), (LOWZ, 345, 24)])
def test_values_equal_an_independent_reading(real_data: Path, name: str, count: int, bands: int) -> None:
    folder, account = real_data / "snana", Account()
    table = read_snana(folder / f"{name}_HEAD.FITS.gz", account)
    assert (len(table), len(table.bands)) == (count, bands)
    assert not account.repaired  # the pointers are valid
    head = Table.read(folder / f"{name}_HEAD.FITS.gz", hdu=1)
    phot = Table.read(folder / f"{name}_PHOT.FITS.gz", hdu=1)
    whole = {key: np.asarray(phot[key]) for key in ("MJD", "FLUXCAL", "FLUXCALERR", "PHOTFLAG")}
    names = np.array([str(value).strip().split("/")[-1] for value in phot["BAND"]])
    known = [np.inf if np.isnan(wave) else wave for wave in table.wavelengths.tolist()]
    waves = {band: place for place, (_, band) in enumerate(sorted(zip(known, table.bands, strict=True)))}
    for i in range(count):
        rows = np.arange(head["PTROBS_MIN"][i] - 1, head["PTROBS_MAX"][i])
        # epochs of one time stand by their wavelengths, whatever the file's order of them
        place = np.array([waves[name] for name in names[rows]])
        rows = rows[np.lexsort((whole["FLUXCAL"][rows], place, whole["MJD"][rows]))]
        mine = slice(table.offsets[i], table.offsets[i + 1])
        read: dict[str, np.ndarray] = {
            "MJD": table.mjd,
            "FLUXCAL": table.flux,
            "FLUXCALERR": table.flux_err,
            "PHOTFLAG": table.phot_flag,
        }
        for key, values in read.items():
            assert np.array_equal(values[mine], whole[key][rows])
        assert np.array_equal(np.array(table.bands)[table.band[mine]], names[rows])
        assert table.objects["object_id"].iloc[i] == str(head["SNID"][i]).strip()


def test_fluxes_scatter_about_the_simulations_truth_as_their_errors_say(real_data: Path) -> None:
    table = read_snana(real_data / "snana" / f"{DES}_HEAD.FITS.gz", Account())
    phot = Table.read(real_data / "snana" / f"{DES}_PHOT.FITS.gz", hdu=1)
    mjd = np.asarray(phot["MJD"])
    magnitude = np.asarray(phot["SIM_MAGOBS"])[mjd > 0]
    assert np.array_equal(table.mjd, mjd[mjd > 0])  # simulations are in time order
    seen = magnitude < 90
    pulls = (table.flux - 10 ** (-0.4 * (magnitude - 27.5)))[seen] / table.flux_err[seen]
    assert abs(pulls.mean()) < 0.01
    assert pulls.std() == pytest.approx(0.997, abs=0.005)


def test_two_real_supernovae_of_the_older_dialect(real_data: Path) -> None:
    head = real_data / "snana" / "snana_fits_example_head.fits"
    table = read_snana(head, Account())
    assert (len(table), len(table.mjd)) == (2, 95)
    assert "FLT" in Table.read(real_data / "snana" / "snana_fits_example_phot.fits", hdu=1).colnames


def test_foundation_comes_out_sorted_and_has_no_trigger(real_data: Path) -> None:
    account = Account()
    table = read_snana(real_data / "snana" / "DES-SN5YR_Foundation_HEAD.FITS.gz", account)
    assert len(table) == 185
    assert account.counts["objects_sorted_by_time"] == 185
    same = np.diff(table.owner) == 0
    assert (np.diff(table.mjd)[same] >= 0).all()
    assert np.isnan(Selection().apply(table)[1]).all()
    assert np.isfinite(Selection(rule="snr").apply(table)[1]).sum() > 180
    assert not table.phot_flag.any()
    phot = Table.read(real_data / "snana" / "DES-SN5YR_Foundation_PHOT.FITS.gz", hdu=1)
    times = np.split(np.asarray(phot["MJD"]), np.flatnonzero(np.asarray(phot["MJD"]) == -777.0))
    curves = [part[part > 0] for part in times if (part > 0).any()]
    assert sum(bool((np.diff(curve) >= 0).all()) for curve in curves) == 0  # none is sorted in the file
    assert np.array_equal(table.mjd, np.concatenate([np.sort(curve) for curve in curves]))


def test_a_survey_without_detections_says_that_it_cannot_be_windowed(real_data: Path) -> None:
    pipeline, writer = LightcurvesPipeline(), MemoryUnitWriter()
    (unit,) = pipeline.plan([real_data / "snana" / "DES-SN5YR_Foundation_HEAD.FITS.gz"])
    pipeline.process(unit, writer, 0)
    assert len(writer.drops) == 185
    assert all("no detection in PHOTFLAG" in drop.reason and "rule=snr" in drop.reason for drop in writer.drops)


def test_the_whole_folder_converts(real_data: Path, tmp_path: Path) -> None:
    summary = ConvertCommand(str(real_data / "snana"), str(tmp_path)).run()
    assert (summary["objects"], summary["dropped"], summary["failed"]) == (319 + 620 + 345 + 185 + 2, 1, 0)
    plasticc = ConvertCommand(str(real_data / "plasticc"), str(tmp_path / "p")).run()
    assert (plasticc["objects"], plasticc["epochs"]) == (95, 15844 + 1735)
    tables = [
        real_data / "ztf_lightcurves" / n for n in ("30_sne_detections_corr.csv", "periodic_light_curves.parquet")
    ]
    ztf = ConvertCommand([str(path) for path in tables], str(tmp_path / "z")).run()
    assert (ztf["objects"], ztf["epochs"]) == (
        55,
        784 + 635 + 2663 - 12,
    )  # 12 detections of the periodic ones stand there twice
    labels = pd.read_parquet(tmp_path / "z" / "objects")["label"].value_counts().to_dict()
    assert labels == {"SNIa": 19, "SNIbc": 8, "SLSN": 2, "SNII": 1} | dict.fromkeys(
        ["Ceph", "DSCT", "EA", "LPV", "RRL"], 5
    )


def test_plasticc_training_objects(real_data: Path) -> None:
    objects = plasticc_objects(read_any(real_data / "plasticc" / "plasticc_train_metadata.csv"))
    assert len(objects) == 7848
    counts = {90: 2313, 42: 1193, 65: 981, 16: 924, 15: 495, 62: 484, 88: 370, 92: 239, 67: 208, 52: 183, 95: 175}
    counts |= {6: 151, 64: 102, 53: 30}
    assert objects["label"].value_counts().to_dict() == {str(name): number for name, number in counts.items()}


@pytest.fixture(scope="module")
def elasticc(real_data: Path) -> CurveTable:
    (source,) = find_curves([real_data / "elasticc"]).sources
    (table,) = source.read(Account())
    return table


def test_elasticc_flags(elasticc: CurveTable) -> None:
    assert dict(zip(*np.unique(elasticc.phot_flag, return_counts=True), strict=True)) == {
        0: 8628, 1024: 2, 4096: 14830, 6144: 400
    }  # fmt: skip
    saturated = elasticc.phot_flag == 1024
    assert elasticc.flux[saturated].tolist() == [0.0, 0.0]
    assert elasticc.flux_err[saturated].tolist() == [1e8, 1e8]
    first = first_true((elasticc.phot_flag & 4096) != 0, elasticc.offsets)
    assert (elasticc.phot_flag[first] == 6144).all()  # the trigger is the first detection


def test_elasticc_selection(elasticc: CurveTable) -> None:
    assert (len(elasticc), len(elasticc.mjd)) == (400, 23860)
    selection = Selection()
    clean = selection.without_saturation(elasticc)
    assert len(clean.mjd) == 23858
    kept, start, _ = selection.apply(elasticc)
    assert len(kept.mjd) == 21504
    before = kept.mjd < start[kept.owner]
    assert (int(before.sum()), int((~before).sum())) == (300, 21204)
    early = clean.mjd < start[clean.owner]
    assert (int(early.sum()), len(np.unique(clean.owner[early]))) == (2654, 300)
    assert int((np.bincount(kept.owner[(kept.phot_flag & 4096) != 0]) == 1).sum()) == 78
    assert clean.lengths.max() == 222
    late = np.arange(len(clean.mjd)) > last_true((clean.phot_flag & 4096) != 0, clean.offsets)[clean.owner]
    assert not late.any()  # nothing stands after the last detection in this sample


def test_elasticc_windows(elasticc: CurveTable) -> None:
    everything = Selection(last_non_detection=False, drop_after_last_detection=False)
    kept, start, _ = everything.apply(elasticc)
    expected = [3289, 3409, 3614, 3970, 4555, 5867, 7956, 10562, 11545, 17501, 23482]
    assert [len(window(kept, start, days).mjd) for days in WINDOWS] == expected
