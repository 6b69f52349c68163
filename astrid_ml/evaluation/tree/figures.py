"""Figures of a hierarchical evaluation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from astrid_ml.metrics.binary import pr_curve
from astrid_ml.taxonomy import Taxonomy
from astrid_ml.types import Floats, Ints

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def figure_over_days(table: pd.DataFrame) -> Figure:
    """Accuracy, macro-F1 and macro-AUCPR of each level against days, with 95 % intervals where there are any."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import NullLocator

    figure = Figure(figsize=(10, 3.4), layout="constrained")
    finite = table[np.isfinite(table["days"])]
    panels = figure.subplots(1, 3, sharex=True, sharey=True)
    names = {"accuracy": "accuracy", "macro_f1": "macro-F1", "macro_aucpr": "macro-AUCPR"}
    for axes, (column, title) in zip(panels, names.items(), strict=True):
        for level, part in finite.groupby("level", sort=False):
            line = axes.plot(part["days"], part[column].astype(float), "o-", ms=3, lw=1.2, label=str(level))[0]
            if f"{column}_low" in part:
                ends = part[f"{column}_low"].astype(float), part[f"{column}_high"].astype(float)
                axes.fill_between(part["days"], *ends, color=line.get_color(), alpha=0.2, lw=0)
        axes.set(title=title, xlabel="days since first detection", xscale="log", ylim=(0, 1.02))
        ticks = [1, 4, 16, 64, 256, 1024]
        axes.set_xticks(ticks, [str(tick) for tick in ticks])
        axes.xaxis.set_minor_locator(NullLocator())
        axes.grid(alpha=0.3)
    if len(finite):
        panels[0].legend(loc="lower right")
    return figure


def figure_tree_confusion(tree: Taxonomy, counts: Floats) -> Figure:
    """Row-normalised confusion of the leaves, with the tree on its left: a mistake between siblings lies near by.

    Args:
        tree: the taxonomy.
        counts: (k, k) over ``tree.level_nodes(tree.n_levels)``.
    """
    from matplotlib.figure import Figure

    order = depth_first(tree)
    place = {int(node): number for number, node in enumerate(tree.level_nodes(tree.n_levels))}
    rows = [place[node] for node in order]
    labels = [tree.nodes[node] for node in order]
    size = max(3.4, 0.44 * len(labels) + 1.6)
    figure = Figure(figsize=(size + 3.0, size), layout="constrained")
    left, axes = figure.subplots(1, 2, width_ratios=[0.28, 1.0])
    chosen = counts[np.ix_(rows, rows)]
    share = chosen / np.maximum(chosen.sum(axis=1, keepdims=True), 1)
    image = axes.imshow(share, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for (row, column), value in np.ndenumerate(share):
        if value >= 0.005:
            colour = "white" if value > 0.55 else "black"
            axes.text(column, row, f"{value:.2f}".lstrip("0"), ha="center", va="center", fontsize=7, color=colour)
    for edge in edges_of_families(tree, order):
        axes.axhline(edge, color="0.45", lw=0.7)
        axes.axvline(edge, color="0.45", lw=0.7)
    totals = chosen.sum(axis=1).astype(int)
    axes.set_xticks(range(len(labels)), labels, rotation=60, ha="right", fontsize=8)
    axes.set_yticks(range(len(labels)), [f"{n} ({t})" for n, t in zip(labels, totals, strict=True)], fontsize=8)
    axes.set(xlabel="called")
    left.set_title("truth (objects)", fontsize=9)
    draw_tree(left, tree, order)
    figure.colorbar(image, ax=axes, shrink=0.7, label="share of the true class")
    return figure


def depth_first(tree: Taxonomy) -> list[int]:
    """Leaves from top to bottom as a drawn tree has them."""

    def below(name: str) -> list[int]:
        children = tree.children.get(name, ())
        return [leaf for child in children for leaf in below(child)] if children else [tree.position[name]]

    return below(tree.root)


def edges_of_families(tree: Taxonomy, order: list[int]) -> list[float]:
    """Places between leaves of different parents."""
    return [i + 0.5 for i in range(len(order) - 1) if tree.parent[order[i]] != tree.parent[order[i + 1]]]


def draw_tree(axes: Axes, tree: Taxonomy, order: list[int]) -> None:
    """Branches from the root (left) to each leaf's row, inner nodes by name."""
    height = {node: float(number) for number, node in enumerate(order)}
    for node in reversed(range(len(tree.nodes))):
        children = [tree.position[child] for child in tree.children.get(tree.nodes[node], ())]
        if not children:
            continue
        height[node] = float(np.mean([height[child] for child in children]))
        x = float(tree.depth[node])
        axes.plot([x, x], [min(height[c] for c in children), max(height[c] for c in children)], color="0.4", lw=0.9)
        for child in children:
            reach = float(tree.depth[child]) if tree.children.get(tree.nodes[child]) else float(tree.n_levels)
            axes.plot([x, reach], [height[child]] * 2, color="0.4", lw=0.9)
        if node:
            axes.text(x - 0.06, height[node] - 0.12, tree.nodes[node], ha="right", va="bottom", fontsize=7)
    axes.set(xlim=(-0.15, tree.n_levels), ylim=(len(order) - 0.5, -0.5))
    axes.axis("off")


def figure_precision_recall(tree: Taxonomy, p: Floats, truth: Ints, most: int = 6) -> Figure:
    """One-vs-rest precision and recall of the leaves, a panel for each parent.

    Args:
        tree: the taxonomy.
        p: (n, k) over ``tree.level_nodes(tree.n_levels)``.
        truth: (n,).
        most: curves in a panel.
    """
    from matplotlib.figure import Figure

    classes = [int(node) for node in tree.level_nodes(tree.n_levels)]
    place = {node: number for number, node in enumerate(classes)}
    present = [node for node in depth_first(tree) if (truth == place[node]).any()]
    families: dict[str, list[int]] = {}
    for node in present:
        title = tree.nodes[int(tree.parent[node])]
        full = families.get(title, [])
        families.setdefault(title if len(full) < most else f"{title}, further", []).append(node)
    columns = min(3, max(len(families), 1))
    lines = -(-max(len(families), 1) // columns)
    figure = Figure(figsize=(3.4 * columns, 3.0 * lines), layout="constrained")
    panels = np.atleast_1d(figure.subplots(lines, columns, sharey=True)).ravel()
    for axes, (title, members) in zip(panels, families.items(), strict=False):
        for node in members:
            curve = pr_curve(np.clip(p[:, place[node]], 0, 1), truth == place[node], 300)
            axes.step(curve["recall"], curve["precision"], where="post", lw=1.2, label=tree.nodes[node])
        axes.set(title=title, xlim=(0, 1), ylim=(0, 1.02), xlabel="recall", ylabel="precision")
        axes.grid(alpha=0.3)
        axes.legend(fontsize=7, loc="lower left")
    for axes in panels[len(families) :]:
        axes.axis("off")
    return figure
