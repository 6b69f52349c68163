"""Programs of others through the folds, the calibration, the baselines and the report of a network of ours."""

from __future__ import annotations

import json
import shutil
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from astrid_ml.build import build, plain
from astrid_ml.checkpoint.joined import can_join
from astrid_ml.checkpoint.load import load_model
from astrid_ml.checkpoint.predictions import read_predictions
from astrid_ml.config import compose
from astrid_ml.contracts.programs import FitsItself, FittedProgram, Program
from astrid_ml.dataset.prepared import PreparedDataset
from astrid_ml.errors import UserError
from astrid_ml.models.external.estimator import Estimator, rows
from astrid_ml.models.external.onnx_file import OnnxFile
from astrid_ml.models.tasks.external import ExternalTask
from astrid_ml.referee.commands.bundle import bundle_run
from astrid_ml.referee.commands.referee import referee
from astrid_ml.referee.verdicts import DIFFERENT, EQUAL, UNKNOWN
from astrid_ml.run.training.train import train

HERE = f"{__name__}.logistic"
WORDS = [
    "experiment=realbogus_triplets", "simulate.n=300", "simulate.prevalence=0.4", "channels.size=31", "audit=warn",
    "trainer.enable_progress_bar=false", "logger=none", "evaluation.evaluation.bootstrap.replicates=100",
    "trainer.max_epochs=1", "model.network.widths=[4,8,8]",
]  # fmt: skip
OF_NETWORKS = ("model.network", "trainer.max_epochs")


def logistic() -> Any:
    """What a user may trust."""
    return LogisticRegression(C=0.001, max_iter=50)


def trained(folder: Path, *words: str, store: Path | None = None) -> Path:
    """Train; the folder of the run."""
    given = [word for word in WORDS if not words or not word.startswith(OF_NETWORKS)]
    typed = [*given, *words, f"paths.run_dir={folder}", f"paths.data={store or folder.parent / 'store'}"]
    train(plain(compose("train", typed)), typed)
    return folder


