"""The record of a checkpoint: written and read back, migrated from schema 1, and refused when it is anything else."""

from __future__ import annotations

import copy
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from made.untrained import Untrained, untrained

from astrid_ml.build import registry
from astrid_ml.checkpoint.digests import digest_of
from astrid_ml.checkpoint.load import load_model, read_checkpoint, read_record
from astrid_ml.checkpoint.record import ChannelRecord, Record
from astrid_ml.checkpoint.schema import CHECKPOINT, FIELDS, checked, migrated
from astrid_ml.errors import UserError
from astrid_ml.identity import lasting


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Untrained:
    return untrained(tmp_path_factory.mktemp("record"))


def test_what_is_written_is_read(made: Untrained) -> None:
    record, weights = read_record(made.checkpoint)
    content = read_checkpoint(made.checkpoint)
    again = Record.from_plain(record.to_plain(weights), weights)
    assert again.to_plain(weights)["digests"] == content["astrid"]["digests"]
    assert set(content["astrid"]) == {"schema", *FIELDS}
    assert lasting(again.config) == content["astrid"]["config"]


def as_schema_1(entry: dict[str, Any]) -> dict[str, Any]:
    """An entry as it was written before: the kept layouts (tests/kept) hold real ones."""
    new = ("validity", "prevalence", "sets", "stages", "digests", "members", "baselines")
    old = {key: value for key, value in entry.items() if key not in new}
    return {**old, "schema": 1, "channels": list(entry["channels"]["names"])}


def test_schema_1_is_read_and_what_it_did_not_say_is_none(made: Untrained, tmp_path: Path) -> None:
    content = read_checkpoint(made.checkpoint)
    old = as_schema_1(content["astrid"])
    torch.save({**content, "astrid": old}, tmp_path / "old.ckpt")
    record = load_model(tmp_path / "old.ckpt").record
    assert (record.validity, record.prevalence, record.sets, record.stages) == (None, None, None, [])
    assert record.channels == ChannelRecord(list(content["astrid"]["channels"]["names"]), None)
    assert migrated(migrated(old)) == migrated(old)


def mutations(entry: dict[str, Any], rng: random.Random) -> dict[str, Any]:
    """One random change of an entry."""
    changed = copy.deepcopy(entry)
    keys = sorted(changed)
    key = rng.choice(keys)
    kind = rng.randrange(8)
    if kind == 0:
        del changed[key]
    elif kind == 1:
        changed[f"{key}_"] = changed[key]
    elif kind == 2:
        changed[key] = rng.choice([None, 7, -1.5, "text", [], {}, [None], {"a": 1}, b"bytes", True, float("nan")])
    elif kind == 3:
        changed["schema"] = rng.choice([0, -1, 3, 99, "2", None, 2.0, True])
    elif kind == 4:
        place = deep_place(changed["config"], rng)
        place[0][place[1]] = rng.choice(["${oc.env:HOME}", "${oc.create:{_target_: os.getcwd}}", "a ${b} c"])
    elif kind == 5:
        place = deep_place(changed["config"], rng)
        place[0][place[1]] = rng.choice(["other", 5, None, {"_target_": "os.system"}])
    elif kind == 6:
        name = rng.choice(sorted(changed["digest"]))
        tensor = changed["digest"][name]
        changed["digest"][name] = rng.choice([tensor[:-1], tensor.float(), None, "x", torch.zeros(3)])
    else:
        changed["digests"] = rng.choice(
            [{}, {"weights": "0" * 64}, {"record": 1}, {"weights": None, "record": None}, []]
        )
    return changed


def deep_place(tree: dict[str, Any], rng: random.Random) -> tuple[Any, Any]:
    """Some leaf of a tree: its container and its key."""
    node: Any = tree
    while True:
        keys = sorted(node, key=str) if isinstance(node, dict) else list(range(len(node)))
        key = rng.choice(keys)
        if not isinstance(node[key], dict | list) or not node[key]:
            return node, key
        node = node[key]


@pytest.mark.parametrize("seed", range(200))
def test_a_changed_record_is_refused_in_words(made: Untrained, tmp_path: Path, seed: int) -> None:
    """As a file that was damaged, or changed by someone who did not write the digests anew."""
    content = read_checkpoint(made.checkpoint)
    changed = mutations(content["astrid"], random.Random(seed))
    if digest_of(changed) == digest_of(content["astrid"]):
        return  # the change was none
    with pytest.raises(UserError) as refused:
        Record.from_plain(changed, content["state_dict"], "best.ckpt")
    assert "best.ckpt" in str(refused.value) and len(str(refused.value)) < 600


@pytest.mark.parametrize("seed", range(60))
def test_even_with_new_digests_nothing_is_served_that_is_not_a_record(
    made: Untrained, tmp_path: Path, seed: int
) -> None:
    content = read_checkpoint(made.checkpoint)
    changed = mutations(content["astrid"], random.Random(1000 + seed))
    if "digests" in changed and isinstance(changed["digests"], dict):
        rest = {key: value for key, value in changed.items() if key != "digests"}
        changed["digests"] = {"weights": digest_of(content["state_dict"]), "record": digest_of(rest)}
    path = tmp_path / "best.ckpt"
    torch.save({**content, "astrid": changed}, path)
    refused, model = outcome(path)
    assert refused or type(model.task).__module__.startswith("astrid_ml.")  # another value of ours, and nothing else
    assert len(refused) < 900


def outcome(path: Path) -> tuple[str, Any]:
    """What a refusal says, or the model."""
    try:
        return "", load_model(path)
    except UserError as error:
        return str(error), None


