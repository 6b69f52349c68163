"""A simulated archive: its catalogue, images and server, whose faults the real client overcomes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from urllib.request import urlopen

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits
from made.archive_server import PlayedArchive, serving

from astrid_ml.errors import UserError
from astrid_ml.preprocessing.acquisition.archives.archive import Search
from astrid_ml.preprocessing.acquisition.archives.rows import reading_answer
from astrid_ml.preprocessing.acquisition.archives.served import ServedArchive
from astrid_ml.preprocessing.acquisition.client.client import ArchiveClient
from astrid_ml.preprocessing.acquisition.client.download import fetch
from astrid_ml.preprocessing.acquisition.client.errors import AbsentError, ArchiveError
from astrid_ml.preprocessing.acquisition.files.bring import BringFiles
from astrid_ml.preprocessing.acquisition.simulate.command import SimulateArchive
from astrid_ml.preprocessing.acquisition.simulate.fields import Night
from astrid_ml.preprocessing.acquisition.simulate.server import FAULTS, ArchiveServer
from astrid_ml.preprocessing.acquisition.targets.catalogue import Target, read_targets
from astrid_ml.preprocessing.differencing.frame.load import Frame, LoadFits

SMALL = SimulateArchive(n=4, shape=(128, 128), nights=2, stars=800.0)


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("archive")
    SMALL.run(place, 3)
    return place


def client_of(server: ArchiveServer) -> ArchiveClient:
    return ArchiveClient(hosts={server.host: 1000.0}, first_wait=0.01, longest_wait=0.02, read_timeout=5.0)


def test_its_catalogue_has_a_row_that_cannot_be_used(archive: Path) -> None:
    read = read_targets(archive / "supernovae.csv")
    assert len(read.targets()) == 4
    assert read.account()["rows_unusable_by_reason"] == {"no discovery date": 1}


def test_the_supernova_stands_at_its_place_in_every_image(archive: Path) -> None:
    """The brightest thing that is new lies where the catalogue says, by the image's own WCS."""
    target = read_targets(archive / "supernovae.csv").targets()[0]
    table = pd.read_csv(archive / "observations.csv")
    seen = table[table["id"].str.contains(target.name.replace(" ", ""))]
    truth = pd.read_csv(archive / "truth.csv").set_index("image")
    assert truth["snr"].max() == pytest.approx(SMALL.brightest)
    for row in seen.to_dict("records"):
        image = LoadFits()(Frame(path=str(archive / "files" / row["file"])))
        assert image.wcs is not None
        x, y = image.wcs.all_world2pix(target.ra, target.dec, 0)
        shown = image.data[round(float(y)) - 1 : round(float(y)) + 2, round(float(x)) - 1 : round(float(x)) + 2]
        if truth["snr"].get(row["id"], 0) > 0.99 * SMALL.brightest:
            bright = float(shown.mean() - image.data.median())
        elif row["id"] not in truth.index:
            faint = float(shown.mean() - image.data.median())
    assert bright > faint


def test_nights_of_one_field_share_its_stars_and_not_its_noise(archive: Path) -> None:
    table = pd.read_csv(archive / "observations.csv")
    science = table[table["id"].str.contains("_swift_") & table["id"].str.contains(r"\+4$|\+32$", regex=True)]
    one, other = (fits.getdata(archive / "files" / name, 1) for name in science["file"].iloc[:2])
    noise = (one - other)[:40, :40]
    assert not np.array_equal(one, other)
    assert abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) > 0.2
    assert noise.std() > 0


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path, archive: Path) -> None:
    SMALL.run(tmp_path, 3)
    for path in sorted(archive.rglob("*")):
        if path.is_file():
            assert (tmp_path / path.relative_to(archive)).read_bytes() == path.read_bytes(), path.name


