"""Archives answer as they were recorded, through the client that asks them in truth."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from made.archive_server import QUESTIONS, Clients, PlayedArchive, Reply, mashup

from astrid_ml.errors import UserError
from astrid_ml.preprocessing.acquisition.archives.archive import Archive, Observation, Search
from astrid_ml.preprocessing.acquisition.archives.footprints import coverage
from astrid_ml.preprocessing.acquisition.archives.irsa import IrsaZtfArchive
from astrid_ml.preprocessing.acquisition.archives.mast import MastArchive
from astrid_ml.preprocessing.acquisition.archives.needs import astroquery_module
from astrid_ml.preprocessing.acquisition.archives.panstarrs import PanstarrsArchive
from astrid_ml.preprocessing.acquisition.archives.skyview import SkyviewArchive
from astrid_ml.preprocessing.acquisition.client.errors import ArchiveError
from astrid_ml.preprocessing.acquisition.targets.catalogue import Target

SN = Target("2014J", 148.925625, 69.673861, 56678.0)
WARPS = """projcell subcell ra dec filter mjd type filename shortname badflag
2556 80 148.9 69.6 r 55500.5 warp /rings.v3/a.wrp.r.55500_1.fits a.wrp.r.55500_1.fits 0
2556 80 148.9 69.6 g 56700.5 warp /rings.v3/a.wrp.g.56700_1.fits a.wrp.g.56700_1.fits 0
"""
NAMES = "ra,dec,field,ccdid,qid,filtercode,filefracday,imgtypecode,obsjd,exptime,maglimit"
ZTF = f"""{NAMES},ra1,dec1,ra2,dec2,ra3,dec3,ra4,dec4
148.9,69.6,791,3,2,zr,20180525482593,o,2458263.98,30,20.5,149.9,69.2,147.9,69.2,147.8,70.1,150.0,70.1
"""
REFERENCES = """ra,dec,field,ccdid,qid,filtercode,startobsdate,endobsdate
148.9,69.6,791,3,2,zr,2018-03-20 05:00:00+00,2018-05-01 04:00:00+00
"""


def text(content: str) -> Any:
    def page(method: str, query: dict[str, list[str]], body: str) -> Reply:
        QUESTIONS.append(query)
        return 200, {"Content-Type": "text/plain"}, content.encode()

    return page


@pytest.fixture
def mast(played: PlayedArchive, client_of: Clients, real_data: Path) -> MastArchive:
    """MAST's recorded answers."""
    pytest.importorskip("astroquery.mast", reason="needs the extra archives")
    folder = real_data / "mast" / "mast"
    answers = {name: (folder / file).read_bytes() for name, file in (
        ("Mast.Caom.Filtered.Position", "caom.json"), ("Mast.Caom.Products", "products.json"),
    )}  # fmt: skip
    played.pages["/api/v0/invoke"] = mashup(answers)
    columns = (folder / "columnsconfig.json").read_bytes()
    played.pages["/portal/Mashup/Mashup.asmx/columnsconfig"] = lambda *_: (200, {}, columns)
    archive = MastArchive(client_of(), server=played.url)
    archive.observations._portal_api_connection._column_configs.clear()
    return archive


@pytest.mark.real_data
def test_mast_as_it_was_recorded(mast: MastArchive, played: PlayedArchive, image: bytes, tmp_path: Path) -> None:
    QUESTIONS.clear()
    found = mast.search(SN, Search(missions=("HST", "galex"), filters=("F814W", "NUV")))
    asked = next(one for one in QUESTIONS if one["service"] == "Mast.Caom.Filtered.Position")
    filters = {one["paramName"]: one["values"] for one in asked["params"]["filters"]}
    assert filters["obs_collection"] == ["HST", "HLA", "GALEX"] and filters["filters"] == ["F814W", "NUV"]
    rows = mast.observations.query_criteria(coordinates=SkyCoord(1, 1, unit="deg"), radius="0.1 deg", project="HST")
    assert len(rows) == 19
    assert {one.filter for one in found} == {"F814W", "NUV"} and {one.mission for one in found} == {"hst", "galex"}
    first = found[0]
    assert (first.id, first.start, first.exposure) == ("HST/U27XCS01T", 49756.25506, 1500)
    assert coverage(first.footprint, first.ra, first.dec, 0.01) == 1.0
    products = mast.products(first)
    assert len(mast.observations.get_product_list("1")) == 22
    assert [(one.name, one.bytes) for one in products] == [("u9o40504m_drz.fits", 27227520)]
    played.files["/api/v0.1/Download/file"] = image
    with pytest.raises(ArchiveError, match="27227520 bytes"):
        mast.fetch(products[0], tmp_path / "a.fits")
    assert all(agent.startswith("astrid_ml/") for agent in played.agents)
    assert any("astroquery" in agent for agent in played.agents)


