"""Archives of the Virtual Observatory: SIA 2, TAP and DataLink, played on this machine through the real client."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from astropy.io.votable import from_table
from astropy.io.votable.tree import Info
from astropy.table import MaskedColumn, Table
from made.archive_server import Clients, PlayedArchive, Reply

from astrid_ml.errors import UserError
from astrid_ml.preprocessing.acquisition.archives.archive import Search
from astrid_ml.preprocessing.acquisition.archives.obscore import ObscoreArchive
from astrid_ml.preprocessing.acquisition.client.errors import ArchiveError
from astrid_ml.preprocessing.acquisition.pairs.choose import ChoosePairs
from astrid_ml.preprocessing.acquisition.targets.catalogue import Target

pytest.importorskip("pyvo", reason="needs the extra archives")
SN = Target("2014J", 148.9, 69.7, 56678.0)
COLLECTIONS = {"ztf_sci": "ZTF", "wise": "wise"}


def votable(table: Table, status: str = "OK") -> bytes:
    made, out = from_table(table), io.BytesIO()
    made.resources[0].type = "results"
    made.resources[0].infos.append(Info(name="QUERY_STATUS", value=status))
    made.to_xml(out)
    return out.getvalue()


def obscore(url: str) -> Table:
    """Two epochs of one filter, one of wavelengths alone, a weight map, raw data, and a row without a place."""
    rows: dict[str, Any] = {
        "obs_id": ["a", "b", "c", "w", "raw", "lost"],
        "obs_collection": ["ztf_sci"] * 6,
        "s_ra": MaskedColumn([148.9] * 6, mask=[0, 0, 0, 0, 0, 1]),
        "s_dec": [69.7] * 6,
        "t_min": [56300.0, 56690.0, 56695.0, 56690.0, 56690.0, 56690.0],
        "t_max": [56300.1, 56690.1, 56695.1, 56690.1, 56690.1, 56690.1],
        "t_exptime": [30.0, 60.0, np.nan, 1.0, 1.0, 1.0],
        "s_region": ["CIRCLE ICRS 148.9 69.7 0.2"] * 6,
        "access_url": [f"{url}/files/{name}.fits" for name in "abcwrl"],
        "access_format": ["image/fits", "application/x-votable+xml;content=datalink", *["image/fits"] * 4],
        "access_estsize": [250, 250, 0, 1, 1, 1],
        "calib_level": [2, 2, 2, 2, 1, 2],
        "dataproduct_subtype": ["science", "science", "", "weight", "science", "science"],
        "energy_bandpassname": ["zr", "zr", "", "zr", "zr", "zr"],
        "cloud_access": ['{"aws": {"bucket_name": "bucket", "key": "a b.fits"}}', "", "{", "[]", "", ""],
        "em_min": [np.nan, np.nan, 3.0e-6, 1, 1, 1],
        "em_max": [np.nan, np.nan, 4.0e-6, 1, 1, 1],
    }
    return Table(rows, masked=True)


def playing(played: PlayedArchive, asked: list[dict[str, list[str]]], content: bytes) -> None:
    def page(method: str, query: dict[str, list[str]], body: str) -> Reply:
        asked.append(query)
        return 200, {"Content-Type": "application/x-votable+xml"}, content

    played.pages |= {"/SIA": page, "/TAP/sync": page}


@pytest.mark.parametrize(("protocol", "path"), [("sia2", "SIA"), ("tap", "TAP")])
def test_images_by_both_protocols(
    protocol: str, path: str, played: PlayedArchive, client_of: Clients, image: bytes
) -> None:
    asked: list[dict[str, list[str]]] = []
    playing(played, asked, votable(obscore(played.url)))
    archive = ObscoreArchive(client_of(), f"{played.url}/{path}", COLLECTIONS, protocol)
    found = archive.search(SN, Search(missions=("ztf",), first=56000.0, last=57000.0))
    assert [(one.id, one.filter, one.mission) for one in found] == [
        ("a/a.fits", "zr", "ztf"), ("b/b.fits", "zr", "ztf"), ("c/c.fits", "3e-06-4e-06", "ztf"),
    ]  # fmt: skip
    assert (found[0].exposure, found[2].exposure, found[0].bytes, found[2].bytes) == (30.0, None, 250_000, None)
    said = " ".join(" ".join(values) for values in asked[0].values())
    assert len(asked) == 1 and "ztf_sci" in said and "56000.0" in said and "148.9" in said
    (pair,) = ChoosePairs()(SN, found).kept
    assert (pair.science, pair.reference) == ("b/b.fits", "a/a.fits")
    (product,) = archive.products(found[0])
    assert product.addresses == (f"{played.url}/files/a.fits", "https://bucket.s3.amazonaws.com/a%20b.fits")
    assert len(archive.products(found[2])[0].addresses) == 1


def test_a_list_of_links_names_the_image(played: PlayedArchive, client_of: Clients) -> None:
    playing(played, [], votable(obscore(played.url)))
    archive = ObscoreArchive(client_of(), f"{played.url}/SIA", {"ztf_sci": "ztf"})
    linked = archive.search(SN, Search())[1]
    links = {
        "semantics": ["#preview", "#this", "#this"],
        "access_url": [f"{played.url}/{name}" for name in ("b.png", "b.txt", "real.fits")],
        "content_type": ["image/png", "text/plain", "application/fits"],
        "content_length": [10, 10, 4242],
    }
    played.pages["/files/b.fits"] = lambda *_: (200, {}, votable(Table(links)))
    (product,) = archive.products(linked)
    assert (product.name, product.bytes, product.url) == ("real.fits", 4242, f"{played.url}/real.fits")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (votable(Table({"a": [1]}), "ERROR"), "DALQueryError"),
        (votable(obscore("http://x"), "OVERFLOW"), "cut short"),
        (b"<html>maintenance</html>", "VOTable"),
        (b"", "VOTable"),
        (votable(Table({"a": [1]}))[:-60], "VOTable"),
    ],
    ids=["error", "overflow", "html", "empty", "cut"],
)
def test_answers_that_are_no_whole_table(content: bytes, words: str, played: PlayedArchive, client_of: Clients) -> None:
    playing(played, [], content)
    with pytest.raises(ArchiveError, match=words):
        ObscoreArchive(client_of(), f"{played.url}/SIA", COLLECTIONS).search(SN, Search())


def test_a_quote_in_a_collection_stays_a_name(played: PlayedArchive, client_of: Clients) -> None:
    asked: list[dict[str, list[str]]] = []
    playing(played, asked, votable(obscore(played.url)))
    name = "a' OR '1'='1"
    ObscoreArchive(client_of(), f"{played.url}/TAP", {name: "ztf"}, "tap").search(SN, Search())
    assert "obs_collection='a'' OR ''1''=''1'" in asked[0]["QUERY"][0]
    assert ObscoreArchive(client_of(), played.url, {"x": "ztf"}).search(SN, Search(missions=("hst",))) == []
    with pytest.raises(UserError, match="sia2 or tap"):
        ObscoreArchive(client_of(), played.url, {}, "soap")
