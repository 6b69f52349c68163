"""How often intervals of AUCPR, ROC AUC and averages over classes hold the truth, and prediction sets the class.

Claim: 94 to 96 % at AUCPR .95 with 100 positives of 1,000 and at .90 with 20 of 2,000, 1.5 to 3.5 % in either tail.
Of ROC AUC, macro-F1 and macro-AUCPR near 1: 93 % and more; what one in 50 samples of no signal does no tail shows.
Sets of 90 % hold the class of 90 +- 2 % of 2,000 held-out groups of each class, in the mean of draws.
Run: ``python benchmarks/coverage.py [draws] [near_one]``; ``near_one`` runs that part alone.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd
from scipy.optimize import brentq
from scipy.special import expit, logit
from scipy.stats import norm
from sklearn.metrics import average_precision_score

from astrid_ml.evaluation.bootstrap import Bootstrap
from astrid_ml.evaluation.intervals import area_interval, roc_interval
from astrid_ml.evaluation.sets.conformal import PredictionSets, measured, with_sets
from astrid_ml.evaluation.tree.intervals import macro_area_interval, macro_f1_interval
from astrid_ml.evaluation.tree.metrics import confusion_matrix, macro_average_precision, macro_f1, macro_f1_draws

DRAWS, REPLICATES = 2000, 600
SHOWN = ("set_coverage_real", "set_coverage_bogus", "set_single", "set_full", "set_empty")
Sample = tuple[np.ndarray, np.ndarray, np.ndarray]
Ends = dict[str, tuple[float, float]]
NORMAL = norm.ppf([0.025, 0.975])


def truth_of(shift: float, spread: float, prevalence: float) -> float:
    """Average precision of endless samples: positives N(shift, spread), negatives N(0, 1)."""
    s = np.linspace(-9, shift + 9 * spread, 200_001)
    real, bogus = norm.sf(s, shift, spread), norm.sf(s)
    pure = prevalence * real / (prevalence * real + (1 - prevalence) * bogus + 1e-300)
    return float(np.trapezoid(pure * norm.pdf(s, shift, spread), s))


def two_normals(
    random: np.random.Generator, n: int, positives: int, shift: float, spread: float, drawn: bool
) -> Sample:
    """Samples that are groups of their own; ``drawn``: the number of positives varies as samples do."""
    labels = random.random(n) < positives / n if drawn else np.arange(n) < positives
    return random.normal(size=n) * np.where(labels, spread, 1) + shift * labels, labels, np.arange(n)


def clusters(random: np.random.Generator, groups: int, rate: float, shift: float) -> Sample:
    """Objects with 1 to 5 stamps of one class that share most of their score."""
    size = random.integers(1, 6, groups)
    codes = np.repeat(np.arange(groups), size)
    labels = np.repeat(random.random(groups) < rate, size)
    shared = np.repeat(random.normal(0, 0.8, groups), size)
    return shift * labels + shared + random.normal(0, 0.6, len(codes)), labels, codes


def peers(scores: np.ndarray, labels: np.ndarray, random: np.random.Generator) -> Ends:
    """Percentile, BCa, studentised and bias-corrected logit bootstraps of samples that are groups of their own.

    Between two positives only the number of negatives matters, so a draw is one of the multinomial distribution.
    """
    order = np.argsort(-scores)
    places = np.flatnonzero(labels[order])
    cells = np.ones(2 * len(places) + 1)
    cells[0::2] = np.diff(np.concatenate([[-1], places, [len(scores)]])) - 1
    drawn = random.multinomial(len(scores), cells / len(scores), size=REPLICATES).astype(float)
    (value,), (error,), (skew,) = moments(cells[None])
    areas, errors, _ = moments(drawn)
    defined = np.isfinite(areas)
    areas, errors = areas[defined], errors[defined]
    below = (np.mean(areas < value) + np.mean(areas <= value)) / 2
    centre = norm.ppf(np.clip(below, 1e-3, 1 - 1e-3))
    quantiles = norm.cdf(centre + (centre + NORMAL) / (1 - skew * (centre + NORMAL)))
    at = logit(np.clip(value, 1e-6, 1 - 1e-6))
    odds = logit(np.clip(areas, 1e-6, 1 - 1e-6))
    scale = error / max(value * (1 - value), 1e-6)
    pivots = (odds - at) / np.maximum(errors / np.clip(areas * (1 - areas), 1e-6, 1), 1e-6)
    low, high = np.quantile(pivots, [0.025, 0.975])
    return {
        "percentile bootstrap": tuple(np.quantile(areas, [0.025, 0.975])),
        "BCa bootstrap": tuple(np.quantile(areas, np.clip(np.nan_to_num(quantiles, nan=1.0), 0, 1))),
        "studentised bootstrap, logit": (float(expit(at - high * scale)), float(expit(at - low * scale))),
        "logit bootstrap, bias corrected": tuple(expit(2 * at - odds.mean() + NORMAL * odds.std())),
    }


def moments(cells: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Average precision, its standard error and its acceleration, of (r, 2 m + 1) numbers between positives."""
    real, bogus = cells[:, 1::2], cells[:, 0:-1:2]
    true, false = np.cumsum(real, axis=1), np.cumsum(bogus, axis=1)
    found, positives = np.maximum(true + false, 1e-9), true[:, -1:]
    value = (real * true / found).sum(axis=1) / positives[:, 0]
    by_real = np.cumsum((real * false / found**2)[:, ::-1], axis=1)[:, ::-1] / positives
    by_real += (true / found - value[:, None]) / positives
    by_bogus = -np.cumsum((real * true / found**2)[:, ::-1], axis=1)[:, ::-1] / positives
    squares, cubes = ((real * by_real**k + bogus * by_bogus**k).sum(axis=1) for k in (2, 3))
    return value, np.sqrt(squares), cubes / np.maximum(squares, 1e-12) ** 1.5 / 6


