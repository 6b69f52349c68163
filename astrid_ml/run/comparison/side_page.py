"""Runs side by side as a page: worth and paired differences, what differs between them, where they disagree."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from astrid_ml.board.find import PAGE
from astrid_ml.board.pairs import disagreements
from astrid_ml.board.table import called, shown, varied
from astrid_ml.board.tasks import columns, task_of
from astrid_ml.metrics.binary import pr_curve
from astrid_ml.report import names, views
from astrid_ml.report.names import fixed, span
from astrid_ml.report.pages import comparison_page, linked
from astrid_ml.report.svg import Line, plot, whisker
from astrid_ml.report.views import SectionView, TableView, View
from astrid_ml.run.comparison.side_by_side import SideBySide, TestedRun, of_common_samples

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STYLES = "abcd"  # colours of a plot: more runs are not drawn in it
METRICS = 12  # that stand beside the one that is compared
DISAGREED = 8


def side_page(found: SideBySide, folder: Path) -> str:
    """The page.

    Args:
        found: the comparison.
        folder: where the page will lie, for its links.
    """
    sections = [
        SectionView("Runs", "pieces", {"pieces": [runs_table(found, folder), *every_pair(found)]}),
        *curves(found),
        *by_window(found),
        *further(found),
        *what_differs(found),
        *disagreed(found),
    ]
    title = f"{len(found.runs)} runs compared"
    return comparison_page("compare", title, title, sentences(found), sections, sorts=True)


def short_names(runs: Sequence[TestedRun]) -> list[str]:
    """Names of runs that are short where that tells them apart."""
    short = [called(one.run.path) for one in runs]
    return [name if short.count(name) == 1 else one.name for name, one in zip(short, runs, strict=True)]


def sentences(found: SideBySide) -> list[str]:
    """What was found: the first run's worth, and which of the others are told from it."""
    first, own = short_names(found.runs)[0], found.runs[0].ranking
    ends = "no interval" if own.low is None or own.high is None else f"95 % interval {span((own.low, own.high))}"
    groups = found.runs[0].table["group_id"].nunique()
    start = f"On {found.samples:,} samples in {groups:,} groups that all runs tested"
    out = [f"{start}, {found.metric} of {first} is {fixed(own.value)} ({ends})."]
    for name, row in zip(short_names(found.runs)[1:], found.rows().iloc[1:].to_dict("records"), strict=True):
        why = found.pairs.loc[found.pairs["first"] == row["run"], "why"].iloc[0]
        out.append(
            f"{name}: {verdict(row)} ({_apart(row)})." if _known(row) else f"{name}: no difference is known, {why}."
        )
    return out


def _known(row: dict[Any, Any]) -> bool:
    return not any(names.missing(row[name]) for name in ("difference", "low", "high"))


def verdict(row: dict[Any, Any]) -> str:
    """Which way a paired interval points, in words."""
    if not _known(row):
        return "not known"
    return "higher" if row["low"] > 0 else "lower" if row["high"] < 0 else "not told apart"


def _apart(row: dict[Any, Any]) -> str:
    return f"{row['difference']:+.3f}, {row['low']:+.3f} to {row['high']:+.3f}"


def runs_table(found: SideBySide, folder: Path) -> TableView:
    """One row a run, whose name leads to its report."""
    rows, first = found.rows(), short_names(found.runs)[0]
    links = [
        linked(name, one.run.path / PAGE, folder) for name, one in zip(short_names(found.runs), found.runs, strict=True)
    ]
    worth = rows[["value", "value_low", "value_high"]].to_numpy(dtype=float, na_value=math.nan)
    known = worth[np.isfinite(worth)]
    low, high = math.floor(10 * known.min()) / 10, math.ceil(10 * known.max()) / 10
    scale = f"{low:.2g} to {high:.2g}"
    drawn = [whisker(a, b, c, (low, high), None, f"{a:.3f}, {b:.3f} to {c:.3f}") for a, b, c in worth.tolist()]
    table = pd.DataFrame({"run": links, "value": [fixed(value) for value in worth[:, 0]]})
    table["95 % interval"] = [span((b, c)) if math.isfinite(b) else "" for _, b, c in worth.tolist()]
    table[scale] = ""
    apart = rows.to_dict("records")
    table[f"less {first}"] = ["" if names.missing(row["difference"]) else f"{row['difference']:+.3f}" for row in apart]
    table["95 % interval, paired"] = [
        f"{row['low']:+.3f} to {row['high']:+.3f}" if _known(row) else "" for row in apart
    ]
    table["so it is"] = ["", *(verdict(row) for row in apart[1:])]
    table["tested in all"] = [one.run.at("evaluation", "n") or "" for one in found.runs]
    if not any(table["tested in all"]):
        table = table.drop(columns="tested in all")
    caption = (
        f"{found.metric} on the {found.samples:,} samples that all of them tested. Differences are paired: the same "
        "groups count for both. No interval is corrected for the number of pairs. A name opens the run's report."
    )
    return views.table(table, caption, {"value": found.metric}, css="sortable", drawings={"run": links, scale: drawn})


