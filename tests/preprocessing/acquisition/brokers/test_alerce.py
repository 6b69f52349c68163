"""ALeRCE's answers, played on this machine: packets that ``prepare`` reads, and what brokers do wrong."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from made.alerts import fits_bytes
from made.archive_server import Clients, PlayedArchive, Reply

from astrid_ml.pipeline.writer import MemoryUnitWriter
from astrid_ml.preprocessing.acquisition.archives.alerce import AlerceBroker
from astrid_ml.preprocessing.acquisition.client.errors import HostError
from astrid_ml.preprocessing.acquisition.commands.acquire import AcquireCommand
from astrid_ml.preprocessing.acquisition.data_set import Acquisition
from astrid_ml.preprocessing.acquisition.stages.alerts import PACKETS, STAMPS, transients
from astrid_ml.preprocessing.acquisition.targets.catalogue import Target
from astrid_ml.preprocessing.acquisition.targets.moving import MovingTarget
from astrid_ml.preprocessing.alerts.pipeline import AlertsPipeline

NAME, OTHER = "ZTF20aaelulu", "ZTF21abcdefg"
PLACE = (185.7, 15.8)
CANDIDS = {NAME: (1096181531115015000, 1100222331115015007, 1111222331115015009), OTHER: (1400222331115015007,)}


def row(candid: int, number: int, **given: Any) -> dict[str, Any]:
    """A detection as ALeRCE's documentation has it."""
    usual = {"tid": "ztf", "mjd": 58849.25 + number, "candid": str(candid), "fid": 1 + number % 2, "isdiffpos": 1}
    usual |= {"ra": PLACE[0], "dec": PLACE[1], "magpsf": 17.0 + number, "sigmapsf": 0.05, "rb": 0.9, "drb": 0.99}
    return usual | {"has_stamp": True, "corrected": False, "parent_candid": None} | given


def stamp(candid: str, kind: str) -> bytes:
    level = ("science", "template", "difference").index(kind)
    rng = np.random.default_rng(int(candid) % 2**32)
    image = rng.normal(level, 1.0, (63, 63))
    image[31, 31] += 50.0 * (kind != "template")
    return gzip.compress(fits_bytes(image), mtime=0)


class Alerce:
    """What its two servers say; ``rows`` by object, ``cut`` stamps that come cut off so many times."""

    def __init__(self) -> None:
        self.rows: dict[str, Any] = {
            name: [row(candid, n) for n, candid in enumerate(some)] for name, some in CANDIDS.items()
        }
        self.rows[NAME][1]["isdiffpos"] = -1
        self.cut = 0
        self.absent: set[str] = set()

    def objects(self, method: str, query: dict[str, list[str]], body: str) -> Reply:
        there = abs(float(query["ra"][0]) - PLACE[0]) < 1e-3 and float(query["radius"][0]) == 1.5
        items = [{"oid": NAME, "meanra": PLACE[0], "meandec": PLACE[1]}] if there else []
        return said({"total": len(items), "page": 1, "has_next": False, "items": items})

    def stamps(self, method: str, query: dict[str, list[str]], body: str) -> Reply:
        candid, kind = query["candid"][0], query["type"][0]
        if candid in self.absent or query["format"] != ["fits"] or query["oid"][0] not in CANDIDS:
            return 404, {}, b"not found"
        content = stamp(candid, kind)
        if self.cut > 0:
            self.cut -= 1
            content = content[:-200]
        return 200, {"Content-Type": "application/octet-stream"}, content

    def pages(self) -> dict[str, Any]:
        made: dict[str, Any] = {"/v1/objects": self.objects, "/get_stamp": self.stamps}
        for name in CANDIDS:
            made[f"/v1/objects/{name}/detections"] = lambda *_, name=name: said(self.rows[name])
        return made


def said(content: Any) -> Reply:
    return 200, {"Content-Type": "application/json"}, json.dumps(content).encode()


