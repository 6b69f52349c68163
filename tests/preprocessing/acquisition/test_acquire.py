"""``astrid acquire``: every stage over a small simulated archive; resumed, in both orders, with what archives do."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from omegaconf import OmegaConf

from astrid_ml.audit.audit import Audit
from astrid_ml.build import build, conf_folder, plain
from astrid_ml.config import compose, option_names
from astrid_ml.errors import UserError
from astrid_ml.files import discard
from astrid_ml.pipeline.writer import MemoryUnitWriter
from astrid_ml.preprocessing.acquisition.client.adapter import PoliteAdapter
from astrid_ml.preprocessing.acquisition.commands.acquire import AcquireCommand
from astrid_ml.preprocessing.acquisition.data_set import LIFETIMES, Acquisition, PlayedArchive
from astrid_ml.preprocessing.acquisition.simulate.command import SimulateArchive
from astrid_ml.preprocessing.acquisition.stages.campaign import STAGES
from astrid_ml.preprocessing.acquisition.stages.run import stages_of
from astrid_ml.preprocessing.triplets.pipeline import TripletsPipeline
from astrid_ml.splits.plan import SplitPlan

SMALL = SimulateArchive(n=4, shape=(160, 160), nights=2, stars=800.0, galaxies=300.0)
NAMED = (
    "demo", "best_yield", "full_catalog", "galex_golden_era", "galex_uv", "swift_uv", "swift_uv_test",
    "swift_continuous", "ps1_optical", "hst_high_resolution", "tess_allsky", "sdss_optical_references", "ztf_modern",
    "ztf_ptf", "multi_mission", "extended_sn", "sn2014j_only",
    "ztf_alerts",
)  # fmt: skip


def composed(name: str, *words: str) -> Any:
    cfg = compose("acquire", [f"acquisition={name}", "output_dir=out", *words])
    cfg.command.name = name  # the choice itself is known to Hydra alone
    return plain(cfg)


def small(output: Path, **given: Any) -> AcquireCommand:
    data_set = Acquisition(play=PlayedArchive(SMALL, faults=given.pop("faults", ())), keep_free=0)
    pairs = build(composed("demo")["acquisition"]["pairs"])
    client = replace(data_set.client, first_wait=0.01, longest_wait=0.02)
    return AcquireCommand(replace(data_set, pairs=pairs, client=client), str(output), **given)


def products(folder: Path) -> dict[str, bytes]:
    """All that a run leaves, but for what tells how it came about."""
    own = (".lock", ".bringing.lock")
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in own and "parts" not in path.parts
    }


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An undisturbed run."""
    folder = tmp_path_factory.mktemp("acquired")
    summary = small(folder).run()
    assert summary["failed"] == 0
    return folder


def test_the_funnel_adds_up(whole: Path) -> None:
    report = json.loads((whole / "pipeline_report.json").read_text())
    catalogue, query, triplets = (report[name] for name in ("catalogue", "query", "triplets"))
    assert catalogue["rows"] == catalogue["targets"] + catalogue["rows_unusable"] == 5
    assert query["targets_without_by_reason"] == {"science and reference images of different missions or filters": 1}
    assert report["organize"]["pairs_complete"] == report["difference"]["pairs_subtracted"] == 6
    assert report["control"]["passed"] + report["control"]["failed"] == 6
    counts = triplets["counts"]
    seen = sum(number for name, number in counts.items() if name.startswith("epochs"))
    assert seen == report["control"]["passed"]
    kinds = ("negative", "near the supernova", "bogus", "variable", "moving", "vanished", "another target")
    assert counts["candidates"] == sum(counts.get(f"candidates: {kind}", 0) for kind in kinds)
    tables = [pd.read_parquet(path) for path in (whole / "training_triplets").glob("*.parquet")]
    labels = pd.concat(tables)["label"]
    assert (labels == 1).sum() == triplets["real"] > 0
    assert (labels == 0).sum() == triplets["bogus"] > 0
    filtering = report["filtering"]
    assert filtering["filter_in_the_query"]["bytes"] < filtering["download_then_filter"]["bytes"]
    assert filtering["filter_in_the_query"]["share_with_a_complete_pair"] == 1.0
    assert 0 < filtering["share_of_bytes_saved"] < 1