def dataset_of(run: Path) -> PreparedDataset:
    return PreparedDataset(json.loads((run / "stages/prepare.json").read_text())["kept"]["path"])


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A run of a network of the Braai kind, and that network as a file of ONNX."""
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    folder = tmp_path_factory.mktemp("braai")
    run = trained(folder / "run")
    network = load_model(run / "checkpoints/best.ckpt").task.network  # type: ignore[attr-defined]
    network.to(memory_format=torch.contiguous_format)
    for name, layers in {"probability": [network, torch.nn.Sigmoid()], "logit": [network]}.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's other exporter needs a package more
            torch.onnx.export(
                torch.nn.Sequential(*layers).eval(), (torch.zeros(2, 3, 31, 31),), str(folder / f"{name}.onnx"),
                input_names=["stamps"], output_names=["answer"], dynamo=False,
                dynamic_axes={"stamps": {0: "n"}, "answer": {0: "n"}},
            )  # fmt: skip
    return run, folder


@pytest.fixture(scope="module")
def scored(exported: tuple[Path, Path]) -> tuple[Path, Path]:
    """A run of that file, and the file, which lies there alone."""
    _, files = exported
    file = files / "mine.onnx"
    file.write_bytes((files / "probability.onnx").read_bytes())
    words = ["model=external", f"model.program.file={file}"]
    return trained(files / "external", *words, store=files / "store"), file


def test_a_network_in_onnx_gets_the_numbers_that_it_gets_as_our_own(
    exported: tuple[Path, Path], scored: tuple[Path, Path]
) -> None:
    (run, _), (other, _) = exported, scored
    for fold in ("val", "test"):
        own, external = (read_predictions(place / "predictions" / f"{fold}.parquet") for place in (run, other))
        assert own["id"].tolist() == external["id"].tolist()
        np.testing.assert_allclose(external["score"], own["score"], atol=1e-6)
        np.testing.assert_allclose(external["baseline_trees"], own["baseline_trees"])
    one, two = (json.loads((place / "metrics.json").read_text()) for place in (run, other))
    assert one.keys() == two.keys()
    assert two["test/aucpr"] == pytest.approx(one["test/aucpr"], abs=1e-6)
    assert two["test/aucpr_low"] == pytest.approx(one["test/aucpr_low"], abs=1e-6)
    assert "boosted trees" in (other / "report.html").read_text()


def test_nothing_of_a_file_is_in_the_checkpoint_and_another_file_is_refused(
    exported: tuple[Path, Path], scored: tuple[Path, Path]
) -> None:
    (_, files), (run, file) = exported, scored
    checkpoint = run / "checkpoints/best.ckpt"
    model = load_model(checkpoint)
    assert list(model.task.state_dict()) == ["digest"]
    data = dataset_of(run)
    again = model.score(data, np.arange(5, dtype=np.int64))
    said = pd.concat(read_predictions(run / "predictions" / f"{fold}.parquet") for fold in ("val", "test"))
    known = said.set_index("index_row")["score"]
    shared = [row for row in range(5) if row in known.index]
    np.testing.assert_array_equal(again["score"].to_numpy()[shared], known.loc[shared].to_numpy())
    file.write_bytes((files / "logit.onnx").read_bytes())
    with pytest.raises(UserError, match="another file"):
        load_model(checkpoint).score(data, np.arange(5, dtype=np.int64))
    file.unlink()
    with pytest.raises(UserError, match=r"model\.program\.file"):
        load_model(checkpoint).score(data, np.arange(5, dtype=np.int64))
    file.write_bytes((files / "probability.onnx").read_bytes())


def test_layouts_and_logits_are_asked_for(exported: tuple[Path, Path]) -> None:
    _, files = exported
    images = np.random.default_rng(0).normal(size=(4, 3, 31, 31)).astype(np.float32)
    wanted = OnnxFile(str(files / "probability.onnx")).scores(images, None)
    assert wanted.shape == (4,) and ((wanted > 0) & (wanted < 1)).all()
    given = OnnxFile(str(files / "logit.onnx"), gives="logit").scores(images, None)
    np.testing.assert_allclose(given, wanted, atol=1e-6)
    with pytest.raises(UserError, match="layout=NHWC"):
        OnnxFile(str(files / "probability.onnx"), layout="NHWC").scores(images, None)
    with pytest.raises(UserError, match=r"2 input\(s\)"):
        OnnxFile(str(files / "probability.onnx")).scores(images, np.zeros((4, 2), np.float32))


def test_damaged_files_and_files_that_name_others_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # where onnxruntime would look for them
    pytest.importorskip("onnxruntime")
    (tmp_path / "bad.onnx").write_bytes(b"no network")
    with pytest.raises(UserError, match="onnxruntime refuses"):
        OnnxFile(str(tmp_path / "bad.onnx")).scores(np.zeros((1, 1, 2, 2), np.float32), None)
    onnx = pytest.importorskip("onnx")
    helper = onnx.helper
    weights = onnx.TensorProto(name="w", data_type=1, dims=[1], data_location=onnx.TensorProto.EXTERNAL)
    for key, value in (("location", "secret.bin"), ("offset", "0"), ("length", "4")):
        entry = weights.external_data.add()
        entry.key, entry.value = key, value
    (tmp_path / "secret.bin").write_bytes(np.array([7], np.float32).tobytes())
    node, out = helper.make_node("Identity", ["w"], ["y"]), helper.make_tensor_value_info("y", 1, [1])
    graph = helper.make_graph([node], "g", [], [out], [weights])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    (tmp_path / "leads_out.onnx").write_bytes(made.SerializeToString())
    with pytest.raises(UserError, match="one file of ONNX"):
        OnnxFile(str(tmp_path / "leads_out.onnx")).scores(np.zeros((1, 1, 2, 2), np.float32), None)


class Answers:
    """An estimator that gives what it is told to."""

    def __init__(self, answer: Any, *classes: Any) -> None:
        self.answer = answer
        if classes:
            self.classes_ = list(classes)

    def fit(self, rows: Any, labels: Any) -> None:
        """Nothing."""

    def predict_proba(self, rows: Any) -> Any:
        """As told."""
        return self.answer


@pytest.mark.parametrize(
    "estimator",
    [
        Answers([[1 / 3] * 3] * 2), Answers([[1.0], [1.0]]), Answers([0.1, 0.9]), Answers(None),
        Answers([["a", "b"]] * 2), Answers([[0.5, 0.7]] * 2), Answers([[0.5, 0.5]]),
        Answers([[0.1, 0.9]] * 2, 1, 2), Answers([[1.0], [1.0]], 1),
    ],
)  # fmt: skip
def test_other_answers_than_two_probabilities_are_refused(estimator: Answers) -> None:
    with pytest.raises(UserError, match="two probabilities a sample"):
        Estimator(estimator).scores(np.zeros((2, 1, 2, 2), np.float32), None)


def test_the_column_of_class_1_is_taken_wherever_it_stands() -> None:
    images = np.zeros((2, 1, 2, 2), np.float32)
    assert Estimator(Answers([[0.9, 0.1]] * 2, 1, 0)).scores(images, None).tolist() == [0.9, 0.9]
    assert Estimator(Answers([[0.9, 0.1]] * 2, 0, 1)).scores(images, None).tolist() == [0.1, 0.1]


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of an estimator of scikit-learn over folds."""
    words = [
        "model=external_estimator",
        f"model.program.estimator={{_target_: {HERE}}}",
        f"trust=[{HERE}]",
        "split=kfold",
        "split.k=3",
    ]
    return trained(tmp_path_factory.mktemp("estimator") / "run", *words)


