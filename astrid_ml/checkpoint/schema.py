"""What the entry ``astrid`` of a checkpoint must look like, and how that of an earlier schema becomes today's."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from astrid_ml.contracts.scoring import JOINED
from astrid_ml.errors import UserError
from astrid_ml.validity.checked import checked_domain

SCHEMA = 2  # of tables and records of runs
OF_MEMBERS = 3  # the first schema of checkpoints that may hold several members as one
CHECKPOINT = 4  # what is written: with baselines, and a domain of validity that has parts
NOTHING: tuple[type, ...] = (type(None),)
# Field -> what it may be. A record has all of them and no others.
FIELDS: dict[str, tuple[type, ...]] = {
    "domain": (str,),
    "config": (dict,),
    "channels": (dict,),
    "statistics": (dict,),
    "calibration": (dict,),
    "calibrated": (bool,),
    "dataset_fingerprint": (str, *NOTHING),
    "digest": (dict, *NOTHING),
    "classes": (list, *NOTHING),
    "versions": (dict,),
    "note": (str,),
    "known_as": (list,),
    "validity": (dict, *NOTHING),
    "prevalence": (dict, *NOTHING),
    "sets": (dict, *NOTHING),
    "stages": (list,),
    "digests": (dict, *NOTHING),
    "members": (list, *NOTHING),
    "baselines": (dict, *NOTHING),
}
INTERPOLATION = "${"
DEEPEST, LARGEST = 40, 200_000  # containers in containers; values in all


def checked(entry: Any, name: str) -> dict[str, Any]:
    """The entry in today's schema.

    Args:
        entry: as read from the file.
        name: of the file, for messages.

    Raises:
        UserError: it is from a newer schema, lacks a field, has one too many or of another kind, or its configuration
            holds a reference that something would resolve.
    """
    if not isinstance(entry, dict) or type(entry.get("schema")) is not int:
        raise _damaged(name, "no schema")
    if too_deep(entry):
        raise _damaged(name, f"containers nested more than {DEEPEST} deep, or more than {LARGEST} values")
    if entry["schema"] > CHECKPOINT or entry["schema"] < 1:
        raise UserError(
            f"a checkpoint of schema 1 to {CHECKPOINT}", f"schema {entry['schema']} in {name}", "update astrid_ml"
        )
    if (entry["schema"] < OF_MEMBERS and "members" in entry) or (
        entry["schema"] == OF_MEMBERS and entry.get("members") is None
    ):
        raise _damaged(name, f"schema {entry['schema']} with members where there are none, or without them")
    today = migrated(entry)
    fields = {key: value for key, value in today.items() if key != "schema"}
    for wrong in sorted(fields.keys() ^ FIELDS.keys()):
        raise _damaged(name, f"{'a field too many' if wrong in fields else 'no field'}: {wrong}")
    for key, kinds in FIELDS.items():
        if type(fields[key]) not in kinds:
            raise _damaged(name, f"{key} is {type(fields[key]).__name__}, not {' or '.join(k.__name__ for k in kinds)}")
    if entry["schema"] >= SCHEMA and fields["digests"] is None:
        raise _damaged(name, "no digests")
    for where, text in texts(fields["config"], "config"):
        if INTERPOLATION in text:
            raise _damaged(name, f"{where} holds a reference, {text[:60]!r}; a record is resolved when it is written")
    _check_inside(fields, name)
    return fields


def too_deep(value: Any) -> bool:
    """Whether containers are nested deeper, or hold more, than any record's; one that is named twice counts twice.

    Each container is looked at once, also where many name it, or where one holds itself.
    """
    sizes: dict[int, int] = {}

    def size(node: Any, depth: int) -> int:
        if not isinstance(node, Mapping | list | tuple):
            return 1
        if depth > DEEPEST:
            return LARGEST + 1
        if id(node) not in sizes:
            sizes[id(node)] = LARGEST + 1  # while it is being looked at: a container that holds itself
            parts = node.values() if isinstance(node, Mapping) else node
            total = 1
            for part in parts:
                total += size(part, depth + 1)
                if total > LARGEST:
                    break
            sizes[id(node)] = min(total, LARGEST + 1)
        return sizes[id(node)]

    return size(value, 0) > LARGEST


def migrated(entry: dict[str, Any]) -> dict[str, Any]:
    """An entry of an earlier schema as one of today's: what it did not say is None."""
    if entry["schema"] == CHECKPOINT:
        return entry
    if entry["schema"] in (SCHEMA, OF_MEMBERS):
        return {"members": None, **entry, "baselines": None, "schema": CHECKPOINT}
    channels = entry.get("channels", [])
    first: dict[str, Any] = {"statistics": {}, "calibration": {}, "calibrated": False, "dataset_fingerprint": None}
    first |= {"digest": None, "classes": None, "versions": {}, "note": "", "known_as": []}
    new: dict[str, Any] = {"validity": None, "prevalence": None, "sets": None, "stages": [], "digests": None}
    new |= {"members": None, "baselines": None}
    return {**first, **entry, "channels": {"names": channels, "sky": None}, **new, "schema": CHECKPOINT}


def texts(node: Any, where: str) -> Iterator[tuple[str, str]]:
    """Every text of a tree, keys included, with its place."""
    if isinstance(node, str):
        yield where, node
    elif isinstance(node, Mapping):
        for key, value in node.items():
            yield where, str(key)
            yield from texts(value, f"{where}.{key}")
    elif isinstance(node, list | tuple):
        for number, value in enumerate(node):
            yield from texts(value, f"{where}[{number}]")