def test_triplets_are_grouped_by_supernova_and_real_ones_stand_at_it(whole: Path) -> None:
    truth = pd.read_csv(whole / "archive" / "truth.csv")
    for path in (whole / "training_triplets").glob("*.parquet"):
        table = pd.read_parquet(path)
        assert table["group_id"].nunique() == 1
        real = table[table["label"] == 1]
        place = truth[truth["name"].str.replace(" ", "_") == path.stem.removesuffix("_triplets")].iloc[0]
        # Stamps are centred on the peak, as those of candidates are: a fraction of a pixel from the known place.
        assert real["ra"].to_numpy() == pytest.approx(place["ra"], abs=1e-3)
        assert real["dec"].to_numpy() == pytest.approx(place["dec"], abs=1e-3)
        assert (real["snr"] >= 5).all()
        assert real["id"].str.endswith("-sn").all()
        bogus = table[table["label"] == 0]["snr"]
        assert all(real["snr"].min() / 2 <= snr <= real["snr"].max() * 2 for snr in bogus)


def test_progress_names_the_stages_of_each_object(whole: Path) -> None:
    said = json.loads((whole / "pipeline_progress.json").read_text())["completed"]
    assert len(said) == 4
    assert all(one["stages"] == [*STAGES[:-1]] for one in said.values())


def test_the_page_shows_the_funnel_and_asks_no_network(whole: Path) -> None:
    text = (whole / "report.html").read_text(encoding="utf-8")
    for word in ("rows of the catalogue", "Targets on the sky", "choose, then download", "of the bytes"):
        assert word in text
    assert "http://" not in text.replace("http://www.w3.org", "")


def test_stage_by_stage_and_object_by_object_end_alike(whole: Path, tmp_path: Path) -> None:
    small(tmp_path, order="per_object").run()
    assert products(tmp_path) == products(whole)


@pytest.mark.slow
def test_each_stage_typed_alone_ends_alike(whole: Path, tmp_path: Path) -> None:
    for stage in STAGES:
        small(tmp_path, stage=stage).run()
    assert products(tmp_path) == products(whole)


@pytest.mark.slow
def test_faults_of_the_archive_change_nothing(whole: Path, tmp_path: Path) -> None:
    faults = ("truncated", "429", "500", "wrong_length", "wrong_checksum", "dies", "html")
    summary = small(tmp_path, faults=faults).run()
    assert summary["failed"] == 0
    assert products(tmp_path) == products(whole)