class Run:
    """A run over the two ZTF objects: one by its place, the other by its name."""

    def __init__(self, folder: Path, played: PlayedArchive, client_of: Clients) -> None:
        self.folder, self.played, self.client_of, self.alerce = folder, played, client_of, Alerce()
        played.pages = self.alerce.pages()
        rows = [
            f"SN 2020oi,{PLACE[0]},{PLACE[1]},2020-01-07",
            f"{OTHER},10,20,2021-01-01",
            "SN 1999zz,50,50,1999-01-01",
        ]
        (folder / "targets.csv").write_text("\n".join(["name,ra,dec,discoverydate", *rows]) + "\n")

    def __call__(self, **given: Any) -> dict[str, Any]:
        url = self.played.url

        def made(client: Any) -> AlerceBroker:
            return AlerceBroker(client, f"{url}/v1", url, **given)

        data_set = Acquisition(brokers={"alerce": made}, catalogue=str(self.folder / "targets.csv"), keep_free=0)
        data_set = replace(data_set, client=self.client_of(), at_once=1)
        return AcquireCommand(data_set, str(self.folder / "out")).run()

    @property
    def report(self) -> dict[str, Any]:
        text = (self.folder / "out" / "pipeline_report.json").read_text()
        found: dict[str, Any] = json.loads(text)["alerts"]
        return found

    def packets(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in sorted((self.folder / "out" / PACKETS).glob("*"))}


@pytest.fixture
def run(tmp_path: Path, played: PlayedArchive, client_of: Clients) -> Run:
    return Run(tmp_path, played, client_of)


def prepared(folder: Path) -> Any:
    pipeline, writer = AlertsPipeline(), MemoryUnitWriter(AlertsPipeline().describe())
    for unit in pipeline.plan([folder]):
        pipeline.process(unit, writer, 1)
    return writer.source()


def test_names_and_places_give_packets_that_prepare_reads(run: Run) -> None:
    summary = run()
    assert (summary["failed"], summary["alerts"]) == (0, 4)
    assert [*run.packets()] == ["SN_2020oi.avro", f"{OTHER}.avro"]
    assert run.report["counts"] == {"objects": 2, "packets": 4, "targets with packets": 2, "targets without packets": 1}
    index = prepared(run.folder / "out" / PACKETS).index.sort_values("id").reset_index(drop=True)
    assert index["group_id"].tolist() == [NAME] * 3 + [OTHER]
    assert index["id"].tolist() == [str(candid) for some in CANDIDS.values() for candid in some]
    assert index["filter"].tolist() == ["g", "r", "g", "g"] and index["sign"].tolist() == [1, -1, 1, 1]
    # ZTF's time is the start of an exposure of 30 s, and so is ALeRCE's
    assert index["mjd"].iloc[0] == pytest.approx(58849.25 + 15 / 86400, abs=2e-4)
    assert index["ra"].to_numpy() == pytest.approx(PLACE[0]) and index["mission"].unique().tolist() == ["ztf"]


def test_stamps_are_those_of_the_broker(run: Run) -> None:
    run()
    source = prepared(run.folder / "out" / PACKETS)
    first = int(np.flatnonzero((source.index["id"] == str(CANDIDS[OTHER][0])).to_numpy())[0])
    stamps = source.gather("stamps", np.array([first]))[0]
    assert np.nanmedian(stamps.reshape(3, -1), axis=1) == pytest.approx([0, 1, 2], abs=0.2)


def test_a_rerun_asks_nobody_and_other_settings_ask_again(run: Run) -> None:
    run()
    before, asked = run.packets(), sum(run.played.asked.values())
    run()
    assert run.packets() == before and sum(run.played.asked.values()) == asked
    run(each=1)
    assert run.report["counts"]["detections beyond the brightest"] == 2
    assert prepared(run.folder / "out" / PACKETS).index["id"].tolist().count(str(CANDIDS[NAME][0])) == 1


@pytest.mark.parametrize("faults", [[429], [500, 429], ["html"], [503, "html"]])
@pytest.mark.parametrize("path", ["/get_stamp", f"/v1/objects/{NAME}/detections", "/v1/objects"])
def test_what_passes_is_asked_for_again_and_changes_nothing(run: Run, path: str, faults: list[int | str]) -> None:
    run.played.faults = {path: list(faults)}
    first = run()
    for _ in range(2):  # a page of HTML in the place of an answer is told, and asked for again by the next run
        last = run()
    assert last["failed"] == 0 and last["alerts"] == 4
    assert first["failed"] <= ("html" in faults and path != "/get_stamp")


