"""Simulated triplets: the stated prevalence and S/N, alike for both classes, the same bytes for the same seed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ks_2samp

from astrid_ml.errors import UserError
from astrid_ml.pipeline.writer import MemoryUnitWriter
from astrid_ml.preprocessing.triplets.artefacts import ARTEFACTS
from astrid_ml.preprocessing.triplets.missions import MISSIONS
from astrid_ml.preprocessing.triplets.pipeline import TripletsPipeline
from astrid_ml.preprocessing.triplets.render import galaxy, moffat
from astrid_ml.preprocessing.triplets.scene import best_response, draw_fields, simulate_batch
from astrid_ml.preprocessing.triplets.simulate import SimulateTriplets
from astrid_ml.stats import robust_sigma


def ones(value: float) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    return np.array([value], dtype=np.float32)


def test_a_psf_and_a_galaxy_hold_their_flux() -> None:
    psf = moffat(ones(31), ones(31), ones(2.5), 3.0)
    assert psf.sum() == pytest.approx(1, abs=0.01)
    half = psf[0, 31, 31] / 2
    assert psf[0, 31, 32] > half > psf[0, 31, 33]  # FWHM 2.5: half the peak at 1.25 pixels
    light = galaxy(ones(31), ones(31), ones(4), ones(2.5), ones(0.3), ones(0.4))
    assert light.sum() == pytest.approx(1, rel=0.1)


def test_the_transients_matched_filter_sees_the_drawn_snr() -> None:
    n = 300
    snr = np.full(n, 20.0, dtype=np.float32)
    random = np.random.default_rng(0)
    around = draw_fields(n, MISSIONS["ZTF"], random)
    stamps, facts = simulate_batch(MISSIONS["ZTF"], np.full(n, "", dtype=object), snr, around, random)
    lonely = facts["host_distance"].isna().to_numpy()
    flux_errors = []
    for stamp, fwhm in zip(stamps[lonely], facts["fwhm"][lonely], strict=True):
        difference = stamp[2] - np.median(stamp[2])
        psf = moffat(ones(31), ones(31), ones(fwhm), MISSIONS["ZTF"].beta)[0]
        sigma = robust_sigma(difference, centre=0.0)
        flux_errors.append((psf * difference).sum() / np.sqrt((psf**2).sum()) / sigma)
    # Off-centre by up to half a pixel and with its own photon noise, a filter at the centre sees a little less.
    assert 14 < np.median(flux_errors) < 21


def test_both_classes_share_the_snr_and_the_hosts(tmp_path: Path) -> None:
    SimulateTriplets(n=2400, prevalence=0.3).run(tmp_path, seed=5)
    table = pd.concat([pd.read_parquet(path) for path in tmp_path.glob("*.parquet")])
    real, bogus = table[table["label"] == 1], table[table["label"] == 0]
    assert 0.22 < table["label"].mean() < 0.38
    assert ks_2samp(real["snr"], bogus["snr"]).pvalue > 0.001
    assert ks_2samp(real["host_distance"].dropna(), bogus["host_distance"].dropna()).pvalue > 0.001
    assert table["snr"].between(4, 40).all()
    assert set(bogus["artefact"]) == set(ARTEFACTS)
    assert set(table["mission"]) == set(MISSIONS)
    assert table["id"].is_unique
    objects = table.groupby("group_id")
    assert 1.3 < objects.size().mean() < 1.8
    # The epochs of an object share its host and what it is, not its brightness.
    for column in ("label", "artefact", "host_distance", "ra"):
        assert objects[column].nunique(dropna=False).max() == 1
    assert objects["snr"].nunique().max() == 3


def test_the_artefacts_matched_filter_sees_the_drawn_snr() -> None:
    mission, n = MISSIONS["PS1"], 200
    random = np.random.default_rng(2)
    kinds = np.array(list(ARTEFACTS), dtype=object)[np.arange(n) % len(ARTEFACTS)]
    empty = replace(draw_fields(n, mission, random), host=np.zeros(n, dtype=bool), star_flux=np.zeros((n, 3), "f4"))
    stamps, facts = simulate_batch(mission, kinds, np.full(n, 25.0, dtype=np.float32), empty, random)
    variance = (mission.sky + mission.read_noise**2) * (1 + 1 / mission.reference_depth)
    psf = moffat(np.full(n, 31, "f4"), np.full(n, 31, "f4"), facts["fwhm"].to_numpy(np.float32), mission.beta)
    snr = best_response(stamps[:, 2], psf, np.full_like(psf, variance))
    for kind in ARTEFACTS:
        # The artefact's own photons widen the scatter; 25 each draw tells a mean to a few per cent.
        assert np.median(snr[kinds == kind]) == pytest.approx(25, rel=0.12), kind


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        (tmp_path / name).mkdir()
        SimulateTriplets(n=40, part=10).run(tmp_path / name, seed)
    contents = {name: {path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in "abc"}
    assert contents["a"] == contents["b"]
    assert contents["a"] != contents["c"]


def test_the_pipeline_reads_what_the_simulator_wrote(tmp_path: Path) -> None:
    SimulateTriplets(n=40, part=10, missions=["ZTF"]).run(tmp_path, 1)
    (tmp_path / "triplets_ZTF_003.parquet").unlink()
    pipeline = TripletsPipeline()
    units = pipeline.plan([tmp_path])
    assert [unit.missing for unit in units] == [(), (), (), ("triplets_ZTF_003.parquet",)]
    writer = MemoryUnitWriter()
    pipeline.process(units[0], writer, 0)
    source = writer.source()
    assert len(source.index) == 10
    assert np.isfinite(source.index["peak_snr"]).all()
    assert np.array_equal(source.gather("stamps", np.arange(10)), np.load(tmp_path / "triplets_ZTF_000.npy"))


def test_the_sky_that_a_mission_keeps_is_all_that_differs(tmp_path: Path) -> None:
    tables = {}
    for sky in ("subtracted", "included"):
        (tmp_path / sky).mkdir()
        SimulateTriplets(n=300, missions=("ztf", "ps1"), sky=sky).run(tmp_path / sky, seed=2)
        tables[sky] = TripletsPipeline().plan([tmp_path / sky])
    stamps = {sky: {path.stem: np.load(path) for path in (tmp_path / sky).glob("*.npy")} for sky in tables}
    for name, plain in stamps["subtracted"].items():
        added = stamps["included"][name] - plain
        kept = MISSIONS[name.split("_")[1].upper()].kept
        level = added[:, :2].mean(axis=(1, 2, 3))
        assert np.allclose(added[:, 2], 0) and np.allclose(added[:, :2], level[:, None, None, None], atol=1e-2)
        assert np.median(level) == pytest.approx(kept, rel=0.15)
    for unit in tables["included"]:
        writer = MemoryUnitWriter(TripletsPipeline().describe())
        TripletsPipeline().process(unit, writer, 0)
        assert set(writer.source().index["sky"]) == {"included" if "ZTF" in unit.id.upper() else "subtracted"}


def test_numbers_that_make_no_sense_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="missions"):
        SimulateTriplets(missions=["HUBBLE"]).run(tmp_path, 1)
    with pytest.raises(UserError, match="prevalence"):
        SimulateTriplets(prevalence=1.5).run(tmp_path, 1)


def test_a_sample_without_one_of_the_classes_says_so(tmp_path: Path) -> None:
    assert "no real triplet" in SimulateTriplets(n=3, prevalence=0.001).run(tmp_path, 1)["note"]
    assert "no bogus triplet" in SimulateTriplets(n=3, prevalence=0.999).run(tmp_path, 1)["note"]
    assert "note" not in SimulateTriplets(n=40, prevalence=0.5).run(tmp_path, 1)


@pytest.mark.parametrize("damage", ["text", "cut short", "empty"])
def test_damaged_stamps_fail_the_unit_and_are_called_so(damage: str, tmp_path: Path) -> None:
    SimulateTriplets(n=10, part=10, missions=["ZTF"]).run(tmp_path, 1)
    [unit] = TripletsPipeline().plan([tmp_path])
    whole = unit.inputs[0].read_bytes()
    unit.inputs[0].write_bytes({"text": b"no array " * 20, "cut short": whole[:-100], "empty": b""}[damage])
    with pytest.raises(ValueError, match=r"^damaged \.npy: .*triplets_ZTF_000\.npy$"):
        TripletsPipeline().process(unit, MemoryUnitWriter(), 0)