def test_a_rerun_asks_nobody_and_leaves_the_bytes(whole: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = products(whole)
    monkeypatch.setattr(PoliteAdapter, "send", None)  # to ask would be an error
    small(whole).run()
    assert products(whole) == before


@pytest.mark.parametrize(
    "lost",
    [
        "source_fits",
        "pipeline_progress.json",
        pytest.param("records/download", marks=pytest.mark.slow),
        pytest.param("difference_images/parts", marks=pytest.mark.slow),
    ],
)
def test_what_is_lost_is_made_again(whole: Path, lost: str) -> None:
    before = products(whole)
    discard(whole / lost)
    small(whole, skip_completed=lost == "pipeline_progress.json").run()
    assert products(whole) == before


def cut_short(folder: Path, pattern: str) -> None:
    path = sorted(folder.glob(pattern))[0]
    path.write_bytes(path.read_bytes()[:100])


def without_triplets(folder: Path) -> None:
    """Nor its epochs: what a target is of whose stamps none could be used."""
    discard(folder / "training_triplets")
    discard(folder / "epochs")


def without_differences(folder: Path) -> None:
    discard(folder / "difference_images")


@pytest.mark.parametrize(
    "damage",
    [
        [without_triplets],
        [partial(cut_short, pattern="training_triplets/*.npy")],
        [partial(cut_short, pattern="training_triplets/*.parquet"), partial(cut_short, pattern="records/triplets/*")],
        [without_triplets, partial(cut_short, pattern="difference_images/*/difference.fits")],
        pytest.param([without_triplets, without_differences], marks=pytest.mark.slow),
        pytest.param(
            [without_triplets, without_differences, partial(cut_short, pattern="fits_downloads/*/*.fits*")],
            marks=pytest.mark.slow,
        ),
    ],
)
def test_what_is_lost_of_what_is_done_is_made_again(whole: Path, damage: list[Callable[[Path], None]]) -> None:
    before = products(whole)
    for hurt in damage:
        hurt(whole)
    assert products(whole) != before
    summary = small(whole).run()
    assert summary["failed"] == 0 and products(whole) == before


def test_what_was_subtracted_may_go_when_its_triplets_are_there(whole: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(whole, copy)
    discard(copy / "difference_images")
    small(copy).run()
    assert not (copy / "difference_images").exists()


def test_labels_that_cannot_be_made_leave_those_that_are_there(whole: Path, tmp_path: Path) -> None:
    copy, table = tmp_path / "copy", tmp_path / "known.csv"
    shutil.copytree(whole, copy)
    before = products(copy)
    data_set = small(copy).acquisition
    hand = tmp_path / "hand.csv"
    hand.write_text("id,verdict\nnone of these,reject\n")
    spoilt = replace(data_set.labels.spoilt, hand_list=str(hand))
    labels = replace(data_set.labels, spoilt=spoilt)
    command = replace(small(copy), acquisition=replace(data_set, labels=labels))
    assert command.run()["hand_list"] == "1 of 1 ids are of no candidate"
    table.write_text("ra,dec,kind\n,,variable\n")
    labels = replace(data_set.labels, known=str(table))
    with pytest.raises(UserError):
        replace(small(copy), acquisition=replace(data_set, labels=labels)).run()
    assert {name: content for name, content in products(copy).items() if name.startswith("training")} == {
        name: content for name, content in before.items() if name.startswith("training")
    }


def test_labels_alone_are_made_again(whole: Path) -> None:
    before = products(whole)
    summary = small(whole, stage="triplets", skip_completed=False).run()
    assert summary["triplets_real"] > 0 and products(whole) == before


def test_a_dry_run_downloads_nothing(tmp_path: Path) -> None:
    summary = small(tmp_path, dry_run=True).run()
    assert summary["images_to_download"] > 0
    assert summary["bytes_to_download"] > 0
    assert (tmp_path / "pairs.csv").is_file()
    assert not (tmp_path / "fits_downloads").exists()
    assert not (tmp_path / "report.html").exists()


def gone(folder: Path) -> None:
    """One reference is not there any more."""
    table = pd.read_csv(folder / "archive" / "observations.csv")
    name = table[table["id"].str.contains("SN") & table["id"].str.endswith("+800")]["file"].iloc[0]
    (folder / "archive" / "files" / name).unlink()


def html(folder: Path) -> None:
    """One file is a page of HTML for good, of the length and checksum that were promised."""
    table = pd.read_csv(folder / "archive" / "observations.csv")
    row = table[table["id"].str.endswith("+800")].iloc[0]
    (folder / "archive" / "files" / row["file"]).write_bytes(b"<html>".ljust(int(row["bytes"])))


@pytest.mark.parametrize(("damage", "failed"), [(gone, 0), (html, 1)])
def test_a_half_that_does_not_come_makes_its_pairs_incomplete(
    tmp_path: Path, damage: Callable[[Path], None], failed: int
) -> None:
    small(tmp_path, stage="query").run()
    damage(tmp_path)
    for stage in ("filter", "download", "organize", "report"):
        summary = small(tmp_path, stage=stage).run()
    report = json.loads((tmp_path / "pipeline_report.json").read_text())
    assert report["organize"]["pairs_incomplete"] == 2
    assert report["organize"]["pairs_complete"] == 4
    assert summary["failed"] == failed


def test_stages_that_other_settings_left_behind_are_told(whole: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(whole, copy)
    assert "left_to_do" not in small(copy).run()
    fewer = small(copy, stage="filter")
    pairs = replace(fewer.acquisition.pairs, each_filter=1)
    one = replace(fewer, acquisition=replace(fewer.acquisition, pairs=pairs))
    for stage in ("filter", "triplets", "report"):
        assert "download of" in replace(one, stage=stage).run()["left_to_do"]
    assert "left_to_do" not in replace(one, stage="all").run()


def test_a_row_that_changes_begins_anew(tmp_path: Path) -> None:
    small(tmp_path, dry_run=True).run()
    path = tmp_path / "archive" / "supernovae.csv"
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    table.loc[0, "discoverydate"] = "1999-01-01"  # before every image: none shows its light
    table.to_csv(path, index=False)
    summary = small(tmp_path, dry_run=True).run()
    assert summary["targets_with_pairs"] == 2


@pytest.mark.parametrize("stage", ["filter", "download", "organize", "difference", "triplets", "report"])
def test_a_stage_without_the_one_before_is_refused(tmp_path: Path, stage: Any) -> None:
    with pytest.raises(UserError, match="run stage="):
        small(tmp_path, stage=stage).run()


RUNS = {"all": [*STAGES[:2]], "query": ["query"], "report": [*STAGES[:2]]}


@pytest.mark.parametrize(
    ("stage", "dry", "wanted"), [("all", False, [*STAGES]), *((stage, True, names) for stage, names in RUNS.items())]
)
def test_stages_of_a_run(stage: Any, dry: bool, wanted: list[str]) -> None:
    assert stages_of(stage, dry) == wanted


@pytest.mark.parametrize("name", NAMED)
def test_each_named_data_set_is_made_and_asks_for_missions_that_observed_then(name: str) -> None:
    tree = composed(name)
    made = build(tree["command"]).acquisition
    years = made.select.years
    for mission in made.search.missions:
        first, last = LIFETIMES[mission]
        assert years is None or (years[1] >= first - 1 and years[0] <= last)
    assert made.pairs.allow_mixed == (name == "sdss_optical_references")
    assert name == "demo" or made.archives or made.brokers


def test_the_named_data_sets_are_all_there_are() -> None:
    assert sorted(option_names(conf_folder() / "acquisition")) == sorted(NAMED)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["acquisition.select.years=[1990,1995]"], "swift, which observed from 2005 on"),
        (["acquisition.search.missions=[galx]"], "galex"),
        (["acquisition.archives=null", "acquisition.play=null"], "at least one archive"),
        (["acquisition.fields=[COSMO]"], "COSMOS"),
    ],
)
def test_a_data_set_is_validated_when_it_is_loaded(words: list[str], told: str) -> None:
    tree = compose("acquire", ["acquisition=best_yield", "output_dir=out"])
    for word in words:
        key, _, value = word.partition("=")
        OmegaConf.update(tree, key, OmegaConf.create(f"x: {value}").x, merge=False)
    tree.command.name = "best_yield"
    with pytest.raises(UserError, match=told):
        build(plain(tree)["command"])