def test_a_stamp_that_is_cut_off_is_fetched_again(run: Run) -> None:
    run.alerce.cut = 2
    assert run()["failed"] == 0
    whole = run.packets()
    for stamped in (run.folder / "out" / STAMPS).iterdir():
        assert len(gzip.decompress(stamped.read_bytes())) % 2880 == 0
    assert len(whole) == 2 and "Alerts of brokers" in (run.folder / "out" / "report.html").read_text()


def test_stamps_that_never_come_whole_fail_their_target_and_a_later_run_goes_on(run: Run) -> None:
    run.alerce.cut = 4
    summary = run()
    assert summary["failed"] == 1 and [*run.packets()] == [f"{OTHER}.avro"]
    assert "gzip" in run.report["failed"]["SN 2020oi"]
    assert run()["failed"] == 0 and len(run.packets()) == 2


def test_detections_whose_stamps_are_not_there_are_counted(run: Run) -> None:
    run.alerce.absent = {str(CANDIDS[NAME][0])}
    run.alerce.rows[NAME][2]["has_stamp"] = False
    summary = run()
    assert (summary["failed"], summary["alerts"]) == (0, 2)
    counts = run.report["counts"]
    assert counts["detections whose stamps the broker does not have"] == counts["detections without stamps"] == 1


def test_an_object_that_the_broker_does_not_have_is_counted(run: Run) -> None:
    del run.played.pages[f"/v1/objects/{OTHER}/detections"]
    assert run()["failed"] == 0
    assert run.report["counts"]["objects that the broker does not have"] == 1


WRONG: Sequence[Any] = (
    {"mjd": None}, {"candid": "x/../y"}, {"ra": "east"}, {"dec": float("nan")}, {"fid": None}, {"isdiffpos": 7},
)  # fmt: skip


@pytest.mark.parametrize("damage", WRONG)
def test_a_row_that_cannot_be_read_is_left_out(run: Run, damage: dict[str, Any]) -> None:
    run.alerce.rows[NAME][1] |= damage
    summary = run()
    assert (summary["failed"], summary["alerts"]) == (0, 3)
    assert run.report["counts"]["detections that cannot be read"] == 1


@pytest.mark.parametrize("answer", [{"message": "busy"}, "soon", 7, [["a"]], [None]])
def test_an_answer_that_is_none_fails_its_target_alone(run: Run, answer: Any) -> None:
    run.alerce.rows[NAME] = answer
    summary = run()
    assert summary["failed"] == 1 and [*run.packets()] == [f"{OTHER}.avro"]


def test_a_host_that_is_not_allowed_is_not_asked(run: Run) -> None:
    made = AlerceBroker(run.client_of(hosts={"api.alerce.online": 1.0}), run.played.url, run.played.url)
    with pytest.raises(HostError):
        made.packets(Target(NAME, *PLACE), run.folder)
    assert not run.played.asked


def test_packets_of_targets_that_are_not_chosen_any_more_go(run: Run) -> None:
    run()
    table = pd.read_csv(run.folder / "targets.csv")
    table[table["name"] != OTHER].to_csv(run.folder / "targets.csv", index=False)
    run()
    assert [*run.packets()] == ["SN_2020oi.avro"]


def test_fields_and_moving_objects_have_no_alerts_of_their_own() -> None:
    some = [Target("M101", *PLACE), MovingTarget("Ceres 60000.25", *PLACE, 60000.25), Target("SN", *PLACE, 58849.0)]
    assert [one.name for one in transients(some)] == ["SN"]


def test_detections_twice_and_impossible_ones_are_counted(run: Run) -> None:
    rows = run.alerce.rows[NAME]
    wrong = [row(1096181531115015101, 1, ra=500.0), row(1096181531115015102, 1, mjd=2458849.5), row(7, 1)]
    run.alerce.rows[NAME] = [*rows, rows[0], *wrong]
    run()
    counts = run.report["counts"]
    assert counts["detections that stand there twice"] == 1 and counts["detections that cannot be read"] == 3
    assert counts["packets"] == len(CANDIDS[NAME]) + len(CANDIDS[OTHER])
