"""``astrid audit dataset=D [split=...]``."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from astrid_ml.audit.audit import Audit
from astrid_ml.contracts.columns import columns_of
from astrid_ml.dataset.prepared import PreparedDataset, said_of_partial
from astrid_ml.errors import UserError
from astrid_ml.files import write_json
from astrid_ml.progress import waiting
from astrid_ml.splits.plan import Split, index_for, planned


@dataclass(frozen=True)
class AuditCommand:
    """Audit a split of a prepared dataset.

    Args:
        dataset: the prepared dataset.
        split: how it would be split.
        audit: the checks; a leak is reported, and the command fails by it unless the mode is ``warn``.
        output_dir: gets ``audit.json``; null prints only.
    """

    dataset: str
    split: Split
    audit: Audit
    output_dir: str | None = None

    def __post_init__(self) -> None:
        if self.audit.mode == "off":
            raise UserError("audit=fail or warn: the checks are what astrid audit does", "off", "write audit=warn")

    def run(self) -> dict[str, Any]:
        """Check and print; ``failed`` is the number of findings, which the mode ``warn`` forgives."""
        source = PreparedDataset(self.dataset)
        plan = planned(self.split, index_for(self.split, source))
        with waiting("audit"):
            result = replace(self.audit, mode="warn").run(source, plan)
        content = result.to_plain()
        found = {finding.kind: finding.message for finding in result.findings}
        summary = {"split": f"{plan.name} {plan.hash}", "checked": ", ".join(result.checked), **found}
        if partial := said_of_partial(source.meta):
            summary["note"] = content["note"] = partial
        if result.unchecked:
            n = len(columns_of(source))
            summary["not checked"] = ", ".join(f"{name}: {k} of {n} samples" for name, k in result.unchecked.items())
        if self.output_dir is not None:
            folder = Path(self.output_dir)
            folder.mkdir(parents=True, exist_ok=True)
            write_json(folder / "audit.json", content)
        return summary | {
            "confounding": result.confounding,
            "failed": len(result.findings) if self.audit.mode == "fail" else 0,
        }