def test_weights_that_changed_or_are_no_numbers_are_refused(made: Untrained, tmp_path: Path) -> None:
    content = read_checkpoint(made.checkpoint)
    name = next(key for key, value in content["state_dict"].items() if value.is_floating_point())
    changed = {**content["state_dict"], name: content["state_dict"][name] + 1e-6}
    torch.save({**content, "state_dict": changed}, tmp_path / "a.ckpt")
    with pytest.raises(UserError, match="weights as the run wrote it"):
        load_model(tmp_path / "a.ckpt")
    lost = {**content["state_dict"], name: torch.full_like(content["state_dict"][name], float("nan"))}
    torch.save({**content, "state_dict": lost, "astrid": as_schema_1(content["astrid"])}, tmp_path / "b.ckpt")
    with pytest.raises(UserError, match="finite"):
        load_model(tmp_path / "b.ckpt")
    other = {**content["state_dict"], name: content["state_dict"][name][:1]}
    torch.save({**content, "state_dict": other, "astrid": as_schema_1(content["astrid"])}, tmp_path / "c.ckpt")
    with pytest.raises(UserError, match="fit the recorded network"):
        load_model(tmp_path / "c.ckpt")


def test_the_digest_knows_kinds_and_order_but_not_the_order_of_keys() -> None:
    tensor = torch.arange(6, dtype=torch.float32)
    same = digest_of({"a": [1, 2], "t": tensor})
    assert same == digest_of({"t": tensor.clone(), "a": (1, 2)})
    others = [{"a": [2, 1], "t": tensor}, {"a": [1.0, 2], "t": tensor}, {"a": [1, 2], "t": tensor.reshape(2, 3)}]
    others += [{"a": [1, 2], "t": tensor.double()}, {"a": [True, 2], "t": tensor}, {"a": ["1", 2], "t": tensor}]
    assert len({same, *map(digest_of, others)}) == 1 + len(others)


def test_every_target_of_a_record_is_a_permanent_name(made: Untrained) -> None:
    entry = read_checkpoint(made.checkpoint)["astrid"]
    assert checked(entry, "x")["config"] == entry["config"] and entry["schema"] == CHECKPOINT
    assert registry()


def resaved(content: dict[str, Any], folder: Path, **changes: Any) -> Path:
    """As an attacker can write it: with digests made anew."""
    entry = {**copy.deepcopy(content["astrid"]), **changes.pop("entry", {})}
    weights = {**content["state_dict"], **changes}
    rest = {key: value for key, value in entry.items() if key != "digests"}
    if entry.get("digests") is not None:
        plain = all(
            torch.is_tensor(value) and value.is_contiguous() and not value.is_sparse for value in weights.values()
        )
        entry["digests"] = {"weights": digest_of(weights) if plain else "0" * 64, "record": digest_of(rest)}
    torch.save({**content, "astrid": entry, "state_dict": weights}, folder / "changed.ckpt")
    return folder / "changed.ckpt"


def test_weights_of_another_kind_or_size_than_they_say_are_refused(made: Untrained, tmp_path: Path) -> None:
    content = read_checkpoint(made.checkpoint)
    name = next(key for key, value in content["state_dict"].items() if value.dtype == torch.float32)
    weight = content["state_dict"][name]
    strange = [weight.double() * 1e300, weight.to(torch.int8), weight.to(torch.complex64), torch.zeros(1).expand(2**33)]
    for value in [*strange, weight.to_sparse()]:
        with pytest.raises(UserError):
            load_model(resaved(content, tmp_path, **{name: value}))


def test_a_record_of_shared_containers_is_no_bomb(made: Untrained, tmp_path: Path) -> None:
    content = read_checkpoint(made.checkpoint)
    bomb: Any = [1, 1]
    for _ in range(35):
        bomb = [bomb, bomb]
    entry = {**content["astrid"], "stages": [{"x": bomb}]}
    torch.save({**content, "astrid": entry}, tmp_path / "bomb.ckpt")
    with pytest.raises(UserError, match="nested more than"):
        load_model(tmp_path / "bomb.ckpt")
    round_trip: list[Any] = []
    round_trip.append(round_trip)
    with pytest.raises(UserError, match="nested more than"):
        checked({**content["astrid"], "stages": round_trip}, "x")


@pytest.mark.parametrize(
    "calibration",
    [
        {"kind": "temperature", "parameters": {"temperature": float("nan"), "offset": 0.0}},
        {"kind": "temperature", "parameters": {"temperature": -1.0, "offset": 0.0}},
        {"kind": "temperature", "parameters": {}},
        {"kind": "isotonic", "parameters": {"x": [0, 0.5, 1], "y": [0.5, -7.0, 0.9]}},
        {"kind": 3, "parameters": {}},
        {"threshold": 2.0},
    ],
)
def test_a_calibration_that_turns_scores_round_is_refused(
    made: Untrained, tmp_path: Path, calibration: dict[str, Any]
) -> None:
    with pytest.raises(UserError):
        load_model(resaved(read_checkpoint(made.checkpoint), tmp_path, entry={"calibration": calibration}))


def test_digests_cannot_be_left_out_of_schema_2(made: Untrained, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no digests"):
        load_model(resaved(read_checkpoint(made.checkpoint), tmp_path, entry={"digests": None}))


def test_what_would_not_be_read_is_not_written(made: Untrained) -> None:
    record, weights = read_record(made.checkpoint)
    with pytest.raises(UserError, match="threshold"):
        Record.from_plain(replace(record, calibration={"threshold": 2}).to_plain(weights), weights)
