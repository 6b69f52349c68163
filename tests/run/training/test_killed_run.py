"""A run that was killed between two writes, or damaged, ends as the undisturbed run once it is repeated."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hydra.core.global_hydra import GlobalHydra

from astrid_ml.build import plain
from astrid_ml.checkpoint.digests import digest_of
from astrid_ml.checkpoint.load import read_record
from astrid_ml.commands.fsck import FsckCommand
from astrid_ml.config import compose
from astrid_ml.errors import UserError
from astrid_ml.run.marks import Marks
from astrid_ml.run.training.resume import audit_from_plain
from astrid_ml.run.training.train import train

WORDS = [
    "experiment=realbogus_triplets",
    "simulate.n=240",
    "simulate.prevalence=0.3",
    "channels.size=31",
    "trainer.precision=32-true",
    "trainer.enable_progress_bar=false",
    "logger=none",
    "audit=warn",
]
KINDS = {
    "plain": ["trainer.max_epochs=2"],
    "averaged, stops early": ["trainer.max_epochs=3", "callbacks.weight_averaging=0.9", "callbacks.patience=1"],
    "k-fold": ["trainer.max_epochs=1", "split=kfold", "split.k=3"],
}
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning", "ignore::ResourceWarning")


def settings(kind: str, run: Path, store: Path) -> dict[str, Any]:
    GlobalHydra.instance().clear()
    places = [f'paths.data="{store}"', f'paths.run_dir="{run}"', "paths.sweep_dir=none"]
    config: dict[str, Any] = plain(compose("train", [*WORDS, *KINDS[kind], *places]))
    config["evaluation"]["evaluation"]["bootstrap"]["replicates"] = 20
    return config


def products(run: Path) -> dict[str, Any]:
    """What a user takes from a run: weights, predictions, metrics."""
    found: dict[str, Any] = {}
    for path in sorted(run.rglob("best.ckpt")):
        record, weights = read_record(path)
        found[str(path.relative_to(run))] = (digest_of(dict(weights)), digest_of(record.calibration))
    for path in sorted((run / "predictions").glob("*.parquet")):
        found[path.name] = pd.util.hash_pandas_object(pd.read_parquet(path).astype(str)).tolist()
    found["metrics"] = json.loads((run / "metrics.json").read_text())
    found["status"] = json.loads((run / "run.json").read_text())["status"]
    return found


def killed(config: dict[str, Any], write: int) -> tuple[int, list[str]]:
    """Run in a child that ends at once before its so-many-th file appears; its code, and the files that did."""
    run = Path(config["paths"]["run_dir"])
    seen = run.parent / f"{run.name}.seen"
    child = os.fork()
    if child == 0:
        code = 1
        try:
            real, names = os.replace, seen.open("w")

            def counted(source: Any, target: Any, **kwargs: Any) -> None:
                if Path(target).is_relative_to(run) and ".lock" not in str(target):
                    counted.left -= 1  # type: ignore[attr-defined]
                    if counted.left < 0:  # type: ignore[attr-defined]
                        os._exit(9)
                    print(Path(target).relative_to(run), file=names, flush=True)
                real(source, target, **kwargs)

            counted.left = write  # type: ignore[attr-defined]
            vars(os)["replace"] = counted
            train(config)
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), seen.read_text().splitlines()


class Finished:
    """Runs that nothing disturbed, each made when it is first asked for.

    Args:
        make: makes a folder.
    """

    def __init__(self, make: Any) -> None:
        self.make, self.store = make, make("store")
        self.made: dict[str, tuple[Path, Path, list[str]]] = {}

    def __getitem__(self, kind: str) -> tuple[Path, Path, list[str]]:
        """The finished run, its store, the files of the run in the order in which they appeared."""
        if kind not in self.made:
            run = self.make("undisturbed") / "run"
            code, files = killed(settings(kind, run, self.store), 10**6)
            assert code == 0
            self.made[kind] = (run, self.store, files)
        return self.made[kind]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    return Finished(tmp_path_factory.mktemp)


def places(files: list[str], every: int) -> list[int]:
    """Which writes are tried: of those after the first training, each so-many-th."""
    first = next(i for i, name in enumerate(files) if name.endswith("last.ckpt"))
    return list(range(first + 1, len(files), every))


def kill_and_repeat(kind: str, undisturbed: Finished, folder: Path, every: int) -> None:
    whole, store, files = undisturbed[kind]
    expected = products(whole)
    for write in places(files, every):
        config = settings(kind, folder / f"run{write}", store)
        run = Path(config["paths"]["run_dir"])
        assert killed(config, write)[0] == 9
        assert not (run / "metrics.json").exists()
        assert json.loads((run / "run.json").read_text())["status"] in ("running", "done")
        stood = {path: path.stat().st_mtime_ns for path in run.rglob("best.ckpt")}
        train(config)
        assert products(run) == expected, files[write]
        assert all(path.stat().st_mtime_ns == when for path, when in stood.items())
        shutil.rmtree(run)


def test_killed_between_writes_it_ends_the_same(undisturbed: Finished, tmp_path: Path) -> None:
    kill_and_repeat("plain", undisturbed, tmp_path, 14)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["averaged, stops early", "k-fold"])
def test_killed_between_writes_any_kind_ends_the_same(kind: str, undisturbed: Finished, tmp_path: Path) -> None:
    kill_and_repeat(kind, undisturbed, tmp_path, 5)


@pytest.mark.slow
def test_killed_between_any_two_writes_it_ends_the_same(undisturbed: Finished, tmp_path: Path) -> None:
    kill_and_repeat("plain", undisturbed, tmp_path, 1)


@pytest.mark.parametrize(
    "product",
    ["checkpoints/best.ckpt", "predictions/test.parquet", "report.html", "stages/scores_val.parquet", "run.json"],
)
@pytest.mark.parametrize("damage", ["gone", "cut off"])
def test_a_damaged_product_of_a_finished_run_is_made_again(
    product: str, damage: str, undisturbed: Finished, tmp_path: Path
) -> None:
    whole, store, _ = undisturbed["plain"]
    run = tmp_path / "run"
    shutil.copytree(whole, run)
    path = run / product
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    train(settings("plain", run, store))
    assert products(run) == products(whole)
    if product != "run.json":
        assert path.is_file()


def test_numbers_that_were_changed_are_found_and_written_again(undisturbed: Finished, tmp_path: Path) -> None:
    whole, store, _ = undisturbed["plain"]
    run = tmp_path / "run"
    shutil.copytree(whole, run)
    measured = (run / "metrics.json").read_text()
    numbers = json.loads(measured)
    (run / "metrics.json").write_text(json.dumps(numbers | {"test/aucpr": 0.99}))
    said = FsckCommand(str(run)).run()
    assert said["failed"] == 1 and "other numbers than those of the report" in json.dumps(said)
    train(settings("plain", run, store))
    assert (run / "metrics.json").read_text() == measured
    assert FsckCommand(str(run)).run()["failed"] == 0


def test_fsck_names_what_a_stage_left_and_is_no_longer_there(undisturbed: Finished, tmp_path: Path) -> None:
    whole, _, _ = undisturbed["plain"]
    run = tmp_path / "run"
    shutil.copytree(whole, run)
    gone = [next((run / "splits").iterdir()), run / "report.html", run / "stages" / "evaluate.json"]
    for path in gone:
        path.unlink()
    said = json.dumps(FsckCommand(str(run)).run())
    assert all(path.name in said for path in gone)


def test_a_finished_run_is_not_touched(undisturbed: Finished) -> None:
    whole, store, _ = undisturbed["plain"]
    before = {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in whole.rglob("*") if path.is_file()}
    assert train(settings("plain", whole, store))["summary"] == [f"already finished: {whole / 'report.html'}"]
    after = {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in whole.rglob("*") if path.is_file()}
    assert after == before
    other = settings("plain", whole, store) | {"seed": 9}
    with pytest.raises(UserError, match="seed: 1 -> 9"):
        train(other)
    assert {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in before} == before


def test_every_stage_of_a_run_leaves_its_mark(undisturbed: Finished) -> None:
    whole, _, _ = undisturbed["plain"]
    marks = Marks(whole)
    stages = ["prepare", "split", "audit", "fit", "predict", "calibrate", "evaluate", "report"]
    assert all(marks.read(name) is not None for name in stages)
    assert [stage["name"] for stage in json.loads((whole / "run.json").read_text())["stages"]] == stages


def test_an_audit_is_read_as_it_was_found(undisturbed: Finished) -> None:
    kept = Marks(undisturbed["plain"][0]).read("audit")
    assert kept is not None and audit_from_plain(kept.kept).to_plain() == kept.kept


@pytest.mark.slow
def test_every_fold_leaves_its_marks(undisturbed: Finished) -> None:
    folds, _, _ = undisturbed["k-fold"]
    assert all(Marks(folds / f"fold_{n}").read("calibrate") is not None for n in range(3))
