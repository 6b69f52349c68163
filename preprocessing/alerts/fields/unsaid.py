"""What a description promises and a packet does not have: counted, or refused where the description is a user's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from astrid_ml.nearest import nearest
from astrid_ml.preprocessing.alerts.fields.keys import first_of
from astrid_ml.preprocessing.surveys.registry import has_field, packaged
from astrid_ml.preprocessing.surveys.survey import Survey

COLUMNS = {"time": "mjd", "ra": "ra", "dec": "dec"}  # roles -> columns that are null without them
NEEDED = ("time", "ra", "dec")


def unsaid(packet: Mapping[str, Any], record: Mapping[str, Any], survey: Survey) -> dict[str, int]:
    """Counts: roles whose fields hold nothing, a filter that the description lacks, a sign that only a flux tells.

    Args:
        packet: in its survey's own form.
        record: that was read of it.
        survey: whose description says where its packets have what.
    """
    keys = survey.packet
    assert keys is not None
    lost = [role for role, column in COLUMNS.items() if record[column] is None and first_of(packet, keys, role) is None]
    if first_of(packet, keys, "object") is None:
        lost.append("object")
    out = {f"packets_without_{role}_at_{'_or_'.join(keys.keys[role])}": 1 for role in lost if role in keys.keys}
    if survey.bands and record["filter"] is not None and record["filter"] not in survey.bands:
        out[f"filters_that_{survey.mission}_is_not_described_with"] = 1
    if record["sign"] is not None and all(first_of(packet, keys, role) is None for role in ("negative", "positive")):
        out["signs_that_only_flux_or_snr_tells"] = 1
    return out


def absent_key(packet: Mapping[str, Any], survey: Survey) -> str:
    """Why a user's own description does not fit: a record that holds other fields lacks that of a time or a position.

    Packets of packaged surveys come in many forms, some without it: they are counted.

    Returns:
        empty where it fits.
    """
    keys = survey.packet
    assert keys is not None
    if survey == packaged().get(survey.mission):
        return ""
    for role in NEEDED:
        names = keys.keys[role]
        if any(has_field(packet, name) for name in names):
            continue
        place, _, last = names[0].rpartition(".")
        held = list(map(str, _record(packet, place)))
        if held:
            near = nearest(last, held)
            shown = near or f"{place or 'the packet'} has {', '.join(held[:8])}"
            return f"no {' and no '.join(names)}, where the description of {survey.name} has {role}: {shown}"
    return ""


def _record(packet: Mapping[str, Any], place: str) -> Mapping[str, Any]:
    """The record at a dotted place; empty where there is none."""
    found: Any = packet
    for part in place.split(".") if place else ():
        found = found.get(part) if isinstance(found, Mapping) else None
    return found if isinstance(found, Mapping) else {}
