"""Entries of raw folders that are no files, or have names that nothing can hold: a unit that drops each by name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from astrid_ml.contracts.pipeline import Unit, UnitWriter
from astrid_ml.walk import left_out

ID, KEY = "left out", "left_out"


def left_out_units(raw: Sequence[Path]) -> list[Unit]:
    """One unit with what walking through the raw folders left out; none where that is nothing.

    Args:
        raw: files and folders, walked before.
    """
    found = left_out(raw)
    return [Unit(ID, (), {KEY: found})] if found else []


def drop_left_out(unit: Unit, writer: UnitWriter) -> bool:
    """Drop the entries of such a unit; whether it is one.

    Args:
        unit: of a plan.
        writer: of the unit.
    """
    if KEY not in unit.parameters:
        return False
    for place, reason in unit.parameters[KEY].items():
        writer.drop(place.rpartition("/")[2], reason, place)
    return True
