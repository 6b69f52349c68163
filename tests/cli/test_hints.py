"""What is said of flags that do not go together, keys of another option, and folders of options that nobody finds."""

from __future__ import annotations

from pathlib import Path

import pytest

from astrid_ml.build import conf_folder
from astrid_ml.cli.main import run
from astrid_ml.cli.overrides import choices_of
from astrid_ml.cli.verbs.keys import Keys, bases_of, overridden
from astrid_ml.config import compose
from astrid_ml.tracking.mirror import flatten

T = "train experiment=realbogus_triplets"
PAIR = "difference science=a.fits reference=b.fits output_dir=o"
# What is typed, and what must be said.
SAID = [
    (f"{T} -m --cfg job seed=1,2", "leave out -m"),
    (f"{T} --cfg hydra -m", "leave out -m"),
    (f"{T} -m --info", "leave out -m"),
    (f"{T} --cfg jobs", "did you mean job?"),
    (f"{T} --cfg", "write --cfg job"),
    (f"{T} --info confg", "did you mean config?"),
    (f"{T} --resolve", "add --cfg job"),
    (f"{T} -p trainer", "add --cfg job"),
    (f"{T} --config-dir", "write --config-dir FOLDER"),
    (f"{T} --config-name predict", "experiment=NAME"),
    (f"{T} --hydra-help", "write --help"),
    (f"{T} --experimental-rerun x", "carries on"),
    ("simulate what=pairs simulate.num_frames=9 output_dir=o", "num_frames belongs to what=ramps, ramps_large"),
    ("simulate what=pairs simulate.num_frame=9 output_dir=o", "num_frames belongs to what=ramps"),
    ("simulate what=pairs simulate.fwmh=[3,2] output_dir=o", "did you mean simulate.fwhm?"),
    ("simulate what=[pairs,ramps] output_dir=o", "-m what=pairs,ramps"),
    ("simulate what=pairs,sky output_dir=o", "-m what=pairs,sky"),
    ("simulate what=piars output_dir=o", "what: one of archive, lightcurves"),
    (f"{PAIR} preprocessing.subtract.degrees=2", "belongs to preprocessing/subtract=kernel"),
    (
        f"{T} preprocessing.detect.threshold=4",
        "preprocessing=differencing preprocessing/detect=auto, daofind, peaks, poisson",
    ),
    (f"{T} loss.gamma=2", "loss.gamma belongs to loss=focal"),
    (f"{T} threshold.value=0.5", "belongs to threshold=fixed"),
    ("train experiment=mine/x.yaml", "experiment: one of lightcurves_elasticc"),
    (f"{T} seed = 1", "no blanks around the ="),
    ("simulate triplets output_dir=o", "write what=triplets"),
    ("prepare experiment=realbogus_triplets export=zip", "leave out export="),
    (f"{T} lr=0.1", "did you mean optimizer.lr?"),
    (f"{T} epochs=3", "did you mean trainer.max_epochs?"),
    (f"{T} trainer={{max_epochs:3}}", "trainer.KEY=VALUE"),
    (f"{T} label=column label.column=a label.mapping={{a:2}}", "a whole number from 0 to 1"),
    (f"{T} hydra/launcher=slurm", "did you mean submitit_slurm?"),
    (f"{T} hydra.launcher=joblib", "write hydra/launcher=joblib"),
    (f"{T} hydra.run.dirr=x", "did you mean hydra.run.dir?"),
    (f"{T} hydra/sweper=basic", "did you mean hydra/sweeper?"),
    (f"{T} hydra.mode=MULTI", "expected one of [RUN, MULTIRUN]"),
    (f"{T} hydra.searchpath=x", "write 'hydra.searchpath=[x]'"),
    (f"{T} trainer.precision=xx", "16-true or bf16-true or 16\n"),
    (f"{T} channels.size=7", "stamps of at least 8 px for BraaiWide"),
    (f"{T} model=braai_vgg6 channels.size=19", "stamps of at least 20 px"),
    (f"{T} channels.names=[scince,reference,difference]", "did you mean science?"),
    (f"{T} split=leave_one_mission_out split.held_out=zft", "did you mean ztf?"),
    (f"{T} split=missions", "write split.test=[galex]"),
    (f"{T} split=missions split.train=[ztf] split.test=[ZTF,ps1]", "take ztf out"),
    (f"{T} split=missions split.test=[ztf,ps1,swift,galex]", "test fewer"),
    (f"{T} split.val=0.6 split.test=0.5", "split.val=0.6 and split.test=0.5"),
    ("train experiment=lightcurves_sim split.test_values=[tset]", "did you mean test?"),
    (f"{T} data=3", "data.KEY=VALUE"),
    (f"{T} output_dir=o", "write paths.run_dir=FOLDER"),
    ("predict ckpt=a.ckpt input=n output_dir=o", "did you mean ckpt_path?"),
    ("predict checkpoint=a.ckpt input=n output_dir=o", "did you mean ckpt_path=a.ckpt?"),
    ("predict data=night/ ckpt_path=a.ckpt output_dir=o", "did you mean input=night/?"),
    ("predict input=n ckpt_path=a.ckpt output=o", "did you mean output_dir?"),
    ("difference science=[a.fits,b.fits] reference=c.fits output_dir=o", "without brackets: science=PATH"),
    ("new", "WHAT: dataset, step, model, split, executor or experiment"),
    ("new model", "no NAME"),
    ("simulate -m what=triplets,sky", "the jobs lie in FOLDER/0"),
]


