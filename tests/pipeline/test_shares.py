"""Jobs of a batch system prepare one dataset, with the bytes of a single preparation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from toy_units import ToyUnits

from astrid_ml.contracts.pipeline import Drop
from astrid_ml.errors import UserError
from astrid_ml.executors.local import Serial
from astrid_ml.pipeline import units
from astrid_ml.pipeline.engine import planned, prepare_dataset
from astrid_ml.pipeline.shards import Share, note_share
from astrid_ml.pipeline.shares import Tried, joined_datasets, notes_of, notes_of_name, prepare_share, publish_shares
from astrid_ml.pipeline.units import finished_units


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    (tmp_path / "raw").mkdir()
    for number in range(7):
        (tmp_path / "raw" / f"{number}.txt").write_text(str(number))
    return tmp_path / "raw"


def arguments(raw: Path, store: str) -> dict[str, Any]:
    return {"pipeline": ToyUnits(), "raw": [raw], "store": raw.parent / store, "name": "toy"}


def bytes_of(folder: Path) -> dict[str, bytes]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != "report.json")
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_shards_and_publish_give_the_bytes_of_one_preparation(raw: Path) -> None:
    whole = prepare_dataset(**arguments(raw, "whole"), progress=False).path
    shared = arguments(raw, "shared")
    with pytest.raises(UserError, match="7 of 7 pieces of work are missing"):
        publish_shares(shared, progress=False)
    done = [prepare_share(shared, Share(index, 3), Serial()) for index in (1, 3, 3)]
    assert [(part.done, part.reused) for part in done] == [(3, 0), (2, 0), (0, 2)]
    with pytest.raises(UserError, match="shard=2/3"):
        publish_shares(shared, progress=False)
    prepare_share(shared, Share(2, 3), Serial())
    published = publish_shares(shared, progress=False)
    assert bytes_of(published.path) == bytes_of(whole) and published.path.name == whole.name


def test_a_unit_that_a_shard_could_not_do_makes_the_dataset_partial(raw: Path) -> None:
    (raw / "3.txt").write_text("bad")
    shared = arguments(raw, "shared")
    outcomes = [prepare_share(shared, Share(index, 2), Serial()) for index in (1, 2)]
    assert [drop.id for part in outcomes for drop in part.failed] == ["3.txt"]
    with pytest.raises(UserError, match="at most 5%"):
        publish_shares(shared, progress=False)
    published = publish_shares(shared, progress=False, max_failed=0.5)
    whole = prepare_dataset(**arguments(raw, "whole"), progress=False, max_failed=0.5)
    assert "-partial-" in published.path.name and bytes_of(published.path) == bytes_of(whole.path)
    assert notes_of_name(shared["store"], "toy") == [notes_of(whole.path.parent.parent / "shared" / made_of(shared))]
    assert joined_datasets(shared["store"], "toy") == [published.path]
    assert joined_datasets(whole.path.parent, None) == []  # as one command made it
    assert list(Tried({"a": "why"}).map(len, [])) == []


def test_units_over_the_shards_limits_name_the_limit_and_the_shards(raw: Path) -> None:
    shared = arguments(raw, "shared")
    for index in (1, 2, 3):
        prepare_share(shared, Share(index, 3), Serial())
    (raw / "3.txt").write_text("new")
    over = [Drop("3.txt", "it took 2 GB of memory, and its limit is 1 GB (executor.limits.memory)")]
    for index in (1, 2, 3):
        note_share(notes_of(planned(**shared).target), Share(index, 3), over if index == 1 else [])
    with pytest.raises(
        UserError, match=r"raise executor\.limits\.memory, or give.*run shard=1/3 again with it, then astrid publish"
    ):
        publish_shares(shared, progress=False)


def made_of(shared: dict[str, Any]) -> str:
    return planned(**shared).target.name


@pytest.mark.parametrize("content", ["{", "[]", '{"by_shards": 1}', None])
def test_a_dataset_is_of_shards_only_where_its_report_says_so(tmp_path: Path, content: str | None) -> None:
    place = tmp_path / "toy-0123456789ab"
    place.mkdir()
    if content is not None:
        (place / "report.json").write_text(content)
    assert joined_datasets(tmp_path, "toy") == []


def flip(path: Path) -> None:
    """Another byte than was written, in a file of the same size."""
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(bytes(content))


@pytest.mark.parametrize("pattern", ["*.npy", "records.parquet"])
def test_a_damaged_unit_is_named_with_its_shard_which_makes_it_anew(raw: Path, pattern: str) -> None:
    whole = prepare_dataset(**arguments(raw, "whole"), progress=False).path
    shared = arguments(raw, "shared")
    for index in (1, 2):
        prepare_share(shared, Share(index, 2), Serial())
    [job] = [job for job in planned(**shared).jobs if job.unit.id == "3.txt"]
    flip(next(job.target.glob(pattern)))
    words = rf"1 that are damaged, the first is 3\.txt \({job.target}/.*To fix it: run shard=2/2 again"
    with pytest.raises(UserError, match=words):
        publish_shares(shared, progress=False)
    again = prepare_share(shared, Share(2, 2), Serial())
    assert (again.done, again.reused) == (1, 2)
    assert bytes_of(publish_shares(shared, progress=False).path) == bytes_of(whole)


def test_a_damaged_unit_of_one_preparation_is_made_anew(raw: Path) -> None:
    whole = prepare_dataset(**arguments(raw, "whole"), progress=False).path
    one = arguments(raw, "one")
    prepare_share(one, Share(1, 1), Serial())
    for job in planned(**one).jobs[:2]:
        flip(next(job.target.glob("*.npy")))
    done = prepare_dataset(**one, progress=False)
    assert (done.units_done, done.units_reused) == (2, 5) and bytes_of(done.path) == bytes_of(whole)


def test_large_arrays_are_compared_where_a_shard_runs_again(raw: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(units, "SMALL", 0)
    shared = arguments(raw, "shared")
    prepare_share(shared, Share(1, 1), Serial())
    jobs = planned(**shared).jobs
    flip(next(jobs[4].target.glob("*.npy")))
    assert not finished_units(jobs)[1] and list(finished_units(jobs, content=True)[1]) == [4]
    assert prepare_share(shared, Share(1, 1), Serial()).done == 1
