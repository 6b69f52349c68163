"""What a packet says under the keys of its survey's description."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from astrid_ml.preprocessing.surveys.survey import PacketKeys


@cache
def _parts(name: str) -> tuple[str, ...]:
    return tuple(name.split("."))


def values_of(packet: Mapping[str, Any], keys: PacketKeys, role: str) -> Iterator[tuple[str, Any]]:
    """(field, value) of the fields of a role that hold something."""
    for name in keys.keys.get(role, ()):
        value = _at(packet, name)
        if value is not None and value != "":
            yield name, value


def _at(packet: Mapping[str, Any], name: str) -> Any:
    value: Any = packet
    for part in _parts(name):
        # a plain dictionary is known at once, which counts: a packet is asked some thirty times
        value = value.get(part) if type(value) is dict or isinstance(value, Mapping) else None
    return value


def first_of(packet: Mapping[str, Any], keys: PacketKeys, role: str) -> Any:
    """What the first field of a role that holds something says; None where none does."""
    for name in keys.keys.get(role, ()):
        value = _at(packet, name)
        if value is not None and value != "":
            return value
    return None
