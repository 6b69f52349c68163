"""Published weights and a model of simulated samples, on surveys that they were and were not trained on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from made.untrained import untrained

from astrid_ml.api import predict
from astrid_ml.checkpoint.load import read_record, save_model
from astrid_ml.errors import UserError
from astrid_ml.models.commands.import_weights import ImportWeightsCommand
from astrid_ml.run.prediction.domain import fit_validity

pytestmark = pytest.mark.real_data


@pytest.fixture(scope="module")
def weights(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "m7.ckpt"
    ImportWeightsCommand(str(real_data / "braai" / "d6_m7.weights.h5"), "d6_m7", str(path)).run()
    return path


@pytest.mark.parametrize(("survey", "outside"), [("rubin", 0.9), ("winter", 0.9), ("gattini", 0.9), ("ztf", 0.05)])
def test_published_weights_know_their_own_survey(
    weights: Path, real_data: Path, tmp_path: Path, survey: str, outside: float
) -> None:
    """Case: another survey was scored without a word."""
    report = predict(weights, real_data / survey, tmp_path / "out")
    table = pd.read_parquet(tmp_path / "out" / "predictions.parquet")
    share = float((~table["in_domain"].astype(bool)).mean())
    assert share >= outside if survey != "ztf" else share <= outside
    assert bool(report["domain"]["words"]) == (survey != "ztf")
    if survey != "ztf":
        assert table["outside_because"].str.contains(f"mission {survey} was not trained on").all()
        assert table["outside_because"].str.contains("pixel scale").all()


def test_the_wrong_variant_is_refused_whatever_the_file_is_called(real_data: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.h5").write_bytes((real_data / "braai" / "braai_d6_m9.weights.h5").read_bytes())
    with pytest.raises(UserError, match="the published d6_m9"):
        ImportWeightsCommand(str(tmp_path / "mine.h5"), "d6_m7", str(tmp_path / "c.ckpt")).run()


def test_a_model_of_simulated_samples_gives_real_packets_no_probability(real_data: Path, tmp_path: Path) -> None:
    """Case: a simulated-only model said median probability 1.000 of real packets."""
    made = untrained(tmp_path / "made")
    record, state = read_record(made.checkpoint)
    rows = [made.datamodule.rows[name] for name in ("train", "val")]
    validity = fit_validity(made.task, made.datamodule, made.dataset, rows, "subtracted", True)
    fitted = {"kind": "temperature", "parameters": {"temperature": 1.0, "offset": 0.0}, "calibrated": True}
    record = replace(record, validity=validity, calibrated=True, calibration=fitted)
    save_model(tmp_path / "sim.ckpt", state, record)
    packets = real_data / "ztf" / "alerts_20191209.parquet"
    for allowed in (False, True):
        report = predict(tmp_path / "sim.ckpt", packets, tmp_path / f"out{allowed}", allow_outside=allowed)
        table = pd.read_parquet(tmp_path / f"out{allowed}" / "predictions.parquet")
        assert (table["in_domain"] == False).all()  # noqa: E712
        assert table["outside_because"].str.contains("trained on simulated samples alone").all()
        assert table["probability"].notna().all() == allowed
        assert "allow_outside=true" in report["domain"]["words"]
    own = predict(tmp_path / "sim.ckpt", made.raw, tmp_path / "own")
    assert (
        own["domain"]["inside"] / own["scored"] > 0.5
    )  # forty samples leave no density, and the S/N goes beyond a few