def every_pair(found: SideBySide) -> Iterator[View]:
    """The differences of all pairs, where there are more than two runs."""
    if len(found.runs) < 3:
        return
    short = dict(zip((one.name for one in found.runs), short_names(found.runs), strict=True))
    rows = found.pairs.to_dict("records")
    ends = found.pairs[["difference", "low", "high"]].to_numpy(dtype=float, na_value=math.nan)
    reach = float(np.nanmax(np.abs(ends))) if np.isfinite(ends).any() else 1.0
    scale = f"-{reach:.2g} to {reach:.2g}"
    table = pd.DataFrame({"run": [short[row["first"]] for row in rows], "less": [short[row["second"]] for row in rows]})
    table["difference"] = ["" if names.missing(row["difference"]) else f"{row['difference']:+.3f}" for row in rows]
    table["95 % interval, paired"] = [
        f"{row['low']:+.3f} to {row['high']:+.3f}" if _known(row) else row["why"] for row in rows
    ]
    table[scale] = ""
    drawn = [whisker(a, b, c, (-reach, reach), 0.0, f"{a:+.3f}, {b:+.3f} to {c:+.3f}") for a, b, c in ends.tolist()]
    caption = "Every pair; the line stands at no difference."
    yield views.table(table, caption, drawings={scale: drawn})


def _two_classes(found: SideBySide) -> bool:
    """Whether the runs tell real from bogus: labels of 0 and 1, and a score of each sample."""
    labels = found.runs[0].table["label"].astype(str)
    return found.metric == "AUCPR" and set(labels) <= {"0", "1", "0.0", "1.0"}


def curves(found: SideBySide) -> Iterator[SectionView]:
    """Precision against recall of runs that tell two classes apart."""
    if not _two_classes(found):
        return
    lines = []
    for style, name, one in zip(STYLES, short_names(found.runs), found.runs, strict=False):
        curve = _curve(found, one)
        recall, precision = curve["recall"].astype(float).tolist(), curve["precision"].astype(float).tolist()
        lines.append(Line([0.0, *recall], [precision[0], *precision], name, style, steps=True))
    share = found.runs[0].ranking.share
    if share is not None:
        lines.append(Line([0, 1], [share, share], "a guess", "ref"))
    drawn = plot(lines, "recall", "precision", "Precision against recall of each run", (0.0, 1.0), (0.0, 1.0))
    rest = len(found.runs) - len(STYLES)
    caption = "Precision against recall." + (f" The other {rest} runs are not drawn." if rest > 0 else "")
    yield SectionView("Curves", "pieces", {"pieces": [views.figure(drawn, caption)]})


def _curve(found: SideBySide, one: TestedRun) -> pd.DataFrame:
    """Of the class whose ranking is judged: the rarer one of the configuration."""
    score, label = one.table["score"].to_numpy(dtype=float), one.table["label"].astype(int).to_numpy()
    if getattr(found.judge, "rarer", 1):
        return pr_curve(score, label, 500)
    return pr_curve(1 - score, 1 - label, 500)


def by_window(found: SideBySide) -> Iterator[SectionView]:
    """Of trees of classes: both metrics of the leaves at every window, and each run less the first."""
    if "days" not in found.runs[0].table:
        return
    from astrid_ml.evaluation.tree.compare import compare_trees
    from astrid_ml.evaluation.tree.hierarchical import HierarchicalJudge

    judge = found.judge
    if not isinstance(judge, HierarchicalJudge):
        return
    short, first = short_names(found.runs), found.runs[0]
    compared = {
        name: compare_trees(judge.tree, one.table, first.table, judge.bootstrap)
        for name, one in zip(short[1:], found.runs[1:], strict=True)
    }
    pieces: list[View] = []
    for metric, title in (("leaf/macro_f1", "macro-F1"), ("leaf/macro_aucpr", "macro-AUCPR")):
        parts = {name: table[table["metric"] == metric] for name, table in compared.items()}
        any_part = next(iter(parts.values()))
        days = any_part["days"].astype(float).tolist()
        series = {short[0]: any_part["baseline"], **{name: part["network"] for name, part in parts.items()}}
        lines = [Line(days, y.astype(float).tolist(), n, s) for s, (n, y) in zip(STYLES, series.items(), strict=False)]
        span_of = (math.log10(min(days)), math.log10(max(days)))
        drawn = plot(lines, "days since first detection", f"{title} of the leaves", title, span_of, (0.0, 1.0), True)
        pieces.append(views.figure(drawn, f"{title} of the leaves against days since the first detection."))
        for name, part in parts.items():
            rows = part.to_dict("records")
            table = pd.DataFrame({"days": days, name: [fixed(row["network"]) for row in rows]})
            table[short[0]] = [fixed(row["baseline"]) for row in rows]
            table["difference"] = [f"{row['difference']:+.3f}" for row in rows]
            table["95 % interval, paired"] = [
                f"{row['low']:+.3f} to {row['high']:+.3f}" if math.isfinite(row["low"]) else "" for row in rows
            ]
            pieces.append(views.table(table, f"{title} of the leaves: {name} less {short[0]}, window by window."))
    yield SectionView("By window", "pieces", {"pieces": pieces})


