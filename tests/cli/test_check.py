"""A wrong value is refused with its key, before anything is made or read."""

from __future__ import annotations

import functools
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from omegaconf import OmegaConf

from astrid_ml.build import conf_folder
from astrid_ml.cli.check import check_values
from astrid_ml.cli.main import run
from astrid_ml.cli.overrides import rewrite
from astrid_ml.cli.verbs.catalogue import all_verbs
from astrid_ml.cli.verbs.keys import Key, Keys
from astrid_ml.cli.verbs.misfit import Misfit, fix, shown
from astrid_ml.config import compose, option_names
from astrid_ml.run.settings import PLAIN_NODES, TrainerSettings

TRIPLETS, SKY, CURVES = (f"experiment={name}" for name in ("realbogus_triplets", "realbogus_sim", "lightcurves_sim"))
PAIR = ("science=a.fits", "reference=b.fits", "output_dir=out")
# Words of the command line; the key that the message must name; what it must say beside it.
WRONG = [
    ("train", (SKY, "optimizer.lr=fast"), "optimizer.lr", "a number"),
    ("train", (TRIPLETS, "seed=abc"), "seed", "a whole number"),
    ("train", (TRIPLETS, "seed=-1"), "seed", "from 0"),
    ("train", (TRIPLETS, "data.seed=1.5"), "data.seed", "a whole number"),
    ("train", (TRIPLETS, "trainer.max_epochs=2.5"), "trainer.max_epochs", "trainer.max_epochs=20"),
    ("train", (TRIPLETS, "trainer.max_epochs=0"), "trainer.max_epochs", "at least 1"),
    ("train", (TRIPLETS, "trainer.precision=bf17"), "trainer.precision", "bf16-mixed"),
    ("train", (TRIPLETS, "trainer.devices=0"), "trainer.devices", "at least 1"),
    ("train", (TRIPLETS, "callbacks.patience=soon"), "callbacks.patience", "a whole number"),
    ("train", (TRIPLETS, "callbacks.weight_averaging=1"), "callbacks.weight_averaging", "below 1"),
    ("train", (TRIPLETS, "datamodule.batch_size=0"), "datamodule.batch_size", "at least 1"),
    ("train", (TRIPLETS, "datamodule.batch_size=1e2"), "datamodule.batch_size", "write datamodule.batch_size=100"),
    ("train", (TRIPLETS, "datamodule.num_workers=-2"), "datamodule.num_workers", "at least 0"),
    ("train", (TRIPLETS, "simulate.prevalence=7"), "simulate.prevalence", "below 1"),
    ("train", (TRIPLETS, "simulate.snr=[9,3]"), "simulate.snr", "[low, high]"),
    ("train", (TRIPLETS, "simulate.snr=[1,2,3]"), "simulate.snr", "[low, high]"),
    ("train", (TRIPLETS, "split.test=x"), "split.test", "a number"),
    ("train", (TRIPLETS, "split.test=1.5"), "split.test", "below 1"),
    ("train", (TRIPLETS, "split=kfold", "split.k=1"), "split.k", "at least 2"),
    ("train", (TRIPLETS, "threshold=fixed", "threshold.value=7"), "threshold.value", "from 0 to 1"),
    ("train", (TRIPLETS, "channels.size=63.5"), "channels.size", "a whole number"),
    ("train", (TRIPLETS, "max_failed=20"), "max_failed", "from 0 to 1"),
    ("train", (TRIPLETS, "hash_inputs=maybe"), "hash_inputs", "true or false"),
    ("train", (TRIPLETS, "executor=processes", "executor.workers=two"), "executor.workers", "a whole number"),
    ("train", (TRIPLETS, "model=null"), "model", "braai_wide"),
    ("train", (TRIPLETS, "model=[braai_wide,fusion]"), "model", "one option"),
    ("train", (TRIPLETS, "model=braai_wide,fusion"), "model", "-m"),
    ("train", (CURVES, "datamodule.windows=[8,-1]"), "datamodule.windows", "above 0"),
    ("train", (SKY, "preprocessing.align.method=spline"), "preprocessing.align.method", "lanczos"),
    ("train", (SKY, "preprocessing.detect.threshold=-5"), "preprocessing.detect.threshold", "above 0"),
    ("prepare", (TRIPLETS, "max_failed=-1"), "max_failed", "from 0 to 1"),
    ("difference", (*PAIR, "science.gain=-1"), "science.gain", "above 0"),
    ("difference", (*PAIR, "science.gain=high"), "science.gain", "a number"),
    ("difference", (*PAIR, "export=hdf6"), "export", "hdf5"),
    ("associate", ("input=c.parquet", "output_dir=out", "radius=0"), "radius", "above 0"),
    ("depth", ("input=c.fits", "output_dir=out", "n_sigma=none"), "n_sigma", "a number"),
    ("convert", ("input=c", "output_dir=out", "row_group=0"), "row_group", "at least 1"),
    ("simulate", ("what=sky", "simulate.n=0", "output_dir=out"), "simulate.n", "at least 1"),
    ("simulate", ("what=pairs", "simulate.fwhm=[3]", "output_dir=out"), "simulate.fwhm", "of 2"),
    ("simulate", ("what=ramps", "simulate.image_shape=[64,64,3]", "output_dir=out"), "simulate.image_shape", "of 2"),
    ("predict", ("task=ramps", "input=c", "output_dir=o", "preprocessing.load.gain=0"), "load.gain", "above 0"),
    ("train", (TRIPLETS, "name="), "name", "a text"),
    ("train", (TRIPLETS, "label=table", "label.path=no.csv"), "label.path", "nothing at no.csv"),
    ("difference", (*PAIR, "truth=no.csv"), "truth", "nothing at no.csv"),
    ("difference", (*PAIR, "ckpt_path=."), "ckpt_path", "ckpt_path: a folder at ."),
    ("difference", (*PAIR, "science.psf=p.fits", "reference.noise=n.fits"), "reference.noise", "nothing at n.fits"),
    ("forced", ("input=a", "positions=p.csv", "output_dir=o"), "positions", "nothing at p.csv"),
    ("predict", ("ckpt_path=a", "input=", "output_dir=o"), "input", "a file or a folder"),
    ("predict", ("ckpt_path=a", "input=b", "output_dir="), "output_dir", "write output_dir=FOLDER"),
    ("convert", ("input=''", "output_dir=o"), "input", "a file or a folder"),
    ("simulate", ("what=triplets", "output_dir=null"), "output_dir", "a value that you give"),
    ("predict", ("ckpt_path=a", "input=b", "output_dir=null"), "output_dir", "a value that you give"),
    ("evaluate", ("ckpt_path=a", "dataset=null", "output_dir=b"), "dataset", "a value that you give"),
    ("difference", ("science=", "reference=b", "output_dir=o"), "science", "a file"),
    ("compare", ("runs=[a,b]", "replicates=-3"), "replicates", "at least 1"),
    ("compare", ("runs=a,b",), "runs", "write 'runs=[a,b]'"),
    ("compare", ("runs=[]",), "runs", "write runs='[FOLDER,FOLDER]'"),
    ("recover", ("input=m.csv", "output_dir=o", "methods=zogy"), "methods", "write 'methods=[zogy]'"),
    ("recover", ("input=m.csv", "output_dir=o", "methods=[]"), "methods", "at least one"),
    ("simulate", ("what=triplets", "simulate.missions=[]", "output_dir=o"), "simulate.missions", "at least one"),
    ("convert", ("input=[]", "output_dir=o"), "input", "write input=FILE_OR_FOLDER"),
    ("train", (TRIPLETS, "simulate=none", "paths.raw=[]"), "paths.raw", "a file or a folder"),
    ("train", (TRIPLETS, "channels.names=[]"), "channels.names", "at least one"),
    ("train", (TRIPLETS, "optimizer.lr=inf"), "optimizer.lr", "a number"),
    ("train", (TRIPLETS, "optimizer.lr=0"), "optimizer.lr", "above 0"),
    ("train", (TRIPLETS, "optimizer.lr=-1"), "optimizer.lr", "above 0"),
    ("train", (TRIPLETS, "optimizer.weight_decay=-1"), "optimizer.weight_decay", "at least 0"),
    ("train", (TRIPLETS, "scheduler=cosine", "scheduler.T_max=0"), "values that the scheduler", "scheduler.T_max=0"),
    ("train", (SKY, "channels.size=200"), "channels", "set channels.size=63"),
    ("train", (TRIPLETS, "+new.key=1"), "new", "leave out new"),
    ("train", (TRIPLETS, "+trainer.limit_train_batch=2"), "limit_train_batch", "did you mean limit_train_batches?"),
    ("train", (TRIPLETS, "+trainer.limit_train_batches=x"), "trainer.limit_train_batches", "a number"),
    ("train", (TRIPLETS, "+callbacks.patients=1"), "callbacks.patients", "did you mean patience?"),
    ("train", (TRIPLETS, "+split.foo=1"), "split.foo", "leave out split.foo"),
    ("train", (TRIPLETS, "~callbacks.patience"), "callbacks.patience", "is left out"),
    ("train", (TRIPLETS, "~trainer.max_epochs"), "trainer.max_epochs", "give trainer.max_epochs="),
    ("predict", ("ckpt_path=x", "input=y", "output_dir=o", "threshold=2"), "a key of astrid predict", "threshold"),
]  # fmt: skip


