"""A pair from images to candidates: what is found, what it measures, what is refused."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from astrid_ml.errors import UserError
from astrid_ml.executors.contract import OverLimitError
from astrid_ml.executors.local import Processes
from astrid_ml.places import check_name
from astrid_ml.preprocessing.differencing.commands import difference_many
from astrid_ml.preprocessing.differencing.commands.difference import DifferenceCommand
from astrid_ml.preprocessing.differencing.commands.difference_many import folder_names, join_candidates
from astrid_ml.preprocessing.differencing.commands.recovery import magnitudes, recover, summarise
from astrid_ml.preprocessing.differencing.detect.measure import MEASURED, forced, measure, shapes
from astrid_ml.preprocessing.differencing.detect.sharp import SHARP
from astrid_ml.preprocessing.differencing.difference import Difference, Subtraction
from astrid_ml.preprocessing.differencing.frame.image import Image
from astrid_ml.preprocessing.differencing.frame.load import Frame
from astrid_ml.preprocessing.differencing.frame.manifest import read_manifest
from astrid_ml.preprocessing.differencing.frame.pair import Pair
from astrid_ml.preprocessing.differencing.grid.align import AlignNone
from astrid_ml.preprocessing.differencing.pixels.profiles import gaussian_stamp
from astrid_ml.preprocessing.differencing.ready import same_size
from astrid_ml.preprocessing.differencing.subtract.star_residuals import StarResiduals
from astrid_ml.preprocessing.simulated_sky.pair import SkyPair
from astrid_ml.stats import wilson


def test_transients_are_found_and_nothing_else(sky: SkyPair, subtracted: Difference) -> None:
    row = summarise([recover(subtracted, sky.truth, 4.0, 2e4)])
    assert row["completeness_above_7"] >= 0.95 and row["completeness_above_7_n"] >= 10
    assert row["false_positives_per_mpx"] <= 10 and row["false_negatives_per_mpx"] <= 10
    assert row["slope"] == pytest.approx(1.0, abs=max(4 * row["slope_err"], 0.02))
    assert row["pull_robust"] < 2.0


def test_blank_sky_is_unit_noise_before_any_rescaling(subtracted: Difference) -> None:
    q = subtracted.quality.significance
    assert 0.95 < q.std_raw < 1.05 and abs(q.mean) < 0.1
    assert abs(q.correlation) < 0.02 + 4 * q.correlation_err
    assert q.std == pytest.approx(1.0, abs=0.01)


def test_candidates_hold_what_was_promised(subtracted: Difference) -> None:
    table = subtracted.candidates
    assert {"x", "y", "snr", "sign", "flags", *MEASURED} <= set(table.columns)
    strong = table[table["snr"] > 10]
    assert np.allclose(strong["flux"] / strong["flux_err"], strong["snr"], rtol=1e-5)
    assert strong["fwhm"].between(1.0, 8.0).mean() > 0.9 and (strong["ellipticity"] < 0.6).mean() > 0.8
    assert table["ra"].between(149.5, 150.5).all() and (table["mag"] < 25).all()


def test_a_subtraction_of_itself_and_the_swap(subtracted: Difference) -> None:
    # D(N, R) = -D(R, N) where the flux ratio is 1, in the paper's normalisation
    from astrid_ml.preprocessing.differencing.subtract.zogy import zogy

    p = replace(subtracted.pair, flux_ratio=1.0)
    a = zogy(p.science, p.reference, p.psfs, p.noises, p.variances)
    b = zogy(
        p.reference, p.science, (p.psfs[1], p.psfs[0]), (p.noises[1], p.noises[0]), (p.variances[1], p.variances[0])
    )
    assert float((a.d + b.d).abs().max()) < 1e-4 * float(a.d.abs().max())


def test_mixed_frames_are_refused_unless_allowed(sky: SkyPair) -> None:
    science = sky.science.with_(filter="r", mission="ztf")
    for change in ({"filter": "g"}, {"mission": "ps1"}):
        with pytest.raises(UserError, match="allow_mixed"):
            Subtraction()(science, sky.reference.with_(**{"filter": "r", "mission": "ztf"} | change))
    done = Subtraction(allow_mixed=True)(science, sky.reference.with_(filter="g", mission="ztf"))
    assert len(done.candidates) > 0


def test_frames_without_stars_still_subtract() -> None:
    generator = torch.Generator().manual_seed(4)
    blank = [torch.randn(128, 128, generator=generator) * 10 + 200 for _ in range(2)]
    none = torch.zeros(128, 128, dtype=torch.bool)
    images = [
        Image(data=d, variance=torch.full((128, 128), 100.0), mask=none, name=n, zero_point=25.0)
        for d, n in zip(blank, ("a", "b"), strict=True)
    ]
    done = Subtraction(align=AlignNone())(*images)
    assert any("give a PSF" in w for w in done.quality.warnings)
    assert any("flux ratio" in w for w in done.quality.warnings)
    assert list(done.candidates.columns)[:3] == ["x", "y", "snr"] and len(done.candidates) <= 1
    assert set(MEASURED) <= set(done.candidates.columns)


def test_residuals_at_stars_count_as_noise(sky: SkyPair, subtracted: Difference) -> None:
    _, quality = StarResiduals()(subtracted.result, subtracted.pair, subtracted.matched)
    assert quality["residual_share"] < 0.02
    broad = replace(subtracted.pair, psfs=(subtracted.pair.psfs[0], subtracted.pair.psfs[0]))
    from astrid_ml.preprocessing.differencing.subtract.steps import Zogy

    wrong = Zogy()(broad)
    repaired, quality = StarResiduals()(wrong, broad, subtracted.matched)
    assert quality["residual_share"] > 0.02
    table = subtracted.matched.stars
    y, x = (np.rint(table[c].to_numpy()).astype(int) for c in ("y", "x"))
    assert float(repaired.significance[y, x].abs().max()) < 0.5 * float(wrong.significance[y, x].abs().max())
    # a source keeps its flux; only its error grows
    assert torch.allclose(repaired.significance * repaired.flux_error, wrong.significance * wrong.flux_error, rtol=1e-3)


def test_a_cosmic_ray_is_flagged_as_sharper_than_the_psf(sky: SkyPair) -> None:
    data = sky.science.data.clone()
    data[100, 210] += 4000.0
    done = Subtraction()(sky.science.with_(data=data), sky.reference)
    table = done.candidates
    near = table[np.hypot(table["x"] - 210, table["y"] - 100) < 2]
    assert len(near) == 1 and int(near["flags"].iloc[0]) & SHARP
    truth = sky.truth[sky.truth["snr_opt"] > 15]
    distance = np.hypot(
        table["x"].to_numpy()[:, None] - truth["x"].to_numpy(), table["y"].to_numpy()[:, None] - truth["y"].to_numpy()
    )
    real = table[distance.min(1) < 2]
    assert ((real["flags"].to_numpy() & SHARP) > 0).mean() < 0.15


def test_forced_flux_between_pixels(subtracted: Difference, sky: SkyPair) -> None:
    truth = sky.truth
    x, y = (torch.from_numpy(truth[c].to_numpy(copy=True)) for c in ("x", "y"))
    flux, error, snr = forced(subtracted.result, x, y)
    ok = ~subtracted.result.mask[y.round().long(), x.round().long()]
    assert torch.allclose(flux, snr * error)  # one definition of all three
    pull = ((flux - torch.from_numpy(truth["flux"].to_numpy(copy=True))) / error)[ok]
    # four standard errors of the mean of so many unit pulls
    assert abs(float(pull.mean())) < 4 / len(pull) ** 0.5


def test_shapes_of_known_profiles() -> None:
    frame = torch.zeros(80, 80)
    frame[20 - 15 : 20 + 16, 20 - 15 : 20 + 16] = gaussian_stamp(1.5, 31)
    t = torch.arange(31.0) - 15
    wide = torch.exp(-(t[:, None] ** 2 / (2 * 1.2**2) + t[None, :] ** 2 / (2 * 2.4**2)))
    frame[60 - 15 : 60 + 16, 60 - 15 : 60 + 16] = wide / wide.sum()
    found = shapes(frame, torch.tensor([20.0, 60.0]), torch.tensor([20.0, 60.0]), torch.ones(2), 3.53)
    assert float(found["fwhm"][0]) == pytest.approx(2.355 * 1.5, rel=0.08)
    assert float(found["ellipticity"][0]) == pytest.approx(0.0, abs=0.02) and float(found["ellipticity"][1]) > 0.3
    assert float(found["roundness"][0]) == pytest.approx(0.0, abs=0.02) and abs(float(found["roundness"][1])) > 0.3


def test_empty_tables_keep_their_columns(subtracted: Difference) -> None:
    empty = subtracted.candidates[["x", "y", "snr", "sign", "flags"]].head(0)
    out = measure(empty, subtracted.result, subtracted.science, np.zeros((0, 2)), 3.0)
    assert set(MEASURED) <= set(out.columns) and out.empty


def test_psfs_of_two_sizes_get_one() -> None:
    a, b = same_size(gaussian_stamp(1.0, 11), gaussian_stamp(1.0, 21))
    assert a.shape == b.shape == (21, 21) and torch.allclose(a[5:16, 5:16], gaussian_stamp(1.0, 11))


def test_intervals_and_magnitudes_against_closed_forms() -> None:
    low, high = wilson(np.array([0.8, np.nan]), np.array([10.0, 0.0]))
    assert np.isnan([low[1], high[1]]).all()
    assert (low[0], high[0]) == pytest.approx((0.4901, 0.9433), abs=1e-3)  # Newcombe 1998, table I method 3
    rng = np.random.default_rng(2)
    mag = rng.uniform(18, 22, 4000)
    found = rng.uniform(size=4000) < 1 / (1 + np.exp((mag - 20.3) * 4))
    limits = magnitudes(mag, found)
    assert limits["m50"] == pytest.approx(20.3, abs=0.08)
    assert limits["m80"] == pytest.approx(20.3 - np.log(4) / 4, abs=0.1)
    assert magnitudes(mag, np.ones(4000, dtype=bool))["m50"] is None


@pytest.fixture(scope="module")
def manifest(pair_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three lines: a pair, the same under a name of our own, and one whose science frame is no FITS file."""
    folder = tmp_path_factory.mktemp("manifest")
    (folder / "broken.fits").write_bytes(b"SIMPLE  =                    T" + b" " * 3000)
    good = {side: str(pair_folder / f"{side}.fits") for side in ("science", "reference")}
    rows = [good, good | {"name": "parts"}, good | {"science": "broken.fits"}]
    pd.DataFrame(rows).to_csv(folder / "pairs.csv", index=False)
    return folder / "pairs.csv"


