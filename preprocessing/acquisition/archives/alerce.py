"""Alerts of ZTF as the broker ALeRCE keeps them: an object's detections, and the three stamps of each."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlencode

from astrid_ml.preprocessing.acquisition.archives.archive import REPORT
from astrid_ml.preprocessing.acquisition.archives.rows import finite, readable_rows
from astrid_ml.preprocessing.acquisition.client.client import ArchiveClient
from astrid_ml.preprocessing.acquisition.client.download import fetch
from astrid_ml.preprocessing.acquisition.client.errors import AbsentError, ArchiveError
from astrid_ml.preprocessing.acquisition.targets.catalogue import Target
from astrid_ml.preprocessing.alerts.packet import sign_of
from astrid_ml.types import Count, Positive

OBJECT = re.compile(r"ZTF\d{2}[a-z]{7}")
CANDID = re.compile(r"\d{9,20}")
KINDS = ("science", "template", "difference")
MJD_ZERO = 2_400_000.5
JDS = (2_458_000.0, 2_480_000.0)  # since the first light of ZTF, in 2017
NUMBERS = ("magpsf", "sigmapsf", "diffmaglim", "rb", "drb")


class Broker(Protocol):
    """A broker of alerts."""

    def packets(self, target: Target, folder: Path) -> tuple[list[dict[str, Any]], Counter[str]]:
        """Packets of what lies at a target, as the survey sends them; and what became of its detections.

        Raises:
            ArchiveError: the broker does not answer, or a stamp never comes whole.
        """


@dataclass(frozen=True)
class AlerceBroker:
    """ALeRCE's interface to ZTF, version 1, and its server of stamps.

    A target whose name is one of ZTF's (``ZTF20aaelulu``) is asked for by it, others by their places.

    Args:
        client: how it is asked.
        server: of detections.
        stamps: server of stamps.
        radius: arcsec around a target within which an object is it.
        each: at most so many detections of an object, the brightest.

    Example:
        >>> AlerceBroker(ArchiveClient(hosts={"api.alerce.online": 2.0, "avro.alerce.online": 2.0})).radius
        1.5
    """

    client: ArchiveClient
    server: str = "https://api.alerce.online/ztf/v1"
    stamps: str = "https://avro.alerce.online"
    radius: Positive = 1.5
    each: Count = 20

    def packets(self, target: Target, folder: Path) -> tuple[list[dict[str, Any]], Counter[str]]:
        """Packets of ZTF's form, by object and time.

        Args:
            target: a name or a place.
            folder: in which stamps are kept, so that a run that is cut off goes on.

        Raises:
            ArchiveError: no answer, one that is none, or a stamp that never comes whole.
        """
        made: list[dict[str, Any]] = []
        counts: Counter[str] = Counter()
        for name in self._objects(target):
            counts["objects"] += 1
            for packet in self._detections(name, counts):
                try:
                    made.append(packet | self._cutouts(name, str(packet["candid"]), folder))
                    counts["packets"] += 1
                except AbsentError:
                    counts["detections whose stamps the broker does not have"] += 1
        return made, counts

    def _objects(self, target: Target) -> list[str]:
        if OBJECT.fullmatch(target.name):
            return [target.name]
        try:
            said = self._asked("objects", {"ra": target.ra, "dec": target.dec, "radius": self.radius})
        except AbsentError:
            return []
        items = said.get("items") if isinstance(said, Mapping) else None
        if not isinstance(items, list):
            raise ArchiveError("items of objects", repr(said)[:60], "look at its answer")
        names = readable_rows("alerce", items, lambda row: str(row["oid"]))
        return sorted({name for name in names if OBJECT.fullmatch(name)})

    def _detections(self, name: str, counts: Counter[str]) -> list[dict[str, Any]]:
        try:
            rows = self._asked(f"objects/{name}/detections", {})
        except AbsentError:
            counts["objects that the broker does not have"] += 1
            return []
        if not isinstance(rows, list):
            raise ArchiveError("a list of detections", repr(rows)[:60], "look at its answer")
        packets = readable_rows("alerce", rows, lambda row: _packet(name, row))
        counts["detections that cannot be read"] += len(rows) - len(packets)
        stamped = [one for one in packets if one.pop("has_stamp")]
        counts["detections without stamps"] += len(packets) - len(stamped)
        once = list({one["candid"]: one for one in stamped}.values())
        counts["detections that stand there twice"] += len(stamped) - len(once)
        stamped = once
        brightest = sorted(stamped, key=lambda one: (_magnitude(one), one["candid"]))[: self.each]
        counts["detections beyond the brightest"] += len(stamped) - len(brightest)
        return sorted(brightest, key=lambda one: (one["candidate"]["jd"], one["candid"]))

    def _cutouts(self, name: str, candid: str, folder: Path) -> dict[str, dict[str, Any]]:
        out = {}
        for kind in KINDS:
            path = folder / f"{name}_{candid}_{kind}.fits.gz"
            query = urlencode({"oid": name, "candid": candid, "type": kind, "format": "fits"})
            fetch(self.client, f"{self.stamps}/get_stamp?{query}", path)
            out[f"cutout{kind.title()}"] = {"fileName": path.name, "stampData": path.read_bytes()}
        return out

    def _asked(self, what: str, query: Mapping[str, str | float | int]) -> Any:
        response = self.client.get(f"{self.server}/{what}", query)
        try:
            return response.json()
        except ValueError as error:
            raise ArchiveError("JSON of ALeRCE", repr(response.text[:60]), "try again later") from error


def _packet(name: str, row: Mapping[str, Any]) -> dict[str, Any]:
    """A detection as ZTF's packet has it, without its stamps; ALeRCE's time is that of the packet, as MJD."""
    candid, sign = str(row["candid"]), sign_of(row.get("isdiffpos"))
    if not CANDID.fullmatch(candid) or isinstance(sign, str):
        raise ArchiveError("the number and the sign of a detection", f"{candid[:30]}, {row.get('isdiffpos')!r}", REPORT)
    candidate = {
        "jd": float(row["mjd"]) + MJD_ZERO,
        "fid": int(row["fid"]),
        "ra": float(row["ra"]),
        "dec": float(row["dec"]),
        "isdiffpos": None if sign is None else "t" if sign > 0 else "f",
        **{key: finite(row.get(key)) for key in NUMBERS},
    }
    jd, ra, dec = (finite(candidate[key]) for key in ("jd", "ra", "dec"))
    if jd is None or ra is None or dec is None or not (JDS[0] < jd < JDS[1] and 0 <= ra <= 360 and abs(dec) <= 90):
        raise ArchiveError("a time and a place", repr(candidate)[:60], REPORT)
    stamped = row.get("has_stamp") is not False
    return {"objectId": name, "candid": int(candid), "candidate": candidate, "has_stamp": stamped}


def _magnitude(packet: Mapping[str, Any]) -> float:
    mag = packet["candidate"]["magpsf"]
    return float("inf") if mag is None else float(mag)
