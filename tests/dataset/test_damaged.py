"""Two hundred damaged datasets: each is refused in three parts, or gives the bytes that were written."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from made.untrained import Untrained, untrained

from astrid_ml.audit.audit import Audit
from astrid_ml.dataset.digests import FILE, check_file, seal
from astrid_ml.dataset.pages import read_pages, short, write_pages
from astrid_ml.dataset.prepared import PreparedDataset
from astrid_ml.dataset.sound import dataset_damage
from astrid_ml.errors import UserError


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Untrained:
    return untrained(tmp_path_factory.mktemp("damaged"))


def stamps(folder: Path) -> bytes:
    """All that training would read: ids, labels, channels and pixels."""
    dataset = PreparedDataset(folder)
    parts = dataset.groups("stamps", np.arange(len(dataset.index)))
    table = dataset.index[["id", "group_id", "label"]].to_csv()
    return json.dumps(dataset.channels).encode() + table.encode() + b"".join(array.tobytes() for _, array in parts)


def read_by(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def refused_or_right(folder: Path, expected: bytes) -> bool:
    try:
        found = stamps(folder)
    except UserError as error:
        found, said = None, (error.expected, error.got, error.fix)
    if found is None:
        assert all(said)
        return True
    assert found == expected
    return False


def mutated(content: bytes, random: np.random.Generator) -> bytes:
    """Cut short, one bit turned, a run of zeros, a part twice, or something else behind it."""
    at = int(random.integers(0, max(1, len(content))))
    kind = int(random.integers(0, 5))
    if kind == 0:
        return content[:at]
    if kind == 1:
        return content[:at] + bytes([content[at] ^ (1 << int(random.integers(0, 8)))]) + content[at + 1 :]
    if kind == 2:
        return content[:at] + bytes(min(64, len(content) - at)) + content[at + 64 :]
    if kind == 3:
        return content[:at] + content[max(0, at - 99) :]
    return content + random.bytes(7)


def copy_of(source: Path, target: Path) -> Path:
    return Path(shutil.copytree(source, target))


def test_two_hundred_mutations_are_refused_or_change_nothing(made: Untrained, tmp_path: Path) -> None:
    expected, refused, told = stamps(made.dataset.path), 0, 0
    folder = copy_of(made.dataset.path, tmp_path / "d")
    random = np.random.default_rng(20261127)
    names = [name for name in read_by(folder) if name not in ("report.json", "croissant.json")]
    served = {name for name in names if not name.startswith("croissant/")}
    for number in range(200):
        name = names[number % len(names)]
        content = (folder / name).read_bytes()
        changed = mutated(content, random)
        (folder / name).write_bytes(changed)
        refused += refused_or_right(folder, expected)
        damage = list(dataset_damage(folder))
        told += bool(damage)
        assert damage or changed == content or name == "dataset.json", name
        (folder / name).write_bytes(content)
    assert list(dataset_damage(folder)) == [] and stamps(folder) == expected
    assert refused >= 200 * len(served) / len(names) * 0.85 and told >= 195


def resealed(folder: Path) -> None:
    """As somebody who makes datasets by hand would leave it: digests that agree with what is there."""
    meta = json.loads((folder / "dataset.json").read_text())
    (folder / "dataset.json").write_text(json.dumps(seal(folder, meta, {})))


def first_array(folder: Path) -> Path:
    return sorted((folder / "arrays").glob("*.npy"))[0]


def pickled(folder: Path) -> None:
    np.save(first_array(folder), np.array([{"a": 1}], dtype=object), allow_pickle=True)


def huge(folder: Path) -> None:
    path = first_array(folder)
    content = path.read_bytes()
    at, end = content.index(b"'shape': (") + 10, content.index(b")", content.index(b"'shape': ("))
    path.write_bytes(content[:at] + b"99999999999999999"[: end - at].ljust(end - at) + content[end:])


def linked(folder: Path) -> None:
    path = first_array(folder)
    shutil.move(path, folder.parent / "outside.npy")
    path.symlink_to(folder.parent / "outside.npy")


def missing(folder: Path) -> None:
    first_array(folder).unlink()


def shorter(folder: Path) -> None:
    path = first_array(folder)
    np.save(path, np.load(path)[:-1])


def index_with(**columns: Any) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        index = pd.read_parquet(folder / "index.parquet")
        write_pages(index.assign(**columns), folder / "index.parquet")

    return change


def without(column: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        write_pages(pd.read_parquet(folder / "index.parquet").drop(columns=column), folder / "index.parquet")

    return change


HAND_MADE: dict[str, Callable[[Path], None]] = {
    "a pickled array": pickled,
    "a huge shape": huge,
    "a link out of the dataset": linked,
    "an array less": missing,
    "an array too short": shorter,
    "an array outside": index_with(array="../../outside"),
    "an absolute array": index_with(array="/etc/passwd"),
    "rows that are not there": index_with(row=10**9),
    "negative rows": index_with(row=-1),
    "rows of numbers with a point": index_with(row=0.5),
    "no rows": index_with(row=None),
    "one id for all": index_with(id="x"),
    "no ids": index_with(id=None),
    "no column array": without("array"),
    "no column id": without("id"),
}


@pytest.mark.parametrize("digests", [True, False])
@pytest.mark.parametrize("name", HAND_MADE)
def test_what_a_dataset_made_by_hand_may_hold_is_refused(
    name: str, digests: bool, made: Untrained, tmp_path: Path
) -> None:
    folder = copy_of(made.dataset.path, tmp_path / "d")
    meta = json.loads((folder / "dataset.json").read_text())
    del meta["record"], meta["digests"]
    (folder / FILE).unlink()
    (folder / "dataset.json").write_text(json.dumps(meta))
    HAND_MADE[name](folder)
    if digests:
        resealed(folder)
    assert refused_or_right(folder, b"")
    assert list(dataset_damage(folder))


@pytest.mark.parametrize(
    "content", ["", "[]", "{", "null", '{"schema": 1}', '{"schema": "1"}', "[" * 99_999, '{"schema": 9}', "\udcff"]
)
def test_a_record_that_is_none_is_refused(content: str, made: Untrained, tmp_path: Path) -> None:
    folder = copy_of(made.dataset.path, tmp_path / "d")
    (folder / "dataset.json").write_bytes(content.encode(errors="surrogateescape"))
    assert refused_or_right(folder, b"")


def test_a_large_array_is_told_by_its_size_and_its_content_by_fsck(
    made: Untrained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("astrid_ml.dataset.prepared.SMALL", 10)
    folder = copy_of(made.dataset.path, tmp_path / "d")
    path = first_array(folder)
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert stamps(folder)  # not read as a whole: documented
    [damage] = dataset_damage(folder)
    assert (damage.path, damage.reason) == (path, f"damage in {path}: another content than was written")
    path.write_bytes(content[:-1])
    assert refused_or_right(folder, b"")


def test_pages_have_checksums_and_damage_is_short(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    values = np.random.default_rng(1).normal(size=500)  # nothing to compress: they stand in the file as they are
    write_pages(pd.DataFrame({"id": [str(n) for n in range(500)], "x": values}), path)
    content = bytearray(path.read_bytes())
    content[content.index(values[250].tobytes())] ^= 1
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"a whole table t\.parquet"):
        read_pages(path)
    with pytest.raises(UserError, match=r"no .*nothing"):
        read_pages(tmp_path / "nothing.parquet")
    assert short(ValueError("")) == "ValueError"


def test_a_file_of_no_dataset_and_a_missing_one_are_named(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x")
    with pytest.raises(UserError, match="not written with the dataset"):
        check_file(tmp_path, "a", {"b": (1, "")}, content=True)
    with pytest.raises(UserError, match="missing"):
        check_file(tmp_path, "b", {"b": (1, "")}, content=True)
    os.symlink("/etc/hostname", tmp_path / "c")
    with pytest.raises(UserError, match="outside the dataset"):
        check_file(tmp_path, "c", {}, content=True)


def test_the_audit_counts_what_it_could_not_check(made: Untrained) -> None:
    plan = _plan(made)
    whole = replace(Audit(mode="warn"), confounding=None).run(made.dataset, plan)
    assert whole.unchecked == {}
    dataset = PreparedDataset(made.dataset.path)
    dataset.index = dataset.index.assign(ra=np.nan, dec=np.nan)
    dataset._open.clear()
    arrays = dataset.shard
    spoilt = lambda name, kind: np.full_like(arrays(name, kind), np.nan)  # noqa: E731
    dataset.shard = spoilt  # type: ignore[method-assign]
    found = replace(Audit(mode="warn"), confounding=None).run(dataset, plan)
    n = len(dataset.index)
    assert found.unchecked == {"positions": n, "duplicate stamps": n}
    assert found.to_plain()["unchecked"] == found.unchecked


def _plan(made: Untrained) -> Any:
    from astrid_ml.build import build

    return build(made.config["split"]).plan(made.dataset.index)