@pytest.mark.real_data
def test_mast_says_error(mast: MastArchive, played: PlayedArchive) -> None:
    said = b'{"status": "ERROR", "msg": "no such column", "data": [], "fields": []}'
    played.pages["/api/v0/invoke"] = mashup({"Mast.Caom.Filtered.Position": said})
    with pytest.raises(ArchiveError, match="no such column"):
        mast.search(SN, Search())


@pytest.mark.real_data
def test_the_catalogue_of_panstarrs_as_it_was_recorded(
    played: PlayedArchive, client_of: Clients, real_data: Path
) -> None:
    services = pytest.importorskip("astroquery.mast.services", reason="needs the extra archives")
    said = (real_data / "mast" / "mast" / "panstarrs.json").read_bytes()
    played.pages["/api/v0.1/panstarrs/dr2/mean.json"] = lambda *_: (200, {}, said)
    answer = client_of().get(f"{played.url}/api/v0.1/panstarrs/dr2/mean.json")
    rows = services.ServiceAPI()._parse_result(answer)
    assert len(rows) == 35


@pytest.mark.real_data
def test_skyview_as_it_was_recorded(played: PlayedArchive, client_of: Clients, real_data: Path) -> None:
    pytest.importorskip("astroquery.skyview", reason="needs the extra archives")
    folder = real_data / "mast" / "skyview"
    form, results = (folder / "query_page.html").read_bytes(), (folder / "results.html").read_bytes()
    html = {"Content-Type": "text/html"}
    played.pages["/current/cgi/basicform.pl"] = lambda *_: (200, html, form)
    played.pages["/current/cgi/runquery.pl"] = lambda *_: (200, html, results)
    archive = SkyviewArchive(client_of(), page=f"{played.url}/current/cgi/basicform.pl")
    found = archive.search(SN, Search(missions=("2mass",), filters=("J",)))
    assert [(one.mission, one.filter, one.instrument) for one in found] == [("2mass", "J", "2MASS-J")]
    (product,) = archive.products(found[0])
    assert product.url == f"{played.url}/tempspace/fits/skv6724208473423_1.fits"
    played.pages["/current/cgi/runquery.pl"] = lambda *_: (200, html, b"<html>down</html>")
    with pytest.raises(ArchiveError, match="without a link"):
        archive.products(found[0])


def test_panstarrs_cut_outs(played: PlayedArchive, client_of: Clients, image: bytes, tmp_path: Path) -> None:
    played.pages["/cgi-bin/ps1filenames.py"] = text(WARPS)
    played.pages["/cgi-bin/fitscut.cgi"] = lambda *_: (200, {}, image)
    archive = PanstarrsArchive(client_of(), server=played.url)
    found = archive.search(SN, Search(filters=("g", "r")))
    assert [(one.filter, one.start) for one in found] == [("r", 55500.5), ("g", 56700.5)]
    assert archive.search(SN, Search(filters=("g",), last=56000.0)) == []
    assert archive.search(SN, Search(missions=("ztf",))) == []
    archive.fetch(archive.products(found[0])[0], tmp_path / "a.fits")
    assert (tmp_path / "a.fits").read_bytes() == image
    played.pages["/cgi-bin/ps1filenames.py"] = text("<html>sorry</html>")
    with pytest.raises(ArchiveError, match="sorry"):
        archive.search(SN, Search())


