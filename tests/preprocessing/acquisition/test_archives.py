"""Archives answer as they were recorded, through the client that asks them in truth."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from made.archive_server import QUESTIONS, Clients, PlayedArchive, Reply, mashup

from astrid_ml.errors import UserError
from astrid_ml.preprocessing.acquisition.archives.archive import Archive, Observation, Product, Search
from astrid_ml.preprocessing.acquisition.archives.footprints import coverage
from astrid_ml.preprocessing.acquisition.archives.irsa import IrsaZtfArchive
from astrid_ml.preprocessing.acquisition.archives.mast import MastArchive
from astrid_ml.preprocessing.acquisition.archives.needs import astroquery_module
from astrid_ml.preprocessing.acquisition.archives.panstarrs import PanstarrsArchive
from astrid_ml.preprocessing.acquisition.archives.rows import finite, names_among, reading_answer
from astrid_ml.preprocessing.acquisition.archives.skyview import SkyviewArchive
from astrid_ml.preprocessing.acquisition.client.client import ArchiveClient
from astrid_ml.preprocessing.acquisition.client.download import fetch
from astrid_ml.preprocessing.acquisition.client.errors import ArchiveError
from astrid_ml.preprocessing.acquisition.pairs.choose import ChoosePairs
from astrid_ml.preprocessing.acquisition.pairs.windows import LightWindows
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


def brought(client: ArchiveClient, product: Product, path: Path) -> None:
    fetch(client, product.url, path, product.bytes, product.checksum)


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
        brought(mast.client, products[0], tmp_path / "a.fits")
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
    brought(archive.client, archive.products(found[0])[0], tmp_path / "a.fits")
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


def test_rows_that_cannot_be_read_cost_a_row(played: PlayedArchive, client_of: Clients, caplog: Any) -> None:
    good = WARPS.splitlines()
    for wrong in ("x", "nan nan nan", "1e999"):
        table = "\n".join([*good, good[1].replace("55500.5", wrong.split()[0])])
        played.pages["/cgi-bin/ps1filenames.py"] = text(table)
        found = PanstarrsArchive(client_of(), server=played.url).search(SN, Search())
        assert [one.start for one in found if one.start is not None][:2] == [55500.5, 56700.5]
    assert "1 rows of an answer cannot be read" in caplog.text
    row = ZTF.splitlines()[1]
    played.pages["/ibe/search/ztf/products/sci"] = text(ZTF + row.replace("791", "field").replace("0525", "9999"))
    assert len(IrsaZtfArchive(client_of(), server=played.url).search(SN, Search())) == 1
    reference = REFERENCES + REFERENCES.splitlines()[1].replace("2018-03-20", "2018-13-20")
    played.pages["/ibe/search/ztf/products/ref"] = text(reference)
    assert len(IrsaZtfArchive(client_of(), server=played.url, kind="ref").search(SN, Search())) == 1
    played.pages["/ibe/search/ztf/products/ref"] = text(reference.replace("2018-0", "soon-0"))
    with pytest.raises(ArchiveError, match="rows of irsa that can be read"):
        IrsaZtfArchive(client_of(), server=played.url, kind="ref").search(SN, Search())


def test_reading_an_answer_names_whose_it_is() -> None:
    with pytest.raises(ArchiveError, match="an answer of mast that can be read"), reading_answer("mast"):
        int("x")
    assert [finite(np.ma.masked), finite("1"), finite([]), finite(float("inf"))] == [None, 1.0, None, None]
    assert names_among(("r", "UVW1", "g"), "gr") == ["r", "g"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"ra": "10"}, {"ra": float("nan")}, {"dec": 91.0}, {"id": ""}, {"id": 7}, {"start": 5.0, "end": 4.0},
        {"start": 1e9}, {"filter": None}, {"bytes": "many"}, {"footprint": ["CIRCLE"]}, {"exposure": float("inf")},
    ],
)  # fmt: skip
def test_an_observation_that_cannot_be(wrong: dict[str, Any]) -> None:
    usual: dict[str, Any] = {"archive": "a", "mission": "hst", "filter": "r", "id": "x", "ra": 1.0, "dec": 2.0}
    assert Observation(**usual).start is None
    with pytest.raises(ArchiveError):
        Observation(**usual | wrong)


def test_another_missions_filters_are_no_question(played: PlayedArchive, client_of: Clients) -> None:
    """Of several missions each archive is asked for its own filters; where none is its own it is not asked."""
    played.pages["/ibe/search/ztf/products/sci"] = text(ZTF)
    played.pages["/cgi-bin/ps1filenames.py"] = text(WARPS)
    QUESTIONS.clear()
    archives = [cls(client_of(), server=played.url) for cls in (IrsaZtfArchive, PanstarrsArchive)]
    assert [archive.search(SN, Search(filters=("UVW1", "NUV"))) for archive in archives] == [[], []]
    assert MastArchive(client_of(), server=played.url).search(SN, Search(missions=("ztf", "sdss"))) == []
    assert not QUESTIONS and not played.asked
    assert [len(archive.search(SN, Search(filters=("UVW1", "r")))) for archive in archives] == [1, 1]
    assert [one.get("WHERE", one.get("filters")) for one in QUESTIONS] == [["filtercode IN ('zr')"], ["r"]]


def test_stacks_of_panstarrs_are_references_of_what_shone_later(played: PlayedArchive, client_of: Clients) -> None:
    played.pages["/cgi-bin/ps1filenames.py"] = text(WARPS.replace("55500.5", "0").replace("56700.5", "0"))
    found = PanstarrsArchive(client_of(), server=played.url, kind="stack").search(SN, Search(filters=("r", "g")))
    assert {LightWindows().role(one, 57500.0)[0] for one in found} == {"reference"}
    assert {LightWindows().role(one, 56000.0)[0] for one in found} == {None}


class Rows:
    """astroquery's answers, without the network."""

    def __init__(self, rows: list[dict[str, Any]], files: list[dict[str, Any]]) -> None:
        self.rows, self.files = rows, files

    def query_criteria(self, **criteria: Any) -> list[dict[str, Any]]:
        return self.rows

    def get_product_list(self, key: str) -> list[dict[str, Any]]:
        return self.files


