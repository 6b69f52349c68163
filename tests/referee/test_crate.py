"""A bundle as it is written, and how one of a stranger is read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from astrid_ml.errors import UserError
from astrid_ml.referee.commands.bundle import BundleCommand
from astrid_ml.referee.commands.referee import RefereeCommand, referee
from astrid_ml.referee.crate import METADATA, CrateFacts, constraints, files_in, listed_in, metadata_text
from astrid_ml.referee.data import close_calls
from astrid_ml.referee.numbers import sections
from astrid_ml.referee.opened import Bundle
from astrid_ml.referee.page import referee_page
from astrid_ml.referee.pictures import PagePictures, captions, drawn_again
from astrid_ml.referee.records import record_checks
from astrid_ml.referee.verdicts import DIFFERENT, EQUAL, UNKNOWN, Item

FACTS = CrateFacts("a run", "of stamps", "2026-01-02", "astrid train", "0.1.0", "ab", "cd", {"report.html": "lost"})


def test_the_metadata_are_those_of_ro_crate_1_1() -> None:
    """What the specification says that must be there: descriptor, root, its date, and each file as a part of it."""
    files = {"config.yaml": (3, "aa"), "fold_0/checkpoints/best.ckpt": (5, "bb"), "splits/x.parquet": (1, "cc")}
    content = json.loads(metadata_text(FACTS, files))
    assert content["@context"][0] == "https://w3id.org/ro/crate/1.1/context"
    graph = {part["@id"]: part for part in content["@graph"]}
    assert len(graph) == len(content["@graph"]), "each entity once"
    about = graph[METADATA]
    assert about["@type"] == "CreativeWork" and about["about"] == {"@id": "./"}
    assert about["conformsTo"] == {"@id": "https://w3id.org/ro/crate/1.1"}
    root = graph["./"]
    assert root["@type"] == "Dataset" and root["datePublished"] == "2026-01-02" and root["name"] and root["description"]
    parts = [part["@id"] for part in root["hasPart"]]
    assert parts == sorted(files) and all(graph[name]["@type"] == "File" for name in parts)
    for reference in _references(content["@graph"]):
        assert reference in graph or reference.startswith("https://"), reference


def _references(node: Any) -> list[str]:
    if isinstance(node, dict):
        own = [str(node["@id"])] if set(node) == {"@id"} else []
        return own + [found for part in node.values() for found in _references(part)]
    return [found for part in node for found in _references(part)] if isinstance(node, list) else []


def test_what_is_written_is_what_is_read(tmp_path: Path) -> None:
    (tmp_path / METADATA).write_text(metadata_text(FACTS, {"config.yaml": (3, "aa")}))
    listed = listed_in(tmp_path)
    assert (listed.files, listed.missing, listed.sources) == ({"config.yaml": (3, "aa")}, {"report.html": "lost"}, "ab")


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"@graph": 3}', '{"@graph": [{"@type": "File"}]}', "[" * 200_000, '{"@graph": [[]]}', "\x00"],
)
def test_metadata_of_another_kind_are_refused_in_words(text: str, tmp_path: Path) -> None:
    (tmp_path / METADATA).write_text(text)
    with pytest.raises(UserError, match="astrid bundle"):
        referee(tmp_path)


def test_no_bundle_and_no_digest_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="a bundle"):
        referee(tmp_path)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / METADATA).write_text(metadata_text(FACTS, {}))
    with pytest.raises(UserError, match=r"for instance input=.*/mine"):
        referee(tmp_path)
    with pytest.raises(UserError, match="64 letters"):
        RefereeCommand("x", "y", digest="abc")
    with pytest.raises(UserError, match="runs="):
        BundleCommand([], "out")
    with pytest.raises(UserError, match="no config"):
        BundleCommand([str(tmp_path)], str(tmp_path / "out")).run()


@pytest.mark.parametrize("target", ["/etc/passwd", ".", "config.yaml"])
def test_links_are_not_followed(target: str, tmp_path: Path) -> None:
    (tmp_path / METADATA).write_text(metadata_text(FACTS, {}))
    (tmp_path / "run.json").symlink_to(target)
    with pytest.raises(UserError, match="a link"):
        referee(tmp_path)


def test_names_that_lead_out_of_the_folder_are_no_files_of_it(tmp_path: Path) -> None:
    outside = tmp_path / "secret.json"
    outside.write_text("{}")
    folder = tmp_path / "bundle"
    folder.mkdir()
    files = {"../secret.json": (2, "aa"), "/etc/passwd": (1, "bb")}
    named = [{"@id": name, "@type": "File", "contentSize": size, "sha256": it} for name, (size, it) in files.items()]
    (folder / METADATA).write_text(json.dumps({"@graph": named}))
    told = {item.name: item for item in referee(folder)}
    assert told["files"].verdict == DIFFERENT and "../secret.json is listed and not there" in told["files"].found


def test_a_bundle_of_nothing_is_judged_without_a_traceback(tmp_path: Path) -> None:
    (tmp_path / METADATA).write_text(metadata_text(FACTS, {}))
    told = {item.name: item.verdict for item in referee(tmp_path)}
    assert told["files"] == DIFFERENT and told["metrics"] == UNKNOWN and len(told) == 23


@pytest.mark.parametrize(
    ("name", "text", "word"),
    [
        ("config.yaml", "a: &a [1]\nb: [*a, *a]\n", "alias"),
        ("config.yaml", "a: [1", "no YAML"),
        ("config.yaml", "- 1\n", "list"),
        ("run.json", "[]", "list"),
        ("run.json", "{", "cannot be computed"),
        ("run.json", "[" * 100_000, "cannot be computed"),
        ("run.json", '{"identity": 3}', "KeyError"),
        ("config.yaml", "seed: 1\nevaluation: {_target_: os.system, command: touch /tmp/x}\n", "KeyError"),
    ],
)
def test_strange_records_differ_and_stop_nothing(name: str, text: str, word: str, tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text('{"identity": "x", "versions": {}}')
    (tmp_path / "config.yaml").write_text("seed: 1\n")
    (tmp_path / name).write_text(text)
    (tmp_path / METADATA).write_text(metadata_text(FACTS, {}))
    told = {item.name: item for item in referee(tmp_path)}
    assert told["identity"].verdict == DIFFERENT and word in told["identity"].found


def test_a_class_that_the_bundle_alone_trusts_is_not_built(tmp_path: Path) -> None:
    (tmp_path / METADATA).write_text(metadata_text(FACTS, {}))
    (tmp_path / "config.yaml").write_text("trust: [os.system]\nevaluation: {_target_: os.system, command: 'false'}\n")
    with pytest.raises(UserError, match=r"os\.system"):
        _ = Bundle(tmp_path).judge


def test_large_texts_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("astrid_ml.referee.crate.LARGEST_NOTE", 10)
    (tmp_path / METADATA).write_text(metadata_text(FACTS, {}))
    with pytest.raises(UserError, match="at most 10 bytes"):
        listed_in(tmp_path)


def test_a_folder_of_too_many_files_is_no_bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("astrid_ml.referee.crate.MOST_FILES", 2)
    for number in range(3):
        (tmp_path / str(number)).touch()
    with pytest.raises(UserError, match="more than 2"):
        files_in(tmp_path)


def test_constraints_are_what_pip_reads() -> None:
    text = constraints({"versions": {"python": "3.12.1", "torch": "2.13.0+cpu", "numpy": "2.4.6"}})
    assert text == "# Python 3.12.1\nnumpy==2.4.6\ntorch==2.13.0\n"


def test_a_report_is_compared_by_its_sections() -> None:
    page = "\n".join(["<head>", '<a href="#a">A</a>', *_section("a", "1"), *_section("b"), "end"])
    assert "0.9" in sections(page.replace("A</a>", "AUCPR 0.9</a>"))[""], (
        "a link of other words is no link to a section"
    )
    assert sections(page + "\n" + "\n".join(_section("a", "2")))["a"].count("<section>") == 2
    found = sections(page)
    assert set(found) == {"", "a", "b"} and "1" in found["a"] and found[""] == "<head>\nend"


def _section(name: str, *lines: str) -> list[str]:
    return ["<section>", f'<h2 id="{name}">{name.upper()}</h2>', *lines, "</section>"]


def test_the_page_names_what_differs_first(tmp_path: Path) -> None:
    items = [Item("a", "one", EQUAL, "1 number"), Item("b", "<b>", DIFFERENT, "0.1, computed <0.2>")]
    text = referee_page("x", items)
    assert "Different: b." in text and "&lt;0.2&gt;" in text and "<0.2>" not in text


def test_every_item_of_the_records_has_a_name_of_its_own(tmp_path: Path) -> None:
    names = [name for name, *_ in record_checks(Bundle(tmp_path), None)]
    assert len(names) == len(set(names)) == 9


def test_decisions_at_the_threshold_may_turn_on_another_machine() -> None:
    import pandas as pd

    made = pd.DataFrame({"id": ["a", "b"], "round": 0, "score": [0.5, 0.9], "probability": [None, None]})
    made = made.assign(threshold=0.50001, threshold_on="score", decision=[0, 1])
    assert close_calls(made.assign(decision=[1, 1]), made) == ("decision",)
    assert close_calls(made.assign(decision=[0, 0]), made) == ()


@pytest.mark.parametrize("place", ["", "judged", "a/b"])
def test_nothing_is_written_into_the_evidence(place: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="outside the bundle"):
        RefereeCommand(str(tmp_path), str(tmp_path / place)).run()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["run.json", "metrics.json", "config.yaml"])
@pytest.mark.parametrize("text", ['{"a":', "[1]", '{"a": 1, "a": 2}'])
def test_a_run_whose_records_are_damaged_is_not_bundled(name: str, text: str, tmp_path: Path) -> None:
    if name == "config.yaml" and "2" in text:
        pytest.skip("what YAML makes of it is compared with the text by the referee")
    for other in ("run.json", "metrics.json", "config.yaml"):
        (tmp_path / other).write_text("{}")
    (tmp_path / "run.json").write_text('{"status": "done", "split": {}}')
    (tmp_path / name).write_text(text)
    with pytest.raises(UserError, match=r"whole|another state"):
        BundleCommand([str(tmp_path)], str(tmp_path / "out")).run()
    assert not (tmp_path / "out").exists()


PAGE = """<section>
<h2 id="samples">Samples</h2>
<h3>Bogus &amp; sure</h3>
<div class="samples">
<figure><img alt="a &lt;b&gt;" src="data:image/png;base64,AAAA"><figcaption>a &lt;b&gt;</figcaption></figure>
</div>
</section>
"""


def test_pictures_are_taken_out_of_a_page_as_it_is_written() -> None:
    shown = PagePictures.of(PAGE)
    [picture] = shown.samples["Bogus & sure"]
    assert (picture.caption, picture.png) == ("a <b>", bytes(3)) and not shown.leaks
    assert captions(shown, {"Bogus & sure": ["a <b>"], "none": []}, []).verdict == EQUAL
    for other in ({"Bogus & sure": ["a"]}, {"Sure": ["a <b>"]}, {"Bogus & sure": ["a <b>"], "More": ["c"]}):
        assert captions(shown, other, []).verdict == DIFFERENT
    assert captions(PagePictures(), {"Bogus & sure": ["a <b>"]}, []).verdict == EQUAL, "data may have no pictures"
    for odd in (PAGE.replace("AAAA", "A*"), PAGE.replace("data:image/png", "https://x.example/a.png")):
        assert not PagePictures.of(odd).samples
    assert drawn_again(shown, shown).verdict == EQUAL
    assert drawn_again(shown, PagePictures()).verdict == drawn_again(PagePictures(), shown).verdict == DIFFERENT
