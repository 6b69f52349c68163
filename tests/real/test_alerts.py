"""Real packets of five surveys, and production's own scores."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from astrid_ml.api import predict
from astrid_ml.config import preprocessing_of
from astrid_ml.errors import UserError
from astrid_ml.models.commands.import_weights import ImportWeightsCommand
from astrid_ml.pipeline.engine import prepare_dataset
from astrid_ml.pipeline.writer import MemoryUnitWriter
from astrid_ml.preprocessing.alerts import files, forms
from astrid_ml.preprocessing.alerts.pipeline import AlertsPipeline
from astrid_ml.preprocessing.alerts.stamp_fits import read_lean, read_with_astropy, unpacked
from astrid_ml.preprocessing.labels import ScoreThresholdLabel
from astrid_ml.run.prediction.evaluate import evaluate

pytestmark = pytest.mark.real_data


@pytest.mark.parametrize(
    ("folder", "survey", "count", "size"),
    [("gattini", "gattini", 17, 61), ("winter", "winter", 11, 81), ("rubin", "rubin", 25, 30), ("ztf", "ztf", 154, 63)],
)
def test_all_samples_of_a_survey_are_read(real_data: Path, folder: str, survey: str, count: int, size: int) -> None:
    pipeline, writer = AlertsPipeline(), MemoryUnitWriter()
    for unit in pipeline.plan([real_data / folder]):
        pipeline.process(unit, writer, 0)
    source = writer.source()
    assert writer.counts[f"read_{survey}"] == count
    assert not writer.drops
    assert (source.index["mission"] == survey).all()
    assert source.index["filter"].notna().all()
    assert source.gather("stamps", np.arange(count)).shape == (count, 3, size, size)


def test_rubin_brings_variance_and_psf(real_data: Path) -> None:
    pipeline, writer = AlertsPipeline(), MemoryUnitWriter()
    [unit] = pipeline.plan([real_data / "rubin"])
    pipeline.process(unit, writer, 0)
    source, rows = writer.source(), np.arange(25)
    assert (source.gather("variance", rows) > 0).mean() > 0.99
    assert source.gather("psf", rows).sum(axis=(2, 3)) == pytest.approx(1.0, abs=1e-4)


def every_stamp(real_data: Path) -> Iterator[bytes]:
    found = files.find([real_data / name for name in ("ztf", "gattini", "winter", "rubin", "braai")])
    packets: list[dict[str, Any]] = [
        packet for path in found.loose for packet in files.read_loose(path) if isinstance(packet, dict)
    ]
    packets += [
        packet
        for path in found.tables
        for groups in files.row_groups(path, 10**6)
        for packet in files.read_parquet(path, groups)
        if isinstance(packet, dict)
    ]
    for packet in packets:
        for keys in forms.CUTOUT_KEYS:
            for key in keys:
                content = forms.cutout_bytes(packet.get(key))
                if content is not None:
                    yield unpacked(content)


def test_the_lean_parser_is_bit_equal_to_astropy_on_every_stamp(real_data: Path) -> None:
    compared = lean_ones = 0
    for content in every_stamp(real_data):
        lean = read_lean(content)
        compared += 1
        if lean is not None:
            lean_ones += 1
            assert lean.tobytes() == read_with_astropy(content).tobytes()
    assert compared >= 3 * 208
    assert lean_ones >= 3 * 180


@pytest.fixture(scope="module")
def d6_m7(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "d6_m7.ckpt"
    ImportWeightsCommand(str(real_data / "braai" / "d6_m7.weights.h5"), "d6_m7", str(path)).run()
    return path


def test_d6_m7_reproduces_every_recorded_score(real_data: Path, d6_m7: Path, tmp_path: Path) -> None:
    report = predict(d6_m7, real_data / "ztf", tmp_path / "out")
    assert (report["scored"], report["dropped"], report["failed"]) == (154, 0, 0)
    table = pd.read_parquet(tmp_path / "out" / "predictions.parquet")
    assert (table["drbversion"] == "d6_m7").all()
    assert (table["score"] - table["drb"]).abs().max() <= 1e-6
    assert table["probability"].isna().all()
    assert (table["threshold_on"] == "score").all()
    assert (tmp_path / "out" / "contact_sheet.png").stat().st_size > 10_000


def test_the_published_example_has_its_published_score(real_data: Path, d6_m7: Path, tmp_path: Path) -> None:
    predict(d6_m7, real_data / "braai" / "714287740515015072.json", tmp_path / "out")
    table = pd.read_parquet(tmp_path / "out" / "predictions.parquet")
    assert table["id"].tolist() == ["714287740515015072"]
    assert table["score"].iloc[0] == pytest.approx(0.9999416, abs=1e-6)


def test_the_other_published_weights_load_too(real_data: Path, tmp_path: Path) -> None:
    summary = ImportWeightsCommand(
        str(real_data / "braai" / "braai_d6_m9.weights.h5"), "d6_m9", str(tmp_path / "m9.ckpt")
    ).run()
    assert summary["parameters"] == 312_081
    predict(tmp_path / "m9.ckpt", real_data / "ztf" / "alerts_avro", tmp_path / "out")
    table = pd.read_parquet(tmp_path / "out" / "predictions.parquet")
    # Another training of the same network on the same survey: it agrees in rank, not in digits.
    assert table["score"].corr(table["drb"], method="spearman") > 0.5


def test_packets_of_other_surveys_can_be_scored(real_data: Path, d6_m7: Path, tmp_path: Path) -> None:
    report = predict(d6_m7, [real_data / "gattini", real_data / "winter", real_data / "rubin"], tmp_path / "out")
    assert report["scored"] == 17 + 11 + 25
    table = pd.read_parquet(tmp_path / "out" / "predictions.parquet")
    assert table.groupby("mission").size().to_dict() == {"gattini": 17, "rubin": 25, "winter": 11}
    assert table["score"].between(0, 1).all()


def test_mongo_json_and_avro_agree(real_data: Path) -> None:
    content = json.loads((real_data / "braai" / "714287740515015072.json").read_text())
    assert forms.cutout_bytes(content["cutoutScience"]) == base64.b64decode(
        content["cutoutScience"]["stampData"]["$binary"]
    )


def test_weights_are_not_judged_by_labels_from_their_own_score(real_data: Path, d6_m7: Path, tmp_path: Path) -> None:
    pipeline, label = AlertsPipeline(), ScoreThresholdLabel("drb", 0.5)
    outcome = prepare_dataset(pipeline, [real_data / "ztf"], tmp_path, name="ztf", labeller=label, progress=False)
    with pytest.raises(UserError, match="what computes drb"):
        evaluate(d6_m7, outcome.path, tmp_path / "out")


@pytest.mark.parametrize("layout", ["auto", "btsbot"])
def test_triplets_of_the_same_packets_have_the_same_scores(
    layout: str, real_data: Path, d6_m7: Path, tmp_path: Path
) -> None:
    pipeline, writer = AlertsPipeline(), MemoryUnitWriter()
    for unit in pipeline.plan([real_data / "ztf"]):
        pipeline.process(unit, writer, 0)
    source = writer.source()
    stamps = source.gather("stamps", np.arange(154))
    # As the authors' script: NaN is 0, each stamp by its norm, padding of 1e-9 after that.
    made = np.full(stamps.shape, 1e-9)
    for number, (height, width) in enumerate(source.index[["stamp_h", "stamp_w"]].to_numpy()):
        inside = np.nan_to_num(stamps[number, :, :height, :width].astype(np.float64))
        made[number, :, :height, :width] = inside / np.linalg.norm(inside, axis=(1, 2), keepdims=True)
    (tmp_path / "raw").mkdir()
    np.save(tmp_path / "raw" / "triplets.npy", made.transpose(0, 2, 3, 1).astype(np.float32))
    names = {"id": "candid", "group_id": "objectId"}
    source.index[["id", "group_id", "drb"]].rename(columns=names).to_csv(tmp_path / "raw" / "candidates.csv")
    said = {} if layout == "auto" else {"preprocessing": preprocessing_of("triplets", ["preprocessing.layout=btsbot"])}
    report = predict(d6_m7, tmp_path / "raw", tmp_path / "out", overrides=said, reader="triplets" if said else "auto")
    assert (report["scored"], report["dropped"], report["reader"]) == (154, 0, "triplets")
    assert report["counts"]["stamps_normalised_before_by_stamp_l2"] == 154 and not report["against_normalisation"]
    table = pd.read_parquet(tmp_path / "out" / "predictions.parquet")
    # A pixel of -3.4e38 (no data) spoils its row in production, and its whole stamp in that script's norm.
    sound = pd.Series((np.abs(np.nan_to_num(stamps)) < 1e37).all(axis=(1, 2, 3)))
    assert sound.sum() == 151
    assert (table["score"] - table["drb"])[sound].abs().max() <= 1e-6
    assert set(table["mission"]) == {"ztf"} and report["against_sky"] == 0