def _check_inside(fields: dict[str, Any], name: str) -> None:
    """The parts of fields that later code takes for granted."""
    names = fields["channels"].get("names")
    if set(fields["channels"]) != {"names", "sky"} or not _texts_only(names):
        raise _damaged(name, "channels without names and sky")
    for key in ("known_as", "classes"):
        if fields[key] is not None and not _texts_only(fields[key]):
            raise _damaged(name, f"{key} with something else than names")
    if not all(isinstance(stage, dict) for stage in fields["stages"]):
        raise _damaged(name, "stages that are no records")
    for where, value in numbers(fields["calibration"], "calibration"):
        if not math.isfinite(value):
            raise _damaged(name, f"{where} is {value}")
    _check_calibration(fields["calibration"], name)
    if wrong := checked_domain(fields["validity"]):
        raise _damaged(name, wrong)
    check_members(fields["members"], fields["calibration"], name)
    digest = fields["digest"]
    if digest is not None:
        import torch

        wanted = {"ids": torch.int64, "groups": torch.int64, "positions": torch.float64, "tested": torch.int64}
        if "sealed" in digest:  # runs of before have none
            wanted["sealed"] = torch.int64
        if set(digest) != set(wanted) or not all(isinstance(value, torch.Tensor) for value in digest.values()):
            raise _damaged(name, "a digest of training samples that is none")
        if any(digest[key].dtype != kind for key, kind in wanted.items()):
            raise _damaged(name, "a digest of training samples of other numbers")


def check_members(members: Any, calibration: dict[str, Any], name: str) -> None:
    """Refuse members without the statistics, tested samples or calibration of their own.

    Args:
        members: the field; None where there is one network.
        calibration: of the record; of joined members it holds that of each.
        name: of the file, for messages.

    Raises:
        UserError: they are not whole.
    """
    of_each = calibration.get("members")
    if members is None:
        if of_each is not None or calibration.get("kind") == JOINED:
            raise _damaged(name, "a calibration of members that are not there")
        return
    if len(members) < 2 or not isinstance(of_each, list) or len(of_each) != len(members):
        raise _damaged(name, "not two members or more, each with its calibration")
    import torch

    for number, (member, own) in enumerate(zip(members, of_each, strict=True)):
        if not isinstance(member, dict) or set(member) - {"baselines", "validity"} != {"statistics", "tested"}:
            raise _damaged(name, f"member {number} without statistics and tested")
        if not isinstance(own, dict) or not isinstance(member.get("baselines"), dict | None):
            raise _damaged(name, f"member {number} without calibration, or with baselines that are none")
        if wrong := checked_domain(member.get("validity")):
            raise _damaged(name, f"member {number}: {wrong}")
        tested = member["tested"]
        if not isinstance(member["statistics"], dict) or not isinstance(tested, torch.Tensor):
            raise _damaged(name, f"member {number} with something else than statistics and hashes")
        if tested.dtype != torch.int64 or own.get("kind") == JOINED or "members" in own:
            raise _damaged(name, f"member {number} that is no single network")
        _check_calibration(own, name)


def _check_calibration(calibration: dict[str, Any], name: str) -> None:
    """Refuse parameters that turn the order of scores round or leave the range of a probability."""
    threshold = calibration.get("threshold", 0.5)
    if not isinstance(threshold, int | float) or not 0 <= threshold <= 1:
        raise _damaged(name, f"a threshold of {threshold!r}, not a number from 0 to 1")
    kind, parameters = calibration.get("kind", "none"), calibration.get("parameters", {})
    if not isinstance(kind, str) or not isinstance(parameters, dict):
        raise _damaged(name, "a calibration that is none")
    if kind == "temperature" and not _positive(parameters.get("temperature")):
        raise _damaged(name, f"a temperature of {parameters.get('temperature')!r}")
    if kind == "beta":
        values = [parameters.get(name) for name in "abc"]
        rises = all(type(value) in (int, float) for value in values) and all(
            float(value or 0) >= 0 for value in values[:2]
        )
        if not rises:
            raise _damaged(name, f"a beta calibration of {values}, which does not rise")
    if kind == "isotonic":
        x, y = parameters.get("x"), parameters.get("y")
        if not isinstance(x, list) or not isinstance(y, list) or not 0 < len(x) == len(y):
            raise _damaged(name, "an isotonic calibration without its knots")
        if not all(isinstance(v, int | float) and 0 <= v <= 1 for v in y) or y != sorted(y):
            raise _damaged(name, "an isotonic calibration that does not rise from 0 to 1")


def _positive(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value > 0


def numbers(node: Any, where: str) -> Iterator[tuple[str, float]]:
    """Every float of a tree, with its place."""
    if isinstance(node, float):
        yield where, node
    elif isinstance(node, Mapping):
        for key, value in node.items():
            yield from numbers(value, f"{where}.{key}")
    elif isinstance(node, list | tuple):
        for number, value in enumerate(node):
            yield from numbers(value, f"{where}[{number}]")


def _texts_only(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(part, str) for part in value)


def _damaged(name: str, what: str) -> UserError:
    return UserError("a checkpoint of astrid_ml as it was written", f"{name}: {what}", "give the best.ckpt of a run")
