"""``astrid matrix``: a network for each value of a column, tested on the held-out part of every value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from astrid_ml.checkpoint.load import load_model
from astrid_ml.contracts.columns import columns_of
from astrid_ml.csv_text import marked
from astrid_ml.errors import UserError
from astrid_ml.evaluation.bootstrap import PairedDifference
from astrid_ml.evaluation.rankings import Ranking
from astrid_ml.files import json_text, whole, write_text
from astrid_ml.run.comparison.adapt import WAYS, adapted_scores, refuse_adaptation
from astrid_ml.run.comparison.folds import held_out_by_value
from astrid_ml.run.comparison.page import heat_figure, matrix_page
from astrid_ml.run.comparison.trainings import Trainings


@dataclass(frozen=True)
class MatrixWanted:
    """What a matrix is to hold.

    Args:
        column: whose values are rows and columns.
        seeds: of the trainings.
        least: labelled samples of a value in each fold, below which it is passed over.
        adapt: ways to fit a network to samples without labels; ``none`` is always there.
    """

    column: str = "mission"
    seeds: Sequence[int] = (1,)
    least: int = 20
    adapt: Sequence[str] = ("none",)

    def __post_init__(self) -> None:
        if not self.seeds or len(set(self.seeds)) < len(self.seeds):
            raise UserError("seeds=[1,2,3], each once", str(list(self.seeds)), "write seeds=[1,2,3]")
        unknown = [name for name in self.adapt if name not in WAYS]
        if unknown or len(set(self.adapt)) < len(self.adapt):
            got = ", ".join(unknown) or str(list(self.adapt))
            raise UserError(f"adapt: some of {', '.join(WAYS)}, each once", got, "choose among them")

    @property
    def ways(self) -> list[str]:
        """``none`` first."""
        return ["none", *(name for name in self.adapt if name != "none")]


@dataclass(frozen=True)
class Cell:
    """One network on the held-out samples of one value.

    Args:
        trained: the value whose samples it was trained on, or ``all``.
        tested: the value.
        seed: of the training.
        adapt: how it was fitted to the tested value.
        ranking: its worth.
        to_own: less that of the network of the tested value, on the same samples; None on the diagonal.
        won_back: less that of the same network without adaptation, on the same samples.
    """

    trained: str
    tested: str
    seed: int
    adapt: str
    ranking: Ranking
    to_own: PairedDifference | None = None
    won_back: PairedDifference | None = None

    def plain(self) -> dict[str, Any]:
        """Flat, for JSON and CSV."""
        out: dict[str, Any] = {"trained": self.trained, "tested": self.tested, "seed": self.seed, "adapt": self.adapt}
        out |= asdict(self.ranking)
        for name, found in (("to_own", self.to_own), ("won_back", self.won_back)):
            for key, end in (("value", ""), ("low", "_low"), ("high", "_high")):
                out[f"{name}{end}"] = None if found is None else getattr(found, key)
        return out


def matrix(config: dict[str, Any], folder: Path, asked: MatrixWanted) -> dict[str, Any]:
    """Train on each value and on all of them, test each network on the held-out part of each value.

    Args:
        config: of a training; its split says which samples nobody is trained on.
        folder: gets ``matrix.json``, ``.csv``, ``.png``, ``.html``, and the trainings; what is done there stays.
        asked: for what.

    Returns:
        What to print.

    Raises:
        UserError: too few values; a split without one test fold; an adaptation that this network does not take.
    """
    work = Trainings.of(config, folder)
    refuse_adaptation(config, asked.ways)
    values, rounds = held_out_by_value(work.dataset, work.plan().rounds[0], asked.column, asked.least)
    cells = [cell for seed in asked.seeds for cell in cells_of_seed(work, rounds, asked, seed)]
    table = pd.DataFrame([cell.plain() for cell in cells])
    with whole(folder / "matrix.csv") as part:
        marked(table).to_csv(part, index=False)
    told = sentences(table, asked)
    content = {"column": asked.column, "values": values, "sentences": told, "cells": [c.plain() for c in cells]}
    write_text(folder / "matrix.json", json_text(content))
    with whole(folder / "matrix.png") as part:
        heat_figure(table, asked.column).savefig(part, dpi=130)
    write_text(folder / "matrix.html", matrix_page(table, asked.column, told, str(config["name"])))
    return {"result": " ".join(told), "report": str(folder / "matrix.html")}


def cells_of_seed(work: Trainings, rounds: dict[str, pd.DataFrame], asked: MatrixWanted, seed: int) -> list[Cell]:
    """All cells of one seed: every network first, since each is compared with that of the tested value."""
    judge, index = work.judge, columns_of(work.dataset)
    value = pd.Series(index[asked.column].astype(str).to_numpy(), index=index["id"].astype(str))
    tables = {name: work.run(f"on-{safe(name)}", folds, seed) for name, folds in rounds.items()}
    values = [name for name in rounds if name != "all"]
    parts = {
        (name, tested): table[(value.reindex(table["id"]) == tested).to_numpy()].reset_index(drop=True)
        for name, table in tables.items()
        for tested in values
    }
    out = []
    for (name, tested), part in parts.items():
        own = None if name == tested else judge.ranking_difference(part, parts[tested, tested])
        out.append(Cell(name, tested, seed, "none", judge.ranking(part), own))
        for way in asked.ways[1:]:
            if name in (tested, "all"):
                continue
            model = load_model(work.checkpoint(f"on-{safe(name)}", seed), work.config.get("trust", []))
            found = adapted_scores(model, work.dataset, part, (rounds[name], rounds[tested]), way, seed)
            own = judge.ranking_difference(found, parts[tested, tested])
            won = judge.ranking_difference(found, part)
            out.append(Cell(name, tested, seed, way, judge.ranking(found), own, won))
    return out


def safe(name: str) -> str:
    """A value as part of a folder's name: letters and digits stay, others by their number."""
    return "".join(letter if letter.isalnum() or letter in "_." else f"-{ord(letter):x}" for letter in name)


def sentences(table: pd.DataFrame, asked: MatrixWanted) -> list[str]:
    """What a network of one value loses on another, and what each adaptation wins back of it."""
    plain = table[table["adapt"] == "none"]
    apart = plain[(plain["trained"] != plain["tested"]) & (plain["trained"] != "all")]
    same = plain[plain["trained"] == plain["tested"]]
    if not apart["to_own"].notna().any():
        return ["No pair of values could be compared: classes are absent, or there are too few groups."]
    name = str(plain["name"].iloc[0])
    out = [
        f"Trained and tested on the same {asked.column}: {name} {same['value'].mean():.3f}; on another one "
        f"{apart['value'].mean():.3f} ({apart['to_own'].mean():+.3f} on the same samples; "
        f"{_shown(apart, 'to_own')})."
    ]
    for way in asked.ways[1:]:
        won = table[(table["adapt"] == way) & table["won_back"].notna()]
        if len(won):
            out.append(f"adapt={way} changes that by {won['won_back'].mean():+.3f} ({_shown(won, 'won_back')}).")
    return out


def _shown(cells: pd.DataFrame, name: str) -> str:
    """In how many cells the paired interval tells a difference at all, and between what the cells lie."""
    known = cells[cells[name].notna()]
    below, above = int((known[f"{name}_high"] < 0).sum()), int((known[f"{name}_low"] > 0).sum())
    values = f"from {known[name].min():+.3f} to {known[name].max():+.3f}"
    return f"{len(known)} cells {values}: {below} with a paired interval below 0, {above} above 0"
