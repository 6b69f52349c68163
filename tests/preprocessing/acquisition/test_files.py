"""From a catalogue to a manifest that the subtraction reads, over a server with faults."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest
from filelock import SoftFileLease
from made.archive_server import Clients, PlayedArchive

from astrid_ml.cli.main import run
from astrid_ml.errors import UserError
from astrid_ml.preprocessing.acquisition.archives.archive import Observation, Product, Search
from astrid_ml.preprocessing.acquisition.client.errors import ArchiveError
from astrid_ml.preprocessing.acquisition.files.bring import BringFiles, place_of
from astrid_ml.preprocessing.acquisition.files.organise import LaidOut, lay_out, write_manifest
from astrid_ml.preprocessing.acquisition.pairs.choose import ChoosePairs, TargetPlan
from astrid_ml.preprocessing.acquisition.pairs.timeline import draw_timeline
from astrid_ml.preprocessing.acquisition.plan import account_of_plans, products_of, search_targets
from astrid_ml.preprocessing.acquisition.targets.catalogue import Target
from astrid_ml.preprocessing.acquisition.targets.file_names import plain, short_digest
from astrid_ml.preprocessing.differencing.frame.manifest import find_pairs

SN = Target("2014J", 150.0, 2.0, 56678.0)
OTHER = Target("2014xx", 10.0, 2.0, 56678.0)
DAYS = {"s1": 10.0, "s2": 20.0, "r1": -100.0}


@dataclass(frozen=True)
class Shelf:
    """An archive of one's own: the protocol asks for no base class."""

    bring: BringFiles
    server: str
    name: str = "shelf"

    def search(self, target: Target, asked: Search) -> Sequence[Observation]:
        if target == OTHER:
            raise ArchiveError("an answer", "none", "later")
        return [
            Observation("shelf", "ztf", "r", f"in/{key}", 150, 2, 56678 + day, 56678 + day, 30.0, bytes=1000)
            for key, day in DAYS.items()
        ]

    def products(self, observation: Observation) -> Sequence[Product]:
        name = observation.id.partition("/")[2] + ".fits"
        return [Product(observation.id, name, f"{self.server}/{name}")]


def planned(shelf: Shelf, targets: Sequence[Target], choose: ChoosePairs | None = None) -> list[TargetPlan]:
    answers = [*search_targets(targets, [shelf], Search())]
    return [(choose or ChoosePairs())(one, found) for one, found in answers if not isinstance(found, str)]


def organised(plans: Sequence[TargetPlan], shelf: Shelf, folder: Path) -> tuple[LaidOut, list[Product]]:
    """Names of the files asked for, files brought, pairs of the first target laid out."""
    one = plans[0]
    named = products_of(one, [shelf])
    brought = shelf.bring(list(named.files.values()), folder / "raw")
    files = {name: brought.files[product] for name, product in named.files.items() if product in brought.files}
    failed = named.failed | {product.observation: why for product, why in brought.failed.items()}
    laid = lay_out(one, files, failed, folder / "out")
    write_manifest(laid.rows, folder / "out")
    return laid, [*brought.files]


