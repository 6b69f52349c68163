"""SNANA files written by hand and ``astrid convert``: dialects, bad input, the report."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import signal
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits

from astrid_ml.errors import UserError
from astrid_ml.executors.limits import Limits
from astrid_ml.executors.local import Processes, Serial
from astrid_ml.found import SIMULATED, is_simulated
from astrid_ml.pipeline.writer import MemoryUnitWriter
from astrid_ml.preprocessing.lightcurves.commands import convert
from astrid_ml.preprocessing.lightcurves.commands.convert import ConvertCommand
from astrid_ml.preprocessing.lightcurves.curves.exchange import from_arrow, read_exchange, to_arrow
from astrid_ml.preprocessing.lightcurves.curves.ingest import Account
from astrid_ml.preprocessing.lightcurves.curves.source import CurveReader, CurveSource
from astrid_ml.preprocessing.lightcurves.curves.table import CurveTable
from astrid_ml.preprocessing.lightcurves.pipeline import LightcurvesPipeline
from astrid_ml.preprocessing.lightcurves.readers.long_tables import read_ztf
from astrid_ml.preprocessing.lightcurves.readers.recognise import find_curves
from astrid_ml.preprocessing.lightcurves.readers.snana import read_snana
from astrid_ml.preprocessing.lightcurves.select.selection import Flags, Selection


def write_pair(folder: Path, curves: list[dict[str, Any]], band: str = "BAND", width: int = 2, **head: Any) -> Path:
    """A HEAD/PHOT pair: curves have ``SNID`` and lists ``MJD, BAND, FLUXCAL, FLUXCALERR``."""
    rows: dict[str, list[Any]] = {"MJD": [], "BAND": [], "FLUXCAL": [], "FLUXCALERR": [], "PHOTFLAG": []}
    first, last = [], []
    for curve in curves:
        first.append(len(rows["MJD"]) + 1)
        n = len(curve["MJD"])
        for name in ("MJD", "BAND", "FLUXCAL", "FLUXCALERR"):
            rows[name] += [*curve[name], {"MJD": -777.0, "BAND": "-"}.get(name, -777.0)]
        rows["PHOTFLAG"] += [*curve.get("PHOTFLAG", [4096] * n), 0]
        last.append(len(rows["MJD"]) - 1)
    columns = [
        fits.Column("SNID", "16A", array=[str(c["SNID"]) for c in curves]),
        fits.Column("DECL", "D", array=[-9.0] * len(curves)),
        fits.Column("RA", "D", array=[10.0] * len(curves)),
        fits.Column("REDSHIFT_HELIO", "E", array=[-9.0] * len(curves)),
        fits.Column("SNTYPE", "J", array=[101] * len(curves)),
        fits.Column("NOBS", "J", array=[len(c["MJD"]) for c in curves]),
        fits.Column("PTROBS_MIN", "J", array=first),
        fits.Column("PTROBS_MAX", "J", array=last),
    ]
    primary = fits.PrimaryHDU(header=fits.Header(head))
    path = folder / "a_HEAD.FITS"
    fits.HDUList([primary, fits.BinTableHDU.from_columns(columns)]).writeto(path)
    formats = {"MJD": "D", "BAND": f"{width}A", "FLUXCAL": "E", "FLUXCALERR": "E", "PHOTFLAG": "J"}
    phot = [fits.Column(band if k == "BAND" else k, formats[k], array=rows[k]) for k in rows]
    fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU.from_columns(phot)]).writeto(folder / "a_PHOT.FITS")
    return path


def curve(name: object, **changes: Any) -> dict[str, Any]:
    base = {
        "SNID": name, "MJD": [60001.0, 60000.0, 60002.0], "BAND": ["g ", "r ", "g "],
        "FLUXCAL": [10.0, 20.0, 30.0], "FLUXCALERR": [1.0, 2.0, 3.0],
    }  # fmt: skip
    return base | changes


@pytest.mark.parametrize(("band", "width"), [("BAND", 2), ("FLT", 20)])
def test_a_pair_is_read_sorted_and_with_missing_values_masked(tmp_path: Path, band: str, width: int) -> None:
    account = Account()
    table = read_snana(write_pair(tmp_path, [curve("a"), curve("b")], band, width, SURVEY="LSST"), account)
    assert table.objects["object_id"].tolist() == ["a", "b"]
    assert table.mjd[:3].tolist() == [60000.0, 60001.0, 60002.0]
    assert table.flux[:3].tolist() == [20.0, 10.0, 30.0]
    assert [table.bands[code] for code in table.band[:3]] == ["r", "g", "g"]
    assert table.objects["DEC"].tolist() == [-9.0, -9.0]  # a declination, not a missing value
    assert table.objects["REDSHIFT_HELIO"].isna().all()
    assert table.objects["label"].tolist() == ["101", "101"]
    assert account.counts["objects_sorted_by_time"] == 2


def test_bad_curves_are_dropped_by_name_and_bad_rows_counted(tmp_path: Path) -> None:
    nan = float("nan")
    curves = [
        curve("good"),
        curve("all nan", FLUXCAL=[nan, nan, nan]),
        curve("negative error", FLUXCALERR=[-1.0, 2.0, 3.0]),
        curve("good"),
        curve("one band", BAND=["g", "g", "g"]),
        curve("lost epoch", FLUXCALERR=[1e8, 2.0, 3.0]),
        curve("unknown band", BAND=["q", "q", "q"]),
    ]
    write_pair(tmp_path, curves)
    summary = ConvertCommand(str(tmp_path), str(tmp_path / "out")).run()
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert summary["read"] == 7
    assert summary["objects"] == 5
    assert {drop["object_id"]: drop["reason"].split(";")[0].split(":")[0] for drop in report["drops"]} == {
        "all nan": "no usable observation",
        "good": "object_id more than once in this file",
    }
    assert report["counts"]["rows_flux_not_finite"] == 3
    assert report["counts"]["rows_error_not_positive"] == 1
    assert report["counts"]["rows_band_of_unknown_wavelength"] == 3
    written = pd.read_parquet(tmp_path / "out" / "objects")
    assert written.set_index("object_id")["flux"]["negative error"].tolist() == [20.0, 30.0]


def test_a_zero_point_that_no_file_needs_is_said_to_be_unused(tmp_path: Path) -> None:
    write_pair(tmp_path, [curve("a")])
    summary = ConvertCommand(str(tmp_path), str(tmp_path / "out"), zero_point=31.4).run()
    assert "tells its own zero point" in summary["zero_point_unused"]


def test_converted_curves_of_a_simulation_are_still_those_of_a_simulation(tmp_path: Path) -> None:
    raw = three_sources(tmp_path / "raw")
    for marked in (True, False):
        (raw / SIMULATED).touch() if marked else (raw / SIMULATED).unlink()
        ConvertCommand(str(raw), str(tmp_path / "out")).run()
        assert is_simulated(tmp_path / "out" / "objects") == marked


def test_labels_of_a_compilation_are_no_filters(tmp_path: Path) -> None:
    path = write_pair(tmp_path, [curve("a", BAND=["g", "H", "g"])], FILTERS="bcdgH")
    assert np.isnan(read_snana(path, Account()).wavelengths).all()
    given = read_snana(path, Account(), {"g": 0.5, "H": 0.44})
    assert dict(zip(given.bands, given.wavelengths.round(2).tolist(), strict=True)) == pytest.approx(
        {"g": 0.5, "H": 0.44}, abs=1e-6
    )


def test_a_head_without_phot_and_a_truncated_file_are_clear(tmp_path: Path) -> None:
    path = write_pair(tmp_path, [curve("a")])
    phot = tmp_path / "a_PHOT.FITS"
    whole = phot.read_bytes()
    phot.unlink()
    with pytest.raises(UserError, match="PHOT file"):
        read_snana(path, Account())
    (tmp_path / "a_PHOT.FITS.gz").write_bytes(gzip.compress(whole)[:-200])
    with pytest.raises(UserError, match="cut off"):
        read_snana(path, Account())


def test_a_broken_source_fails_alone(tmp_path: Path) -> None:
    write_pair(tmp_path, [curve("a")])
    other = tmp_path / "b"
    other.mkdir()
    write_pair(other, [curve("b")])
    (other / "a_PHOT.FITS").unlink()
    summary = ConvertCommand(str(tmp_path), str(tmp_path / "out")).run()
    assert summary["failed"] == 1
    assert summary["objects"] == 1
    with pytest.raises(UserError, match="light-curve"):
        ConvertCommand(str(tmp_path / "out" / "report.json"), str(tmp_path / "o")).run()


def test_the_exchange_form_gives_back_what_it_got(tmp_path: Path) -> None:
    table = read_snana(write_pair(tmp_path, [curve("a"), curve("b", BAND=["i", "i", "z"])], SURVEY="T"), Account())
    again = from_arrow(to_arrow(table))
    for name in ("mjd", "flux", "flux_err", "phot_flag"):
        assert (getattr(again, name) == getattr(table, name)).all()
    assert [again.bands[code] for code in again.band] == [table.bands[code] for code in table.band]
    empty = [name for name in table.objects if name not in again.objects]
    assert table.objects[empty].isna().all(axis=None)
    pd.testing.assert_frame_equal(again.objects, table.objects[list(again.objects)], check_dtype=False)
    ConvertCommand(str(tmp_path), str(tmp_path / "out")).run()
    (block,) = read_exchange(tmp_path / "out" / "objects" / "part-00000.parquet")
    assert (block.flux == table.flux).all()


def test_ztf_signs_and_limits(tmp_path: Path) -> None:
    found = {"objectId": ["Z", "Z"], "mjd": [1.0, 3.0], "fid": [1, 2], "magpsf": [20.0, 20.0], "sigmapsf": [0.1, 0.1]}
    pd.DataFrame({**found, "isdiffpos": ["t", "f"]}).to_csv(tmp_path / "x_detections.csv", index=False)
    limits = {"objectId": ["Z"], "jd": [2400002.5], "fid": [1], "diffmaglim": [20.5]}
    pd.DataFrame(limits).to_csv(tmp_path / "x_non_detections.csv", index=False)
    table = read_ztf(tmp_path / "x_detections.csv", tmp_path / "x_non_detections.csv", None, Account())
    assert table.flux.tolist() == pytest.approx([1000.0, 0.0, -1000.0])
    assert table.flux_err.tolist() == pytest.approx([92.1034, 10 ** (0.4 * 7) / 5, 92.1034], rel=1e-5)
    assert table.phot_flag.tolist() == [4096, 0, 4096]


def test_declared_flag_bits_must_be_the_configured_ones(tmp_path: Path) -> None:
    bits: dict[str, Any] = {"HIERARCH PHOTFLAG_DETECT": 8, "HIERARCH PHOTFLAG_TRIGGER": 0}
    path = write_pair(tmp_path, [curve("a", PHOTFLAG=[8, 8, 0])], **bits)
    pipeline = LightcurvesPipeline()
    (unit,) = pipeline.plan([path])
    with pytest.raises(UserError, match=r"preprocessing\.selection\.flags\.detect=8"):
        pipeline.process(unit, MemoryUnitWriter(), 0)
    writer = MemoryUnitWriter()
    LightcurvesPipeline(selection=Selection(Flags(detect=8, trigger=0))).process(unit, writer, 0)
    assert writer.source().index["n_detections"].tolist() == [2]
    ConvertCommand(str(path), str(tmp_path / "out")).run()
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["photflag_bits"] == {path.name: {"detect": 8}}


def three_sources(folder: Path) -> Path:
    """Three pairs of files in folders of their own."""
    for name in ("p", "q", "r"):
        (folder / name).mkdir(parents=True)
        write_pair(folder / name, [curve(f"{name}1"), curve(f"{name}2")])
    return folder


def parts_of(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((out / "objects").iterdir())}


def test_processes_and_shards_make_the_same_bytes_as_one_process(tmp_path: Path) -> None:
    raw = str(three_sources(tmp_path / "raw"))
    plain = ConvertCommand(raw, str(tmp_path / "plain")).run()
    many = ConvertCommand(raw, str(tmp_path / "many"), Processes(2)).run()
    for shard in ("2/2", "1/2"):
        assert ConvertCommand(raw, str(tmp_path / "shards"), shard=shard).run()["failed"] == 0
    assert not (tmp_path / "shards" / "report.json").exists()
    joined = ConvertCommand(raw, str(tmp_path / "shards"), shard="join").run()
    assert len(parts_of(tmp_path / "plain")) == 3
    assert parts_of(tmp_path / "plain") == parts_of(tmp_path / "many") == parts_of(tmp_path / "shards")
    counts = [{name: value for name, value in said.items() if name != "output_dir"} for said in (plain, many, joined)]
    assert counts[0] == counts[1] == counts[2] and counts[0]["objects"] == 6


def test_joining_before_all_shards_are_done_says_which_are_missing(tmp_path: Path) -> None:
    raw = str(three_sources(tmp_path / "raw"))
    ConvertCommand(raw, str(tmp_path / "out"), shard="1/2").run()
    with pytest.raises(UserError, match="shard=2/2"):
        ConvertCommand(raw, str(tmp_path / "out"), shard="join").run()


def test_a_second_conversion_does_what_is_missing_and_leaves_nothing_old(tmp_path: Path) -> None:
    raw, out = three_sources(tmp_path / "raw"), tmp_path / "out"
    ConvertCommand(str(raw), str(out)).run()
    before = {path.name: path.stat().st_mtime_ns for path in (out / "objects").iterdir()}
    (out / "objects" / "part-00001.parquet").unlink()
    ConvertCommand(str(raw), str(out)).run()
    after = {path.name: path.stat().st_mtime_ns for path in (out / "objects").iterdir()}
    assert [name for name in before if before[name] != after[name]] == ["part-00001.parquet"]
    shutil.rmtree(raw / "r")
    assert ConvertCommand(str(raw), str(out)).run()["objects"] == 4
    assert list(parts_of(out)) == ["part-00000.parquet", "part-00001.parquet"]
    first = parts_of(out)
    ConvertCommand(str(raw), str(out), wavelengths={"g": 0.9, "r": 0.9}).run()
    assert parts_of(out).keys() == first.keys() and parts_of(out) != first
    ConvertCommand(str(raw), str(out)).run()
    assert parts_of(out) == first  # not taken for what the other settings wrote over it


def test_a_source_that_cannot_be_read_any_more_leaves_no_old_curves(tmp_path: Path) -> None:
    raw, out = three_sources(tmp_path / "raw"), tmp_path / "out"
    ConvertCommand(str(raw), str(out)).run()
    phot = raw / "q" / "a_PHOT.FITS"
    phot.write_bytes(phot.read_bytes()[:3000])
    assert ConvertCommand(str(raw), str(out), Processes(2)).run()["failed"] == 1
    assert list(parts_of(out)) == ["part-00000.parquet", "part-00002.parquet"]
    (failure,) = json.loads((out / "report.json").read_text())["failed_sources"]
    assert failure["source"] == str(raw / "q" / "a_HEAD.FITS")


@dataclass(frozen=True)
class KillsItsProcess:
    """A reader that ends the process that reads a folder."""

    inner: CurveReader
    folder: str
    kind = "kills"
    known_as = "files that kill"
    grouped = cut = False

    def recognise(self, path: Path) -> CurveSource | None:
        return None

    def read(self, source: CurveSource, account: Account, *rest: Any) -> Iterator[CurveTable]:
        if source.path.parent.name == self.folder:
            os.kill(os.getpid(), signal.SIGKILL)
        yield from self.inner.read(source, account, *rest)


def test_a_file_that_kills_its_reader_costs_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    raw, out = three_sources(tmp_path / "raw"), tmp_path / "out"
    found = find_curves([raw])
    hostile = [replace(source, reader=KillsItsProcess(source.reader, "q")) for source in found.sources]
    monkeypatch.setattr(convert, "find_curves", lambda *_: replace(found, sources=hostile))
    summary = ConvertCommand(str(raw), str(out), Serial(Limits(retries=1, backoff=0))).run()
    assert (summary["objects"], summary["failed"]) == (4, 1)
    (failure,) = json.loads((out / "report.json").read_text())["failed_sources"]
    assert failure["source"].endswith("q/a_HEAD.FITS") and "killed" in failure["reason"]