def further(found: SideBySide) -> Iterator[SectionView]:
    """What the judge says beside the metric that is compared, of the same samples."""
    measured = of_common_samples(found)
    if not measured:
        return
    chosen = columns([one.run for one, _ in measured], task_of(found.runs[0].run))
    chosen = [name for name in chosen if name not in ("n", "groups", "aucpr", *names.ELSEWHERE)][:METRICS]
    table = pd.DataFrame({"metric": [names.metric(name) for name in chosen]})
    for name, (_, result) in zip(short_names(found.runs), measured, strict=True):
        table[name] = [_with_ends(result, key) for key in chosen]
    caption = "On the same samples, with the 95 % interval of each run alone: a paired difference is known better."
    yield SectionView("Other metrics", "pieces", {"pieces": [views.table(table, caption)]})


def _with_ends(result: Any, name: str) -> str:
    value, ends = result.metrics.get(name), result.intervals.get(name)
    return "" if value is None else fixed(value) + (f" ({span(ends)})" if ends else "")


def what_differs(found: SideBySide) -> Iterator[SectionView]:
    """Keys of the configurations whose values differ."""
    runs = [one.run for one in found.runs]
    differing = varied(runs)
    if not differing:
        return
    table = pd.DataFrame({"key": differing})
    for name, run in zip(short_names(found.runs), runs, strict=True):
        table[name] = [names.show(shown(run.config.get(key), key)) for key in differing]
    yield SectionView("What differs", "pieces", {"pieces": [views.table(table, "Of the runs' configurations.")]})


def disagreed(found: SideBySide) -> Iterator[SectionView]:
    """Samples on which the runs lie farthest apart, of two classes alone."""
    if not _two_classes(found) or not all("probability" in one.table for one in found.runs):
        return
    short = {one.run.key: name for one, name in zip(found.runs, short_names(found.runs), strict=True)}
    with_data = [one.run for one in found.runs if one.run.tree]
    samples, words = disagreements({one.run.key: one.table for one in found.runs}, with_data)
    samples = samples[:DISAGREED]
    if not samples:
        return
    table = pd.DataFrame({"sample": [one["id"] for one in samples]})
    table["truth"] = ["real" if float(one["label"]) == 1 else "bogus" for one in samples]
    for key, name in short.items():
        table[name] = [fixed(one["p"][key]) for one in samples]
    pieces: list[View] = [views.table(table, words)]
    pieces += [
        views.FigureView(f"{one['id']}: {truth}", source=one["png"], css="sample")
        for one, truth in zip(samples, table["truth"], strict=True)
        if "png" in one
    ]
    yield SectionView("Samples they disagree on", "pieces", {"pieces": pieces})


def side_figure(found: SideBySide) -> Figure:
    """Worth and differences from the first with their intervals; of two classes also the curves."""
    from matplotlib.figure import Figure

    rows, short, two = found.rows(), short_names(found.runs), _two_classes(found)
    figure = Figure(figsize=(13 if two else 9, 1.6 + max(0.4 * len(short), 2.2 if two else 0.8)), layout="constrained")
    axes = figure.subplots(1, 3 if two else 2)
    place = np.arange(len(short))[::-1]
    for panel, columns_, label in (
        (axes[0], ("value", "value_low", "value_high"), found.metric),
        (axes[1], ("difference", "low", "high"), f"less {short[0]} (paired, 95 %)"),
    ):
        middle, low, high = rows[list(columns_)].to_numpy(dtype=float, na_value=math.nan).T
        panel.errorbar(middle, place, xerr=[middle - low, high - middle], fmt="o", capsize=3)
        panel.set(xlabel=label, ylim=(-0.6, len(short) - 0.4))
        panel.grid(alpha=0.3)
    axes[0].set_yticks(place, short)
    axes[1].set_yticks(place, [""] * len(short))
    axes[1].axvline(0, color="0.5", lw=0.8)
    for name, one in zip(short, found.runs if two else [], strict=False):
        curve = _curve(found, one)
        axes[2].step(curve["recall"], curve["precision"], where="post", label=name)
    if two:
        axes[2].set(xlabel="recall", ylabel="precision", xlim=(0, 1), ylim=(0, 1.02))
        axes[2].grid(alpha=0.3)
        axes[2].legend(fontsize=8)
    return figure
