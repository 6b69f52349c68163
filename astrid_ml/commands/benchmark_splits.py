"""``astrid benchmark-splits``: what a random split claims, and what the same network does on groups it never saw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from astrid_ml.contracts.scoring import HasPurpose
from astrid_ml.csv_text import marked
from astrid_ml.dataset.derived import with_labels
from astrid_ml.errors import UserError
from astrid_ml.evaluation.bootstrap import PairedDifference
from astrid_ml.evaluation.rankings import Ranking, unpaired
from astrid_ml.files import json_text, whole, write_text
from astrid_ml.report import views
from astrid_ml.report.names import fixed, span
from astrid_ml.report.pages import comparison_page
from astrid_ml.report.svg import whisker
from astrid_ml.report.views import SectionView, TableView
from astrid_ml.run.comparison.folds import CLAIM, flipped, random_folds
from astrid_ml.run.comparison.trainings import Trainings

OWN, SAME = "what a random split tests", "groups that no training saw"


@dataclass(frozen=True)
class Row:
    """One number of the table.

    Args:
        split: how the network was trained.
        seed: of that training.
        tested_on: which samples.
        trained: number of samples that were trained on.
        ranking: its worth.
        less: what it is compared with; empty for none.
        difference: from that; None where it is undefined.
        paired: whether both were judged on the same samples.
    """

    split: str
    seed: int
    tested_on: str
    trained: int
    ranking: Ranking
    less: str = ""
    difference: PairedDifference | None = None
    paired: bool = False

    def plain(self) -> dict[str, Any]:
        """Flat, for JSON and CSV."""
        found = {"difference": None, "difference_low": None, "difference_high": None}
        if self.difference is not None:
            values = asdict(self.difference)
            found = {f"difference{'' if key == 'value' else f'_{key}'}": value for key, value in values.items()}
        own = {"split": self.split, "seed": self.seed, "tested_on": self.tested_on, "trained": self.trained}
        return {**own, **asdict(self.ranking), "less": self.less, "paired": self.paired, **found}


def benchmark_splits(
    config: dict[str, Any], folder: Path, seeds: Sequence[int], flip: Sequence[float] = ()
) -> dict[str, Any]:
    """Train on a random and on an honest split, judge both on the same held-out groups, and write the table.

    Args:
        config: of a training; its split is the honest one.
        folder: gets ``benchmark_splits.json``, ``.csv``, ``.html``, and the trainings.
        seeds: of the trainings; each gives rows of its own.
        flip: shares of the training labels that are made wrong, one more training each.

    Returns:
        What to print.

    Raises:
        UserError: the split has no test fold or several rounds; the task's labels are no column.
    """
    check_asked(config, seeds, flip)
    work = Trainings.of(config, folder)
    refuse_flip(work, flip)
    honest = work.plan()
    rows = [row for seed in seeds for row in rows_of_seed(work, honest.rounds[0], honest.name, seed, flip)]
    words = sentences(rows, honest.name)
    table = pd.DataFrame([row.plain() for row in rows])
    with whole(folder / "benchmark_splits.csv") as part:
        marked(table).to_csv(part, index=False)
    write_text(folder / "benchmark_splits.json", json_text({"sentences": words, "rows": [r.plain() for r in rows]}))
    write_text(folder / "benchmark_splits.html", split_page(rows, words, str(config["name"])))
    return {"result": " ".join(words), "report": str(folder / "benchmark_splits.html")}


def check_asked(config: dict[str, Any], seeds: Sequence[int], flip: Sequence[float]) -> None:
    """Refuse lists that are empty, repeat themselves, or hold no shares.

    Raises:
        UserError: names the key.
    """
    if not seeds or len(set(seeds)) < len(seeds):
        raise UserError("seeds=[1,2,3], each once", str(list(seeds)), "write seeds=[1,2,3]")
    if len(set(flip)) < len(flip) or not all(0 < share < 1 for share in flip):
        raise UserError("flip: shares above 0 and below 1, each once", str(list(flip)), "write flip=[0.01,0.03,0.1]")


def refuse_flip(work: Trainings, flip: Sequence[float]) -> None:
    """Labels can be flipped where they are a column.

    Raises:
        UserError: they are truth of voxels.
    """
    judge = work.judge
    if flip and isinstance(judge, HasPurpose) and judge.purpose not in ("binary", "hierarchy"):
        got = f"a task of the kind {judge.purpose}, whose truth is in its arrays"
        raise UserError("flip= with a task whose label is a column", got, "leave out flip=")


def rows_of_seed(work: Trainings, honest: pd.DataFrame, name: str, seed: int, flip: Sequence[float]) -> list[Row]:
    """Both trainings of one seed, and those with wrong labels."""
    judge, drawn = work.judge, random_folds(work.dataset, honest, seed)
    claimed = set(drawn["id"][drawn["fold"] == CLAIM])
    found = work.run("random", drawn.replace({"fold": {CLAIM: "test"}}), seed, audit="warn")
    own = found["id"].isin(claimed).to_numpy()
    ours = work.run("honest", honest, seed)
    counts = [int((table["fold"] == "train").sum()) for table in (drawn, honest)]
    there, truth = found[~own].reset_index(drop=True), judge.ranking(ours)
    claim, fact = judge.ranking(found[own].reset_index(drop=True), truth.share), judge.ranking(there)
    rows = [
        Row("random", seed, OWN, counts[0], claim, "the same network on unseen groups", unpaired(claim, fact)),
        Row("random", seed, SAME, counts[0], fact, name, judge.ranking_difference(there, ours), True),
        Row(name, seed, SAME, counts[1], truth),
    ]
    for share in flip:
        target = work.folder / "data" / f"flipped-{share:g}-seed{seed}"
        labels = flipped(work.dataset, honest, share, seed)
        with_labels(work.dataset, labels, target, {"flipped": share, "seed": seed, "split": _ids(honest)})
        noisy = work.run(f"flipped-{share:g}", honest, seed, audit="off", dataset=target)
        difference = judge.ranking_difference(noisy, ours)
        words = f"{name}, {100 * share:g} % of labels wrong"
        rows.append(Row(words, seed, SAME, counts[1], judge.ranking(noisy), f"{name}", difference, True))
    return rows


def _ids(folds: pd.DataFrame) -> str:
    from astrid_ml.checkpoint.digests import digest_of

    return digest_of(folds.astype(str).to_dict("list"))[:12]


def sentences(rows: Sequence[Row], name: str) -> list[str]:
    """What the random split flattered, and what wrong labels cost."""
    claims = [row for row in rows if row.tested_on == OWN]
    found = [row for row in claims if row.difference is not None]
    if not found:
        return ["What the random split flatters is undefined: a class is absent, or there are too few groups."]
    out = [flattery(found, name)]
    noisy: dict[str, list[Row]] = {}
    for row in rows:
        if row.split.endswith("labels wrong"):
            noisy.setdefault(row.split, []).append(row)
    for words, several in noisy.items():
        known = [row.difference for row in several if row.difference is not None]
        if known:
            out.append(f"With {words.rpartition(', ')[2]}: {_difference(known)}.")
    return out


def flattery(claims: Sequence[Row], name: str) -> str:
    """One sentence on what a random split says and what is so."""
    known = [row.difference for row in claims if row.difference is not None]
    value = float(np.mean([row.ranking.value for row in claims if row.ranking.value is not None]))
    gain = float(np.mean([one.value for one in known]))
    sure = all(one.low > 0 for one in known)
    many = f" (mean of {len(known)} seeds)" if len(known) > 1 else ""
    told = f"flatters by {gain:.3f}" if sure else f"is not shown to flatter ({gain:+.3f})"
    return (
        f"A random split says {claims[0].ranking.name} {value:.3f}{many}; the same network has {value - gain:.3f} on "
        f"the test fold of split={name}: the random split {told}, {_ends(known)}."
    )


def _ends(known: Sequence[PairedDifference]) -> str:
    if len(known) == 1:
        return f"95 % interval {known[0].low:+.3f} to {known[0].high:+.3f}"
    return "95 % intervals " + ", ".join(f"{one.low:+.3f} to {one.high:+.3f}" for one in known)


def _difference(known: Sequence[PairedDifference]) -> str:
    return f"{np.mean([one.value for one in known]):+.3f} ({_ends(known)})"


def split_page(rows: Sequence[Row], words: Sequence[str], name: str) -> str:
    """The page."""
    values = [end for row in rows for end in (row.ranking.low, row.ranking.high, row.ranking.value) if end is not None]
    low, high = (np.floor(10 * min(values)) / 10, np.ceil(10 * max(values)) / 10) if values else (0.0, 1.0)
    head = rows[0].ranking.name
    table = pd.DataFrame(
        {
            "trained with split": [row.split for row in rows],
            "seed": [row.seed for row in rows],
            "samples trained on": [row.trained for row in rows],
            "tested on": [row.tested_on for row in rows],
            "samples tested": [row.ranking.samples for row in rows],
            head: [_fixed(row.ranking.value) for row in rows],
            "95 % interval": [span(_pair(row.ranking)) for row in rows],
            f"{low:.2g} to {high:.2g}": "",
        }
    )
    drawn = [_whisker(row.ranking, (float(low), float(high))) for row in rows]
    caption = "Intervals by groups; none of few groups."
    if any(row.ranking.share is not None for row in rows):
        caption += " AUCPR on what a random split tests is given for the share of positives of the other fold."
    shown = [views.table(table, caption, drawings={f"{low:.2g} to {high:.2g}": drawn}), differences(rows)]
    section = SectionView("Random and honest split", "pieces", {"pieces": shown})
    heading = f"What a random split claims: {name}"
    return comparison_page("benchmark-splits", f"Splits of {name}", heading, words, [section])


def differences(rows: Sequence[Row]) -> TableView:
    """What each number is less the one that it is compared with."""
    known = [row for row in rows if row.less]
    table = pd.DataFrame(
        {
            "trained with split": [row.split for row in known],
            "seed": [row.seed for row in known],
            "tested on": [row.tested_on for row in known],
            "less": [row.less for row in known],
            "difference": ["undefined" if row.difference is None else f"{row.difference.value:+.4f}" for row in known],
            "95 % interval": [_span(row) for row in known],
            "samples": ["the same, paired" if row.paired else "no group in common" for row in known],
        }
    )
    return views.table(table, "Differences; where samples are the same, the same groups are drawn for both.")


def _fixed(value: float | None) -> str:
    return "undefined" if value is None else fixed(value)


def _pair(ranking: Ranking) -> tuple[float, float] | None:
    return None if ranking.low is None or ranking.high is None else (ranking.low, ranking.high)


def _span(row: Row) -> str:
    found = row.difference
    return "" if found is None else f"{found.low:+.4f} to {found.high:+.4f}"


def _whisker(ranking: Ranking, scale: tuple[float, float]) -> str:
    value, low, high = (np.nan if end is None else end for end in (ranking.value, ranking.low, ranking.high))
    return whisker(value, low, high, scale, None, f"{value:.3f}, {low:.3f} to {high:.3f}")
