"""``astrid acquire``: from a catalogue of supernovae to labelled triplets, through the archives' own protocols."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd

from astrid_ml.csv_text import marked
from astrid_ml.executors.contract import Executor
from astrid_ml.executors.local import Serial
from astrid_ml.files import whole, write_json, write_text
from astrid_ml.preprocessing.acquisition.data_set import Acquisition
from astrid_ml.preprocessing.acquisition.report.account import AcquisitionAccount, account_of
from astrid_ml.preprocessing.acquisition.report.page import acquisition_page
from astrid_ml.preprocessing.acquisition.stages.alerts import alerts_account, bring_alerts
from astrid_ml.preprocessing.acquisition.stages.campaign import RECORDS, Campaign
from astrid_ml.preprocessing.acquisition.stages.making import forget_pixels
from astrid_ml.preprocessing.acquisition.stages.run import Order, Stage, left_to_do, refuse_early, run_stages, stages_of
from astrid_ml.preprocessing.differencing.pipeline import DifferencingPipeline
from astrid_ml.table_files import write_table

SHOWN = 5  # reasons that are printed


@dataclass(frozen=True)
class AcquireCommand:
    """Ask archives, choose pairs, download, lay out, subtract, label, report.

    Args:
        acquisition: the data set.
        output_dir: gets everything.
        name: of the data set, on its page.
        stage: all, or one of query, filter, download, organize, difference, triplets, report.
        order: per_stage, or per_object: one object's images at a time, so that memory does not grow with their number.
        dry_run: ask archives and choose pairs alone.
        skip_completed: False subtracts and labels again what is done; files are not downloaded again.
        retry_absent: ask again for files that an archive did not have (404, 410) or did not give (401, 403).
        pipeline: how pairs are subtracted.
        executor: where.
    """

    acquisition: Acquisition
    output_dir: str
    name: str = "data set"
    stage: Stage = "all"
    order: Order = "per_stage"
    dry_run: bool = False
    skip_completed: bool = True
    retry_absent: bool = False
    pipeline: DifferencingPipeline = field(default_factory=DifferencingPipeline)
    executor: Executor | None = None

    def run(self) -> dict[str, Any]:
        """Do what is not done; ``failed`` counts archives, files and pairs that should be tried again."""
        folder = Path(self.output_dir)
        stages = stages_of(self.stage, self.dry_run)
        refuse_early(folder, stages)
        folder.mkdir(parents=True, exist_ok=True)
        with self.acquisition.opened(folder) as asked:
            targets = self.acquisition.targets(folder)
            mixed = self.pipeline.allow_mixed or self.acquisition.pairs.allow_mixed
            pipeline = replace(self.pipeline, allow_mixed=mixed)
            campaign = Campaign(asked, folder, targets, pipeline, self._executor(), self.retry_absent)
            if not self.skip_completed:
                forget_pixels(campaign, targets.targets(), stages)
            run_stages(campaign, stages, self.order, self.skip_completed)
            if asked.brokers and "download" in stages:
                bring_alerts(campaign, targets.targets())
            account = account_of(campaign, targets.targets())
            left = {} if self.dry_run else left_to_do(campaign)
            if asked.brokers:
                account.add_alerts(alerts_account(campaign, targets.targets()))
        if "report" in stages:
            self._report(account, folder)
        return self._summary(account, stages, left)

    def _executor(self) -> Executor | None:
        """Images of an archive that is simulated here need no process that guards this one."""
        own = self.acquisition.play is not None and isinstance(self.executor, Serial)
        return replace(self.executor, limits=None) if own and isinstance(self.executor, Serial) else self.executor

    def _report(self, account: AcquisitionAccount, folder: Path) -> None:
        write_json(folder / "pipeline_report.json", account.report)
        write_json(folder / "processing_summary.json", account.summary)
        if account.control:
            table = pd.DataFrame(account.control)
            plain = table.apply(lambda column: column.map(_in_a_cell))
            write_table(plain, folder / "quality_control.parquet")
            with whole(folder / "quality_control.csv") as part:
                marked(plain).to_csv(part, index=False)
        write_text(folder / "report.html", acquisition_page(account, self.name))

    def _summary(self, account: AcquisitionAccount, stages: list[str], left: dict[str, int]) -> dict[str, Any]:
        report = account.report
        wanted = report["query"]["images_wanted"]
        said: dict[str, Any] = {
            "targets": report["catalogue"]["targets"],
            **_told_apart(report["catalogue"]["targets_renamed"]),
            "files_absent": report["query"]["files_absent"] + report["download"]["files_absent"],
            "targets_with_images": report["query"]["targets_with_images"],
            "targets_with_pairs": report["query"]["targets_with_pairs"],
            "pairs_chosen": sum(report["query"]["pairs_by_mission"].values()),
            "images_to_download": wanted["images"],
            "bytes_to_download": "unknown" if wanted["bytes"] is None else wanted["bytes"],
        }
        if not self.dry_run:
            said |= {
                "pairs_complete": report["organize"]["pairs_complete"],
                "pairs_subtracted": report["difference"]["pairs_subtracted"],
                "pairs_controlled": report["control"]["passed"],
                "triplets_real": report["triplets"]["real"],
                "triplets_bogus": report["triplets"]["bogus"],
            }
            counts = report["triplets"]["counts"]
            by_hand = len(self.acquisition.labels.spoilt.by_hand())
            unused = by_hand - counts.get("kept by hand", 0) - counts.get("rejected by hand", 0)
            if unused > 0 and "triplets" in stages:
                said["hand_list"] = f"{unused} of {by_hand} ids are of no candidate"
        if "alerts" in report:
            said["alerts"] = report["alerts"]["counts"].get("packets", 0)
        said |= {"stages": ", ".join(stages)}
        if left:
            said["left_to_do"] = ", ".join(f"{stage} of {count} targets" for stage, count in left.items())
        said["failed"] = account.failed
        if account.failed:
            said["failed_because"] = _in_words(account.why_failed, self.output_dir)
        return said | {"output_dir": self.output_dir}


def _told_apart(renamed: Mapping[str, str]) -> dict[str, str]:
    """Targets that were renamed since their files would be those of an earlier one; nothing where there is none."""
    if not renamed:
        return {}
    own, name = next(iter(renamed.items()))
    return {"targets_renamed": f"{len(renamed)}, whose files would be those of an earlier one: {name} is {own}"}


def _in_words(reasons: Counter[str], folder: str) -> list[str]:
    """The commonest reasons, and where all stand."""
    told = [f"{count} x {reason}" for reason, count in reasons.most_common(SHOWN)]
    more = len(reasons) - len(told)
    return [*told, f"and {more} other reasons: see {folder}/{RECORDS}"] if more else told


def _in_a_cell(value: Any) -> Any:
    """Lists as text: a table has one value a cell."""
    return ", ".join(map(str, value)) if isinstance(value, list) else value
