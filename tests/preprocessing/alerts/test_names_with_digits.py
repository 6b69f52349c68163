"""Names of packets and objects keep all their digits, or the packet is left out by that reason: never a mantissa."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from astrid_ml.preprocessing.alerts.fields.names import exact_text, lost_digits
from astrid_ml.preprocessing.alerts.packet import PacketError, read_packet

LONG = 2475433850015015001


def test_floats_as_far_as_they_are_exact(make_packet: Any) -> None:
    for name in (12.0, "12.0", 12, "12"):
        assert read_packet({**make_packet(12), "candid": name})[0]["id"] == "12"
    near = float(2**53 - 1)
    assert read_packet({**make_packet(1), "candid": near})[0]["id"] == str(2**53 - 1)


@pytest.mark.parametrize("lost", [float(LONG), "2.47543385001502e+18", float(2**53), -float(LONG)])
def test_names_that_lost_digits(make_packet: Any, lost: Any) -> None:
    packet = {**make_packet(LONG), "candid": lost}
    assert read_packet(packet)[0]["id"] == str(LONG)  # the candidate has it whole
    packet["candidate"] |= {"candid": lost}
    with pytest.raises(PacketError, match="candid as a float: numbers of 17 digits and more do not survive it"):
        read_packet(packet)
    with pytest.raises(PacketError, match="objectId as a float"):
        read_packet({**make_packet(1), "objectId": lost})


def test_no_name_is_none(make_packet: Any) -> None:
    packet = {**make_packet(1), "candid": float("nan"), "objectId": float("nan")}
    assert read_packet(packet)[0]["id"] == read_packet(packet)[0]["group_id"] == "1"
    packet["candidate"] |= {"candid": None}
    with pytest.raises(PacketError, match="no candid"):
        read_packet(packet)


def test_every_float_is_exact_or_lost() -> None:
    for number in np.random.default_rng(2).integers(0, 2**62, 300) >> np.arange(300) % 60:
        value = float(number)
        assert (exact_text(value) == str(number)) != lost_digits(value)
        assert exact_text(int(number)) == str(number) and not lost_digits(int(number))