def over(manifest: Path, out: Path, **settings: Any) -> dict[str, Any]:
    return DifferenceCommand(Frame(None), Frame(None), str(out), input=str(manifest), **settings).run()


def test_a_manifest_is_subtracted_pair_by_pair_and_a_bad_pair_is_named(manifest: Path, tmp_path: Path) -> None:
    said = over(manifest, tmp_path / "plain")
    assert (said["pairs"], said["failed"]) == (3, 1)
    report = json.loads((tmp_path / "plain" / "report.json").read_text())
    assert [failure["pair"] for failure in report["failed_pairs"]] == ["broken"]
    names = [entry["pair"] for entry in report["by_pair"]]
    assert names[0] == "science" and names[1].startswith("parts-") and len(names) == 2
    for name in names:
        files = {path.name for path in (tmp_path / "plain" / name).iterdir()}
        assert files == {"difference.fits", "candidates.parquet", "candidates.ecsv", "quality.json", "quicklook.png"}
    table = pd.read_parquet(tmp_path / "plain" / "candidates.parquet")
    assert len(table) == said["candidates"] > 20 and table["id"].is_unique
    assert table["pair"].unique().tolist() == names

    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "plain").rglob("quality.json")}
    (tmp_path / "plain" / "science" / "candidates.parquet").unlink()
    over(manifest, tmp_path / "plain")
    changed = [path.parent.name for path, time in before.items() if path.stat().st_mtime_ns != time]
    assert changed == ["science"]
    again = pd.read_parquet(tmp_path / "plain" / "candidates.parquet")
    pd.testing.assert_frame_equal(again, table)


