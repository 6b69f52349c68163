"""``astrid compare runs=[RUN,RUN,...]``: a page, a table with paired intervals of every pair, and a figure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from astrid_ml.described.columns import TableMeaning
from astrid_ml.described.formats import formats_of, write_described
from astrid_ml.files import whole, write_text
from astrid_ml.run.comparison.side_by_side import side_by_side
from astrid_ml.run.comparison.side_page import side_figure, side_page
from astrid_ml.types import Count


@dataclass(frozen=True)
class CompareCommand:
    """Compare runs of one task on the samples that all of them tested.

    Args:
        runs: run folders; the first is what the others are compared with.
        output_dir: gets ``compare.html``, ``compare.parquet``, ``pairs.parquet``, ``compare.json``, ``compare.png``.
        replicates: of the paired bootstrap by group.
        format: of the tables beside parquet: ecsv, votable, fits.
        trust: classes of yours that the runs' configurations name.
    """

    runs: tuple[str, ...] | list[str]
    output_dir: str = "compare"
    replicates: Count = 1000
    format: str | list[str] | None = None
    trust: Sequence[str] = ()

    def run(self) -> dict[str, Any]:
        """Write the page, the tables and the figure.

        Raises:
            UserError: fewer than two runs, runs of several tasks, one without test predictions, or no sample in common.
        """
        formats = formats_of(self.format)
        found = side_by_side(list(self.runs), self.replicates, self.trust)
        folder = Path(self.output_dir)
        folder.mkdir(parents=True, exist_ok=True)
        rows = found.rows()
        write_described(rows, folder / "compare.parquet", TableMeaning("comparison"), formats)
        write_described(found.pairs, folder / "pairs.parquet", TableMeaning("comparison"), formats)
        with whole(folder / "compare.json") as part:
            rows.to_json(part, orient="records", indent=2)
        with whole(folder / "compare.png") as part:
            side_figure(found).savefig(part, dpi=130)
        page = folder / "compare.html"
        write_text(page, side_page(found, folder))
        lines = {row["run"]: _words(row) for row in rows.to_dict("records")}
        return {"samples": found.samples, **lines, "table": str(folder / "compare.parquet"), "report": str(page)}


def _words(row: dict[Any, Any]) -> str:
    worth = f"{row['metric']} {row['value']:.4f}"
    if pd.isna(row["difference"]):
        return worth
    return f"{worth}, {row['difference']:+.4f} (95 % {row['low']:+.4f} to {row['high']:+.4f})"