def ours(sample: Sample) -> Ends:
    """Our interval."""
    interval = area_interval(*sample) if sample[1].any() else None
    return {} if interval is None else {"astrid_ml": interval}


def of_single(sample: Sample, random: np.random.Generator) -> Ends:
    """All intervals of samples that are groups of their own."""
    return {**ours(sample), **peers(sample[0], sample[1], random)}


def of_groups(sample: Sample, random: np.random.Generator) -> Ends:
    """Ours and the percentiles of resampled groups."""
    bootstrap = Bootstrap(REPLICATES, seed=int(random.integers(1 << 31)))
    interval = bootstrap.interval(bootstrap.curves(*sample))
    return ours(sample) | ({} if interval is None else {"percentile bootstrap": interval})


def measure(
    name: str,
    truth: float,
    draw: Callable[[np.random.Generator], Sample],
    intervals: Callable[[Sample, np.random.Generator], Ends],
    draws: int,
) -> None:
    """Print a line a method."""
    counts: dict[str, list[float]] = {}
    for seed in range(draws):
        random = np.random.default_rng(seed)
        for method, (low, high) in intervals(draw(random), random).items():
            found = counts.setdefault(method, [0, 0, 0, 0.0])
            for place, value in enumerate((1, truth < low, truth > high, high - low)):
                found[place] += value
    for method, (n, below, above, width) in counts.items():
        print(
            f"{name}, truth {truth:.3f}: {method}: covers {1 - (below + above) / n:.1%} of {n:.0f}, "
            f"truth below {below / n:.1%}, above {above / n:.1%}, mean width {width / n:.3f}",
            flush=True,
        )


def as_table(sample: Sample) -> pd.DataFrame:
    """Predictions whose score is a probability, of samples of two classes in groups."""
    scores, labels, groups = sample
    return pd.DataFrame({"score": expit(scores - 2), "label": labels.astype(int), "group_id": groups})


def measure_sets(groups: int, rate: float, draws: int) -> None:
    """Coverage of prediction sets: fitted on as many groups as named, asked of 2,000 held-out groups of each class."""
    made, found = PredictionSets(0.9), []
    for number in range(draws):
        random = np.random.default_rng([7, number])
        fitted = made.fit(as_table(clusters(random, groups, rate, 3.3)))
        unseen = pd.concat([as_table(clusters(random, 2000, share, 3.3)) for share in (0.0, 1.0)], ignore_index=True)
        # Groups of the two draws have the same numbers.
        unseen["group_id"] += 2000 * unseen["label"]
        told = measured(unseen.assign(prediction_set=with_sets(unseen, fitted)), lambda values: None)
        found.append([np.nan if told.metrics.get(name) is None else told.metrics[name] for name in SHOWN])
    values = np.array(found, dtype=float)
    with np.errstate(invalid="ignore"):
        words = [
            f"{name.removeprefix('set_')} {np.nanmean(column):.1%} ({np.nanstd(column):.1%})"
            for name, column in zip(SHOWN, values.T, strict=True)
        ]
    given = np.isfinite(values).all(axis=1).mean()
    print(f"sets of 90 %, {groups} groups, {rate:.0%} positive: given in {given:.0%} of draws; {'; '.join(words)}")


def of_roc(sample: Sample, random: np.random.Generator) -> Ends:
    """Ours of the area under the ROC curve."""
    interval = roc_interval(*sample)
    return {} if interval is None else {"astrid_ml": interval}


def with_blanks(random: np.random.Generator, n: int, positives: int, shift: float, blank: float) -> Sample:
    """Samples of which a share of the positives look like negatives: labels that are wrong."""
    labels = np.arange(n) < positives
    seen = labels & (random.random(n) >= blank)
    return random.normal(size=n) + shift * seen, labels, np.arange(n)


def of_classes(random: np.random.Generator, groups: int, shares: tuple[float, ...], shift: float, most: int) -> Sample:
    """Probabilities of classes, of objects with 1 to ``most`` stamps; one in 50 objects shows nothing of its class."""
    size, own = random.integers(1, most + 1, groups), random.choice(len(shares), groups, p=shares)
    codes = np.repeat(np.arange(groups), size)
    labels, seen = own[codes].astype(np.int64), np.repeat(random.random(groups) >= 0.02, size)
    shared = random.normal(0, 0.8, (groups, len(shares)))[codes]
    logits = shared + random.normal(0, 0.6, (len(codes), len(shares)))
    logits[np.arange(len(codes)), labels] += shift * seen
    made = np.exp(logits)
    return made / made.sum(axis=1, keepdims=True), labels, codes


