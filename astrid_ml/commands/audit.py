"""``astrid audit dataset=D [split=...]``, or ``input=FOLDER`` of anybody's stamps."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from astrid_ml.audit.audit import Audit
from astrid_ml.commands.audited_folder import ReadsStamps, audit_folder
from astrid_ml.contracts.columns import columns_of
from astrid_ml.dataset.prepared import PreparedDataset, said_of_partial
from astrid_ml.errors import UserError
from astrid_ml.files import write_json
from astrid_ml.progress import waiting
from astrid_ml.splits.plan import Split, index_for, planned


@dataclass(frozen=True)
class AuditCommand:
    """Audit a split of a prepared dataset, or the stamps of a folder.

    Args:
        dataset: the prepared dataset; None with ``input``.
        split: how it would be split.
        audit: the checks; a leak is reported, and the command fails by it unless the mode is ``warn``.
        output_dir: gets ``audit.json``, of stamps also their copies; null prints only.
        input: folder or files of stamps, in place of a dataset.
        reader: of that folder.
    """

    dataset: str | None
    split: Split
    audit: Audit
    output_dir: str | None = None
    input: str | list[str] | None = None
    reader: ReadsStamps | None = None

    def __post_init__(self) -> None:
        if self.audit.mode == "off":
            raise UserError("audit=fail or warn: the checks are what astrid audit does", "off", "write audit=warn")

    def run(self) -> dict[str, Any]:
        """Check and print; ``failed`` is the number of findings, which the mode ``warn`` forgives.

        Raises:
            UserError: neither or both of a dataset and an input, or nothing of the kind stands there.
        """
        if (self.dataset is None) == (self.input is None):
            got = "neither" if self.dataset is None else "both"
            raise UserError("dataset=PREPARED, or input=FOLDER of stamps", got, "give one of them")
        if self.dataset is not None:
            return self._of_dataset(self.dataset)
        if self.reader is None:
            raise UserError("a reader of the stamps", "none", "leave command.reader to the option")
        places = [Path(place) for place in ([self.input] if isinstance(self.input, str) else self.input or [])]
        prepared = [str(place) for place in places if (place / "dataset.json").is_file()]
        if prepared:
            fix = f"write dataset={prepared[0]}"
            raise UserError("input=FOLDER of stamps", f"a prepared dataset at {prepared[0]}", fix)
        return audit_folder(self.reader, places, self.audit, Path(self.output_dir) if self.output_dir else None)

    def _of_dataset(self, dataset: str) -> dict[str, Any]:
        source = PreparedDataset(dataset)
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