def test_a_data_set_without_a_catalogue_says_what_to_give(tmp_path: Path) -> None:
    command = build({**composed("best_yield")["command"], "output_dir": str(tmp_path)})
    with pytest.raises(UserError, match=r"acquisition\.catalogue=FILE"):
        command.run()


@pytest.mark.slow
def test_of_two_runs_in_one_folder_the_second_waits(tmp_path: Path) -> None:
    words = ["acquire", "acquisition.play.simulate.n=2", "acquisition.play.delay=0.2", "dry_run=true", "output_dir=out"]
    command = [sys.executable, "-m", "astrid_ml", *words]
    both = [
        subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    said = [process.communicate(timeout=300) for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert sum("waiting: process" in err for _, err in said) == 1
    assert said[0][0] == said[1][0]


def test_the_audit_finds_a_supernovas_triplets_under_another_name(whole: Path, tmp_path: Path) -> None:
    """A copy of one supernova's triplets in another group crosses the folds: its stamps are alike, its place is one."""
    raw = tmp_path / "raw"
    shutil.copytree(whole / "training_triplets", raw, ignore=shutil.ignore_patterns("parts"))
    first = sorted(raw.glob("*.parquet"))[0]
    table = pd.read_parquet(first)
    copy = table.assign(id="copy-" + table["id"], group_id="SN another", ra=(table["ra"] + 180) % 360)
    copy.to_parquet(raw / "SN_another_triplets.parquet")
    shutil.copy(first.with_suffix(".npy"), raw / "SN_another_triplets.npy")
    pipeline, writer = TripletsPipeline(), MemoryUnitWriter(TripletsPipeline().describe())
    for unit in pipeline.plan([raw]):
        pipeline.process(unit, writer, 1)
    source = writer.source()
    index = source.index
    for planted in (True, False):
        held = index["group_id"] == ("SN another" if planted else table["group_id"].iloc[0])
        folds = pd.DataFrame({"id": index["id"], "fold": held.map({True: "test", False: "train"})})
        if not planted:
            folds.loc[index["group_id"] == "SN another", "fold"] = "unused"
        found = Audit(mode="warn", confounding=None).run(source, SplitPlan("by hand", [folds]))
        kinds = [finding.kind for finding in found.findings]
        assert ("duplicate stamps" in kinds) is planted
        assert planted or not kinds