def test_shards_of_a_manifest_make_the_same_candidates(manifest: Path, tmp_path: Path) -> None:
    over(manifest, tmp_path / "plain", executor=Processes(2))
    for shard in ("1/2", "2/2"):
        over(manifest, tmp_path / "shards", shard=shard)
    assert over(manifest, tmp_path / "shards", shard="join")["failed"] == 1
    tables = [(tmp_path / name / "candidates.parquet").read_bytes() for name in ("plain", "shards")]
    assert tables[0] == tables[1]


def test_a_manifest_and_frames_of_their_own_are_not_given_together(manifest: Path, tmp_path: Path) -> None:
    frame = Frame("a.fits")
    with pytest.raises(UserError, match="leave out one"):
        DifferenceCommand(frame, frame, str(tmp_path), input=str(manifest)).run()
    with pytest.raises(UserError, match="neither"):
        DifferenceCommand(Frame(None), Frame(None), str(tmp_path)).run()
    with pytest.raises(UserError, match="one pair"):
        DifferenceCommand(frame, frame, str(tmp_path), shard="1/2").run()


def test_folders_of_pairs_are_apart_and_never_outside() -> None:
    names = folder_names([Pair(name, {}, {}) for name in ("a", "A", "field/b", "report.json", "night.1")])
    assert len({name.casefold() for name in names}) == 5 and not {"report.json"} & set(names)
    assert names[2] == "b" and names[4] == "night.1"