def test_an_estimator_is_fitted_on_the_training_fold_of_each_round_alone(fitted: Path) -> None:
    data, config = dataset_of(fitted), plain(compose("train", ["experiment=realbogus_triplets", "channels.size=31"]))
    said = read_predictions(fitted / "predictions/test.parquet")
    for number in (0, 2):
        table = pd.read_parquet(next((fitted / "splits").glob(f"*_{number}.parquet")))
        module = build(config["datamodule"])
        module.attach(data, table, seed=1)
        x, y = (np.concatenate(parts) for parts in zip(*_of_fold(module, data, "train"), strict=True))
        tested, _ = (np.concatenate(parts) for parts in zip(*_of_fold(module, data, "test"), strict=True))
        wanted = logistic().fit(x, y).predict_proba(tested)[:, 1]
        np.testing.assert_allclose(said.loc[said["round"] == number, "score"], wanted, atol=1e-6)


def _of_fold(module: Any, data: Any, fold: str) -> list[tuple[Any, Any]]:
    batches = module.batches(data, module.rows[fold])
    return [(rows(batch["x"].numpy(), None), batch["y"].numpy()) for _, batch in batches]


def test_a_fitted_program_stays_with_its_run(fitted: Path) -> None:
    record = json.loads((fitted / "run.json").read_text())
    assert record["epochs"] == [0] * 3 and record["joined"]["checkpoint"] is None
    assert "a program that is not ours" in record["joined"]["words"]
    assert not (fitted / "checkpoints/best.ckpt").exists()
    with pytest.raises(UserError, match="trust="):
        load_model(fitted / "fold_0/checkpoints/best.ckpt")
    model = load_model(fitted / "fold_0/checkpoints/best.ckpt", [HERE])
    with pytest.raises(UserError, match="holds nothing of a program"):
        model.score(dataset_of(fitted), np.arange(3, dtype=np.int64))


@pytest.mark.slow
def test_a_referee_fits_it_again_where_it_trusts_it(fitted: Path, tmp_path: Path) -> None:
    bundle_run(fitted, tmp_path / "bundle")
    data = str(dataset_of(fitted).path)
    told = {item.name: item for item in referee(tmp_path / "bundle", data, trust=[HERE])}
    assert {item.verdict for name, item in told.items() if name != "digest"} == {EQUAL}
    alone = {item.name: item for item in referee(tmp_path / "bundle", data)}
    assert alone["scores again"].verdict == UNKNOWN and "only classes of this project" in alone["scores again"].found
    assert DIFFERENT not in {item.verdict for item in alone.values()}


def test_a_run_that_was_stopped_after_its_fit_carries_on(fitted: Path, tmp_path: Path) -> None:
    """What was fitted stands nowhere, so it is fitted again when scores are missing, and they are the same."""
    run = tmp_path / "run"
    shutil.copytree(fitted, run)
    before = read_predictions(run / "predictions/test.parquet")
    (run / "metrics.json").unlink()
    for name in ("predict", "calibrate", "evaluate", "report"):
        for path in run.glob(f"**/stages/{name}.json"):
            path.unlink()
    config = json.loads(json.dumps(plain(compose("train", [*_typed(fitted), f"paths.run_dir={run}"]))))
    train(config, [])
    pd.testing.assert_frame_equal(read_predictions(run / "predictions/test.parquet"), before)


def _typed(run: Path) -> list[str]:
    return [word for word in json.loads((run / "run.json").read_text())["overrides"] if "run_dir" not in word]


