"""The start of every verb: a word at once, and no library that its work does not need."""

from __future__ import annotations

import gc
import os
import pty
import subprocess
import sys
import weakref
import zipfile
from pathlib import Path

import pytest

from astrid_ml.build import conf_folder
from astrid_ml.cli.main import announce, run
from astrid_ml.cli.verbs.catalogue import all_verbs
from astrid_ml.start import SPINS, importing

TORCH = {"torch", "pytorch_lightning", "torchmetrics"}
PICTURES = {"matplotlib", "photutils", "mlcroissant", "sklearn", "wandb", "tensorboard"}
SKY = {"astropy", "reproject", "sep"}
# What must not be there when the work of a verb begins. Those that read no images or train nothing need no torch; the
# framework's own verbs are asked before their own libraries are imported: by what stands in their configuration.
ABSENT = {
    "acquire": TORCH - {"torch"} | PICTURES,
    "associate": TORCH | PICTURES | SKY | {"scipy"},
    "audit": TORCH | PICTURES | SKY,
    "baseline": TORCH | PICTURES | SKY,
    "benchmark-splits": {"photutils", "mlcroissant", "wandb", "tensorboard", "reproject"},
    "board": TORCH | PICTURES | SKY | {"scipy"},
    "bundle": {"photutils", "mlcroissant", "wandb", "tensorboard", "reproject"},
    "compare": TORCH | PICTURES | SKY | {"scipy"},
    "convert": TORCH | PICTURES | SKY | {"scipy"},
    "crossmatch": TORCH | PICTURES | SKY | {"scipy"},
    "croissant": TORCH | PICTURES | SKY | {"scipy", "pandas"},
    "depth": TORCH - {"torch"} | PICTURES,
    "difference": TORCH - {"torch"} | PICTURES | {"scipy.optimize", "scipy.ndimage", "scipy.stats"},
    "doctor": TORCH | PICTURES | SKY | {"scipy", "pandas"},
    "publish": TORCH | PICTURES | SKY | {"scipy"},
    "export": TORCH | PICTURES | SKY | {"scipy"},
    "evaluate": TORCH - {"torch"} | PICTURES | SKY | {"scipy"},
    "forced": TORCH - {"torch"} | PICTURES,
    "fsck": TORCH | PICTURES | SKY | {"scipy"},
    "import-weights": TORCH - {"torch"} | PICTURES | SKY | {"scipy"},
    "inject": TORCH - {"torch"} | PICTURES,
    "predict": TORCH - {"torch"} | PICTURES | SKY | {"scipy"},
    "matrix": {"photutils", "mlcroissant", "wandb", "tensorboard", "reproject"},
    "models": TORCH | PICTURES | SKY | {"scipy", "pandas"},
    "new": TORCH | PICTURES | SKY | {"scipy"},
    "prepare": {"photutils", "mlcroissant", "sklearn", "wandb", "tensorboard", "reproject"},
    "recalibrate": TORCH - {"torch"} | PICTURES | SKY | {"scipy"},
    "recover": TORCH - {"torch"} | PICTURES,
    "referee": {"photutils", "mlcroissant", "wandb", "tensorboard", "reproject"},
    "score-ramps": TORCH - {"torch"} | PICTURES | {"scipy.ndimage", "scipy.stats"},
    "send": TORCH | PICTURES | SKY | {"scipy"},
    "simulate": TORCH | PICTURES | SKY | {"scipy"},
    "sweep": {"photutils", "mlcroissant", "wandb", "tensorboard", "reproject", "optuna"},
    "train": {"photutils", "mlcroissant", "sklearn", "wandb", "tensorboard", "reproject"},
}
# Those that take longest to begin are asked with the slow tests.
SLOW = {
    "acquire",
    "benchmark-splits",
    "bundle",
    "matrix",
    "depth",
    "difference",
    "evaluate",
    "forced",
    "import-weights",
    "inject",
    "predict",
    "prepare",
    "recalibrate",
    "recover",
    "referee",
    "score-ramps",
    "sweep",
    "train",
}
WORDS = {
    "acquire": "acquisition=demo output_dir=out",
    "associate": "input=. output_dir=out",
    "audit": "dataset=.",
    "baseline": "run_dir=. output_dir=out",
    "benchmark-splits": "experiment=realbogus_triplets simulate.n=240 output_dir=out",
    "board": "runs=[.] output_dir=out",
    "bundle": "runs=[.] output_dir=out",
    "compare": "runs=[.,.] output_dir=out",
    "convert": "input=. output_dir=out",
    "crossmatch": "input=a.csv catalogues=[b.csv] output_dir=out",
    "croissant": "dataset=.",
    "depth": "input=. output_dir=out",
    "export": "dataset=. format=npz output_dir=out",
    "difference": "science=a.fits reference=b.fits output_dir=out",
    "doctor": "",
    "publish": "input=.",
    "evaluate": "ckpt_path=best.ckpt dataset=. output_dir=out",
    "forced": "input=. positions=a.csv output_dir=out",
    "fsck": "input=.",
    "import-weights": "input=w.h5 variant=d6_m7 ckpt_path=out.ckpt",
    "inject": "science=a.fits output_dir=out",
    "matrix": "experiment=realbogus_triplets simulate.n=240 output_dir=out",
    "models": "",
    "new": "model mine",
    "send": "input=a.csv",
    "predict": "ckpt_path=best.ckpt input=. output_dir=out",
    "prepare": "experiment=realbogus_triplets simulate.n=240",
    "recalibrate": "ckpt_path=best.ckpt dataset=. output_dir=out",
    "recover": "input=a.csv output_dir=out",
    "referee": "input=. output_dir=out",
    "score-ramps": "input=. output_dir=out",
    "simulate": "what=triplets simulate.n=20 output_dir=out",
    "sweep": "experiment=realbogus_triplets simulate.n=240 output_dir=out",
    "train": "experiment=realbogus_triplets simulate.n=240",
}
# Ends the process where the work of a verb would begin, and names what is imported by then.
STOPPED = """
import os, sys
from contextlib import contextmanager
import astrid_ml.cli.{module}
verb = sys.modules["astrid_ml.cli.{module}"]

def stop(*_, **__):
    print("THERE", *sorted(set({watched}) & set(sys.modules)), flush=True)
    os._exit(0)

class Stopped:
    run = staticmethod(stop)

@contextmanager
def imported():
    yield
    stop()

if hasattr(verb, "importing"):
    verb.importing = imported
elif hasattr(verb, "read_command"):
    verb.sorted = stop  # the first thing that it does
elif hasattr(verb, "build"):
    verb.build = lambda *_, **__: Stopped
else:
    verb.findings = stop
from astrid_ml.cli.main import main
main()
"""
# Tells of the first heavy import, on the stream on which the word is awaited.
TOLD = """
import sys

class Tells:
    def find_spec(self, name, path=None, target=None):
        if name in ("torch", "pandas", "numpy", "hydra", "omegaconf"):
            print("IMPORTS", name, file=sys.stderr, flush=True)

sys.meta_path.insert(0, Tells())
from astrid_ml.cli.main import main
main()
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with files of the names above that begin as their kinds do; it is a dataset and a run as well."""
    begins = {".fits": b"SIMPLE  =                    T", ".csv": b"id,ra,dec\n", ".h5": b"\x89HDF\r\n\x1a\n"}
    for name in ("a.fits", "b.fits", "a.csv", "b.csv", "w.h5"):
        (tmp_path / name).write_bytes(begins[Path(name).suffix])
    with zipfile.ZipFile(tmp_path / "best.ckpt", "w") as archive:
        archive.writestr("best/data.pkl", b"")
    for name in ("dataset.json", "predictions/test.parquet"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_verb_is_looked_at() -> None:
    assert set(all_verbs(conf_folder())) == set(ABSENT) == set(WORDS)


@pytest.mark.parametrize(
    "verb", [pytest.param(verb, marks=[pytest.mark.slow] if verb in SLOW else []) for verb in sorted(ABSENT)]
)
def test_work_begins_without_libraries_that_it_does_not_need(verb: str, place: Path) -> None:
    module = all_verbs(conf_folder())[verb].module
    code = STOPPED.format(module=module, watched=sorted(ABSENT[verb]))
    done = subprocess.run(
        [sys.executable, "-c", code, verb, *WORDS[verb].split()], capture_output=True, text=True, check=False
    )
    assert done.stdout.splitlines()[-1:] == ["THERE"], done.stdout + done.stderr


@pytest.mark.parametrize("verb", sorted(WORDS))
def test_a_word_comes_before_anything_heavy_is_imported(verb: str, place: Path) -> None:
    reader, writer = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", TOLD, verb, *WORDS[verb].split()], stdout=subprocess.DEVNULL, stderr=writer
    )
    os.close(writer)
    try:
        assert os.read(reader, 1000).startswith(f"astrid {verb}".encode())
    finally:
        process.kill()
        process.wait()
        os.close(reader)


