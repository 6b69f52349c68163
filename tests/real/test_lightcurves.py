"""Real light-curve files: counts and values that were measured independently."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table

from preprocessing.lightcurves.commands import ConvertCommand
from preprocessing.lightcurves.ingest import Account
from preprocessing.lightcurves.readers import find_sources
from preprocessing.lightcurves.selection import WINDOWS, Selection, window
from preprocessing.lightcurves.snana import read_snana
from preprocessing.lightcurves.table import CurveTable

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
    folder = real_data / "snana"
    table = read_snana(folder / f"{name}_HEAD.FITS.gz", Account())
    assert (len(table), len(table.bands)) == (count, bands)
    head = Table.read(folder / f"{name}_HEAD.FITS.gz", hdu=1)
    phot = Table.read(folder / f"{name}_PHOT.FITS.gz", hdu=1)
    for i in range(0, count, 37):
        rows = phot[head["PTROBS_MIN"][i] - 1 : head["PTROBS_MAX"][i]]
        order = np.argsort(np.asarray(rows["MJD"]), kind="stable")
        mine = slice(table.offsets[i], table.offsets[i + 1])
        assert table.mjd[mine].tolist() == np.asarray(rows["MJD"])[order].tolist()
        assert table.flux[mine].tolist() == np.asarray(rows["FLUXCAL"], dtype=np.float32)[order].tolist()
        assert table.flux_err[mine].tolist() == np.asarray(rows["FLUXCALERR"], dtype=np.float32)[order].tolist()
        assert [table.bands[code] for code in table.band[mine]] == [str(rows["BAND"][k]).strip() for k in order]


def test_foundation_comes_out_sorted_and_has_no_trigger(real_data: Path) -> None:
    account = Account()
    table = read_snana(real_data / "snana" / "DES-SN5YR_Foundation_HEAD.FITS.gz", account)
    assert len(table) == 185
    assert account.counts["objects_sorted_by_time"] == 185
    same = np.diff(table.owner) == 0
    assert (np.diff(table.mjd)[same] >= 0).all()
    assert np.isnan(Selection().apply(table)[1]).all()
    assert np.isfinite(Selection(rule="snr").apply(table)[1]).sum() > 180


def test_the_whole_folder_converts(real_data: Path, tmp_path: Path) -> None:
    summary = ConvertCommand(str(real_data / "snana"), str(tmp_path)).run()
    assert (summary["objects"], summary["dropped"], summary["failed"]) == (319 + 620 + 345 + 185 + 2, 1, 0)
    plasticc = ConvertCommand(str(real_data / "plasticc"), str(tmp_path / "p")).run()
    assert (plasticc["objects"], plasticc["epochs"]) == (95, 15844 + 1735)
    tables = [
        real_data / "ztf_lightcurves" / n for n in ("30_sne_detections_corr.csv", "periodic_light_curves.parquet")
    ]
    ztf = ConvertCommand([str(path) for path in tables], str(tmp_path / "z")).run()
    assert (ztf["objects"], ztf["epochs"]) == (55, 784 + 635 + 2663)


@pytest.fixture(scope="module")
def elasticc(real_data: Path) -> CurveTable:
    (source,) = find_sources([real_data / "elasticc"])
    (table,) = source.read(Account())
    return table


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


def test_elasticc_windows(elasticc: CurveTable) -> None:
    everything = Selection(last_non_detection=False, drop_after_last_detection=False)
    kept, start, _ = everything.apply(elasticc)
    expected = [3289, 3409, 3614, 3970, 4555, 5867, 7956, 10562, 11545, 17501, 23482]
    assert [len(window(kept, start, days).mjd) for days in WINDOWS] == expected
