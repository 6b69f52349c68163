"""Job folders of both generations become a prepared dataset; bad ones are counted and named, the others done."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from pathlib import Path

import mlcroissant as mlc
import numpy as np
import pandas as pd
import pytest
from astropy.io import fits

from astrid_ml.commands.croissant import CroissantCommand
from astrid_ml.dataset.croissant_checks import check_croissant, first_records
from astrid_ml.dataset.prepared import PreparedDataset
from astrid_ml.errors import UserError
from astrid_ml.pipeline.engine import PrepareOutcome, plan_dataset, prepare_dataset
from astrid_ml.pipeline.writer import MemoryUnitWriter
from astrid_ml.preprocessing.roman.job.find import FieldLists
from astrid_ml.preprocessing.roman.job.frames import CHANNELS, zscale_limits
from astrid_ml.preprocessing.roman.job.master_index import SCHEMA
from astrid_ml.preprocessing.roman.job.match import Match
from astrid_ml.preprocessing.roman.job.read import Images
from astrid_ml.preprocessing.roman.pipeline import RomanPipeline

OLD, NEW = "20250617/jid90821", "20260722/jid90824"


def prepare(raw: Path, pipeline: RomanPipeline | None = None) -> tuple[PreparedDataset, PrepareOutcome]:
    outcome = prepare_dataset(
        pipeline or RomanPipeline(), [raw], raw.parent / "store", name="roman", max_failed=0.5, progress=False
    )
    return PreparedDataset(outcome.path), outcome


def edit(path: Path, change: Callable[[fits.Header], object]) -> None:
    with fits.open(path, mode="update") as file:
        change(file[0].header)


def one(folder: Path, pattern: str) -> Path:
    [path] = folder.glob(pattern)
    return path


# ---- what a dataset holds ---------------------------------------------------------------------------------------


def test_frames_are_raw_and_the_index_says_where_samples_lie(prepared: PreparedDataset, simulated: Path) -> None:
    index = prepared.index
    assert index["image"].nunique() == 4
    for job, part in index.groupby("jid"):
        frame = np.load(prepared.path / f"images/{job}.npy", mmap_mode="r")
        assert frame.shape == (140, 120, 4)
        assert frame.dtype == np.float32
        folder = one(simulated, f"*/{job}")
        science = fits.getdata(folder / "bkg_subbed_science_image.fits")
        np.testing.assert_array_equal(frame[..., 0], science)
        for place, name in enumerate(CHANNELS):
            low, high = zscale_limits(frame[..., place])
            assert part[f"zscale_low_{name}"].iloc[0] == pytest.approx(low, rel=1e-6)
            assert part[f"zscale_high_{name}"].iloc[0] == pytest.approx(high, rel=1e-6)
    assert prepared.meta["counts"]["jobs"] == 4
    assert prepared.meta["counts"]["units_failed"] == 0
    assert set(index["filter"]) <= {"Y106", "H158"}
    assert index["field"].nunique() == 2
    assert not index["id"].duplicated().any()


def test_positions_are_0_based_pixels_of_the_frame(prepared: PreparedDataset) -> None:
    """The brightest pixel of the difference around a bright source is the one that holds its position."""
    index = prepared.index
    bright = index[(index["label"] == 1) & (index["mag_truth"] < 24.5) & (index["sign"] > 0)]
    assert len(bright) >= 12
    hits = []
    for image, px, py in zip(bright["image"], bright["x"], bright["y"], strict=True):
        frame = np.load(prepared.path / image, mmap_mode="r")
        x, y = int(np.floor(px + 0.5)), int(np.floor(py + 0.5))
        around = np.nan_to_num(frame[max(y - 2, 0) : y + 3, max(x - 2, 0) : x + 3, 2], nan=-np.inf)
        hits.append(around.max() == frame[y, x, 2])
    assert np.mean(hits) > 0.9
    offset = prepared.meta["account"]["median_offset_px"]
    assert np.hypot(*offset) < 0.05
    assert "warnings" not in prepared.meta["account"]


def test_labels_come_from_injections_and_transients_of_the_right_epoch(prepared: PreparedDataset) -> None:
    index, truth = prepared.index, pd.read_parquet(prepared.path / "truth.parquet")
    real = index[index["label"] == 1]
    assert set(real["match_id"].str.extract(r"_(\w+)$")[0]) == {"inj", "ou"}
    assert (real["mag_truth"] <= 26.0).all()
    assert (real["injected"] == real["match_id"].str.endswith("_inj")).all()
    ambiguous = index[index["ambiguous"]]
    assert len(ambiguous) > 0
    assert (ambiguous["mag_truth"] > 26.0).all()
    assert ambiguous["label"].isna().all()
    negatives = index[index["sign"] < 0]
    assert set(negatives["jid"]) <= {"jid90822", "jid90824"}  # old runs have no negatives
    assert (negatives["label"] == 1).any()
    assert negatives.loc[negatives["label"] == 1, "match_id"].str.endswith("_ou").all()  # injections never fade
    matched = truth["sample"].notna()
    assert set(truth["sample"][matched]) == set(index["id"][index["match_id"].notna()])
    assert (~matched).any()  # what was missed is kept, so that completeness can be measured
    for counted in prepared.meta["account"]["completeness"].values():
        assert counted["share"] == pytest.approx(counted["detected"] / counted["truth"], abs=1e-4)


def test_one_object_has_one_name_and_one_group_in_all_jobs(prepared: PreparedDataset) -> None:
    natural = prepared.index[prepared.index["match_id"].str.endswith("_ou", na=False)]
    assert natural.groupby("truth_id")["jid"].nunique().max() > 1
    assert (natural.groupby("truth_id")["group_id"].nunique() == 1).all()
    injected = prepared.index[prepared.index["injected"].astype(bool)]
    assert not injected["truth_id"].duplicated().any()


def test_master_index_has_the_references_columns_and_types(prepared: PreparedDataset) -> None:
    table = pd.read_csv(prepared.path / "master_index.csv")
    expected = (
        "id jid x y sharpness roundness1 roundness2 npix peak flux mag daofind_mag flags match_id truth_id injected "
        "label image_filename"
    ).split()
    assert list(table.columns) == expected == list(SCHEMA)
    kinds = {"float": "float64", "bool": "bool", "int": "int64"}
    for name, kind in SCHEMA.items():
        if kind != "string":
            assert table[name].dtype == kinds[kind], name
    assert table["jid"].str.fullmatch(r"jid\d+").all()
    assert table["match_id"].dropna().str.fullmatch(r"\d+_(inj|ou)").all()
    real = table["label"] == 1
    assert table["match_id"].notna().equals(real)
    assert table["truth_id"].equals(table["match_id"])  # texts, also to a reader that guesses
    assert all((prepared.path / name).is_file() for name in table["image_filename"].unique())
    index = prepared.index
    assert len(table) == int((index["label"].notna() & (index["sign"] > 0)).sum())


def test_croissant_is_clean_and_names_frames_and_tables(prepared: PreparedDataset) -> None:
    assert check_croissant(prepared.path) == []
    content = json.loads((prepared.path / "croissant.json").read_text())
    urls = {item["contentUrl"] for item in content["distribution"]}
    assert {"index.parquet", "master_index.csv", "truth.parquet", "images/jid90821.npy"} <= urls
    assert any("data_annotation_protocol" in key or "dataAnnotationProtocol" in key for key in content)
    first = first_records(prepared.path)
    table = pd.read_csv(prepared.path / "master_index.csv")
    assert first["master_index"]["x"] == table["x"][0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of the libraries below mlcroissant
        opened = mlc.Dataset(jsonld=str(prepared.path / "croissant.json"))
        records = [record["master_index/truth_id"] for record in opened.records("master_index")]
    told = [None if name is None or name != name else name.decode() for name in records]
    assert told == [None if pd.isna(name) else name for name in table["truth_id"]]
    assert any(name and name.endswith("_inj") for name in told)
    frame = np.load(prepared.path / first["samples"]["image"], mmap_mode="r")
    assert frame.shape[2] == 4
    assert first["truth"]["mag_truth"] == pytest.approx(
        pd.read_parquet(prepared.path / "truth.parquet")["mag_truth"][0]
    )


def test_the_same_jobs_give_the_same_bytes(prepared: PreparedDataset, simulated: Path, tmp_path: Path) -> None:
    outcome = prepare_dataset(RomanPipeline(), [simulated], tmp_path, name="roman", progress=False)
    for name in ("index.parquet", "truth.parquet", "master_index.csv", "images/jid90824.npy"):
        assert (outcome.path / name).read_bytes() == (prepared.path / name).read_bytes() or name == "index.parquet"
    again = PreparedDataset(outcome.path).index.drop(columns="label")
    pd.testing.assert_frame_equal(again, prepared.index[again.columns])


def test_a_dry_run_lists_what_would_be_done(simulated: Path, tmp_path: Path) -> None:
    plan = json.loads(plan_dataset(RomanPipeline(), [simulated], tmp_path / "store", name="roman").read_text())
    assert [unit["name"] for unit in plan["units"]] == [f"jid{number}" for number in range(90821, 90825)]
    assert plan["ready"] == 4
    assert plan["bytes_needed"] >= 4 * 4 * 140 * 120 * 4


def test_cutouts_can_be_all_that_is_kept(simulated: Path, prepared: PreparedDataset, tmp_path: Path) -> None:
    pipeline = RomanPipeline(images=Images(keep="cutouts", size=16))
    outcome = prepare_dataset(pipeline, [simulated], tmp_path, name="roman", progress=False)
    dataset = PreparedDataset(outcome.path)
    assert not (dataset.path / "images").exists()
    assert "image" not in dataset.index
    row = int(np.flatnonzero((dataset.index["x"] < 7) & (dataset.index["sign"] > 0))[0])
    [stamp] = dataset.gather("stamps", np.array([row]))
    assert stamp.shape == (4, 16, 16)
    frame = np.load(prepared.path / prepared.index["image"][row], mmap_mode="r")
    x, y = (int(np.floor(dataset.index[name][row] + 0.5)) for name in ("x", "y"))
    np.testing.assert_array_equal(stamp[:, 8, 8], frame[y, x])
    assert np.isnan(stamp[:, :, : 8 - x]).all()
    assert check_croissant(dataset.path) == []


def test_prediction_reads_jobs_without_truth(jobs: Path) -> None:
    for path in [*jobs.rglob("*_inject.txt"), *jobs.rglob("*_index_*")]:
        path.unlink()
    pipeline = RomanPipeline()
    for unit in pipeline.plan([jobs]):
        writer = MemoryUnitWriter()
        pipeline.process(unit, writer, 0)
        source = writer.source()
        assert source.index["label"].isna().all()
        assert source.shard(source.index["array"][0], "frame").shape == (1, 140, 120, 4)
        assert (source.index["row"] == 0).all()
        assert writer.counts["jobs_without_truth"] == 1


def test_the_references_layout_is_in_0_to_1(prepared: PreparedDataset, tmp_path: Path) -> None:
    RomanPipeline().export(prepared, "zscale", tmp_path / "out")
    table = pd.read_csv(tmp_path / "out" / "master_index.csv")
    raw = np.load(prepared.path / table["image_filename"][0])
    scaled = np.load(tmp_path / "out" / table["image_filename"][0])
    assert scaled.dtype == np.float32
    assert scaled.shape == raw.shape
    assert (scaled.min(), scaled.max()) == (0.0, 1.0)
    low, high = zscale_limits(raw[..., 1])
    np.testing.assert_allclose(scaled[..., 1], np.clip((raw[..., 1] - low) / (high - low), 0, 1), atol=1e-5)
    with pytest.raises(UserError, match="zscale"):
        RomanPipeline().export(prepared, "png", tmp_path / "out")


# ---- what an old dataset gives ----------------------------------------------------------------------------------


def test_an_old_dataset_is_read_again(prepared: PreparedDataset, tmp_path: Path) -> None:
    old = tmp_path / "old"
    RomanPipeline().export(prepared, "zscale", old)
    assert CroissantCommand(str(old)).run()["failed"] == 0
    table = pd.read_csv(old / "master_index.csv")
    for number, raw in enumerate((old, old / "master_index.csv", old / "croissant.json")):
        outcome = prepare_dataset(RomanPipeline(), [raw], tmp_path / f"store{number}", name="roman", progress=False)
        dataset = PreparedDataset(outcome.path)
        assert len(dataset.index) == len(table)
        merged = dataset.index.merge(
            table, left_on=["jid", "catalogue_id"], right_on=["jid", "id"], suffixes=("", "_t")
        )
        assert len(merged) == len(table)
        assert (merged["label"] == merged["label_t"]).all()
        assert np.allclose(merged["sharpness"], merged["sharpness_t"], equal_nan=True)
        assert (dataset.index["zscale_high_scorr"] == 1.0).all()
        first = dataset.index["image"][0]
        np.testing.assert_array_equal(np.load(dataset.path / first), np.load(old / first))
        # Without a sky the jobs of one field are told by the supernovae that they share.
        assert (dataset.index.groupby("jid")["group_id"].nunique() == 1).all()
        natural = dataset.index[dataset.index["match_id"].str.endswith("_ou", na=False)]
        assert natural.groupby("truth_id")["jid"].nunique().max() == 2
        assert (natural.groupby("truth_id")["group_id"].nunique() == 1).all()
        injected = dataset.index[dataset.index["injected"]]
        assert not injected["truth_id"].duplicated().any()


def test_an_old_dataset_without_an_image_names_it(prepared: PreparedDataset, tmp_path: Path) -> None:
    RomanPipeline().export(prepared, "zscale", tmp_path / "old")
    (tmp_path / "old" / "images" / "jid90823.npy").unlink()
    _, outcome = prepare(tmp_path / "old")
    assert [(drop.id, drop.reason) for drop in outcome.units_failed] == [("jid90823", "missing images/jid90823.npy")]
    with pytest.raises(UserError, match=r"jid90823\.npy"):
        CroissantCommand(str(tmp_path / "old")).run()


# ---- bad input --------------------------------------------------------------------------------------------------


def test_a_missing_product_is_named_and_the_other_jobs_are_done(jobs: Path) -> None:
    (jobs / OLD / "scorrimage_masked.fits").unlink()
    dataset, outcome = prepare(jobs)
    assert [(drop.id, drop.reason) for drop in outcome.units_failed] == [("jid90821", "missing scorrimage_masked.fits")]
    assert set(dataset.index["jid"]) == {"jid90822", "jid90823", "jid90824"}


@pytest.mark.parametrize("content", ["header", "nothing"])
def test_a_catalogue_of_zero_rows_is_counted(jobs: Path, content: str) -> None:
    path = jobs / OLD / "diffimage_masked_psfcat.txt"
    path.write_text(path.read_text().splitlines()[0] + "\n" if content == "header" else "")
    dataset, outcome = prepare(jobs)
    assert outcome.units_failed == []
    assert dataset.meta["counts"]["jobs_without_detections"] == 1
    drop = {"id": "jid90821", "reason": "a job without detections", "source": "jid90821"}
    assert drop in dataset.meta["drops"]
    assert dataset.index["jid"].nunique() == 3
    truth = pd.read_parquet(dataset.path / "truth.parquet")
    assert truth.loc[truth["jid"] == "jid90821", "sample"].isna().all()


def test_catalogues_of_different_lengths_are_joined_on_id(jobs: Path) -> None:
    path = jobs / OLD / "diffimage_masked_psfcat_finder.txt"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], *lines[:1:-1]]) + "\n")  # backwards, and without the first
    dataset, _ = prepare(jobs)
    assert dataset.meta["counts"]["detections_without_finder_row"] == 1
    part = dataset.index[dataset.index["jid"] == "jid90821"].set_index("catalogue_id")
    assert np.isnan(part["sharpness"][1])
    finder = pd.read_csv(path, sep=" ").set_index("id")
    np.testing.assert_allclose(part["peak"].drop(1), finder["peak"].reindex(part.index).drop(1))


def test_positions_outside_the_image_and_repeated_ids_are_dropped(jobs: Path) -> None:
    path = jobs / OLD / "diffimage_masked_psfcat.txt"
    table = pd.read_csv(path, sep=" ")
    table.loc[0, "x_fit"] = 4090.0
    pd.concat([table, table.iloc[[1]]]).to_csv(path, sep=" ", index=False)
    dataset, _ = prepare(jobs)
    reasons = {drop["id"]: drop["reason"] for drop in dataset.meta["drops"]}
    assert reasons[f"jid90821_{table['id'][0]}"] == "a position outside the image"
    assert reasons[f"jid90821_{table['id'][1]}"] == "an id that stands in the psfcat twice"
    assert (dataset.index["id"] == f"jid90821_{table['id'][1]}").sum() == 1


def test_a_header_without_zptmag_fails_its_job_where_magnitudes_are_needed(jobs: Path) -> None:
    for path in [*(jobs / OLD).glob("*_reformatted.fits"), jobs / OLD / "bkg_subbed_science_image.fits"]:
        edit(path, lambda header: header.remove("ZPTMAG"))
    dataset, outcome = prepare(jobs)
    assert [drop.id for drop in outcome.units_failed] == ["jid90821"]
    assert "no ZPTMAG" in outcome.units_failed[0].reason
    assert dataset.index["jid"].nunique() == 3


def test_a_header_without_filter_takes_the_file_names(jobs: Path, prepared: PreparedDataset) -> None:
    for path in [*(jobs / OLD).glob("*_reformatted.fits"), jobs / OLD / "bkg_subbed_science_image.fits"]:
        edit(path, lambda header: header.remove("FILTER"))
    dataset, outcome = prepare(jobs)
    assert outcome.units_failed == []
    assert dataset.meta["counts"]["headers_without_filter"] == 1
    assert dataset.index["filter"].tolist() == prepared.index["filter"].tolist()


def test_a_float64_reference_is_read(simulated: Path, jobs: Path, prepared: PreparedDataset) -> None:
    path = jobs / OLD / "awaicgen_output_mosaic_image_resampled_gainmatched.fits"
    data, header = fits.getdata(path, header=True)
    fits.PrimaryHDU(data.astype("f8"), header).writeto(path, overwrite=True)
    dataset, _ = prepare(jobs)
    frames = [np.load(one.path / "images/jid90821.npy") for one in (dataset, prepared)]
    np.testing.assert_array_equal(frames[0], frames[1])


@pytest.mark.parametrize("damage", ["short", "garbage", "shape"])
def test_one_corrupt_image_fails_its_job_only(jobs: Path, damage: str) -> None:
    path = jobs / NEW / "zogy_diffimage_masked.fits"
    content = path.read_bytes()
    if damage == "shape":
        data, header = fits.getdata(path, header=True)
        fits.PrimaryHDU(data[:-1], header).writeto(path, overwrite=True)
    else:
        path.write_bytes(content[:9000] if damage == "short" else b"x" * 9000)
    dataset, outcome = prepare(jobs)
    [failed] = outcome.units_failed
    assert failed.id == "jid90824"
    assert "zogy_diffimage_masked.fits" in failed.reason or "unequal size" in failed.reason
    assert dataset.index["jid"].nunique() == 3


def test_two_jobs_of_one_name_count_once(jobs: Path) -> None:
    import shutil

    shutil.copytree(jobs / OLD, jobs / "20260101" / "jid90821")
    dataset, outcome = prepare(jobs)
    assert [drop.id for drop in outcome.units_failed] == ["jid90821 of 20250617"]
    assert dataset.index["jid"].nunique() == 4
    assert not dataset.index["id"].duplicated().any()


def test_a_field_list_that_names_absent_jobs_counts_them(jobs: Path) -> None:
    path = jobs / "list.txt"
    path.write_text("FIELD MJD JOB\n77 62000 jid90821\n77 62001 jid1\n77 62002 jid2\n")
    dataset, outcome = prepare(jobs, RomanPipeline(reader=FieldLists([str(path)])))
    assert [(drop.id, drop.reason) for drop in outcome.units_failed] == [
        ("field list", "missing the folder of jid1, the folder of jid2")
    ]
    assert set(dataset.index["jid"]) == {"jid90821"}
    assert set(dataset.index["field"]) == {"77"}


def test_an_empty_truth_makes_all_bogus_and_is_counted(jobs: Path) -> None:
    for path in [*(jobs / OLD).glob("*_inject.txt"), *(jobs / OLD).glob("*_index_*")]:
        path.write_text(path.read_text().splitlines()[0] + "\n")
    dataset, outcome = prepare(jobs)
    assert outcome.units_failed == []
    assert dataset.meta["counts"]["jobs_with_empty_truth"] == 1
    assert (dataset.index.loc[dataset.index["jid"] == "jid90821", "label"] == 0).all()


def test_negatives_without_the_references_truth_stay_unlabelled(jobs: Path) -> None:
    for path in jobs.rglob("*_index_*7001*"):
        path.unlink()
    dataset, _ = prepare(jobs)
    negatives = dataset.index[dataset.index["sign"] < 0]
    assert negatives["label"].isna().all()
    assert dataset.meta["counts"]["negatives_without_reference_truth"] == len(negatives) > 0
    assert not negatives["ambiguous"].any()


def test_a_wrong_pixel_origin_is_warned_of(jobs: Path, caplog: pytest.LogCaptureFixture) -> None:
    for path in [*jobs.rglob("*_inject.txt")]:
        table = pd.read_csv(path, sep=r"\s+")
        table[["xpix", "ypix"]] += 1.0
        path.write_text("xpix    ypix     flux\n" + table.to_csv(sep=" ", index=False, header=False))
    for path in jobs.rglob("*_index_*"):
        path.unlink()
    dataset, _ = prepare(jobs, RomanPipeline(match=Match(radius=4.0)))
    account = dataset.meta["account"]
    np.testing.assert_allclose(account["median_offset_px"], [-1.0, -1.0], atol=0.1)
    assert "pixel origin" in account["warnings"][0]
    assert "pixel origin" in caplog.text
    assert any(name.startswith("warning: jobs whose matches") for name in dataset.meta["counts"])
