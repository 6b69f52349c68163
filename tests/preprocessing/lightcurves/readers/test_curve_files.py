"""CSV files of one object each and PLAsTiCC's release files."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from astrid_ml.preprocessing.lightcurves.commands.convert import ConvertCommand
from astrid_ml.preprocessing.lightcurves.curves import row_blocks
from astrid_ml.preprocessing.lightcurves.curves.catalogues import sexagesimal
from astrid_ml.preprocessing.lightcurves.curves.ingest import Account
from astrid_ml.preprocessing.lightcurves.curves.row_blocks import whole_objects
from astrid_ml.preprocessing.lightcurves.curves.table import CurveTable, concatenate
from astrid_ml.preprocessing.lightcurves.curves.variability import variability_of
from astrid_ml.preprocessing.lightcurves.readers import snana
from astrid_ml.preprocessing.lightcurves.readers.long_tables import read_plasticc, read_snana_rows
from astrid_ml.preprocessing.lightcurves.readers.recognise import find_curves, source_of
from astrid_ml.preprocessing.lightcurves.readers.snana import read_snana
from astrid_ml.preprocessing.lightcurves.simulate.write_snana import write_table


def make_set(folder: Path) -> None:
    """Two supernovae with the Bright Transient Survey's table, an RR Lyrae with Stripe 82's."""
    curves = {
        "SNIa/light-curves/ZTF1.csv": "time,mag,magerr,band\n58001,20.0,0.1,R\n58000,27.5,0.1,zg\n",
        "SNIa/light-curves/ZTF2.csv": "time,mag,magerr,band\n58000,20.0,0.1,g\n",
        "SNIa/light-curves/ZTF3.csv": "time,mag,magerr,band\n58000,twenty,0.1,g\n",
        "SNIa/bts.csv": "ZTFID,RA,Dec,type,redshift,A_V\n"
        "ZTF1,01:00:00,-00:30:00,SN Ia-91T,0.06,0.31\nZTF2,,,SN Ia,-,\n",
        "RRL/light-curves/5.csv": "time,mag,magerr,band\n51081,17.5,0.01,u\n51082,99.999,99.999,u\n",
        "RRL/periods.csv": "Num,Type,Per\n5,ab,0.64\n",
        "own/6.csv": "time,flux,fluxerr,band\n59001,36307.8,36.3078,r\n",
    }
    for name, content in curves.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


def pack(folder: Path, path: Path) -> None:
    with tarfile.open(path, "w:gz") as archive:
        for member in sorted(folder.rglob("*.csv")):
            archive.add(member, member.relative_to(folder))


def test_members_of_an_archive_that_nobody_reads_are_named_as_files_of_a_folder_are(tmp_path: Path) -> None:
    make_set(tmp_path / "raw")
    (tmp_path / "raw" / "own" / "notes.csv").write_text("who,what\nI,this\n")
    with tarfile.open(tmp_path / "set.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "raw", ".")
        for name in ("own/junk.txt", "more.dat", ".hidden"):
            archive.addfile(tarfile.TarInfo(name), io.BytesIO())
    summary = ConvertCommand(str(tmp_path / "set.tar.gz"), str(tmp_path / "out"), zero_point=31.4).run()
    unread = json.loads((tmp_path / "out" / "report.json").read_text())["unread_files"]
    assert sorted(file["source"] for file in unread) == [
        "set.tar.gz/more.dat", "set.tar.gz/own/junk.txt", "set.tar.gz/own/notes.csv"
    ]  # fmt: skip
    assert (summary["unread"], summary["failed"], summary["objects"]) == (3, 0, 4)


@pytest.mark.parametrize("archived", [False, True])
def test_surveys_come_together_as_one_table(tmp_path: Path, archived: bool) -> None:
    make_set(tmp_path / "raw")
    place = tmp_path / "raw"
    if archived:
        place = tmp_path / "set.tar.gz"
        pack(tmp_path / "raw", place)
    summary = ConvertCommand(str(place), str(tmp_path / "out"), zero_point=31.4).run()
    assert summary["counts"]["files_by_the_given_zero_point"] == 1
    objects = pd.read_parquet(tmp_path / "out" / "objects").set_index("object_id")
    assert (summary["read"], summary["objects"], summary["dropped"]) == (5, 4, 1)
    assert objects["survey"].fillna("").to_dict() == {"ZTF1": "ZTF", "ZTF2": "ZTF", "5": "SDSS", "6": ""}
    assert objects["label"].fillna("").to_dict() == {"ZTF1": "SN Ia-91T", "ZTF2": "SN Ia", "5": "RRab", "6": ""}
    assert objects["variability"].fillna("").to_dict() == {
        "ZTF1": "transient", "ZTF2": "transient", "5": "periodic", "6": ""
    }  # fmt: skip
    assert objects["flux_kind"].fillna("").to_dict() == {
        "ZTF1": "difference", "ZTF2": "difference", "5": "total", "6": ""
    }  # fmt: skip
    columns = {str(name): values for name, values in objects.to_dict("index").items()}
    first = columns["ZTF1"]
    assert first["band"].tolist() == ["g", "r"]
    assert first["flux"].tolist() == pytest.approx([1.0, 1000.0])
    assert first["flux_err"].tolist() == pytest.approx([0.0921034, 92.1034], rel=1e-5)
    assert [first[name] for name in ("RA", "DEC", "MWEBV", "REDSHIFT_HELIO")] == pytest.approx([15.0, -0.5, 0.1, 0.06])
    assert columns["5"]["mjd"].tolist() == [51081.0]  # 99.999 is no measurement
    assert columns["6"]["flux"].tolist() == pytest.approx([1000.0], rel=1e-4)  # nJy to FLUXCAL


def test_fluxes_without_a_zero_point_are_refused_by_name(tmp_path: Path) -> None:
    make_set(tmp_path / "raw")
    account = Account()
    (source,) = find_curves([tmp_path / "raw" / "own"]).sources
    assert list(source.read(account)) == []
    assert "zero point" in account.dropped[0]["reason"]


def test_a_unit_finds_its_source_again(tmp_path: Path) -> None:
    make_set(tmp_path)
    sources = find_curves([tmp_path]).sources
    assert [(source.reader.kind, len(source.members)) for source in sources] == [("curve_files", n) for n in (1, 3, 1)]
    assert [source_of(source.inputs) for source in sources] == sources


def test_labels_and_positions() -> None:
    labels = ["SN Ia", "SLSN-I", "TDE", "RRab", "Ceph", "EA", "AGN", None, "CV"]
    kinds = variability_of(labels).tolist()
    assert kinds == [*["transient"] * 3, *["periodic"] * 3, None, None, "transient"]
    assert sexagesimal("-00:30:36") == pytest.approx(-0.51)
    assert np.isnan(sexagesimal("none"))


RELEASE = {"object_id": [3, 3, 3, 8, 8, 9], "mjd": [1.0, 3.0, 2.0, 1.0, 2.0, 5.0], "passband": [0, 1, 5, 2, 3, 4]}


def release(folder: Path) -> Path:
    """The release's names: a numbered table of epochs and the metadata of the whole test set."""
    epochs = pd.DataFrame({**RELEASE, "flux": range(6), "flux_err": 1.0, "detected_bool": [1, 0, 1, 0, 1, 1]})
    path = folder / "plasticc_test_lightcurves_02.csv.gz"
    epochs.to_csv(path, index=False)
    meta = {"object_id": [9, 3, 8, 1], "ra": 10.0, "decl": [-9.0, 1.0, 1.0, 1.0], "hostgal_specz": [0.0, 0.3, 0.2, 0.1]}
    meta |= {"true_target": [92, 90, 42, 90], "mwebv": 0.02}
    pd.DataFrame(meta).to_csv(folder / "plasticc_test_metadata.csv.gz", index=False)
    return path


