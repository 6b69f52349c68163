"""SNANA TEXT files: dialects, cut-off files, LIST files; the same values as the FITS reader."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path

import numpy as np
import pytest

from astrid_ml import inflating
from astrid_ml.errors import UserError
from astrid_ml.pipeline.writer import MemoryUnitWriter
from astrid_ml.preprocessing.lightcurves.commands.convert import ConvertCommand
from astrid_ml.preprocessing.lightcurves.curves.ingest import NO_NAME, REPEATED, Account
from astrid_ml.preprocessing.lightcurves.curves.table import CurveTable
from astrid_ml.preprocessing.lightcurves.pipeline import LightcurvesPipeline
from astrid_ml.preprocessing.lightcurves.readers.recognise import find_curves
from astrid_ml.preprocessing.lightcurves.readers.snana import read_snana
from astrid_ml.preprocessing.lightcurves.readers.snana_text import parse

TERSE = """
SURVEY:    DES(FULL)
SNID:      {name}
IAUC:      UNKNOWN
SNTYPE:    101     # photometric
FILTERS:   gr
RA:        9.5  deg
DECL:      -9.0  deg
MWEBV:     0.02  +- 0.003  MW E(B-V)
REDSHIFT_HELIO:  0.36  +-  0.07    # (HELIO)
HOSTGAL_SPECZ:   -9.0000 +-  -9.0000
HOSTGAL_MAG:     23.5 22.9     # gr
SEARCH_PEAKMJD:  56540.5
PRIVATE(DES_swap):  0   (PHOTFLAG & 32768)

