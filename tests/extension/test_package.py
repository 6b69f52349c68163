"""A package outside this repository, as docs/extending.md writes it out: all by name, no file of ours edited."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from made.plugin import announce, files_of_the_page, site

from astrid_ml.api import compose
from astrid_ml.build import build, plain
from astrid_ml.cli.main import run
from astrid_ml.cli.verbs.doctor import findings
from astrid_ml.config import configuration, domains, folder_of, in_use
from astrid_ml.searchpath import InstalledOptions
from astrid_ml.searchpath import announce as announce_to_hydra

__all__ = ["site"]
PACKAGE = {name.partition("/")[2]: text for name, text in files_of_the_page().items() if "/" in name}
OPTIONS = (
    "preprocessing=spectra simulate=spectra datamodule=spectra model=line_net split=plates executor=newest_first "
    "experiment=spectra"
).split()


@pytest.fixture
def toy(site: Path) -> Path:
    """The package of the page, as if it were installed."""
    return Path(announce(site, "toy_spectra", PACKAGE, version="0.3.1"))


def test_a_notebook_chooses_every_option_by_name(toy: Path) -> None:
    config = plain(compose(*OPTIONS, "paths.run_dir=r", "paths.sweep_dir=s", "paths.data=d"))
    for node in ("preprocessing", "simulate", "datamodule", "split", "executor"):
        assert type(build(config[node])).__module__.startswith("toy_spectra.")
    assert type(build(config["model"]["task"]).network).__name__ == "LineNet"
    assert "spectra" in domains() and configuration().roots == in_use().roots == (
        configuration().roots[0],
        toy / "conf",
    )
    assert folder_of("pkg://toy_spectra/conf") == toy / "conf"
    words = ["preprocessing/differencing/background=known", "preprocessing.background.level=3"]
    steps = build(compose("preprocessing=differencing", *words).preprocessing)
    assert type(steps.background).__name__ == "KnownSky" and steps.background.level == 3


def test_another_program_of_hydra_in_this_process_gets_none_of_it(toy: Path) -> None:
    from hydra._internal.config_search_path_impl import ConfigSearchPathImpl
    from hydra.core.config_search_path import ConfigSearchPath
    from hydra.core.plugins import Plugins
    from hydra.plugins.search_path_plugin import SearchPathPlugin

    announce_to_hydra()
    announce_to_hydra()
    assert list(Plugins.instance().discover(SearchPathPlugin)).count(InstalledOptions) == 1

    def searched(package: str) -> list[str]:
        path: ConfigSearchPath = ConfigSearchPathImpl()
        path.append("main", package)
        InstalledOptions().manipulate_search_path(path)
        return [str(item.path) for item in path.get_path()]

    assert searched("pkg://other.conf") == ["pkg://other.conf"]
    assert searched("pkg://astrid_ml.conf") == ["pkg://astrid_ml.conf", f"file://{toy / 'conf'}"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["train", "experiment=spectr"], "did you mean spectra?"),
        (["train", "model=lin_net"], "did you mean line_net?"),
        (["train", "preprocessing=spectra", "preprocessing.scal=2"], "did you mean preprocessing.scale?"),
        (["difference", "preprocessing/background=knwon"], "did you mean known?"),
        (["train", "experiment=spectra", "split.test=x", "paths.run_dir=r"], "split.test: a whole number"),
    ],
)
def test_a_misspelt_word_is_met_with_the_packages_own(
    toy: Path, words: list[str], told: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(words) == 2
    assert told in capfd.readouterr().err


def test_help_lists_it(toy: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["train", "--help"]) == 0 and run(["--help"]) == 0
    shown = capfd.readouterr().out
    for word in ("line_net", "plates", "newest_first", "known", "Emission lines in simulated spectra"):
        assert word in shown


def test_a_broken_one_costs_each_command_a_line_and_stops_none(
    toy: Path, site: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    announce(site, "half_done", {"conf/split/x.yaml": "a: [1"})
    for words in (["--help"], ["train", "--help"], ["train", "experiment=spectra", "--cfg", "job"]):
        assert run(words) == 0
        told = capfd.readouterr()
        assert told.err.count("\n") == 1 and "the plugin half_done (half_done-options 1.2) is left out" in told.err
    assert run(["completion", "words", "--", "train", "split=pla"]) == 0
    assert capfd.readouterr() == ("split=plates\tWhole plates.\n", "")


def test_doctor_lists_versions_options_and_faults(toy: Path, site: Path, tmp_path: Path) -> None:
    announce(site, "half_done", {"conf/split/x.yaml": "a: [1"})
    announce(site, "no_module", {"conf/split/y.yaml": "_target_: no_module.gone.Gone\n"})
    told = [f"{mark} {line}" for mark, line in findings(tmp_path, tmp_path) if line.startswith("plugin")]
    assert "ok plugin toy_spectra (toy_spectra-options 0.3.1): 8 options, 7 classes of its own" in told
    assert [line[:2] for line in told if "half_done" in line] == ["!!"]
    assert [line[:2] for line in told if "no_module" in line] == ["ok", "!!"]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory, repository: Path) -> Path:
    """The package of the page, typed into files and installed by pip into an environment of its own."""
    root = tmp_path_factory.mktemp("user")
    for name, text in files_of_the_page().items():
        (root / "source" / name).parent.mkdir(parents=True, exist_ok=True)
        (root / "source" / name).write_text(text, encoding="utf-8")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", root / "venv"], check=True)
    (packages,) = (root / "venv").glob("lib/python*/site-packages")
    # This environment's packages stand in for an index, and this source for an installed astrid_ml.
    (packages / "given.pth").write_text(f"{repository}\n{sysconfig.get_paths()['purelib']}\n")
    python = root / "venv" / "bin" / "python"
    flags = ["--quiet", "--disable-pip-version-check", "--no-build-isolation", "--no-deps", "--no-index"]
    subprocess.run([sys.executable, "-m", "pip", "--python", python, "install", *flags, root / "source"], check=True)
    return root


def in_environment(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": "", "PYTHONDONTWRITEBYTECODE": "1"}
    command = [str(root / "venv" / "bin" / "python"), "-m", "astrid_ml", *words]
    return subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, timeout=600)


def done(root: Path, *words: str) -> str:
    process = in_environment(root, *words)
    assert process.returncode == 0, process.stderr[-3000:]
    return process.stdout


@pytest.mark.slow
def test_an_installed_package_trains_and_its_checkpoint_predicts(installed: Path) -> None:
    quick = ["trainer.max_epochs=4", "evaluation.evaluation.bootstrap.replicates=20", "logger=none"]
    done(installed, "train", "experiment=spectra", "paths.run_dir=run", "paths.data=store", *quick)
    record = json.loads((installed / "run" / "run.json").read_text())
    assert record["environment"]["versions"]["toy-spectra"] == "0.3.1"
    checkpoint = installed / "run" / "checkpoints" / "best.ckpt"
    entry = torch.load(checkpoint, weights_only=True)["astrid"]
    assert entry["versions"]["toy-spectra"] == "0.3.1" and entry["domain"] == "spectra"

    done(installed, "simulate", "what=spectra", "simulate.n=80", "output_dir=new")
    done(installed, "predict", f"ckpt_path={checkpoint}", "input=new", "output_dir=out")
    assert len(pd.read_parquet(installed / "out" / "predictions.parquet")) == 80
    raw = next((installed / "store" / "raw").glob("spectra-*"))
    done(installed, "predict", f"ckpt_path={checkpoint}", f"input={raw}", "output_dir=again")
    scored = pd.read_parquet(installed / "again" / "predictions.parquet").set_index("id")["score"]
    tested = pd.read_parquet(installed / "run" / "predictions" / "test.parquet").set_index("id")["score"]
    assert len(tested) and np.abs(scored[tested.index] - tested).max() < 1e-6

    # Without the package the same file runs nothing, and says what it needs.
    plain_words = [
        sys.executable,
        "-m",
        "astrid_ml",
        "predict",
        f"ckpt_path={checkpoint}",
        "input=new",
        "output_dir=no",
    ]
    without = subprocess.run(plain_words, cwd=installed, capture_output=True, text=True)
    assert without.returncode == 2 and "toy_spectra" in without.stderr and "plugin" in without.stderr


@pytest.mark.slow
def test_workers_of_every_kind_know_an_installed_package(installed: Path) -> None:
    words = ["experiment=spectra", "paths.data=store2", "executor=processes", "executor.workers=2"]
    assert "samples: 400" in done(installed, "prepare", *words)
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher")
    quick = [
        "trainer.max_epochs=1",
        "evaluation.evaluation.bootstrap.replicates=20",
        "logger=none",
        "paths.sweep_dir=sweep",
    ]
    launcher = ["-m", "hydra/launcher=joblib", "hydra.launcher.n_jobs=2", "seed=1,2"]
    assert "2 jobs, 0 failed" in done(installed, "train", *launcher, "experiment=spectra", "paths.data=store2", *quick)


@pytest.mark.slow
def test_a_checkpoint_names_no_class_of_a_package_that_its_options_do_not_name(installed: Path) -> None:
    assert "ok plugin spectra (toy-spectra 0.3.1): 8 options, 7 classes" in in_environment(installed, "doctor").stdout
    code = (
        "from astrid_ml.build import build\n"
        "for name in ('pipeline.write_table', 'training.nn.Linear', 'pipeline.np.load'):\n"
        "    name = f'toy_spectra.{name}'\n"
        "    try: build({'_target_': name})\n"
        "    except Exception as error: print(type(error).__name__, name in str(error))\n"
    )
    words = [str(installed / "venv" / "bin" / "python"), "-c", code]
    process = subprocess.run(words, env={**os.environ, "PYTHONPATH": ""}, capture_output=True, text=True, check=True)
    assert process.stdout.splitlines() == ["UserError True"] * 3
