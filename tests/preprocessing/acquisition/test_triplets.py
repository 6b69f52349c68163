"""Labels: what is real, what is as bright and bogus, what is known, what is spoilt; on difference images made here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from astropy.io import fits
from astropy.wcs import WCS
from scipy.signal import correlate2d

from astrid_ml.errors import UserError
from astrid_ml.preprocessing.acquisition.targets.catalogue import Target
from astrid_ml.preprocessing.acquisition.triplets.chosen import matched
from astrid_ml.preprocessing.acquisition.triplets.known import KnownSources, read_known
from astrid_ml.preprocessing.acquisition.triplets.label import Labelled, LabelTriplets, label_supernova
from astrid_ml.preprocessing.acquisition.triplets.spoilt import SpoiltTriplets
from astrid_ml.preprocessing.acquisition.triplets.subtracted import SubtractedPair, SubtractedPairs
from astrid_ml.preprocessing.acquisition.triplets.write import write_extras, write_labelled
from astrid_ml.preprocessing.differencing.epochs.forced import Epoch
from astrid_ml.preprocessing.differencing.pixels.profiles import gaussian_stamp
from astrid_ml.preprocessing.differencing.subtract.pair import SubtractionResult

NONE = KnownSources(pd.DataFrame({"ra": [], "dec": [], "kind": [], "mjd": []}, dtype=float).astype({"kind": object}))
SIDE = 128


def wcs() -> WCS:
    made = WCS(naxis=2)
    made.wcs.ctype, made.wcs.crval, made.wcs.crpix = ["RA---TAN", "DEC--TAN"], [150.0, 2.0], [64.5, 64.5]
    made.wcs.cdelt = [-1 / 3600, 1 / 3600]
    made.array_shape = (SIDE, SIDE)
    return made


def pair_of(
    name: str, snr: float, candidates: Sequence[tuple[float, float, float, int]], mjd: float = 56000.0
) -> SubtractedPair:
    """A difference of unit noise with a supernova of this S/N at px (64, 64), and candidates (x, y, snr, sign)."""
    rng = np.random.default_rng(len(name))
    psf = gaussian_stamp(1.5, 17)
    norm = float((psf.double() ** 2).sum().sqrt())
    diff = torch.from_numpy(rng.normal(size=(SIDE, SIDE)).astype(np.float32))
    diff[64 - 8 : 64 + 9, 64 - 8 : 64 + 9] += snr / norm * psf.float()
    ones = torch.ones((SIDE, SIDE))
    matched_filter = correlate2d(diff.numpy(), psf.float().numpy(), "same") / norm
    significance = torch.from_numpy(matched_filter.astype(np.float32))
    result = SubtractionResult(
        diff, significance, psf.float(), ones, torch.zeros((SIDE, SIDE), dtype=torch.bool), ones / norm
    )
    epoch = Epoch(result, wcs(), mjd, "g", "ztf", 25.0, name)
    planes = np.stack([diff.numpy() + 3, rng.normal(size=(SIDE, SIDE)).astype(np.float32), diff.numpy()])
    x, y, s, sign = (np.array(column) for column in zip(*candidates, strict=True)) if candidates else [np.zeros(0)] * 4
    ra, dec = wcs().all_pix2world(x, y, 0) if candidates else (x, y)
    table = pd.DataFrame(
        {"id": [f"{name}-{k}" for k in range(len(x))], "x": x, "y": y, "snr": s, "sign": sign, "ra": ra, "dec": dec}
    )
    return SubtractedPair(name, epoch, planes, table, 3.5)


def target() -> Target:
    ra, dec = wcs().all_pix2world(64, 64, 0)
    return Target("SN", float(ra), float(dec), 55990.0)


def labelled(pairs: list[SubtractedPair], known: KnownSources = NONE, **rules: float) -> Labelled:
    return label_supernova(target(), "SN", pairs, LabelTriplets(**rules), known, 21)  # type: ignore[arg-type]


@pytest.mark.parametrize(("snr", "real"), [(30.0, 1), (12.0, 1), (2.0, 0), (-20.0, 0)])
def test_it_is_real_where_it_is_measured_in_that_epoch(snr: float, real: int) -> None:
    made = labelled([pair_of("one", snr, [(30, 30, abs(snr), 1)])])
    assert made.counts["epochs real"] == real
    assert (made.rows["label"].sum() if len(made.rows) else 0) == real
    assert len(made.epochs) == 1
    if real:
        assert made.epochs["snr"].iloc[0] == pytest.approx(snr, abs=4)
        assert made.stamps.shape == (2, 3, 21, 21)
    else:
        assert made.counts["epochs below the least S/N"] == 1
        assert len(made.stamps) == 0


def test_bogus_is_neither_near_nor_known_nor_negative_and_as_bright() -> None:
    (x, y), (moved, there) = (map(float, wcs().all_pix2world(*at, 0)) for at in ((90, 90), (40, 90)))
    known = KnownSources(
        pd.DataFrame(
            {
                "ra": [x, moved, moved],
                "dec": [y, there, there],
                "kind": ["variable", "moving", "moving"],
                "mjd": [np.nan, 56000.0, 57000.0],
            }
        )
    )
    seen = [(68, 64, 20, 1), (90, 91, 20, 1), (40, 90, 20, 1), (30, 30, -20, -1), (30, 100, 300, 1), (100, 30, 22, 1)]
    made = labelled([pair_of("one", 20.0, seen)], known)
    bogus = made.rows[made.rows["label"] == 0]
    assert bogus["id"].tolist() == ["one-5"]
    counts = made.counts
    assert (
        counts["candidates: near the supernova"] == counts["candidates: variable"] == counts["candidates: moving"] == 1
    )
    assert counts["candidates: negative"] == 1
    assert counts["bogus wanting: none as bright"] == 2


def test_a_moving_object_counts_in_its_own_night_alone() -> None:
    ra, dec = map(float, wcs().all_pix2world(40, 90, 0))
    known = KnownSources(pd.DataFrame({"ra": [ra], "dec": [dec], "kind": ["moving"], "mjd": [56000.0]}))
    for mjd, kinds in ((56000.05, ["moving"]), (56001.0, [""])):
        at = pair_of("one", 0.0, [], mjd).epoch
        assert known.kinds_at(at, np.array([40.5]), np.array([90.0]), 3.0).tolist() == kinds


def test_all_triplets_are_of_the_supernovas_group_and_sky_lies_apart() -> None:
    pairs = [pair_of(name, 20.0, [(30, 30, 20, 1), (100, 100, 15, 1)]) for name in ("one", "three")]
    made = labelled(pairs, sky=4)
    assert set(made.rows["group_id"]) == {"SN"}
    assert made.rows["id"].is_unique
    assert len(made.sky[0]) == len(made.sky[1]) == 8
    assert not set(made.sky[0]["id"]) & set(made.rows["id"])
    again = labelled(pairs, sky=4)
    assert np.array_equal(made.sky[1], again.sky[1])


def test_bogus_are_matched_within_their_own_filter() -> None:
    """A band without a real one gives no bogus: else the filter would tell the label."""
    green, red = pair_of("one", 20.0, [(30, 30, 20, 1)]), pair_of("three", 1.0, [(30, 30, 20, 1), (90, 30, 21, 1)])
    red = replace(red, epoch=replace(red.epoch, band="r"))
    made = labelled([green, red])
    assert made.rows["filter"].tolist() == ["g", "g"]
    assert made.counts["bogus wanting: none as bright"] == 2
    nameless = replace(green, epoch=replace(green.epoch, mission=None))
    assert len(labelled([nameless]).rows) == 2


def test_what_is_spoilt_takes_no_place_of_a_good_candidate() -> None:
    pair = pair_of("one", 20.0, [(30, 30, 20, 1), (100, 100, 30, 1)])
    pair.planes[1, 30, 30] = np.nan
    made = labelled([pair], ratio=1.0)
    assert made.rows["id"].tolist() == ["one-sn", "one-1"]


@pytest.mark.parametrize("shift", [0.0, 0.6, 1.4])
def test_real_and_bogus_are_centred_by_one_rule(shift: float) -> None:
    """The catalogue's place is a little off: the stamp lies on the peak, as every candidate's does."""
    pair = pair_of("one", 40.0, [(64.1, 63.9, 41.0, 1), (30, 30, 40, 1)])
    ra, dec = map(float, wcs().all_pix2world(64 + shift, 64, 0))
    for seen in (pair, replace(pair, candidates=pair.candidates.iloc[1:].reset_index(drop=True))):
        made = label_supernova(Target("SN", ra, dec, 55990.0), "SN", [seen], LabelTriplets(), NONE, 21)
        real = made.rows[made.rows["label"] == 1].iloc[0]
        assert (real["x"], real["y"]) == pytest.approx((64, 64), abs=0.3)
        assert made.epochs["x"].iloc[0] == pytest.approx(64 + shift)


def test_the_shoulder_of_something_brighter_is_no_centre() -> None:
    """A brighter peak three pixels away is another source, or a residual: the stamp stays at the known place."""
    pair = pair_of("one", 20.0, [(67.0, 64.0, 60.0, 1)])
    rows, columns = np.mgrid[:SIDE, :SIDE]
    hill = 60.0 * np.exp(-((columns - 67.0) ** 2 + (rows - 64.0) ** 2) / 8.0)
    result = replace(pair.epoch.result, significance=torch.from_numpy(hill.astype(np.float32)))
    x, y, snr = replace(pair, epoch=replace(pair.epoch, result=result)).centre(64.0, 64.0)
    assert (x, y) == (64.0, 64.0) and snr == pytest.approx(hill[64, 64])


def test_pairs_are_read_one_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def read(folder: Path, fwhm: float) -> SubtractedPair:
        asked.append(folder.name)
        return pair_of(folder.name, 20.0, [(30, 30, 20, 1)])

    monkeypatch.setattr(SubtractedPair, "read", read)
    pairs = SubtractedPairs(((tmp_path / "one", 3.5), (tmp_path / "three", 3.5)))
    made = label_supernova(target(), "SN", pairs, LabelTriplets(), NONE, 21)
    assert asked == ["one", "three"] * 2 and len(made.rows) == 4


def test_known_sources_far_from_a_frame_are_none_of_it() -> None:
    """The other side of the sky has pixels too, in a gnomonic projection."""
    known = KnownSources(pd.DataFrame({"ra": [330.0, 150.0], "dec": [-2.0, 2.0], "kind": "variable", "mjd": np.nan}))
    x, y = np.array([63.5]), np.array([63.5])
    for rows, kinds in ((known.rows, ["variable"]), (known.rows.iloc[:1], [""])):
        assert KnownSources(rows).kinds_at(pair_of("one", 0.0, []).epoch, x, y, 2.0).tolist() == kinds


def test_dollars_in_names_are_drawn_as_they_are(tmp_path: Path) -> None:
    pair = pair_of("one", 20.0, [])
    made = label_supernova(target(), "SN", [pair], LabelTriplets(pictures=31), NONE, 21)
    files = write_extras(made, [pair], LabelTriplets(pictures=31), r"SN $\frac{1$ $", tmp_path)
    assert [path.stat().st_size > 1000 for path in files] == [True]


@pytest.mark.parametrize("each", [0.0, 1.0, 2.5])
@pytest.mark.parametrize("seed", range(4))
def test_matching_takes_each_candidate_once_within_the_factor(each: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    real, pool = rng.uniform(5, 50, 6), rng.uniform(4, 400, 25)
    taken, short = matched(real, pool, each, 1.5)
    assert len(taken) + short == round(each * 6)
    assert len(set(taken)) == len(taken)
    assert all(np.min(np.abs(np.log(pool[k] / real))) <= np.log(1.5) for k in taken)


def spoil(kind: str) -> np.ndarray:
    stamps = np.random.default_rng(3).normal(size=(3, 41, 41)).astype(np.float32)
    if kind == "constant science":
        stamps[0] = 5.0
    elif kind == "void reference":
        stamps[1, :20] = np.nan
    elif kind == "void centre of difference":
        stamps[2, 20, 21] = np.nan
    elif kind == "shade bands in the difference":
        stamps[2, ::2] += 3.0
    elif kind == "":
        stamps[0, 18:23, 18:23] += 400.0  # a star
        stamps[1] += np.linspace(0, 30, 41)[:, None]  # a galaxy's light makes bands in the images
    return stamps


@pytest.mark.parametrize(
    "kind", ["", "constant science", "void reference", "void centre of difference", "shade bands in the difference"]
)
def test_what_is_spoilt_has_its_reason(kind: str) -> None:
    assert SpoiltTriplets()(spoil(kind)[None]).tolist() == [kind]


def test_noise_alone_is_not_banded() -> None:
    stamps = np.random.default_rng(1).normal(size=(300, 3, 63, 63)).astype(np.float32)
    assert not any(SpoiltTriplets()(stamps))


def test_a_list_by_hand_goes_before(tmp_path: Path) -> None:
    path = tmp_path / "hand.csv"
    path.write_text("id,verdict\none-sn,reject\none-0,keep\nelsewhere,reject\n")
    pair = pair_of("one", 20.0, [(30, 30, 20, 1)])
    pair.planes[1, 30, 30] = np.nan  # a void centre, which the eye accepts
    rules = LabelTriplets(spoilt=SpoiltTriplets(hand_list=str(path)))
    made = label_supernova(target(), "SN", [pair], rules, NONE, 21)
    assert made.rows["id"].tolist() == ["one-0"]
    assert (made.counts["kept by hand"], made.counts["rejected by hand"]) == (1, 1)


def test_the_middle_of_a_field_is_no_transient() -> None:
    field = replace(target(), discovered=None)
    made = label_supernova(field, "F", [pair_of("one", 30.0, [(30, 30, 30, 1)])], LabelTriplets(), NONE, 21)
    assert not len(made.rows) and made.counts["epochs of places where no transient is known"] == 1


def test_another_verdict_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "hand.csv"
    path.write_text("id,verdict\na,perhaps\n")
    with pytest.raises(UserError, match="keep or reject"):
        SpoiltTriplets(hand_list=str(path)).by_hand()


def test_a_known_source_without_a_place_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "known.csv"
    others = pd.DataFrame({"ra": [10.0], "dec": [1.0]})
    path.write_text("ra,dec,kind\n1.0,2.0,variable\n,3.0,variable\n")
    with pytest.raises(UserError, match="row 2"):
        read_known(path, others)
    path.write_text("ra,dec\n1.0,2.0\n")
    assert read_known(path, others).rows["kind"].tolist() == ["another target", "known source"]


def test_masks_and_pictures_are_drawn_where_they_are_asked_for(tmp_path: Path) -> None:
    pair = pair_of("one", 20.0, [(30, 30, 20, 1)])
    rules = LabelTriplets(position_masks=True, pictures=127)
    made = label_supernova(target(), "SN", [pair], rules, NONE, 21)
    files = write_extras(made, [pair], rules, "SN", tmp_path) + write_labelled(made, "SN", tmp_path)
    assert all(path.is_file() for path in files)
    mask = fits.getdata(tmp_path / "position_masks" / "one.fits")
    rows, columns = np.nonzero(mask)
    assert (rows.mean(), columns.mean()) == pytest.approx((64, 64))
    assert (tmp_path / "pictures" / "one.png").stat().st_size > 1000
    assert np.load(tmp_path / "training_triplets" / "SN_triplets.npy").shape == made.stamps.shape


def test_two_verdicts_for_one_id_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "hand.csv"
    path.write_text("id,verdict\na,keep\nb,keep\na,keep\n")
    assert SpoiltTriplets(hand_list=str(path)).by_hand() == {"a": "keep", "b": "keep"}
    path.write_text("id,verdict\na,keep\na,Reject\n")
    with pytest.raises(UserError, match="keep and reject for a"):
        SpoiltTriplets(hand_list=str(path)).by_hand()