def test_images_of_ztf(played: PlayedArchive, client_of: Clients) -> None:
    played.pages["/ibe/search/ztf/products/sci"] = text(ZTF)
    played.pages["/ibe/search/ztf/products/ref"] = text(REFERENCES)
    QUESTIONS.clear()
    asked = Search(filters=("r",), first=58000.0, last=58300.0)
    (one,) = IrsaZtfArchive(client_of(), server=played.url).search(SN, asked)
    where = QUESTIONS[0]["WHERE"][0]
    assert where == "filtercode IN ('zr') AND obsjd>=2458000.5 AND obsjd<=2458300.5"
    path = "2018/0525/482593/ztf_20180525482593_000791_zr_c03_o_q2_sciimg.fits"
    cut = "center=148.925625,69.673861&size=600.0arcsec&gzip=false"
    assert one.url == f"{played.url}/ibe/data/ztf/products/sci/{path}?{cut}"
    assert one.start == pytest.approx(58263.48) and (one.depth, one.filter) == (20.5, "r")
    assert coverage(one.footprint, SN.ra, SN.dec, 0.05) == 1.0
    (reference,) = IrsaZtfArchive(client_of(), server=played.url, kind="ref", arcsec=None).search(SN, Search())
    tail = "ref/000/field000791/zr/ccd03/q2/ztf_000791_zr_c03_q2_refimg.fits"
    assert reference.url == f"{played.url}/ibe/data/ztf/products/{tail}"
    assert reference.start == pytest.approx(58197 + 5 / 24) and reference.end == pytest.approx(58239 + 4 / 24)
    assert IrsaZtfArchive(client_of(), server=played.url).search(SN, Search(missions=("hst",))) == []


def test_all_are_archives(client_of: Clients) -> None:
    client = client_of()
    archives: list[Archive] = [
        MastArchive(client),
        PanstarrsArchive(client),
        SkyviewArchive(client),
        IrsaZtfArchive(client),
    ]
    assert [one.name for one in archives] == ["mast", "panstarrs", "skyview", "irsa"]
    for wrong in (lambda: PanstarrsArchive(client, kind="x"), lambda: IrsaZtfArchive(client, kind="x")):
        with pytest.raises(UserError):
            wrong()
    with pytest.raises(UserError, match="radius"):
        Search(radius=0.0)
    with pytest.raises(UserError, match=r"astrid-ml\[archives\]"):
        astroquery_module("there_is_none")


def test_coverage_agrees_with_areas() -> None:
    half = "POLYGON ICRS 10 -1 11 -1 11 1 10 1"
    assert coverage(half, 10.0, 0.0, 0.1, points=2000) == pytest.approx(0.5, abs=0.01)
    assert coverage("CIRCLE ICRS 10 60 0.05", 10.0, 60.0, 0.1, points=2000) == pytest.approx(0.25, abs=0.01)
    chips = "POLYGON J2000 0.1 0 0.1 -1 1 -1 1 0 POLYGON J2000 -0.1 0 -1 0 -1 1 -0.1 1"
    assert coverage(chips, 0.0, 0.0, 1.0, points=4000) == pytest.approx(0.44, abs=0.03)
    across = "POLYGON ICRS 359.9 -0.1 0.1 -0.1 0.1 0.1 359.9 0.1"
    assert coverage(across, 0.0, 0.0, 0.05) == 1.0
    for nothing in ("", "POLYGON ICRS 1 2", "BOX 1 2 3 4", "POLYGON ICRS 1 2 3 4 5 e6"):
        assert coverage(nothing, 0.0, 0.0, 0.1) is None


def test_what_a_search_wants() -> None:
    one = Observation("a", "hst", "F814W", "x", 0, 0, start=100.0, end=200.0)
    assert Search(missions=("Hubble",), filters=("F814W",)).wants(one)
    assert not Search(first=201.0).wants(one) and not Search(last=99.0).wants(one)
    assert Search(first=150.0, last=160.0).wants(one)
    assert np.isclose(Search().radius, 0.1)