class Odd:
    """A program whose answers are wrong."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def digest(self) -> bytes:
        return bytes(32)

    def scores(self, images: Any, features: Any) -> Any:
        return self.answer


@pytest.mark.parametrize("answer", [[0.1], [0.1, 1.2], [-1.0, 0.0], [0.1, float("nan")], [[0.1, 0.2]]])
def test_answers_that_are_no_probabilities_are_refused(answer: Any) -> None:
    task = ExternalTask(Odd(np.array(answer)))
    with pytest.raises(UserError, match="from 0 to 1"):
        task.scores({"x": torch.zeros(2, 1, 3, 3)})


def test_what_is_no_program_and_batches_of_no_stamps_are_refused() -> None:
    with pytest.raises(UserError, match=r"model\.program"):
        ExternalTask("a text")  # type: ignore[arg-type]
    with pytest.raises(UserError, match="fit and predict_proba"):
        Estimator(object())
    with pytest.raises(UserError, match="real/bogus"):
        ExternalTask(Odd(np.array([0.1]))).scores({"x": torch.zeros(2, 3)})


def test_the_contracts_tell_programs_apart() -> None:
    task = ExternalTask(Estimator(logistic()))
    assert isinstance(task, FitsItself) and isinstance(task.program, FittedProgram)
    assert isinstance(OnnxFile("a.onnx"), Program) and not isinstance(OnnxFile("a.onnx"), FittedProgram)
    anything: Any = task
    assert can_join(anything, object()) == "a program that is not ours is in no checkpoint"


def network_in_onnx(folder: Path, *nodes: tuple[str, dict[str, Any]], size: Any = "n", kind: str = "FLOAT") -> OnnxFile:
    """Nodes in a row, as a file: stamps in, the last node's answer out."""
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    helper, number = onnx.helper, getattr(onnx.TensorProto, kind)
    names = ["stamps", *(f"t{place}" for place in range(len(nodes)))]
    made = [
        helper.make_node(name, [one], [other], **given)
        for (name, given), one, other in zip(nodes, names[:-1], names[1:], strict=True)
    ]
    ends = [helper.make_tensor_value_info("stamps", number, [size, 1, 3, 3])]
    outs = [helper.make_tensor_value_info(names[-1], onnx.TensorProto.INT64 if nodes[0][0] == "Cast" else number, None)]
    graph = helper.make_graph(made, "g", ends, outs)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    (folder / "made.onnx").write_bytes(model.SerializeToString())
    return OnnxFile(str(folder / "made.onnx"))


MEAN = ("ReduceMean", {"axes": [1, 2, 3], "keepdims": 0})
SIGMOID: tuple[str, dict[str, Any]] = ("Sigmoid", {})


@pytest.mark.parametrize("beside", [("Softmax", {"axis": 0}), ("LpNormalization", {"axis": 0, "p": 1})])
def test_a_score_that_depends_on_the_other_samples_is_refused(beside: Any, tmp_path: Path) -> None:
    task = ExternalTask(network_in_onnx(tmp_path, MEAN, SIGMOID, beside))
    with pytest.raises(UserError, match="alone and among others"):
        task.try_on({"x": torch.zeros(2, 1, 3, 3)})
    ExternalTask(network_in_onnx(tmp_path, MEAN, SIGMOID)).try_on({"x": torch.zeros(2, 1, 3, 3)})


@pytest.mark.parametrize("kind", ["FLOAT", "FLOAT16", "DOUBLE"])
def test_networks_of_one_sample_at_a_time_and_of_other_precision_are_run(kind: str, tmp_path: Path) -> None:
    images = np.random.default_rng(1).normal(size=(5, 1, 3, 3)).astype(np.float32)
    wanted = 1 / (1 + np.exp(-images.mean((1, 2, 3))))
    for size in (1, "n", 5):
        found = network_in_onnx(tmp_path, MEAN, SIGMOID, size=size, kind=kind).scores(images, None)
        np.testing.assert_allclose(found, wanted, atol=2e-3 if kind == "FLOAT16" else 1e-6)
    with pytest.raises(UserError, match="any number of samples"):
        network_in_onnx(tmp_path, MEAN, SIGMOID, size=7, kind=kind).scores(images, None)


@pytest.mark.parametrize(
    "nodes",
    [
        [("ReduceMean", {"keepdims": 0})], [("ReduceMean", {"axes": [0], "keepdims": 0})], [("Identity", {})],
        [("Cast", {"to": 7}), ("ReduceMax", {"axes": [1, 2, 3], "keepdims": 0})],
    ],
)  # fmt: skip
def test_answers_that_are_no_row_a_sample_are_refused(nodes: Any, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="one number a sample"):
        network_in_onnx(tmp_path, *nodes).scores(np.zeros((2, 1, 3, 3), np.float32), None)


def test_whole_numbers_are_no_stamps_and_lost_numbers_no_scores(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"inputs of tensor\(float\)"):
        network_in_onnx(tmp_path, ("Identity", {}), kind="INT32").scores(np.zeros((2, 1, 3, 3), np.float32), None)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(UserError, match="2 of 2 that are no finite numbers"):
            ExternalTask(Odd(np.full(2, np.nan))).scores({"x": torch.zeros(2, 1, 3, 3)})
