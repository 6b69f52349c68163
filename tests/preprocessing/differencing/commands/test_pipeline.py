"""Manifests to units, labels by position, and what the commands leave behind."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from astropy.io import fits
from astropy.table import Table

from astrid_ml.errors import UserError
from astrid_ml.found import SIMULATED, is_simulated
from astrid_ml.pipeline.writer import MemoryUnitWriter
from astrid_ml.preprocessing.differencing.commands.difference import DifferenceCommand
from astrid_ml.preprocessing.differencing.commands.recover import Injections, RecoverCommand
from astrid_ml.preprocessing.differencing.frame.load import Frame
from astrid_ml.preprocessing.differencing.frame.manifest import find_pairs
from astrid_ml.preprocessing.differencing.frame.truth import label_candidates
from astrid_ml.preprocessing.differencing.pipeline import DifferencingPipeline
from astrid_ml.preprocessing.differencing.pixels.profiles import gaussian_stamp
from astrid_ml.preprocessing.differencing.stars.psf import AnalyticPsf, GivenPsf
from astrid_ml.preprocessing.differencing.subtract.steps import Direct, Zogy
from astrid_ml.preprocessing.labels import MatchLabel


def test_pairs_come_from_folders_tables_and_two_files(pair_folder: Path) -> None:
    for raw in ([pair_folder], [pair_folder / "manifest.csv"]):
        [pair] = find_pairs(raw)
        assert pair.name == "science" and Path(str(pair.truth)).name == "truth.csv"
    [pair] = find_pairs([pair_folder / "science.fits", pair_folder / "reference.fits"])
    assert pair.science["path"].endswith("science.fits") and pair.truth is None
    with pytest.raises(UserError, match="manifest"):
        find_pairs([pair_folder / "truth.csv", pair_folder / "reference.fits"])


def test_a_manifest_sets_values_of_frames_and_names_repeat(tmp_path: Path) -> None:
    table = pd.DataFrame(
        {
            "science": ["a.fits.gz", "a.fits.gz"],
            "reference": ["b.fits", "c.fits"],
            "science_gain": [1.5, np.nan],
            "reference_psf": [None, "p.fits"],
            "filter": ["r", "r"],
        }
    )
    table.to_csv(tmp_path / "pairs.csv", index=False)
    first, second = find_pairs([tmp_path / "pairs.csv"])
    assert (first.name, second.name) == ("a", "a#2")
    assert first.science["gain"] == 1.5 and "gain" not in second.science and first.reference["filter"] == "r"
    assert second.reference["psf"] == str(tmp_path / "p.fits")
    units = DifferencingPipeline().plan([tmp_path / "pairs.csv"])
    assert len(units[1].missing) == 3 and units[0].missing[0].endswith("a.fits.gz")


def test_a_psf_that_is_named_is_used_or_refused(pair_folder: Path, tmp_path: Path) -> None:
    stamp = tmp_path / "psf.fits"
    fits.writeto(stamp, gaussian_stamp(2.0, 21).numpy())
    science, reference = Frame(str(pair_folder / "science.fits")), Frame(str(pair_folder / "reference.fits"))
    named = replace(science, psf=str(stamp))
    quality = DifferencingPipeline().difference(named, reference).quality
    assert (quality.science.psf_from, quality.reference.psf_from) == ("given", "stars")
    assert quality.science.fwhm == pytest.approx(2.0 * 2.3548, rel=0.02)
    with pytest.raises(UserError, match=r"psf\.fits and AnalyticPsf"):
        DifferencingPipeline(psf=AnalyticPsf("moffat")).difference(science, replace(reference, psf=str(stamp)))
    table = pd.DataFrame({"science": [science.path], "reference": [reference.path], "reference_psf": [str(stamp)]})
    table.to_csv(tmp_path / "pairs.csv", index=False)
    [with_psf] = DifferencingPipeline().plan([tmp_path / "pairs.csv"])
    [as_chosen] = DifferencingPipeline(psf=GivenPsf()).plan([tmp_path / "pairs.csv"])
    assert with_psf.parameters["psf"] == "named" and "psf" not in as_chosen.parameters


def test_a_pair_becomes_labelled_samples(pair_folder: Path) -> None:
    pipeline, writer = DifferencingPipeline(), MemoryUnitWriter()
    [unit] = pipeline.plan([pair_folder])
    pipeline.process(unit, writer, 0)
    source = writer.source()
    index = source.index
    stamps = source.gather("stamps", np.arange(len(index)))
    assert stamps.shape[1:] == (3, 63, 63) and stamps.dtype == np.float32
    labelled, account = MatchLabel(unmatched="bogus").apply(index)
    real = (labelled["label"] == 1).to_numpy()
    assert real.sum() >= 15 and account["unlabelled"] == 0
    # the middle of a transient's difference stamp is its brightest place
    middle = stamps[real, 2, 29:34, 29:34].max(axis=(1, 2))
    assert (middle >= np.nanpercentile(stamps[real, 2], 99.5, axis=(1, 2))).mean() > 0.9
    assert (index["mission"] == "ztf").all() and index["mjd"].iloc[0] == pytest.approx(60000.0 + 15 / 86400)
    assert index["group_id"][real].str.startswith("t").all() and (index["field"] == "science").all()
    _, account = MatchLabel().apply(index)
    assert account["labelled"] == real.sum()
    with pytest.raises(UserError, match=r"label\.unmatched"):
        MatchLabel(unmatched="real").apply(index)  # type: ignore[arg-type]
    with pytest.raises(UserError, match="truth"):
        MatchLabel().apply(index.assign(truth_given=False))


def test_signs_are_matched_apart() -> None:
    table = pd.DataFrame({"x": [10.0, 10.2], "y": [10.0, 10.1], "sign": np.array([1, -1], dtype=np.int8)})
    table["group_id"] = ["a", "b"]
    truth = pd.DataFrame({"x": [10.0], "y": [10.0], "flux": [-5.0], "object_id": ["gone"], "kind": ["vanished"]})
    out, counts = label_candidates(table, truth, 2.0)
    assert out["match_id"].isna().tolist() == [True, False] and counts == {"truth": 1, "truth_matched": 1}
    assert out["group_id"].tolist() == ["a", "gone"] and out["truth_kind"].tolist()[1] == "vanished"
    none, counts = label_candidates(table, None, 2.0)
    assert not none["truth_given"].any() and counts == {}


def test_the_command_leaves_all_its_files(pair_folder: Path, tmp_path: Path) -> None:
    frames = Frame(str(pair_folder / "science.fits")), Frame(str(pair_folder / "reference.fits"))
    truth = str(pair_folder / "truth.csv")
    (pair_folder / SIMULATED).touch()
    summary = DifferenceCommand(*frames, str(tmp_path), truth=truth, export="hdf5", intermediates=True).run()
    (pair_folder / SIMULATED).unlink()
    table = pd.read_parquet(tmp_path / "candidates.parquet")
    assert summary["candidates"] == len(table) > 10 and (table["label"] == 1).sum() >= 15
    assert len(Table.read(tmp_path / "candidates.ecsv")) == len(table)
    with fits.open(tmp_path / "difference.fits") as hdus:
        assert [h.name for h in hdus][1:] == ["DIFF", "SIG", "FLUXERR", "VAR", "MASK", "PSF"]
        header = hdus["DIFF"].header
        assert header["CTYPE1"] == "RA---TAN" and header["FILTER"] == "r" and header["ZP"] == pytest.approx(25.0)
        row = table.iloc[0]
        near = hdus["SIG"].data[round(row["y"]), round(row["x"])]
        assert near == pytest.approx(row["snr"], rel=0.15)
    quality = json.loads((tmp_path / "quality.json").read_text())
    assert {"sig_mean", "sig_std", "sig_std_raw", "neighbour_corr", "overlap", "fwhm_science", "flux_ratio"} <= set(
        quality
    )
    with h5py.File(tmp_path / "triplets.h5") as file:
        assert (
            file["stamps"].shape == (len(table), 3, 63, 63)
            and next(iter(file["stamps"].attrs["channels"])) == "science"
        )
    with fits.open(tmp_path / "reference.fits") as hdus:
        assert hdus["SCI"].data.shape == (384, 384) and hdus["PSF"].data.sum() == pytest.approx(1.0, abs=1e-3)
    assert is_simulated(tmp_path / "triplets.h5")
    assert (tmp_path / "quicklook.png").stat().st_size > 50_000
    with pytest.raises(UserError, match="hdf5"):
        DifferenceCommand(*frames, str(tmp_path), export="zip").run()  # type: ignore[arg-type]


def test_nothing_detected_is_an_empty_table(pair_folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.fits"
    shutil.copy2(pair_folder / "reference.fits", copy)
    DifferenceCommand(Frame(str(pair_folder / "reference.fits")), Frame(str(copy)), str(tmp_path)).run()
    table = pd.read_parquet(tmp_path / "candidates.parquet")
    assert table.empty and {"id", "x", "y", "ra", "dec", "flux", "flux_err", "snr", "flags", "mjd"} <= set(
        table.columns
    )


def test_recover_compares_ways_on_known_sources(pair_folder: Path, tmp_path: Path) -> None:
    command = RecoverCommand(
        output_dir=str(tmp_path),
        input=str(pair_folder),
        subtractions={"zogy": Zogy(), "direct": Direct()},
        psfs={"moffat": AnalyticPsf("moffat"), "given": GivenPsf()},
    )
    summary = command.run()
    rows = {row["name"]: row for row in json.loads((tmp_path / "recover.json").read_text())["rows"]}
    assert list(rows) == ["zogy", "direct", "psf moffat"] and summary["failed"] == 0
    assert len(pd.read_parquet(tmp_path / "recover.parquet")) == 3
    assert rows["zogy"]["completeness_above_7"] >= max(0.95, rows["direct"]["completeness_above_7"])
    assert (tmp_path / "recover.png").stat().st_size > 20_000
    with pytest.raises(UserError, match="methods"):
        RecoverCommand(str(tmp_path), str(pair_folder), subtractions={"zogy": Zogy()}, methods=["hotpants"]).run()


def test_injected_sources_come_back(pair_folder: Path, tmp_path: Path) -> None:
    ways = {"zogy": Zogy()}
    science, reference = (Frame(str(pair_folder / f"{n}.fits")) for n in ("science", "reference"))
    inject = Injections(n=30, snr=(12.0, 40.0))
    RecoverCommand(str(tmp_path), None, science, reference, subtractions=ways, inject=inject, radius=3.0).run()
    [row] = json.loads((tmp_path / "recover.json").read_text())["rows"]
    sources = pd.read_parquet(tmp_path / "sources.parquet")
    assert len(sources) >= 20 and sources["found"].mean() > 0.8
    assert row["slope"] == pytest.approx(1.0, abs=0.05)
    # the pair holds two dozen transients of its own: they are no false detections
    assert row["own_candidates_per_mpx"] > 50 and row["false_positives_per_mpx"] <= 20
    with pytest.raises(UserError, match=r"inject\.n"):
        RecoverCommand(str(tmp_path), None, science, reference, subtractions=ways).run()
    with pytest.raises(UserError, match="science=A"):
        RecoverCommand(str(tmp_path), subtractions=ways).run()