@pytest.mark.parametrize(("words", "told"), SAID)
def test_it_is_said_before_anything_is_made(
    words: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(words.split()) == 2
    said = capsys.readouterr().err
    assert told in said and said.count("astrid: expected") == 1 and "Traceback" not in said and "Warning" not in said
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "words",
    [
        ["experiment=realbogus_triplets"],
        ["experiment=realbogus_sim", "preprocessing/subtract=kernel"],
        ["experiment=lightcurves_sim", "scheduler=cosine", "threshold=fixed"],
        ["experiment=ramp_anomalies", "loss=focal_voxels"],
    ],
)
def test_keys_of_chosen_options_are_those_that_hydra_composes(words: list[str]) -> None:
    conf = conf_folder()
    keys = Keys("train", conf, choices_of(words, "train", conf))
    slots = [word.replace("preprocessing/", "preprocessing/differencing/") for word in words]
    tree = flatten(compose("train", [*slots, "paths.run_dir=r", "paths.sweep_dir=s"]))
    written = {name for name, _ in tree}
    composed = {name for name in written if "_target_" not in name and "_partial_" not in name}
    known = {name for name in keys.found if not any(isinstance(key.value, dict) for key in keys[name])}
    assert not {name for name in composed if not any(name == key or name.startswith(f"{key}.") for key in keys.found)}
    unset = {"label", "augment", "scheduler", "simulate"}  # null at the top, an option's node below
    assert not {name for name in known - composed - unset if not any(part.startswith(f"{name}.") for part in written)}


def test_a_circle_of_bases_ends(tmp_path: Path) -> None:
    (tmp_path / "split").mkdir()
    for name, other in (("a", "b"), ("b", "a")):
        text = f"defaults:\n  - {other}\n  - override /model: {name}\n  - _self_\n"
        (tmp_path / "split" / f"{name}.yaml").write_text(text)
    assert bases_of("split/a", tmp_path) == ["split/a", "split/b"]
    assert overridden("split/a", tmp_path) == {"model": ["a"]}


FOLDERS = {
    "around": ("conf/split/mine.yaml", "name {folder}/conf"),
    "yml": ("split/mine.yml", "rename it to split/mine.yaml"),
    "folder": ("split/mine.yaml/x.yaml", "name a file split/mine.yaml"),
    "none": ("notes.txt", "name the folder that holds GROUP/NAME.yaml"),
}


@pytest.mark.parametrize("what", FOLDERS)
def test_a_folder_of_options_that_nobody_finds_is_refused(
    what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name, told = FOLDERS[what]
    folder = tmp_path / "mine"
    (folder / name).parent.mkdir(parents=True)
    (folder / name).write_text("seed: 1\n")
    assert run(["train", f"--config-dir={folder}", "split=mine"]) == 2
    assert told.format(folder=folder) in capsys.readouterr().err


def test_the_folder_of_one_group_is_no_folder_of_options(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "split").mkdir()
    (tmp_path / "split" / "mine.yaml").write_text("seed: 1\n")
    assert run(["train", f"--config-dir={tmp_path}/split", "split=mine"]) == 2
    assert f"name the folder around it, {tmp_path}" in capsys.readouterr().err
