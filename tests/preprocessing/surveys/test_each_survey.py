"""Each survey that is described: a frame or a packet of it is recognised and read as its description says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from made.surveys import FRAMES, PACKETS, WITHOUT_IMAGES, packet_of, write_frame, write_myscope
from made.weights import write_keras

from astrid_ml.cli.main import run
from astrid_ml.fingerprint import fingerprint
from astrid_ml.pipeline.writer import MemoryUnitWriter
from astrid_ml.preprocessing.alerts.packet import PacketError, read_packet
from astrid_ml.preprocessing.alerts.pipeline import AlertsPipeline
from astrid_ml.preprocessing.differencing.frame.load import Frame, LoadFits
from astrid_ml.preprocessing.surveys.registry import packaged, settled, surveys_of


@pytest.fixture(scope="module")
def ckpt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Braai's network with random weights: it takes stamps of any size."""
    folder = tmp_path_factory.mktemp("weights")
    write_keras(folder / "weights.h5")
    words = [f"input={folder / 'weights.h5'}", "variant=d6_m7", f"ckpt_path={folder / 'best.ckpt'}"]
    assert run(["import-weights", *words]) == 0
    return folder / "best.ckpt"


def test_every_survey_has_a_frame_or_a_packet() -> None:
    assert set(packaged()) == {*FRAMES, *PACKETS, *WITHOUT_IMAGES}
    assert {mission for mission, survey in packaged().items() if survey.packet} == set(PACKETS)


@pytest.mark.parametrize("mission", FRAMES)
def test_frames(tmp_path: Path, mission: str) -> None:
    write_frame(tmp_path / "a.fits", mission)
    image = LoadFits()(Frame(str(tmp_path / "a.fits")))
    assert image.mission == mission and image.header["read"]["mission"]
    for name, value in FRAMES[mission][1].items():
        found = getattr(image, name)
        if name == "gain" and value is None:
            assert not image.gain_known
        elif isinstance(value, float):
            assert found == pytest.approx(value, abs=1e-4 if name != "mjd" else 1e-7), name
        else:
            assert found == value, name