ODD = ["..", ".", "", "\x1b[31mred", "a\nb", "a\\b", "x" * 300, "é" * 140, "\u202eb", " ", "a/.."]


def test_a_pair_whose_name_no_folder_can_have_gets_one_that_can() -> None:
    names = folder_names([Pair(name, {}, {}) for name in [*ODD, "plain"]])
    assert len({name.casefold() for name in names}) == len(ODD) + 1 and names[-1] == "plain"
    for name in names:
        assert check_name(name[:50]) == name[:50] and len(name.encode()) < 200


def test_odd_names_of_files_cost_no_other_row(pair_folder: Path, tmp_path: Path) -> None:
    good = {side: str(pair_folder / f"{side}.fits") for side in ("science", "reference")}
    odd = tmp_path / "\x1b[31mred.fits"
    odd.symlink_to(good["science"])
    files = [str(odd), "y" * 300 + ".fits", "y" * 300 + ".fits[1]", "a\nb.fits"]
    good |= {"science_filter": "é", "reference_filter": "é"}
    pd.DataFrame([good, *(good | {"science": name} for name in files)]).to_parquet(tmp_path / "manifest.parquet")
    said = over(tmp_path / "manifest.parquet", tmp_path / "out")
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert (said["pairs"], said["failed"]) == (5, 3)
    assert report["by_pair"][1]["pair"].startswith("_x1b[31mred-")
    assert all("a FITS file" in failure["reason"] for failure in report["failed_pairs"])


def test_a_row_with_a_null_character_is_named_by_its_number(tmp_path: Path) -> None:
    (tmp_path / "manifest.csv").write_text("science,reference\nc.fits,d.fits\na\0.fits,b.fits\n")
    with pytest.raises(UserError, match="row 2: a name with a null character"):
        read_manifest(tmp_path / "manifest.csv")


def test_candidates_of_pairs_whose_manifest_says_the_filter_in_two_ways_become_one_table(tmp_path: Path) -> None:
    paths = [tmp_path / "a.parquet", tmp_path / "b.parquet", tmp_path / "c.parquet"]
    for path, said in zip(paths, (2, "r", None), strict=True):
        pd.DataFrame({"id": [path.stem], "ra": [1.0], "filter": [said]}).to_parquet(path, index=False)
    join_candidates(paths, ["one", "two", "three"], tmp_path / "joined.parquet")
    joined = pd.read_parquet(tmp_path / "joined.parquet")
    assert joined["filter"].tolist()[:2] == ["2", "r"] and joined["pair"].tolist() == ["one", "two", "three"]


def test_pairs_over_a_limit_are_told_without_a_report_that_goes_with_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = [OverLimitError("it was not done after 0.5 s, which is its limit (executor.limits.seconds)")]
    monkeypatch.setattr(difference_many, "subtract_each", lambda *_: lost)
    command = SimpleNamespace(shard=None, output_dir=str(tmp_path), format=None)
    with pytest.raises(
        UserError, match=r"after 0\.5 s.*; the first is night1\. To fix it: raise executor\.limits\.seconds"
    ):
        difference_many.difference_pairs(command, [Pair("night1", {}, {})], [])
    assert not list(tmp_path.iterdir())
