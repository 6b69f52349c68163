"""At the end of a multirun: the table of its jobs, ``sweep.parquet`` and ``sweep.html``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback


class SweepCallback(Callback):
    """Hydra calls it in the parent process, whatever launcher ran the jobs."""

    def on_multirun_end(self, config: Any, **kwargs: Any) -> None:
        """Write the table; count the failed jobs for the exit code."""
        import pandas as pd

        from astrid_ml.cli.compose import report_failures
        from astrid_ml.report.sweep import write_sweep

        folder = Path(str(config.hydra.sweep.dir))
        if not any(folder.glob("*/run.json")):
            return
        table, page = write_sweep(folder)
        jobs = pd.read_parquet(table)
        failed = int((jobs["status"] != "done").sum())
        print(f"sweep: {len(jobs)} jobs, {failed} failed -> {table}, {page}")
        report_failures(failed)