def test_plasticc_csv_files_with_their_metadata(tmp_path: Path) -> None:
    path = release(tmp_path)
    (source,) = find_curves([tmp_path]).sources
    assert source.companions["metadata"].name == "plasticc_test_metadata.csv.gz"
    (table,) = source.read(Account())
    assert table.objects["object_id"].tolist() == ["9", "3", "8"]
    assert table.objects["label"].tolist() == ["92", "90", "42"]
    assert table.objects["DEC"].tolist() == [-9.0, 1.0, 1.0]
    assert np.isnan(table.objects["HOSTGAL_SPECZ"].iloc[0])  # a star has no host, not one at redshift 0
    assert table.lengths.tolist() == [1, 3, 2]
    assert table.flux.tolist() == [5.0, 0.0, 2.0, 1.0, 3.0, 4.0]
    assert [table.bands[code] for code in table.band] == ["z", "u", "Y", "g", "r", "i"]
    assert table.phot_flag.tolist() == [4096, 4096, 4096, 0, 0, 4096]
    assert path.is_file()


def test_blocks_do_not_cut_objects(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    rows = pd.DataFrame(RELEASE)
    blocks = list(whole_objects([rows[:1], rows[1:2], rows[2:4], rows[4:5], rows[5:]], "object_id"))
    assert [block["object_id"].unique().tolist() for block in blocks] == [[3], [8, 9]]
    again = pd.concat([rows, rows[:1]], ignore_index=True).assign(flux=1.0, flux_err=1.0, detected=1)
    again.to_csv(tmp_path / "x.csv", index=False)

    def one_row_each(path: Path) -> list[pd.DataFrame]:
        table = pd.read_csv(path)
        return [table[k : k + 1] for k in range(len(table))]

    monkeypatch.setattr("astrid_ml.preprocessing.lightcurves.readers.long_tables.row_blocks", one_row_each)
    account = Account()
    tables: list[CurveTable] = [table for table in read_plasticc(tmp_path / "x.csv", None, account) if len(table)]
    assert concatenate(tables).objects["object_id"].tolist() == ["3", "8", "9"]
    assert [drop["object_id"] for drop in account.dropped] == ["3"]


@pytest.mark.real_data
def test_real_plasticc_as_csv_equals_the_parquet(real_data: Path, tmp_path: Path) -> None:
    folder = real_data / "plasticc"
    (tmp_path / "csv").mkdir()
    for kind in ("lc", "meta"):
        pd.read_parquet(folder / f"plasticc_test90_{kind}.parquet").to_csv(
            tmp_path / "csv" / f"plasticc_test90_{kind}.csv"
        )
    (csv,) = find_curves([tmp_path / "csv"]).sources
    (mine,) = csv.read(Account())
    (theirs,) = find_curves([folder / "plasticc_test90_lc.parquet"]).sources[0].read(Account())
    assert (len(mine), len(mine.mjd)) == (90, 15844)
    assert mine.objects["label"].value_counts().to_dict() == {"42": 30, "62": 30, "90": 30}
    for name in ("offsets", "mjd", "phot_flag", "band"):
        assert np.array_equal(getattr(mine, name), getattr(theirs, name))
    assert mine.flux == pytest.approx(theirs.flux, rel=1e-6)


@pytest.mark.real_data
def test_real_supernovae_and_variables_are_one_table(real_data: Path, tmp_path: Path) -> None:
    summary = ConvertCommand(str(real_data / "ztf_lightcurves"), str(tmp_path)).run()
    objects = pd.read_parquet(tmp_path / "objects")
    named = objects[objects["label"].notna()]
    counted = named.groupby(["survey", "variability"]).size().to_dict()
    assert counted == {("SDSS", "periodic"): 483, ("ZTF", "transient"): 30 + 2289, ("ZTF", "periodic"): 25}
    assert summary["in_several_sources"] == 7  # ZTF supernovae in both sets
    zeros = [count for reason, count in summary["dropped_by_reason"].items() if "which zero" in reason]
    assert zeros == [4]  # of the archive's curves from issues: they begin at a day of their own
    with tarfile.open(real_data / "ztf_lightcurves" / "snad_test_data.tar.gz") as archive:
        stream = archive.extractfile("lightcurve-test-data/SNIa/light-curves/ZTF17aadlxmv.csv")
        assert stream is not None
        rows = pd.read_csv(io.BytesIO(stream.read())).sort_values("time", kind="stable")
    mine = objects[objects["object_id"] == "ZTF17aadlxmv"].iloc[0]
    assert mine["mjd"] == pytest.approx(rows["time"].to_numpy(), abs=1e-9)
    assert mine["flux"] == pytest.approx(10 ** (-0.4 * (rows["mag"].to_numpy() - 27.5)), rel=1e-6)
    assert mine["band"].tolist() == rows["band"].replace({"R": "r"}).tolist()


def long_rows() -> pd.DataFrame:
    """Seven objects of three epochs with SNANA's names of columns."""
    rows = pd.DataFrame(
        {"SNID": np.repeat(np.arange(7), 3), "MJD": 60000.0 + np.arange(21), "FLUXCAL": np.arange(21.0)}
    )
    return rows.assign(FLUXCALERR=1.0, PHOTFLAG=0, BAND=np.resize(["g", "r", "i"], 21))


@pytest.mark.parametrize("ending", ["csv", "parquet"])
@pytest.mark.parametrize("apart", [False, True])
def test_a_large_table_is_read_in_blocks_where_objects_stand_together(
    ending: str, apart: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, path = long_rows(), tmp_path / f"x.{ending}"
    rows = rows.iloc[[20, *range(20)]] if apart else rows
    rows.to_csv(path, index=False) if ending == "csv" else rows.set_index("SNID").to_parquet(path)
    [whole] = read_snana_rows(path, Account())
    monkeypatch.setattr(row_blocks, "LARGE", 1)
    monkeypatch.setattr(row_blocks, "BLOCK", 1)
    monkeypatch.setattr(row_blocks.row_blocks, "__defaults__", (4, None))
    blocks = list(read_snana_rows(path, Account()))
    assert len(blocks) == (1 if apart else 6)
    joined = concatenate(blocks)
    assert joined.objects["object_id"].tolist() == whole.objects["object_id"].tolist()
    assert joined.flux.tolist() == whole.flux.tolist() and joined.offsets.tolist() == whole.offsets.tolist()
    assert [joined.bands[k] for k in joined.band] == [whole.bands[k] for k in whole.band]


def test_columns_of_a_large_fits_table_lie_on_the_disk_and_are_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = {"SNID": np.array([b"a", b"b"]), "NOBS": np.array([2, 1], np.int32)}
    table |= {"PTROBS_MIN": np.array([1, 4], np.int32), "PTROBS_MAX": np.array([2, 4], np.int32)}
    write_table(tmp_path / "x_HEAD.FITS.gz", "Header", table, "x")
    epochs = {"MJD": np.array([6e4, 6e4 + 1, -777.0, 6e4, -777.0]), "FLUXCAL": np.arange(5, dtype=np.float32)}
    epochs |= {"FLUXCALERR": np.ones(5, np.float32), "PHOTFLAG": np.arange(5, dtype=np.int32)}
    write_table(tmp_path / "x_PHOT.FITS.gz", "Photometry", epochs | {"BAND": np.resize([b"g", b"r"], 5)}, "x")
    held = read_snana(tmp_path / "x_HEAD.FITS.gz", Account())
    monkeypatch.setattr(snana, "IN_MEMORY", 0)
    assert isinstance(snana.column_of(3, np.int16).base, np.memmap)
    again = read_snana(tmp_path / "x_HEAD.FITS.gz", Account())
    assert held.flux.tolist() == again.flux.tolist() == [0.0, 1.0, 3.0] and type(again.flux) is np.ndarray
    assert held.phot_flag.tolist() == again.phot_flag.tolist() and held.objects.equals(again.objects)
