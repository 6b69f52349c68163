"""The page of a data set: its funnel, its sky, what each mission gave, what the choice of pairs saved."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from astrid_ml.preprocessing.acquisition.report.account import AcquisitionAccount
from astrid_ml.report import views
from astrid_ml.report.pages import comparison_page
from astrid_ml.report.svg import Line, plot
from astrid_ml.report.views import SectionView, View

STATES = {"real triplets": ("a", False), "subtracted": ("b", False), "complete pairs": ("c", False)}
SHOWN = 200  # targets in the table
STATES |= {"images": ("d", True), "nothing": ("ref", True)}


def acquisition_page(account: AcquisitionAccount, name: str) -> str:
    """The page.

    Args:
        account: of the run.
        name: of the data set.
    """
    report = account.report
    words = [
        f"{report['catalogue']['rows']:,} rows of the catalogue gave {report['organize']['pairs_complete']:,} complete "
        f"pairs of {report['organize']['targets_with_a_pair']:,} targets, and {report['triplets']['real']:,} real and "
        f"{report['triplets']['bogus']:,} bogus triplets.",
    ]
    parts: dict[str, list[View]] = {
        "From the catalogue to triplets": [_funnel(report), *_reasons(report)],
        "Sky": [_sky(account), _targets(account)],
        "Missions": [_missions(report)],
        "Choosing pairs before the download": [_filtering(report["filtering"])],
        "Quality control": _control(account),
        "Labels": [views.facts(report["triplets"]["counts"], "What became of epochs, candidates and triplets.")],
    }
    if "alerts" in report:
        parts["Alerts of brokers"] = [views.facts(report["alerts"]["counts"], "What became of objects and detections.")]
    sections = [SectionView(title, "pieces", {"pieces": pieces}) for title, pieces in parts.items() if pieces]
    return comparison_page("acquire", f"Data set {name}", name, words, sections)


def _funnel(report: Mapping[str, Any]) -> View:
    catalogue, query = report["catalogue"], report["query"]
    steps = {
        "rows of the catalogue": catalogue["rows"],
        "rows that can be used": catalogue["rows"] - catalogue["rows_unusable"],
        "targets that were chosen": catalogue["targets"],
        "targets with images": query["targets_with_images"],
        "targets with a pair": query["targets_with_pairs"],
        "targets with a complete pair": report["organize"]["targets_with_a_pair"],
        "targets with triplets": report["triplets"]["objects"],
    }
    return views.table(
        pd.DataFrame({"step": [*steps], "left": [*steps.values()]}), "What is left after each step.", css="short"
    )


def _reasons(report: Mapping[str, Any]) -> list[View]:
    """Why the others are not there, one table for each step that lost any."""
    found = {
        "Rows that cannot be used": report["catalogue"]["rows_unusable_by_reason"],
        "Rows that were not chosen": report["catalogue"]["rows_left_out"],
        "Targets without a pair": report["query"]["targets_without_by_reason"],
        "Pairs, kept and dropped": report["query"]["pairs_by_reason"],
        "Files that did not come": report["download"]["files_failed_by_reason"],
        "Pairs that are incomplete": report["organize"]["pairs_incomplete_by_reason"],
    }
    renamed = report["catalogue"]["targets_renamed"]
    names = pd.DataFrame({"name here": [*renamed], "name in the catalogue": [*renamed.values()]})[:SHOWN]
    told = f"Targets whose files would be those of an earlier one ({len(names):,} of {len(renamed):,})."
    shown: list[View] = [views.table(names, told, css="short")] if renamed else []
    return shown + [
        views.table(pd.DataFrame({"reason": [*counts], "number": [*counts.values()]}), f"{title}.")
        for title, counts in found.items()
        if counts
    ]


def _sky(account: AcquisitionAccount) -> View:
    lines = []
    for state, (style, hollow) in STATES.items():
        some = [one for one in account.objects if one["state"] == state]
        if some:
            title = f"{state} ({len(some):,})"
            lines.append(
                Line(
                    [one["ra"] for one in some], [one["dec"] for one in some], title, style, points=True, hollow=hollow
                )
            )
    title = "Targets on the sky, by how far they came"
    svg = plot(lines, "right ascension (degrees)", "declination (degrees)", title, (0.0, 360.0), (-90.0, 90.0))
    return views.figure(svg, f"{title}.")


def _targets(account: AcquisitionAccount) -> View:
    """How far each target came, those without triplets first: they are what somebody looks for."""
    rows = sorted(account.objects, key=lambda one: one["state"] == "real triplets")
    shown = [{"target": one["name"], "came to": one["state"]} for one in rows[:SHOWN]]
    return views.table(pd.DataFrame(shown), f"How far each target came ({len(shown):,} of {len(rows):,}).", css="short")


def _missions(report: Mapping[str, Any]) -> View:
    columns = {
        "pairs chosen": report["query"]["pairs_by_mission"],
        "pairs complete": report["organize"]["pairs_by_mission"],
        "triplets": report["triplets"]["by_mission"],
    }
    names = sorted({name for counts in columns.values() for name in counts})
    table = pd.DataFrame({"mission": names} | {title: [c.get(n, 0) for n in names] for title, c in columns.items()})
    return views.table(table, "What each mission gave.", css="short")


def _filtering(said: Mapping[str, Any]) -> View:
    rows = []
    for title, key in (
        ("all images of all missions and filters, then choose", "download_then_filter"),
        ("all images that were asked for", "all_of_the_search"),
        ("choose, then download", "filter_in_the_query"),
    ):
        one = said[key]
        share = one.get("share_with_a_complete_pair")
        rows.append(
            {
                "way": title,
                "images": "not counted" if one["images"] is None else one["images"],
                "MB": None if one["bytes"] is None else round(one["bytes"] / 1e6, 1),
                "targets downloaded": one.get("targets_downloaded"),
                "of them with a complete pair": "" if share is None else f"{share:.0%}",
            }
        )
    saved = said["share_of_bytes_saved"]
    if said["download_then_filter"]["images"] is None:
        words = (
            "The archives were asked for some missions or filters alone; acquisition.count_all=true counts the rest."
        )
    else:
        words = (
            "Archives do not say all sizes." if saved is None else f"{saved:.0%} of the bytes need not be downloaded."
        )
    return views.table(pd.DataFrame(rows), words)


def _control(account: AcquisitionAccount) -> list[View]:
    if not account.control:
        return []
    said = account.report["control"]
    shown: list[View] = [
        views.facts({"passed": said["passed"], "failed": said["failed"], **said["by_reason"]}, "Verdicts, and reasons.")
    ]
    wrong = [record for record in account.control if record["verdict"] == "fail"]
    if wrong:
        table = pd.DataFrame({"pair": [r["pair"] for r in wrong], "reasons": ["; ".join(r["reasons"]) for r in wrong]})
        shown.append(views.table(table.head(50), f"Pairs that failed ({min(50, len(wrong))} of {len(wrong)})."))
    return shown