@pytest.mark.parametrize("shown", [("--cfg", "job"), ("--help",), ("-c", "job"), ("--info", "defaults")])
def test_what_only_shows_says_nothing_else(
    shown: tuple[str, ...], place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(["fsck", "input=.", *shown], aloud=True)
    assert capsys.readouterr().err == ""


def test_the_word_names_what_was_chosen_and_stands_on_standard_error(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    announce("train", ["experiment=realbogus_sim", "trainer.max_epochs=1"])
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("astrid train experiment=realbogus_sim: ")
    assert said.err.count("\n") == 1


def test_further_processes_of_a_training_say_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LOCAL_RANK", "1")
    announce("train", [])
    assert capsys.readouterr().err == ""


def test_a_command_is_announced_once_also_in_a_sweep(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["simulate", "-m", "what=triplets", "simulate.n=20,21", "output_dir=out"], aloud=True) == 0
    assert capsys.readouterr().err.count("reading the configuration") == 1


def test_garbage_is_searched_for_again_once_work_begins() -> None:
    with importing():
        assert not gc.isenabled()
        with importing():
            pass
        assert not gc.isenabled()
    assert gc.isenabled()


@pytest.mark.parametrize("at_start", [True, False])
def test_what_waits_to_be_freed_is_kept_at_the_start_alone(at_start: bool) -> None:
    class Plane: ...

    def imported() -> weakref.ref[Plane]:
        plane = Plane()
        stack: list[object] = [plane]
        stack.append(stack)  # as the frames of an exception hold each other
        with importing(at_start):
            return weakref.ref(plane)

    held = imported()
    gc.collect()
    assert (held() is not None) is at_start
    gc.unfreeze()


def test_a_command_gives_the_collector_back(place: Path) -> None:
    assert run(["fsck", "input=nothing_there"]) == 2
    assert gc.isenabled()


def test_threads_give_way_to_other_programs_unless_the_user_says_how_they_wait() -> None:
    asked = (
        "import os; from astrid_ml.cli.main import main\ntry: main(['--version'])\nfinally: print(os.environ.get({!r}))"
    )
    free = {name: text for name, text in os.environ.items() if name not in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")}

    def of(name: str, **given: str) -> str:
        words = [sys.executable, "-c", asked.format(name)]
        done = subprocess.run(words, env={**free, **given}, capture_output=True, text=True, check=True)
        return done.stdout.splitlines()[-1]

    assert of("GOMP_SPINCOUNT") == SPINS
    assert of("GOMP_SPINCOUNT", GOMP_SPINCOUNT="7") == "7"
    assert of("GOMP_SPINCOUNT", OMP_WAIT_POLICY="ACTIVE") == "None"
