"""Each tampering of the published list is told where it can be told, in each domain where it can be done."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from made.bundles import WORDS, Honest, honest, of_text

from astrid_ml.build import plain
from astrid_ml.config import compose
from astrid_ml.fingerprint import file_hash
from astrid_ml.referee import columns
from astrid_ml.referee.commands.bundle import bundle_run
from astrid_ml.referee.commands.referee import RefereeCommand, checks_of, referee
from astrid_ml.referee.crate import METADATA
from astrid_ml.referee.opened import Bundle
from astrid_ml.referee.records import metadata
from astrid_ml.referee.verdicts import DIFFERENT, EQUAL, UNKNOWN, WITHOUT_DATA, judged
from astrid_ml.run.training.train import train

from .tamperings import ALL, TAMPERINGS, Tampering, tampered

PAGE = Path(__file__).parents[2] / "docs" / "referee.md"
OTHERS = [pytest.param(domain, marks=pytest.mark.slow) for domain in ALL if domain != "triplets"]
# One for each item, without a second training: the whole list is asked with the slow tests.
QUICK = {
    t.told or t.with_data: t.what
    for t in reversed(TAMPERINGS)
    if "triplets" in t.domains and "another seed" not in t.what
}
OF_DATA = {"data", "split again", "audit again", "scores again", "pictures"}
NOBODY = "-"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Honest]:
    return {}


@pytest.fixture
def bundles(made: dict[str, Honest], tmp_path_factory: pytest.TempPathFactory) -> Bundles:
    return Bundles(made, tmp_path_factory)


class Bundles:
    """Made when they are first asked for.

    Args:
        made: those of this module.
        places: for folders.
    """

    def __init__(self, made: dict[str, Honest], places: pytest.TempPathFactory) -> None:
        self.made, self.places = made, places

    def of(self, domain: str) -> Honest:
        """The honest bundle of a domain."""
        if domain not in self.made:
            self.made[domain] = honest(domain, self.places.mktemp("runs"))
        return self.made[domain]


@pytest.mark.parametrize("domain", ["triplets", *OTHERS])
def test_an_honest_bundle_is_bit_equal(domain: str, bundles: Bundles, tmp_path: Path) -> None:
    honest = bundles.of(domain)
    digest = file_hash(honest.bundle / METADATA)
    told = {item.name: item.verdict for item in referee(honest.bundle, str(honest.dataset), digest)}
    unknown = {"labels"} if domain == "light curves" else set()
    assert {name for name, verdict in told.items() if verdict != EQUAL} == unknown
    assert len(told) == 23
    without = {item.name: item.verdict for item in referee(honest.bundle)}
    assert {name for name, verdict in without.items() if verdict == WITHOUT_DATA} == {"columns", *OF_DATA}
    assert without["digest"] == UNKNOWN
    assert DIFFERENT not in without.values()


def cases() -> list[object]:
    out: list[object] = []
    for tampering in TAMPERINGS:
        for domain in tampering.domains:
            quick = domain == "triplets" and tampering.what in QUICK.values()
            marks = [] if quick else [pytest.mark.slow]
            out.append(pytest.param(tampering, domain, marks=marks, id=f"{domain}: {tampering.what}"))
    return out


@pytest.mark.parametrize(("tampering", "domain"), cases())
def test_a_tampering_is_told(tampering: Tampering, domain: str, bundles: Bundles, tmp_path: Path) -> None:
    honest = bundles.of(domain)
    folder = tampered(tampering, honest, tmp_path / "bundle")
    published = file_hash(honest.bundle / METADATA)
    dataset = None if tampering.told else str(honest.dataset)
    asked = [  # where one item tells it, that one is asked; where none may tell it, all are
        check
        for check in checks_of(Bundle(folder), dataset, published)
        if not tampering.told or check[0] in (tampering.told, "digest")
    ]
    found = {item.name for item in (judged(*check) for check in asked) if item.verdict == DIFFERENT}
    without = found - OF_DATA
    assert (tampering.told in without) if tampering.told else without <= {"digest"}
    assert ("digest" in without) == (file_hash(folder / METADATA) != published), (
        "what is changed after the author published the digest is told"
    )
    if not tampering.told:
        assert (tampering.with_data in found) if tampering.with_data else found <= {"digest"}


def test_the_list_on_the_page_is_this_one() -> None:
    rows = re.findall(r"^\| (.+) \| (.+) \| (.+) \| (.+) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    head = rows.index(("what was done", "told without the dataset", "told with it", "tried on"))
    listed = rows[head + 1 : head + 1 + len(TAMPERINGS)]
    assert listed == [row_of(tampering) for tampering in TAMPERINGS]
    assert len(TAMPERINGS) >= 20


def row_of(tampering: Tampering) -> tuple[str, str, str, str]:
    """A row of the page."""
    without = f"`{tampering.told}`" if tampering.told else NOBODY
    found = f"`{tampering.with_data}`" if tampering.with_data else without
    tried = "all" if tampering.domains == ALL else ", ".join(tampering.domains)
    return tampering.what, without, found, tried


def test_the_command_ends_with_1_where_something_differs(bundles: Bundles, tmp_path: Path) -> None:
    honest = bundles.of("triplets")
    metric = next(t for t in TAMPERINGS if t.told == "metrics")
    folder = tampered(metric, honest, tmp_path / "bundle")
    told = RefereeCommand(str(folder), str(tmp_path / "out")).run()
    assert told["failed"] == 1 and told["metrics"].startswith(DIFFERENT)
    assert "Different: metrics." in (tmp_path / "out" / "referee.html").read_text()
    assert len((tmp_path / "out" / "referee.csv").read_text().splitlines()) == 24


def test_columns_of_a_task_of_somebody_else_are_not_judged(
    bundles: Bundles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    added = next(t for t in TAMPERINGS if t.told == "columns")
    folder = tampered(added, bundles.of("triplets"), tmp_path / "bundle")
    monkeypatch.setattr(columns, "OURS", "lab.")
    found = columns.columns(Bundle(folder))
    assert found.verdict == UNKNOWN and "score_ensemble" in found.words


@pytest.mark.slow
def test_a_bundle_of_a_split_that_leaks_is_bit_equal(bundles: Bundles, tmp_path: Path) -> None:
    """Its report shows the pairs that leak, of those that have a picture."""
    base = bundles.of("triplets")
    ids = sorted(pd.read_parquet(next((base.bundle / "splits").glob("*.parquet")))["id"])
    folds = np.random.default_rng(0).choice(["train", "val", "test"], len(ids), p=[0.6, 0.2, 0.2])
    pd.DataFrame({"id": ids, "fold": folds}).to_csv(tmp_path / "split.csv", index=False)
    places = [f"paths.run_dir={tmp_path / 'run'}", f"dataset={base.dataset}", f"split.path={tmp_path / 'split.csv'}"]
    words = [*WORDS["triplets"], "split=file", *places]
    train(plain(compose("train", words)), words)
    bundle_run(tmp_path / "run", tmp_path / "bundle")
    assert "Pairs that leak" in (tmp_path / "bundle" / "report.html").read_text()
    told = {item.name: item for item in referee(tmp_path / "bundle", str(base.dataset))}
    assert {name for name, item in told.items() if item.verdict != EQUAL} == {"digest"}


def test_other_sources_may_describe_a_file_in_other_words(bundles: Bundles, tmp_path: Path) -> None:
    folder = tmp_path / "bundle"
    shutil.copytree(bundles.of("triplets").bundle, folder)
    of_text(folder, METADATA, lambda text: text.replace("the report", "a page"))
    assert metadata(Bundle(folder)).verdict == DIFFERENT
    of_text(
        folder,
        METADATA,
        lambda text: re.sub(r'("sha256": ")[0-9a-f]{64}(",\s*"description": "sha256 is)', r"\g<1>ab\g<2>", text),
    )
    assert metadata(Bundle(folder)).verdict == EQUAL
    of_text(folder, METADATA, lambda text: text.replace("astrid train", "astrid train seed=9"))
    assert metadata(Bundle(folder)).verdict == DIFFERENT
