"""No reader of user files stands outside the fuzz: each is reached by a kind of file."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from file_kinds import KINDS, read
from readers import OWN, REACHED, ROOT, decoding, is_own

LINKED = ("preprocessing", "datamodules", "models")


def test_each_reader_has_a_kind_or_reads_what_is_our_own() -> None:
    found = decoding()
    unknown = {name for name in found if name not in REACHED and not is_own(name)}
    assert not unknown, f"name the kind of file that reaches {sorted(unknown)} in tests/fuzz/readers.py"
    assert set(REACHED) <= found, f"no readers any more: {sorted(set(REACHED) - found)}"
    assert set(REACHED.values()) <= set(KINDS)
    assert all(any(reader == name or reader.startswith((f"{name}.", f"{name}:")) for reader in found) for name in OWN)


def module_of(file: str) -> str | None:
    """The module of a source file of ours, without the package's name; its rooms may be links."""
    path = os.path.realpath(file)
    for room in LINKED:
        place = os.path.realpath(ROOT / room)
        if path.startswith(place + os.sep):
            return f"{room}.{os.path.relpath(path, place)[:-3].replace(os.sep, '.')}"
    inside = path.startswith(str(ROOT.resolve()) + os.sep)
    return os.path.relpath(path, ROOT.resolve())[:-3].replace(os.sep, ".") if inside else None


@pytest.mark.slow
@pytest.mark.parametrize("kind", sorted(set(REACHED.values())))
def test_the_kind_reaches_its_readers(kind: str, tmp_path: Path) -> None:
    called: set[tuple[str, str]] = set()

    def note(frame: FrameType, event: str, _: Any) -> None:
        if event == "call":
            called.add((frame.f_code.co_filename, frame.f_code.co_name))

    (tmp_path / "sound").mkdir()
    path = KINDS[kind].make(tmp_path / "sound")
    sys.setprofile(note)
    try:
        assert read((kind, str(path)))["outcome"] == "read"
    finally:
        sys.setprofile(None)
    modules = {file: module_of(file) for file, _ in called}
    names = {f"{modules[file]}:{function}" for file, function in called}
    assert {reader for reader, by in REACHED.items() if by == kind} <= names