def ends_of_f1(sample: Sample, random: np.random.Generator) -> Ends:
    """Ours of macro-F1, and percentiles of resampled groups."""
    p, labels, codes = sample
    called, bootstrap = p.argmax(axis=1), Bootstrap(100, seed=int(random.integers(1 << 31)))
    percentiles = bootstrap.interval(macro_f1_draws(labels, called, p.shape[1], codes, bootstrap))
    found = {"astrid_ml": macro_f1_interval(labels, called, codes), "percentile bootstrap": percentiles}
    return {name: ends for name, ends in found.items() if ends is not None}


def ends_of_area(sample: Sample, random: np.random.Generator) -> Ends:
    """Ours of macro-AUCPR."""
    interval = macro_area_interval(*sample)
    return {} if interval is None else {"astrid_ml": interval}


def near_one(draws: int) -> None:
    """ROC AUC, macro-F1 and macro-AUCPR whose truth is close to 1."""
    for n, positives in ((1000, 100), (2000, 20), (2000, 200)):
        for truth, spread in ((0.99, 1.0), (0.99, 2.0), (0.999, 1.0)):
            shift = float(norm.ppf(truth)) * np.sqrt(1 + spread**2)
            draw = partial(two_normals, n=n, positives=positives, shift=shift, spread=spread, drawn=False)
            measure(f"ROC AUC, {positives} of {n}{', wide' if spread > 1 else ''}", truth, draw, of_roc, draws)
    for n, positives in ((1000, 100), (2000, 200)):
        truth = 0.98 * float(norm.cdf(4 / np.sqrt(2))) + 0.02 / 2
        draw = partial(with_blanks, n=n, positives=positives, shift=4.0, blank=0.02)
        measure(f"ROC AUC, {positives} of {n}, 2 % blank", truth, draw, of_roc, draws)
    for groups, rate, shift in ((400, 0.1, 3.3), (2000, 0.1, 3.3)):
        draw, truth = partial(clusters, groups=groups, rate=rate, shift=shift), float(norm.cdf(shift / np.sqrt(2)))
        measure(f"ROC AUC, {groups} groups, {rate:.0%} positive", truth, draw, of_roc, draws)
    even, uneven = (0.2,) * 5, (0.6, 0.25, 0.1, 0.03, 0.02)
    for groups, shares, shift, most in (
        (300, even, 5, 1),
        (300, even, 5, 4),
        (1000, uneven, 5.5, 1),
        (600, uneven, 5.5, 4),
    ):
        draw = partial(of_classes, groups=groups, shares=shares, shift=shift, most=most)
        p, labels, _ = of_classes(np.random.default_rng(99), 300_000, shares, shift, most)
        name = (
            f"{groups} objects{' of 1 to 4 stamps' if most > 1 else ''}, five {'even' if shares is even else 'uneven'}"
        )
        f1, area = macro_f1(confusion_matrix(labels, p.argmax(axis=1), 5)), macro_average_precision(p, labels)
        measure(f"macro-F1, {name}", f1, draw, ends_of_f1, draws)
        measure(f"macro-AUCPR, {name}", area or 0.0, draw, ends_of_area, draws)


def main() -> None:
    """Print the table."""
    warnings.simplefilter("ignore")  # replicates without a negative above
    draws = int(sys.argv[1]) if len(sys.argv) > 1 else DRAWS
    near_one(draws)
    if "near_one" in sys.argv:
        return
    for n, positives, truth, spread in ((1000, 100, 0.95, 1), (2000, 20, 0.9, 1), (2000, 20, 0.9, 2), (300, 6, 0.8, 1)):
        shift = brentq(lambda x, s=spread, p=positives / n, t=truth: truth_of(x, s, p) - t, 0.3, 20)
        for drawn in (False, True):
            name = f"{positives} of {n}{', number drawn' if drawn else ''}{', wide positives' if spread > 1 else ''}"
            draw = partial(two_normals, n=n, positives=positives, shift=shift, spread=spread, drawn=drawn)
            measure(name, truth, draw, of_single, draws)
    for groups, rate, shift in ((400, 0.1, 3.3), (700, 0.03, 3.5), (150, 0.1, 3.0)):
        many = clusters(np.random.default_rng(99), 400_000, rate, shift)
        name, truth = f"{groups} groups, {rate:.0%} positive", float(average_precision_score(many[1], many[0]))
        measure(name, truth, partial(clusters, groups=groups, rate=rate, shift=shift), of_groups, draws)
    for groups, rate in ((300, 0.5), (1000, 0.1), (3000, 0.1)):
        measure_sets(groups, rate, max(1, draws // 10))


if __name__ == "__main__":
    main()
