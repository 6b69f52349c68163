"""A picture of what the archives have of a target: epochs by mission and filter, the discovery marked."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from astrid_ml.files import whole
from astrid_ml.preprocessing.acquisition.pairs.choose import TargetPlan
from astrid_ml.preprocessing.acquisition.pairs.windows import EITHER, REFERENCE, SCIENCE
from astrid_ml.preprocessing.acquisition.targets.moving import MovingTarget

# Told apart without colours too: by their marks.
LOOKS: Mapping[str | None, tuple[str, str, str]] = {
    SCIENCE: ("o", "#c1440e", "science"),
    REFERENCE: ("s", "#1f5fa8", "reference"),
    EITHER: ("D", "#3a7d44", "either"),
    None: ("x", "#888888", "neither"),
}


def draw_timeline(plan: TargetPlan, path: Path) -> bool:
    """Draw the epochs of a target, with lines between those that make the kept pairs.

    Args:
        plan: of the target.
        path: of the picture (png, svg, pdf); its folder must exist.

    Returns:
        Whether there was anything with a date.
    """
    from matplotlib.figure import Figure

    dated = [one for one in plan.observations.values() if one.start is not None and one.end is not None]
    if not dated:
        return False
    rows = sorted({(one.mission, one.filter) for one in dated})
    place = {row: number for number, row in enumerate(rows)}
    figure = Figure(figsize=(8, 1.6 + 0.35 * len(rows)), layout="constrained")
    axes = figure.add_subplot()
    for role, (mark, colour, word) in LOOKS.items():
        some = [one for one in dated if plan.roles[one.id][0] == role]
        middles = [((one.start or 0) + (one.end or 0)) / 2 for one in some]
        heights = [place[one.mission, one.filter] for one in some]
        if some:
            axes.scatter(middles, heights, marker=mark, color=colour, s=28, label=f"{word} ({len(some)})", zorder=3)
        for one, height in zip(some, heights, strict=True):
            axes.hlines(height, one.start or 0, one.end or 0, color=colour, linewidth=1)
    for pair in plan.kept:
        heights = [
            place[one.mission, one.filter] for one in map(plan.observations.__getitem__, (pair.science, pair.reference))
        ]
        axes.plot([pair.science_mjd, pair.reference_mjd], heights, color="#bbbbbb", linewidth=0.8, zorder=1)
    if plan.target.discovered is not None:
        word = "its time" if isinstance(plan.target, MovingTarget) else "discovery"
        axes.axvline(plan.target.discovered, color="black", linestyle="--", linewidth=1, label=word)
    axes.set_yticks(range(len(rows)), [f"{mission} {filter}" for mission, filter in rows], parse_math=False)
    axes.set_ylim(-0.6, len(rows) - 0.4)
    axes.set_xlabel("MJD (days)")
    axes.set_title(f"{plan.target.name}: {len(plan.kept)} pairs of {len(dated)} images", parse_math=False)
    figure.legend(loc="outside lower center", ncols=5, fontsize="small", frameon=False)
    with whole(path) as part:
        figure.savefig(part, dpi=120)
    return True