@pytest.mark.parametrize(("verb", "words", "key", "said"), WRONG, ids=lambda part: " ".join(part)[-50:])
def test_a_wrong_value_is_refused_by_its_key(
    verb: str, words: tuple[str, ...], key: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    for name in ("a.fits", "b.fits"):
        (tmp_path / name).write_text("SIMPLE  =                    T")
    before = sorted(tmp_path.rglob("*"))
    places = ("paths.data=store", "paths.run_dir=run") if verb in ("train", "prepare") else ()
    assert run([verb, *words, *places]) == 2
    text = capsys.readouterr().err
    assert "Traceback" not in text
    assert key in text.splitlines()[0] and said in text
    assert sorted(path for path in tmp_path.rglob("*") if path.is_file()) == before


@pytest.mark.parametrize("group", ["augment", "label", "scheduler", "simulate"])
def test_null_leaves_a_group_out(group: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["train", TRIPLETS, f"{group}=null", "trainer.max_epochs=0"]) == 2
    assert "trainer.max_epochs" in capsys.readouterr().err


CONF = conf_folder()
GIVEN = {"format": "npz", "runs": ["given"], "variant": "d6_m7", "catalogues": ["given"], "what": "model"}
NO_OPTIONS = ("experiment", "task", "frame", "acquisition", "sweep")
BESIDE = {  # options that need another one than the default
    **{f"channels=frames_{name}": "datamodule=frames" for name in ("asinh", "sigma", "zscale")},
    "datamodule=frames": "channels=frames_asinh",
}
WHERE_EXPOSURES_ARE_SCORED = tuple(
    f"preprocessing/ramps/{name}=" for name in ("flags", "rules", "steps", "twopoint", "windows")
)
WHERE_EXPOSURES_ARE_PREDICTED = tuple(f"preprocessing/ramps/{name}=" for name in ("products", "sanity"))


def options(folder: Path) -> list[str]:
    """``group=option`` of all groups in a folder of the configuration."""
    files = [path for path in sorted(folder.glob("*/*.yaml")) if not path.stem.startswith("_")]
    return [f"{file.parent.relative_to(CONF)}={file.stem}" for file in files]


PACKAGED = [
    *[("train", f"experiment={name}") for name in option_names(CONF / "experiment")],
    *[(verb, "") for verb in sorted(all_verbs(CONF)) if verb != "predict"],
    *[("predict", f"task={name}") for name in option_names(CONF / "task")],
    *[("simulate", f"what={name}") for name in option_names(CONF / "simulate")],
    *[("acquire", f"acquisition={name}") for name in option_names(CONF / "acquisition")],
    *[("sweep", f"sweep={name}") for name in option_names(CONF / "sweep")],
    *[("train", option) for option in options(CONF) if not option.startswith(NO_OPTIONS)],
    *[
        ("train", f"preprocessing={pipeline} {option}")
        for pipeline in option_names(CONF / "preprocessing")
        for option in options(CONF / "preprocessing" / pipeline)
        if not option.startswith(WHERE_EXPOSURES_ARE_SCORED + WHERE_EXPOSURES_ARE_PREDICTED)
    ],
    *[
        ("predict", f"task=ramps {option}")
        for option in options(CONF / "preprocessing" / "ramps")
        if option.startswith(WHERE_EXPOSURES_ARE_PREDICTED)
    ],
    *[
        ("score-ramps", option)
        for option in options(CONF / "preprocessing" / "ramps")
        if option.startswith(WHERE_EXPOSURES_ARE_SCORED)
    ],
]


def missing(cfg: Any) -> list[str]:
    """Keys that the user must give."""
    flat = pd.json_normalize(OmegaConf.to_container(cfg, resolve=False)).iloc[0]  # type: ignore[arg-type]
    return [str(key) for key, value in flat.items() if isinstance(value, str) and value == "???"]


keys_of = functools.cache(lambda name: Keys(name, CONF))


@pytest.mark.parametrize(("verb", "option"), PACKAGED, ids=lambda part: part)
def test_what_is_packaged_is_right(verb: str, option: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "given").touch()
    name = all_verbs(CONF)[verb].config
    words = [*option.split(), *([BESIDE[option]] if option in BESIDE else [])]
    cfg = compose(name, rewrite(words, name, CONF))
    for key in missing(cfg):
        OmegaConf.update(cfg, key, GIVEN.get(key, "given"))
    if verb == "acquire":  # Hydra tells it which one was chosen
        OmegaConf.update(cfg, "command.name", "given")
    check_values(cfg, keys_of(name).__getitem__)


@pytest.mark.parametrize("option", BESIDE)
def test_options_that_do_not_go_together_are_named(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["train", TRIPLETS, option]) == 2
    text = capsys.readouterr().err
    assert "channels: an option that makes a " in text
    assert "got channels: a" in text and "choose another option: channels=" in text


def test_a_reference_is_named_by_the_key_that_the_user_types() -> None:
    from astrid_ml.errors import UserError

    command = {"_target_": "astrid_ml.commands.compare.CompareCommand", "runs": ["a", "b"], "replicates": "${n}"}
    with pytest.raises(UserError, match="expected n: a whole number of at least 1; got n=few"):
        check_values(OmegaConf.create({"n": "few", "command": command}), lambda key: [Key(key, None)])


def test_the_fix_prefers_the_declared_value_to_the_default_of_the_class() -> None:
    misfit = Misfit("a.b", "a number", "x", 3.0)
    assert fix(misfit, [Key("a.b", 5.0)]) == "for instance a.b=5.0"
    assert fix(misfit, [Key("a.b", "???"), Key("a.b", "${c}")]) == "for instance a.b=3.0"
    assert shown(None) == "null" and shown(True) == "true" and len(shown("x" * 100)) == 60


def test_a_class_of_ones_own_is_named_without_the_keys_of_the_options_class() -> None:
    misfit = Misfit("model.network.size", "no key of Net", 41, 3.0, "'~model.network' +model.network._target_=nets.Net")
    assert fix(misfit, []).startswith("write '~model.network' +model.network._target_=nets.Net, without")
    assert fix(replace(misfit, example=""), []) == "leave out model.network.size"
    assert shown((1, "a")) == "[1,a]" and shown([9]) == "[9]"


def test_every_plain_key_of_the_trainer_has_a_kind(repository: Path) -> None:
    for node in ("trainer", "callbacks", "paths"):
        for file in sorted((repository / "conf" / node).glob("*.yaml")):
            keys = {str(key) for key in OmegaConf.load(file)} - {"defaults"}
            assert keys - set(PLAIN_NODES[node].__annotations__) == set(), file.name
    assert "max_epochs" in TrainerSettings.__annotations__