@pytest.mark.parametrize("mission", PACKETS)
def test_packets(mission: str) -> None:
    record, stamps = read_packet(packet_of(mission))
    _, size, expected = PACKETS[mission]
    assert record["mission"] == mission and record["survey"] == packaged()[mission].name and record["id"] == "7"
    assert stamps.shape == (3, size, size)
    for name, value in expected.items():
        assert record[name] == (pytest.approx(value, abs=1e-9) if isinstance(value, float) else value), name
    stamp = packaged()[mission].stamp
    assert stamp is not None
    turned = stamp.negative == "negative" and record["sign"] < 0
    assert stamps[2, size // 2, size // 2] == (9.0 if turned else -9.0) and stamps[0, size // 2, size // 2] == -9.0


def test_a_description_that_contradicts_a_packet() -> None:
    with pytest.raises(PacketError, match="survey=WINTER was given, and publisher DESIRT is of DECam"):
        read_packet(packet_of("decam"), surveys_of("winter"))
    with pytest.raises(PacketError, match="whose description has no packets"):
        read_packet({"publisher": "nobody"}, surveys_of("goto"))
    small = yaml.safe_load((Path(__file__).parents[3] / "preprocessing" / "surveys" / "ztf.yaml").read_text())
    small["stamp"]["size"] = 31
    with pytest.raises(PacketError, match="stamps of 63 x 63 pixels, ZTF has 31"):
        read_packet(packet_of("ztf"), surveys_of(small))
    # Two of them in one file are each read as what they are.
    assert [read_packet(packet_of(name))[0]["survey"] for name in ("rubin", "roman")] == ["Rubin", "Roman"]


MINE: dict[str, Any] = {
    "name": "MyScope",
    "mission": "myscope",
    "source": ["our own handbook"],
    "bands": {"w": {"aliases": ["white"]}},
    "recognise": {"packet_fields": ["scope", "event.sn"]},
    "stamp": {"size": 40, "pixel_scale": 0.7, "sky": "subtracted", "negative": "negative"},
    "packet": {
        "keys": {
            "id": ["event.number"], "object": ["event.name"], "time": ["event.mjd"], "filter": ["event.band"],
            "ra": ["event.ra"], "dec": ["event.dec"], "snr": ["event.sn"],
        },
        "time_format": "mjd",
        "reference": "middle",
    },
}  # fmt: skip


def test_packets_of_a_described_survey_are_read(tmp_path: Path) -> None:
    write_myscope(tmp_path)
    (tmp_path / "myscope.yaml").write_text(yaml.safe_dump(MINE))
    for value in (settled(None, [tmp_path]), settled(str(tmp_path / "myscope.yaml"))):
        pipeline, writer = AlertsPipeline(survey=value), MemoryUnitWriter()
        for unit in pipeline.plan([tmp_path / "packets"]):
            pipeline.process(unit, writer, 0)
        index = writer.source().index
        assert len(index) == 10 and not writer.drops and set(index["mission"]) == {"myscope"}
        assert pipeline.describe()["sky"]["myscope"] == "subtracted"
        assert fingerprint(pipeline) != fingerprint(AlertsPipeline())
    assert fingerprint(AlertsPipeline(survey=settled(None, []))) == fingerprint(AlertsPipeline())


@pytest.mark.slow
def test_a_survey_from_outside_is_one_file_and_a_packet(
    tmp_path: Path, ckpt: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_myscope(tmp_path)
    (tmp_path / "mine" / "surveys").mkdir(parents=True)
    path = tmp_path / "mine" / "surveys" / "myscope.yaml"
    path.write_text(yaml.safe_dump(MINE))
    packets = tmp_path / "packets"
    for name, words in (("a", [f"--config-dir={tmp_path / 'mine'}"]), ("b", [f"survey={path}"])):
        out = tmp_path / name
        assert run(["predict", f"ckpt_path={ckpt}", f"input={packets}", f"output_dir={out}", *words]) == 0
        table = pd.read_parquet(out / "predictions.parquet")
        assert len(table) == 10 and set(table["mission"]) == {"myscope"} and set(table["filter"]) == {"w"}
        assert np.allclose(table["mjd"], 61000.25) and set(table["group_id"]) == {"MS26a"}
        assert "10 stamps without it, where the checkpoint was trained with the sky included" in capsys.readouterr().out
        assert json.loads((out / "report.json").read_text())["against_sky"] == 10
    out = tmp_path / "c"
    assert run(["predict", f"ckpt_path={ckpt}", f"input={packets}", f"output_dir={out}"]) == 2
    assert "a survey that is not known" in capsys.readouterr().err
    path.write_text(yaml.safe_dump(MINE | {"stamp": {"size": 40, "pixelscale": 0.7}}))
    assert run(["predict", f"ckpt_path={ckpt}", f"input={packets}", f"output_dir={out}", f"survey={path}"]) == 2
    assert "did you mean pixel_scale" in capsys.readouterr().err


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("case", "expected"),
    [
        ("decam-desirt", {"survey": "DECam", "filter": "g", "mjd": 61229.08, "reliability": 0.93, "snr": 5.39}),
        ("rubin-confluent", {"survey": "Rubin", "filter": "r", "mjd": 60961.23 - 37 / 86400, "detector": "168"}),
        ("rubin-psf77", {"survey": "Rubin", "filter": "r", "reliability": 0.6, "snr": 12.0}),
    ],
)
def test_cases_from_outside(real_data: Path, tmp_path: Path, ckpt: Path, case: str, expected: dict[str, Any]) -> None:
    folder = real_data.parent / "cases" / "surveys" / case
    if not folder.is_dir():
        pytest.skip("no cases beside the real files")
    words = [f"ckpt_path={ckpt}", f"input={folder}", f"output_dir={tmp_path / 'out'}"]
    assert run(["predict", *words]) == 0
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert (report["scored"], report["dropped"]) == (1, 0)
    row = pd.read_parquet(tmp_path / "out" / "predictions.parquet").iloc[0]
    for name, value in expected.items():
        assert row[name] == (pytest.approx(value, abs=5e-3) if isinstance(value, float) else value)