def caom(**more: Any) -> dict[str, Any]:
    usual = {"t_min": 58324.0, "t_max": 58352.0, "t_exptime": 1425.6, "calib_level": 3, "obs_collection": "TESS"}
    usual |= {"filters": "TESS", "obs_id": "tess-s0001-1-1", "s_ra": 10.0, "s_dec": 2.0, "obsid": "1"}
    return usual | {"s_region": "CIRCLE ICRS 10 2 8", "instrument_name": "Photometer"} | more


def answering(monkeypatch: pytest.MonkeyPatch, rows: list[dict[str, Any]], files: list[dict[str, Any]]) -> None:
    pytest.importorskip("astroquery.mast", reason="needs the extra archives")
    monkeypatch.setattr(MastArchive, "observations", Rows(rows, files))


def test_a_sector_of_tess_is_many_epochs(client_of: Clients, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"tess2018{day}120000-s0001-1-1-0120-s_ffic.fits" for day in range(206, 234)]
    files = [{"productFilename": n, "productType": "SCIENCE", "dataURI": f"mast:T/{n}", "size": 35e6} for n in names]
    answering(monkeypatch, [caom()], [*files, {**files[0], "productFilename": "tess-sum_ffic.fits"}])
    archive = MastArchive(client_of(), frames=5)
    found = archive.search(SN, Search(radius=5.0))
    assert [one.start for one in found][:2] == [58324.5, 58331.5] and len(found) == 5
    assert len({one.id for one in found}) == len(found) and found[0].bytes == 35_000_000
    assert [one.url for one in archive.products(found[0])] == [found[0].url]
    made = ChoosePairs()(Target("a", 10.0, 2.0, 58340.0), found)
    assert {role for role, _ in made.roles.values()} >= {"science"}


@pytest.mark.parametrize(("band", "count"), [("F814W", 1), ("DETECTION", 0), ("detection", 0), ("--", 0), ("", 0)])
def test_sums_over_filters_are_left_out(
    band: str, count: int, client_of: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    answering(monkeypatch, [caom(obs_collection="HLA", filters=band), caom(obs_collection="HST", filters="F606W")], [])
    found = MastArchive(client_of()).search(SN, Search())
    assert len(found) == 1 + count and {one.mission for one in found} == {"hst"}