NOBS: 3 NVAR: 6
VARLIST: MJD  FLT  FIELD FLUXCAL  FLUXCALERR PHOTFLAG  NITE
OBS:   56536.5  g  E2   5.5e+00  2.0  4096
OBS:   56534.5  r  E2   nan      3.0  0
OBS:   56535.5  r  E2   -1.5     4.0  6144   # comment
END_PHOTOMETRY:
NVAR_SPEC: 3
VARNAMES_SPEC: LAMAVG FLAM FLAMERR
SPEC: 4200.0 4209.3 -2.0 5.7
"""
OTHER = """SURVEY: DES
SNID: 17
FILTERS: gr
RA: 10.0
DEC: 2.0
NOBS: 2
NVAR: 4
VARNAMES: MJD BAND FLUXCAL FLUXCALERR
OBS: 1.0 g 10 1
OBS: 2.0 r 20 2
"""


def read(folder: Path) -> tuple[CurveTable, Account]:
    account = Account()
    (source,) = find_curves([folder]).sources
    (table,) = source.read(account)
    return table, account


def test_one_file_an_object(tmp_path: Path) -> None:
    (tmp_path / "a.DAT").write_text(TERSE.format(name="2016afk"))
    (tmp_path / "b.dat.gz").write_bytes(gzip.compress(OTHER.encode()))
    (tmp_path / "v.README").write_text("SNID: none of these\n")
    table, account = read(tmp_path)
    objects = table.objects.set_index("object_id")
    assert list(objects.index) == ["2016afk", "17"]
    about = {name: objects[name].iloc[0] for name in objects}
    assert [about[name] for name in ("RA", "DEC", "MWEBV", "MWEBV_ERR")] == [9.5, -9.0, 0.02, 0.003]
    assert [about[name] for name in ("REDSHIFT_HELIO", "REDSHIFT_HELIO_ERR", "PEAKMJD")] == [0.36, 0.07, 56540.5]
    assert [about[name] for name in ("HOSTGAL_MAG_g", "HOSTGAL_MAG_r")] == [23.5, 22.9]
    assert np.isnan(about["HOSTGAL_SPECZ"])
    assert objects["survey"].tolist() == ["DES", "DES"]
    assert objects["label"].tolist()[0] == "101"
    assert table.mjd.tolist() == [56535.5, 56536.5, 1.0, 2.0]
    assert table.flux.tolist() == [-1.5, 5.5, 10.0, 20.0]
    assert table.phot_flag.tolist() == [6144, 4096, 0, 0]
    assert [table.bands[code] for code in table.band] == ["r", "g", "g", "r"]
    assert np.isfinite(table.wavelengths).all()
    assert account.counts["rows_flux_not_finite"] == 1
    assert not account.dropped
    assert not account.repaired


def test_several_objects_in_one_file() -> None:
    found = list(parse(TERSE.format(name="x") + OTHER + TERSE.format(name="y").replace("NVAR: 6", "NVAR: 7")))
    assert [item.word("SNID") for item in found] == ["x", "17", "y"]
    assert [len(item.rows) for item in found] == [3, 2, 0]
    assert found[2].short == 3  # rows of six words where seven are promised


def test_damaged_files_are_named(tmp_path: Path) -> None:
    (tmp_path / "good.txt").write_text(OTHER)
    (tmp_path / "cut.txt").write_text(TERSE.format(name="cut").split("6144")[0])
    (tmp_path / "epoch.txt").write_text("SURVEY: SDSS\nSNID: 5\nEPOCH: 1\nMJD: 53616\nPASSBAND: 1 g\n")
    (tmp_path / "noflux.txt").write_text(OTHER.replace("17", "18").replace("FLUXCAL FLUX", "MAG FLUX"))
    (tmp_path / "empty.txt").write_text(OTHER.replace("17", "19").split("OBS: 1.0")[0].replace("NOBS: 2", "NOBS: 0"))
    packed = gzip.compress(OTHER.replace("17", "20").encode() + np.random.default_rng(0).bytes(40_000))
    (tmp_path / "zipped.txt.gz").write_bytes(packed[: len(packed) - 5000])
    summary = ConvertCommand(str(tmp_path), str(tmp_path / "out")).run()
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert (summary["sources"], summary["read"], summary["objects"], summary["failed"]) == (1, 5, 2, 1)
    assert {drop["object_id"]: drop["source"] for drop in report["drops"]} == {
        "5": "epoch.txt", "18": "noflux.txt", "19": "empty.txt"
    }  # fmt: skip
    reasons = {drop["object_id"]: drop["reason"] for drop in report["drops"]}
    assert "EPOCH" in reasons["5"]
    assert "no column FLUXCAL" in reasons["18"]
    assert "no observations" in reasons["19"]
    (failure,) = report["failed_sources"]
    assert failure["source"] == str(tmp_path / "zipped.txt.gz") and "cut off" in failure["reason"]
    (repaired,) = report["repairs"]
    assert (repaired["object_id"], repaired["source"]) == ("cut", "cut.txt")
    assert "2 whole OBS rows" in repaired["reason"]
    assert report["counts"]["rows_cut_off"] == 1


def test_a_small_gzip_cut_at_its_end_is_a_failed_source_by_its_own_name(tmp_path: Path) -> None:
    raw = tmp_path / "raw" / "night"
    raw.mkdir(parents=True)
    (raw / "a.dat").write_text(OTHER)
    (raw / "b.dat.gz").write_bytes(gzip.compress(OTHER.replace("17", "20").encode())[:-9])
    (raw / "c.dat.gz").write_bytes(gzip.compress(OTHER.replace("17", "21").encode())[:12])  # nothing of it can be read
    made = ConvertCommand(str(tmp_path / "raw"), str(tmp_path / "out")).run()
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert (made["objects"], made["failed"]) == (1, 2)
    failed = {Path(lost["source"]).name: lost["reason"] for lost in report["failed_sources"]}
    assert set(failed) == {"b.dat.gz", "c.dat.gz"} and "cut off" in failed["b.dat.gz"]
    pipeline, writer = LightcurvesPipeline(), MemoryUnitWriter()
    units = pipeline.plan([tmp_path / "raw"])
    for unit in units:
        if not unit.missing:
            pipeline.process(unit, writer, 0)
    assert ("b.dat.gz", "night/b.dat.gz") in [(drop.id, drop.source) for drop in writer.drops]
    assert [unit.id for unit in units if unit.missing] == ["night/c.dat.gz"]
    for name in ("b.dat.gz", "c.dat.gz"):
        with pytest.raises(UserError, match=r"cut off|ends too early"):
            ConvertCommand(str(raw / name), str(tmp_path / "alone")).run()


def test_objects_that_are_left_out_are_named_with_their_own_file(tmp_path: Path) -> None:
    (tmp_path / "a.dat").write_text(OTHER)
    (tmp_path / "nameless.dat").write_text(OTHER.replace("SNID: 17", "SNID:"))
    (tmp_path / "nan.dat").write_text(OTHER.replace("SNID: 17", "SNID: x").replace("OBS: ", "OBS: nan "))
    (tmp_path / "z_again.dat").write_text(OTHER)
    ConvertCommand(str(tmp_path), str(tmp_path / "out")).run()
    drops = json.loads((tmp_path / "out" / "report.json").read_text())["drops"]
    said = {drop["source"]: (drop["object_id"], drop["reason"]) for drop in drops}
    assert said["nameless.dat"] == ("", NO_NAME) and said["z_again.dat"] == ("17", REPEATED)
    assert said["nan.dat"][0] == "x" and len(drops) == 3


def test_a_text_that_inflates_without_measure_fails_before_it_is_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inflating, "MOST_BYTES", 10_000)
    (tmp_path / "a.dat").write_text(OTHER)
    (tmp_path / "bomb.dat.gz").write_bytes(gzip.compress(OTHER.encode() + b"OBS: 1.0 g 1 1 1\n" * 10_000))
    made = ConvertCommand(str(tmp_path), str(tmp_path / "out")).run()
    (failure,) = json.loads((tmp_path / "out" / "report.json").read_text())["failed_sources"]
    assert made["objects"] == 1 and failure["source"].endswith("bomb.dat.gz")
    assert re.fullmatch(r"more than \d+ bytes when it is inflated: unpack it first", failure["reason"])


def test_a_list_says_which_files_belong_to_the_version(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / f"{name}.DAT").write_text(OTHER.replace("17", name))
    (tmp_path / "V1.LIST").write_text("c.DAT\na.DAT\ngone.DAT\n")
    table, account = read(tmp_path)
    assert table.objects["object_id"].tolist() == ["c", "a"]
    assert account.counts["files_not_in_LIST"] == 1
    assert [(drop["object_id"], account.read) for drop in account.dropped] == [("gone.DAT", 3)]


def as_text(table: CurveTable, i: int) -> str:
    part = range(table.offsets[i], table.offsets[i + 1])
    about = table.objects.iloc[i]
    rows = [
        f"OBS: {table.mjd[k]!r} {table.bands[table.band[k]]} {float(table.flux[k])!r} "
        f"{float(table.flux_err[k])!r} {table.phot_flag[k]}"
        for k in part
    ]
    head = [
        f"SURVEY: {about['survey']}", f"SNID: {about['object_id']}", f"SNTYPE: {about['label']}",
        f"RA: {about['RA']!r}", f"DECL: {about['DEC']!r}", f"NOBS: {len(part)}", "NVAR: 5",
        "VARLIST: MJD FLT FLUXCAL FLUXCALERR PHOTFLAG",
    ]  # fmt: skip
    return "\n".join([*head, *rows, "END:\n"]).replace("np.float64(", "").replace(")", "")


@pytest.mark.real_data
def test_real_curves_as_text_equal_the_same_as_fits(real_data: Path, tmp_path: Path) -> None:
    table = read_snana(real_data / "snana" / "DES-SN5YR_Foundation_HEAD.FITS.gz", Account())
    for i in range(len(table)):
        (tmp_path / f"{i:03d}.DAT").write_text(as_text(table, i))
    again, account = read(tmp_path)
    assert not account.dropped
    assert not account.repaired
    for name in ("offsets", "mjd", "flux", "flux_err", "phot_flag"):
        assert np.array_equal(getattr(again, name), getattr(table, name))
    assert [again.bands[code] for code in again.band] == [table.bands[code] for code in table.band]
    same = ["object_id", "label", "survey", "RA", "DEC"]
    assert again.objects[same].equals(table.objects[same])


@pytest.mark.parametrize(("line", "label"), [("", "Ia"), ("SNTYPE: 22\n", "22"), ("SNTYPE: -9\n", "Ia")])
def test_the_class_in_the_comment_of_a_simulation_is_a_label(line: str, label: str, tmp_path: Path) -> None:
    text = (f"SURVEY: DES\nSNID: 17\n{line}SIM_COMMENT:  SN Type = Ia , MODEL = SALT2\nFILTERS: griz\nNOBS: 1\n"
            "NVAR: 4\nVARLIST: MJD FLT FLUXCAL FLUXCALERR\nOBS: 56194.012 g 7.6 1.0\nEND:\n")  # fmt: skip
    (tmp_path / "DES_SN000017.DAT").write_text(text)
    (source,) = find_curves([tmp_path]).sources
    (table,) = source.read(Account())
    assert table.objects["label"].tolist() == [label]
