"""``astrid simulate what=... simulate.n=N output_dir=O``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from astrid_ml.build import build, plain
from astrid_ml.cli.verbs.domain import print_summary
from astrid_ml.config import in_use, option_names
from astrid_ml.errors import UserError


def command(cfg: Any) -> int:
    """Make raw files of one kind and their truth."""
    tree = plain(cfg)
    if not tree["simulate"]:
        kinds = [name for name in option_names(in_use() / "simulate") if name != "none"]
        raise UserError(f"what=KIND, one of {', '.join(kinds)}", "nothing to simulate", f"add what={kinds[0]}")
    from astrid_ml.run.raw import mark_simulated, refuse_without_room

    output, simulator = Path(tree["output_dir"]), build(tree["simulate"], tree["trust"])
    refuse_without_room(simulator, output)
    output.mkdir(parents=True, exist_ok=True)
    seed = int(tree["data"]["seed"])
    summary = simulator.run(output, seed)
    mark_simulated(output, seed, summary)
    print_summary({"output_dir": str(output), **summary})
    return 0
