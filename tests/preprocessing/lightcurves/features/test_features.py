"""Features of curves against plain loops, a closed form and astropy; what is seen later changes nothing."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.timeseries import LombScargle, LombScargleMultiband

from astrid_ml.errors import UserError
from astrid_ml.preprocessing.lightcurves.curves.hosts import distance_modulus
from astrid_ml.preprocessing.lightcurves.features import periodogram, statistics
from astrid_ml.preprocessing.lightcurves.features.periodogram import Periodogram
from astrid_ml.preprocessing.lightcurves.features.running import EDGES, GROUPS, PASSBANDS, Grouped, latest, running
from astrid_ml.preprocessing.lightcurves.features.table import CurveFeatures
from astrid_ml.types import Floats, Floats32, Ints

BANDS = (0.367, 0.48, 0.622, 0.754, 0.869, 0.971)


def curves(lengths: list[int], seed: int = 0, bands: tuple[float, ...] = BANDS) -> tuple[Floats32, Ints]:
    random, n = np.random.default_rng(seed), sum(lengths)
    days = np.concatenate([np.sort(random.uniform(-20, 300, length)) for length in lengths])
    columns = [days, random.normal(60, 40, n), random.uniform(2, 9, n), random.random(n) > 0.5, random.choice(bands, n)]
    return np.stack(columns, axis=1).astype(np.float32), np.array(lengths)


def at_the_end(
    epochs: Floats32, lengths: Ints, made: CurveFeatures, modulus: Floats | None = None
) -> dict[str, Floats]:
    last = epochs[np.cumsum(lengths) - 1, 0].astype(np.float64)[:, None]
    found = made.of(epochs, lengths, lengths[:, None], last, modulus)[:, 0]
    assert found.shape == (len(lengths), len(made.names)) and found.dtype == np.float32
    return dict(zip(made.names, found.T, strict=True))


def test_running_sums_and_extremes_against_a_loop() -> None:
    random = np.random.default_rng(1)
    lengths = random.integers(1, 40, 30)
    place = np.concatenate([np.arange(n) for n in lengths])
    values, chosen = random.normal(size=(len(place), 2)), random.random(len(place)) > 0.7
    added, largest = running(values, place), running(values, place, np.maximum)
    last, first = latest(chosen, place), latest(chosen, place, first=True)
    for row in range(len(place)):
        own = np.arange(row - place[row], row + 1)
        np.testing.assert_allclose(added[row], values[own].sum(axis=0), rtol=1e-12, atol=1e-12)
        np.testing.assert_array_equal(largest[row], values[own].max(axis=0))
        marked = own[chosen[own]]
        assert (last[row], first[row]) == ((marked[-1], marked[0]) if len(marked) else (-1, -1))


def test_filters_of_one_name_lie_in_one_passband_in_all_surveys() -> None:
    ours = {
        "u": (0.3671,),
        "g": (0.4827, 0.481, 0.4866),
        "r": (0.6223, 0.64, 0.6215, 0.617),
        "i": (0.7546, 0.79, 0.783),
    }
    ours |= {"z": (0.8691, 0.926, 0.8668), "y": (0.9712, 0.991, 0.9613), "infrared": (1.293, 2.159)}
    for name, waves in ours.items():
        assert {PASSBANDS[np.searchsorted(EDGES, wave, side="right")] for wave in waves} == {name}


def test_statistics_against_plain_numpy() -> None:
    epochs, lengths = curves([60, 1, 37])
    found = at_the_end(epochs, lengths, CurveFeatures(periodogram=None))
    for number, own in enumerate(np.split(epochs.astype(np.float64), np.cumsum(lengths)[:-1])):
        for name in ("all", "r", "z"):
            part = own if name == "all" else own[np.isclose(own[:, 4], {"r": 0.622, "z": 0.869}[name])]
            got = {key.split("@")[0]: column[number] for key, column in found.items() if key.endswith("@" + name)}
            _compare(part, got, float(own[-1, 0]))


def _compare(part: Floats, got: dict[str, Floats], now: float) -> None:
    n = len(part)
    assert got["count"] == pytest.approx(np.log1p(n))
    if not n:
        assert all(np.isnan(value) for name, value in got.items() if name not in ("count", "detected"))
        return
    days, flux, error, detected, _ = part.T
    w, top = error**-2, int(flux.argmax())
    mean = (w * flux).sum() / w.sum()
    wanted = {
        "detected": np.log1p(detected.sum()), "mean": np.arcsinh(mean / 10), "maximum": np.arcsinh(flux.max() / 10),
        "minimum": np.arcsinh(flux.min() / 10), "first": np.arcsinh(flux[0] / 10), "last": np.arcsinh(flux[-1] / 10),
        "largest_snr": np.arcsinh((flux / error).max()), "share_bright": (flux / error > 3).mean(),
        "time_of_maximum": np.arcsinh(days[top]), "since_maximum": np.arcsinh(now - days[top]),
        "duration": np.arcsinh(days[-1] - days[0]),
    }  # fmt: skip
    if detected.any():
        seen = days[detected > 0]
        wanted |= {"first_detection": np.arcsinh(seen[0]), "since_last_detection": np.arcsinh(now - seen[-1])}
    if n > 5:
        off = flux - flux.mean()
        wanted |= {
            "spread": np.arcsinh(flux.std() / 10), "skew": (off**3).mean() / flux.std() ** 3,
            "kurtosis": np.arcsinh((off**4).mean() / flux.var() ** 2 - 3),
            "reduced_chi2": np.log1p((w * (flux - mean) ** 2).sum() / (n - 1)),
            "excess_variance": np.arcsinh((flux.var() - (error**2).mean()) / flux.mean() ** 2),
            "von_neumann": np.log1p((np.diff(flux) ** 2).sum() / (n - 1) / flux.var()),
            "rise": np.arcsinh((flux[top] - flux[0]) / (days[top] - days[0]) / 10) if top else np.nan,
            "fall": np.arcsinh((flux[-1] - flux[top]) / (days[-1] - days[top]) / 10) if top < n - 1 else np.nan,
        }  # fmt: skip
        gap = np.diff(days)
        slopes = np.diff(flux)[gap > 0.01] / gap[gap > 0.01]
        wanted |= {"steepest_rise": np.arcsinh(slopes.max() / 10), "steepest_fall": np.arcsinh(slopes.min() / 10)}
        line = np.polyfit(days - days[0], flux, 1, w=1 / error)
        wanted["trend"] = np.arcsinh(line[0] / 10)
        so_far = np.cumsum(w * flux) / np.cumsum(w)
        off = (flux - so_far) / error * np.sqrt(np.arange(1, n + 1) / np.maximum(np.arange(n), 1))
        wanted["stetson_k"] = np.abs(off).mean() / np.sqrt((off**2).mean())
        pair = off[1:] * off[:-1]
        wanted["stetson_j"] = np.arcsinh((np.sign(pair) * np.sqrt(np.abs(pair))).sum() / (n - 1))
    for name, value in wanted.items():
        assert got[name] == pytest.approx(value, rel=2e-4, abs=2e-5, nan_ok=True), name


def test_colours_are_differences_of_asinh_magnitudes() -> None:
    epochs = np.array([[0, 100, 1, 1, 0.48], [1, 251.19, 1, 1, 0.622], [4, 50, 1, 1, 0.48]], dtype=np.float32)
    found = at_the_end(epochs, np.array([3]), CurveFeatures(1e-3, None))
    assert found["colour_at_maximum@g-r"][0] == pytest.approx(1.0, abs=1e-3)
    assert found["colour_last@g-r"][0] == pytest.approx(1.0 + 2.5 * np.log10(2), abs=1e-3)
    assert np.isnan(found["colour_last@r-i"][0])


def test_the_luminosity_needs_a_distance() -> None:
    z = np.array([0.1, 0.5, np.nan])
    modulus = distance_modulus(z)
    flux = 10 ** (0.4 * (27.5 + 19.5 - np.nan_to_num(modulus, nan=40.0)))
    epochs = np.stack([np.zeros(3), flux, flux / 9, np.ones(3), np.full(3, 0.48)], axis=1).astype(np.float32)
    found = at_the_end(epochs, np.ones(3, dtype=np.int64), CurveFeatures(periodogram=None), modulus)["luminosity@g"]
    assert found[:2] == pytest.approx([np.arcsinh(63.1)] * 2, rel=1e-4)
    assert np.isnan(found[2])


@pytest.mark.parametrize("seed", range(3))
def test_what_is_seen_later_changes_nothing(seed: int) -> None:
    """The features of a question are those of a curve that ends there, whatever stands beside it."""
    epochs, lengths = curves([40, 3, 90, 1], seed)
    made = CurveFeatures(periodogram=Periodogram(0.128, 128))
    random = np.random.default_rng(seed)
    seen = (random.random((4, 5)) * lengths[:, None]).astype(np.int64) + 1
    start = np.cumsum(lengths) - lengths
    now = epochs[start[:, None] + seen - 1, 0].astype(np.float64)
    whole = made.of(epochs, lengths, seen, now)
    for curve in range(4):
        for question in range(5):
            k = seen[curve, question]
            own = epochs[start[curve] : start[curve] + k]
            alone = made.of(own, np.array([k]), np.array([[k]]), now[curve, question].reshape(1, 1))[0, 0]
            np.testing.assert_allclose(whole[curve, question], alone, rtol=1e-5, atol=1e-6)


def test_the_periodogram_is_that_of_astropy() -> None:
    epochs, lengths = curves([150], 3)
    made, x = Periodogram(0.2, 200), epochs.astype(np.float64)
    mine = made.powers(x, Grouped.of(x[:, 4], lengths), lengths[:, None])[0, 0]
    theirs = LombScargleMultiband(
        x[:, 0], x[:, 1], x[:, 4], x[:, 2], nterms_base=0, nterms_band=1, reg_base=None, reg_band=None
    )
    np.testing.assert_allclose(mine, theirs.power(made.frequencies, method="flexible"), atol=1e-10)
    one = x[x[:, 4] == x[0, 4]]
    mine = made.powers(one, Grouped.of(one[:, 4], np.array([len(one)])), np.array([[len(one)]]))[0, 0]
    single = LombScargle(one[:, 0], one[:, 1], one[:, 2], fit_mean=True).power(made.frequencies, method="chi2")
    np.testing.assert_allclose(mine, single, atol=1e-10)


def test_a_sinusoid_is_found_whatever_each_passband_shows() -> None:
    epochs, lengths = curves([200, 4], 5)
    phase = 2 * np.pi * 0.05 * epochs[:, 0] + epochs[:, 4] * 9
    epochs[:, 1] = (300 * epochs[:, 4] + 80 * epochs[:, 4] * np.sin(phase)).astype(np.float32)
    made = Periodogram(0.128, 128)
    x = epochs.astype(np.float64)
    found = dict(zip(made.names, made.features(x, Grouped.of(x[:, 4], lengths), lengths[:, None])[:, 0].T, strict=True))
    assert found["power"][0] == pytest.approx(1.0, abs=1e-4)
    assert 10 ** found["frequency"][0] == pytest.approx(0.05)
    parts = [found[f"power_{number}"][0] for number in range(periodogram.PARTS)]
    assert int(np.argmax(parts)) == 6 and parts[6] == found["power"][0]  # 0.032 to below 0.064
    assert all(np.isnan(column[1]) for column in found.values())  # four epochs


def test_a_passband_of_one_flux_and_pieces_change_no_power(monkeypatch: pytest.MonkeyPatch) -> None:
    epochs, lengths = curves([80, 30, 50], 2)
    epochs[epochs[:, 4] == np.float32(0.48), 1] = 7
    x, made = epochs.astype(np.float64), Periodogram(0.128, 128)
    grouped, seen = Grouped.of(x[:, 4], lengths), lengths[:, None]
    whole = made.powers(x, grouped, seen)
    monkeypatch.setattr(periodogram, "PIECE", 1)
    np.testing.assert_array_equal(made.powers(x, grouped, seen), whole)
    rest = x[x[:, 4] != np.float32(0.48)]
    owner = np.repeat(np.arange(3), lengths)[x[:, 4] != np.float32(0.48)]
    fewer = np.bincount(owner)
    np.testing.assert_allclose(made.powers(rest, Grouped.of(rest[:, 4], fewer), fewer[:, None]), whole, atol=1e-12)


def test_every_column_has_a_name_of_its_own_and_too_few_frequencies_are_refused() -> None:
    names = CurveFeatures(periodogram=Periodogram()).names
    assert len(set(names)) == len(names) > len(statistics.names()) > len(GROUPS) * len(statistics.NAMES)
    with pytest.raises(UserError, match="128 frequencies or more"):
        Periodogram(0.1, 20)
