"""Several folders of configuration seen as one: what a path answers, they answer together."""

from __future__ import annotations

from pathlib import Path

import pytest

from astrid_ml.errors import UserError
from astrid_ml.layers import Folder, Layers


@pytest.fixture
def both(tmp_path: Path) -> Layers:
    for name in ("ours/split/group.yaml", "ours/train.yaml", "theirs/split/group.yaml", "theirs/split/sky.yaml"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    (tmp_path / "theirs" / "own" / "slot").mkdir(parents=True)
    return Layers((tmp_path / "ours", tmp_path / "theirs", tmp_path / "nowhere"))


def names(found: Folder, pattern: str) -> list[str]:
    return [path.name for path in found.glob(pattern)]


def test_a_file_is_that_of_the_first_folder_which_has_it(both: Layers) -> None:
    assert (both / "split" / "group.yaml").read_text() == "ours/split/group.yaml"
    assert (both / "split" / "sky.yaml").read_text() == "theirs/split/sky.yaml"
    assert (both / "split" / "sky.yaml").is_file() and not (both / "split" / "no.yaml").is_file()
    with pytest.raises(UserError, match=r"no\.yaml"):
        (both / "split" / "no.yaml").read_text()


def test_folders_are_joined_and_each_name_stands_once(both: Layers) -> None:
    assert names(both / "split", "*.yaml") == ["group.yaml", "sky.yaml"]
    assert names(both, "*") == ["own", "split", "train.yaml"]
    assert [path.relative_to(both / "own").as_posix() for path in both.glob("own/*")] == ["slot"]
    assert (both / "own").is_dir() and not (both / "train.yaml").is_dir() and not (both / "none").is_dir()


def test_neighbours_and_parents_stay_in_all_folders(both: Layers) -> None:
    group = both / "split" / "group.yaml"
    assert group.parent == both / "split" and group.stem == "group"
    assert group.with_name("sky.yaml").read_text() == (both / "split" / "sky").with_suffix(".yaml").read_text()
    assert group.parent.relative_to(both).as_posix() == "split" and both.relative_to(both).as_posix() == "."


def test_a_file_that_is_no_text_is_named(both: Layers) -> None:
    (both.roots[1] / "bad.yaml").write_bytes(b"\xff\xfe\x00a")
    with pytest.raises(UserError, match=r"bad\.yaml"):
        (both / "bad.yaml").read_text()
    assert str(both / "bad.yaml") == str(both.roots[1] / "bad.yaml")