@pytest.mark.parametrize(("missions", "filters"), [((), ()), (("swift",), ()), ((), ("nothing",))])
def test_the_query_itself_asks_for_mission_and_filter(archive: Path, missions: tuple[str], filters: tuple[str]) -> None:
    target = read_targets(archive / "supernovae.csv").targets()[1]
    with ArchiveServer(archive) as server:
        found = ServedArchive(client_of(server), server.url).search(target, Search(0.2, missions, filters))
        words = "&".join(
            [f"mission={','.join(missions)}"] * bool(missions) + [f"filter={','.join(filters)}"] * bool(filters)
        )
        asked = urlopen(f"{server.url}/observations?ra={target.ra}&dec={target.dec}&radius=0.2&{words}").read()
    assert len(found) == len(json.loads(asked)["observations"])
    assert all(one.mission in missions for one in found) or not missions
    assert bool(found) == (not filters and (not missions or any(o.mission == "swift" for o in found)))


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_ends_with_the_archives_own_bytes(archive: Path, tmp_path: Path, fault: str) -> None:
    with ArchiveServer(archive, (fault,)) as server:
        served = ServedArchive(client_of(server), server.url)
        target = read_targets(archive / "supernovae.csv").targets()[0]
        products = [served.products(one)[0] for one in served.search(target, Search(0.2))]
        done = BringFiles(served.client, keep_free=0)(products, tmp_path)
        asked = sum(n for path, n in server.asked.items() if path.startswith("/files/"))
    assert not done.failed
    assert asked > len(products) or fault == "slow"
    for product, path in done.files.items():
        assert path.read_bytes() == (archive / "files" / product.name).read_bytes()


def test_a_file_that_is_gone_is_absent(archive: Path, tmp_path: Path) -> None:
    place = tmp_path / "copy"
    shutil.copytree(archive, place)
    target = read_targets(place / "supernovae.csv").targets()[0]
    with ArchiveServer(place) as server:
        served = ServedArchive(client_of(server), server.url)
        product = served.products(served.search(target, Search(0.2))[0])[0]
        (place / "files" / product.name).unlink()
        with pytest.raises(AbsentError):
            fetch(client_of(server), product.url, tmp_path / "a.fits")
        done = BringFiles(served.client, keep_free=0)([product], tmp_path / "raw")
    assert done.absent == {product}


@pytest.mark.parametrize(
    "body", [b"<html>", b"[" * 100_000, b"[]", b'{"observations": 3}', b'{"observations": [{"strange": 1}]}']
)
def test_another_answer_than_a_table_is_the_archives_fault(body: bytes) -> None:
    played = PlayedArchive(pages={"/observations": lambda *_: (200, {}, body)})
    with serving(played):
        client = ArchiveClient(hosts={played.host: 1000.0}, tries=1)
        with pytest.raises(ArchiveError), reading_answer("served"):
            ServedArchive(client, played.url).search(Target("a", 1.0, 2.0, 56000.0), Search(0.1))


@pytest.mark.parametrize(
    "given", [{"missions": ("swift",)}, {"missions": ("swift", "nowhere")}], ids=["one mission", "an unknown one"]
)
def test_an_archive_that_would_have_no_other_mission_is_refused(given: dict[str, tuple[str, ...]]) -> None:
    with pytest.raises(UserError):
        SimulateArchive(**given)  # type: ignore[arg-type]


def test_a_server_of_no_archive_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="what=archive"):
        ArchiveServer(tmp_path)
    with pytest.raises(UserError, match="wrong_length"):
        ArchiveServer(tmp_path, ("wrong_lenght",))


def test_a_night_without_the_supernova_is_a_reference() -> None:
    assert Night(-400.0).snr is None


def test_fields_that_nobody_asked_for_are_passed_over() -> None:
    row = {"mission": "swift", "filter": "B", "id": "a", "ra": 1.0, "dec": 2.0, "zzz": 7, "archive": "other"}
    played = PlayedArchive(pages={"/observations": lambda *_: (200, {}, json.dumps({"observations": [row]}).encode())})
    with serving(played):
        client = ArchiveClient(hosts={played.host: 1000.0}, tries=1)
        (one,) = ServedArchive(client, played.url).search(Target("a", 1.0, 2.0, 56000.0), Search(0.1))
    assert (one.archive, one.id) == ("served", "a")
