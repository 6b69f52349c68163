"""What the pages show does what they say, typed word by word: blocks in order, in a folder of the page's own."""

from __future__ import annotations

import re
import resource
import subprocess
from pathlib import Path

import markdown
import pages
import pytest
from blocks import BY, NEEDS, PAGES, REPOSITORY, TYPED_BY_CI, Block, blocks, kept_words
from supplies import SUPPLIES

ALL = [block for page in PAGES if page not in BY for block in blocks(page)]
TYPED = [
    page for page in PAGES if any(block.page == page and not {"needs", "same"} & set(block.marks) for block in ALL)
]


@pytest.mark.parametrize("block", ALL, ids=[block.name for block in ALL])
def test_a_block_is_run_or_says_why_not(block: Block) -> None:
    assert not kept_words(block.marks), f"marks that mean nothing: {block.marks}"
    if "same" in block.marks:
        twins = [other for other in blocks(block.marks["same"]) if other.text == block.text]
        assert twins and "needs" not in twins[0].marks, f"{block.marks['same']} does not run these words"
    for name in block.marks.get("fixture", "").split("+"):
        assert not name or name in SUPPLIES
    assert block.marks.get("needs", "install") in NEEDS
    if block.language == "sh":
        subprocess.run(["bash", "-n", "-c", block.text], check=True, capture_output=True)
    else:
        compile(block.text, block.name, "exec")


@pytest.mark.parametrize("page", PAGES)
def test_no_block_escapes(page: str) -> None:
    """Counted by another reader of Markdown: each is typed here, or is plain text by its own mark."""
    shown = markdown.markdown((REPOSITORY / page).read_text(encoding="utf-8"), extensions=["fenced_code"])
    kinds = re.findall(r"<pre><code(?: class=\"language-(\w+)\")?>", shown)
    if page in BY:
        assert Path(page).name in (REPOSITORY / BY[page]).read_text(encoding="utf-8")
        return
    assert set(kinds) <= {"sh", "python", "text"}, f"blocks of no kind, or indented, on {page}: {kinds}"
    assert len([kind for kind in kinds if kind != "text"]) == len([block for block in ALL if block.page == page])


def test_what_is_not_run_here_is_typed_by_the_continuous_integration() -> None:
    typed = (REPOSITORY / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    left = [block for block in ALL if "needs" in block.marks]
    assert {block.marks["needs"] for block in left} == set(NEEDS)
    for block in [block for block in left if block.marks["needs"] in TYPED_BY_CI]:
        assert block.text.split("#")[0].strip() in typed, block.name


PLAIN = {"docs/design.md": 1}  # the tree of the house


@pytest.mark.parametrize("page", PAGES)
def test_plain_text_holds_no_commands(page: str) -> None:
    plain = re.findall(r"^```text\n(.*?)^```", (REPOSITORY / page).read_text(encoding="utf-8"), re.M | re.S)
    assert len(plain) == PLAIN.get(page, 0), (
        "a block of commands is sh or python, and says with needs= why it is not run"
    )


def type_page(page: str, folder: Path, subtests: pytest.Subtests) -> None:
    """Type the blocks of a page in order; those after a failure would fail too, and are not tried."""
    folder.mkdir()
    failed = False
    for block in blocks(page):
        if {"needs", "same"} & set(block.marks) or failed:
            continue
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        failed = True
        with subtests.test(block.name):
            for name in filter(None, block.marks.get("fixture", "").split("+")):
                SUPPLIES[name](folder)
            block.run(folder)
            failed = False
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        print(f"{block.name}: {'FAILED' if failed else 'ran'}, {spent:.1f} s of processor time")


@pytest.mark.slow
@pytest.mark.parametrize("page", TYPED)
def test_all_blocks_of_a_page_run(page: str, tmp_path: Path, subtests: pytest.Subtests) -> None:
    type_page(page, tmp_path / "page", subtests)
    demo = tmp_path / "page" / "demo"
    if demo.is_dir():
        measured = pages.numbers_of_demo(demo)
        for record in pages.records("demo"):
            fresh = [measured.get(name, value) for name, value in zip(record["names"], record["values"], strict=True)]
            assert not pages.misfit({**record, "values": fresh})