def test_from_targets_to_a_manifest(played: PlayedArchive, client_of: Clients, image: bytes, tmp_path: Path) -> None:
    played.files.update({f"/{key}.fits": image for key in ("s1", "r1")})  # s2 is not there
    played.faults["/r1.fits"] = ["die", 503]
    bring = BringFiles(client_of())
    shelf = Shelf(bring, played.url)
    plans = planned(shelf, [SN, OTHER])
    account = account_of_plans(plans, {"2014xx": "silence"})
    assert (account["targets"], account["targets_with_pairs"], list(account["targets_failed"])) == (1, 1, ["2014xx"])
    assert account["images_wanted"] == {"images": 3, "bytes": 3000}
    laid, there = organised(plans, shelf, tmp_path)
    (pair,) = find_pairs([tmp_path / "out"])
    assert pair.name == "2014J_ztf_r_in_s1_in_r1" and pair.science["filter"] == "r"
    (raw,) = (tmp_path / "raw").glob("in_s1-*/s1.fits")
    assert os.path.samefile(pair.science["path"], raw)
    assert "HTTP 404" in laid.incomplete[0][1] and len(laid.pairs) == 1
    said = json.loads((tmp_path / "out" / "metadata" / "2014J" / "ztf_r_in_s1.json").read_text())
    assert (said["images"], said["role"], said["filter"]) == ([[256, 256]], "science", "r")
    asked = dict(played.asked)
    again = bring(there, tmp_path / "raw")
    assert (again.bytes, again.before, dict(played.asked)) == (0, 2, asked)
    before = {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    del played.files["/r1.fits"]  # it is there already
    organised(plans, shelf, tmp_path)
    assert {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()} == before
    assert draw_timeline(plans[0], tmp_path / "2014J.png") and (tmp_path / "2014J.png").stat().st_size > 9000


def test_a_manifest_that_lies_there_twice_is_one(tmp_path: Path) -> None:
    rows = pd.DataFrame({"science": ["a.fits", "b.fits"], "reference": ["r.fits"] * 2, "science_gain": [1.5, 2.0]})
    rows.to_csv(tmp_path / "manifest.csv", index=False)
    rows.to_parquet(tmp_path / "manifest.parquet")
    assert [pair.name for pair in find_pairs([tmp_path])] == ["a", "b"]
    rows.iloc[:1].to_parquet(tmp_path / "manifest.parquet")
    with pytest.raises(UserError, match=r"with other pairs than manifest\.csv"):
        find_pairs([tmp_path])


def test_nothing_complete_writes_no_manifest(played: PlayedArchive, client_of: Clients, tmp_path: Path) -> None:
    (plan,) = planned(Shelf(BringFiles(client_of()), played.url), [SN])
    laid = lay_out(plan, {}, {}, tmp_path)
    assert write_manifest(laid.rows, tmp_path) is None and len(laid.incomplete) == 2 and not list(tmp_path.iterdir())
    empty = ChoosePairs()(SN, [])
    assert not draw_timeline(empty, tmp_path / "a.png")


def test_many_files_at_a_time_but_no_more(
    played: PlayedArchive, client_of: Clients, image: bytes, tmp_path: Path
) -> None:
    played.files.update({f"/{n}.fits": image for n in range(12)})
    played.delay = 0.05
    products = [Product("a", f"{n}.fits", f"{played.url}/{n}.fits", len(image)) for n in range(12)]
    brought = BringFiles(client_of(), at_once=3)([*products, products[0]], tmp_path)
    assert len(brought.files) == 12 and brought.bytes == 12 * len(image)
    assert 2 <= played.most <= 3


def test_another_run_in_the_folder_and_no_budget(
    played: PlayedArchive, client_of: Clients, image: bytes, tmp_path: Path
) -> None:
    played.files["/a.fits"] = image
    product = Product("a", "a.fits", f"{played.url}/a.fits", len(image))
    lease = SoftFileLease(tmp_path / ".bringing.lock", lease_duration=30)
    with lease, pytest.raises(UserError, match="another run"):
        BringFiles(client_of(), patience=0.1)([product], tmp_path)
    with pytest.raises(UserError, match="within its budget"):
        BringFiles(client_of(), budget=1000)([product], tmp_path)
    assert played.asked["/a.fits"] == 0


def test_names_of_an_archive_lead_nowhere_else(tmp_path: Path) -> None:
    for name in ("../../etc/passwd", "/etc/passwd", "..", ".", "", "a\0b", "x" * 999):
        place = place_of(Product(name, name, "http://x"), tmp_path)
        assert place.resolve().is_relative_to(tmp_path) and place.parent.parent == tmp_path and len(place.name) < 200


@pytest.mark.slow
def test_what_is_laid_out_is_subtracted(played: PlayedArchive, client_of: Clients, tmp_path: Path) -> None:
    """Simulated images come over the network; the subtraction that is there reads the manifest."""
    assert run(["simulate", "what=pairs", "simulate.n=1", f"output_dir={tmp_path}/sky"]) == 0
    (truth,) = find_pairs([tmp_path / "sky"])
    played.files["/s2.fits"] = Path(truth.science["path"]).read_bytes()
    played.files["/r1.fits"] = Path(truth.reference["path"]).read_bytes()
    shelf = Shelf(BringFiles(client_of()), played.url)
    organised(planned(shelf, [SN], ChoosePairs(each_filter=1)), shelf, tmp_path)
    assert run(["difference", f"input={tmp_path}/out", f"output_dir={tmp_path}/night"]) == 0
    assert list((tmp_path / "night").rglob("difference.fits"))


def test_cut_outs_of_one_frame_do_not_share_a_file(
    played: PlayedArchive, client_of: Clients, image: bytes, tmp_path: Path
) -> None:
    """Two targets in one skycell: one id, one name, two addresses and two images."""
    turned = image[:-4] + b"\x01" * 4
    played.pages["/cut"] = lambda method, query, body: (200, {}, image if query["ra"] == ["1"] else turned)
    products = [Product("warp", "warp.fits", f"{played.url}/cut?ra={ra}") for ra in (1, 2)]
    brought = BringFiles(client_of())(products, tmp_path)
    assert [brought.files[product].read_bytes() for product in products] == [image, turned]


@pytest.mark.parametrize("names", [("a b", "a_b"), ("A", "a"), ("x" * 400 + "1", "x" * 400 + "2"), ("a/b", "a:b")])
def test_names_that_are_one_file_are_told_apart(names: tuple[str, str], tmp_path: Path, image: bytes) -> None:
    files = {}
    for number, name in enumerate([*names, "r"]):
        files[name] = tmp_path / f"{number}.fits"
        files[name].write_bytes(image[:-4] + bytes([number]) * 4)
    days = dict(zip([*names, "r"], (10.0, 20.0, -100.0), strict=True))
    seen = [Observation("a", "ztf", "r", name, 150, 2, 56678 + day, 56678 + day, 30.0) for name, day in days.items()]
    laid = lay_out(ChoosePairs()(SN, seen), files, {}, tmp_path / "out")
    content = {(tmp_path / "out" / row["science"]).read_bytes()[-1] for row in laid.rows}
    assert (
        content == {0, 1}
        and len({row["name"].casefold() for row in laid.rows})
        == len(list((tmp_path / "out" / "metadata").rglob("*.json"))) - 1
    )


def test_a_file_that_came_again_is_linked_anew(tmp_path: Path, image: bytes) -> None:
    seen = [Observation("a", "ztf", "r", n, 150, 2, 56678 + d, 56678 + d, 30.0) for n, d in (("s", 10.0), ("r", -99.0))]
    plan = ChoosePairs()(SN, seen)
    for last in (b"\x01", b"\x02"):
        files = {name: tmp_path / f"{name}.fits" for name in ("s", "r")}
        for path in files.values():
            path.unlink(missing_ok=True)
            path.write_bytes(image[:-1] + last)
        (row,) = lay_out(plan, files, {}, tmp_path / "out").rows
        assert (tmp_path / "out" / row["science"]).read_bytes()[-1:] == last


def test_a_mixed_pair_says_of_each_side_whose_it_is(tmp_path: Path, image: bytes) -> None:
    files = {name: tmp_path / f"{name}.fits" for name in ("s", "r")}
    for path in files.values():
        path.write_bytes(image)
    seen = [
        Observation("a", "ps1", "r", "s", 150, 2, 56688, 56688, 30.0),
        Observation("b", "sdss", "r", "r", 150, 2, 51075, 55153, None),
    ]
    laid = lay_out(ChoosePairs(allow_mixed=True)(SN, seen), files, {}, tmp_path)
    write_manifest(laid.rows, tmp_path)
    (pair,) = find_pairs([tmp_path])
    assert (pair.science["mission"], pair.reference["mission"], pair.reference["mjd"]) == ("ps1", "sdss", 53114.0)


@pytest.mark.parametrize("name", ["..", "", "a/b c", "x" * 999, "\ud800", "é$%"])
def test_plain_names_are_names_of_files(name: str, tmp_path: Path) -> None:
    (tmp_path / plain(name)).touch()
    assert plain(name) == plain(name) and len(plain(name)) <= 150 and "/" not in plain(name)
    assert plain("x" * 400 + "1") != plain("x" * 400 + "2")
    assert short_digest(name) != short_digest(name, "")


@pytest.mark.parametrize("wrong", [404, 500, "html", "foreign"])
def test_a_mirror_stands_in_for_an_address_that_fails(
    wrong: int | str, played: PlayedArchive, client_of: Clients, image: bytes, tmp_path: Path
) -> None:
    played.files["/mirror.fits"] = image
    played.faults["/a.fits"] = [wrong] * 9
    url = "http://example.org/a.fits" if wrong == "foreign" else f"{played.url}/a.fits"
    mirrors = ("s3://nobody/allowed.fits", f"{played.url}/mirror.fits")
    product = Product("a", "a.fits", url, len(image), mirrors=mirrors)
    brought = BringFiles(client_of(tries=2))([product], tmp_path)
    assert brought.files[product].read_bytes() == image
    none = Product("b", "b.fits", f"{played.url}/absent.fits", mirrors=mirrors[:1])
    lost = BringFiles(client_of(tries=2))([none], tmp_path)
    assert "HTTP 404" in lost.failed[none] and none in lost.absent
