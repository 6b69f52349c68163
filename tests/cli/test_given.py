"""A folder of options on the command line is known to everything that a user meets: choice, slots, help, messages."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from astrid_ml.build import conf_folder
from astrid_ml.cli.given import configuration_of, flags_first, given_folders, whole_flags
from astrid_ml.cli.help import of_verb, overview
from astrid_ml.cli.main import run
from astrid_ml.cli.overrides import domain_of, rewrite
from astrid_ml.cli.verbs.catalogue import all_verbs
from astrid_ml.cli.verbs.keys import Keys
from astrid_ml.errors import UserError

MINE = """
# @package preprocessing.subtract
# Mine.
_target_: astrid_ml.preprocessing.differencing.subtract.steps.Direct
grow: 7                  # px
own_key: null            # file: a mask
"""
SLOT = "preprocessing/differencing/subtract"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    out = tmp_path / "my options=1"
    files = {
        f"{SLOT}/mine.yaml": MINE,
        "experiment/night.yaml": "# @package _global_\n# One night.\ndefaults:\n  - realbogus_sim\n  - _self_\n",
        "own_verb.yaml": "# counts stars\n# astrid own-verb\ndefaults:\n  - _verb\ncommand:\n  _target_: x.Y\n",
    }
    for name, text in files.items():
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_text(text)
    return out


def forms(folder: Path) -> list[list[str]]:
    flags = [[f"--config-dir={folder}"], ["--config-dir", str(folder)], ["-cd", str(folder)], [f"-cd={folder}"]]
    return [
        *flags,
        ["--config-d", str(folder)],
        [f'hydra.searchpath=["file://{folder}"]'],
        [f"hydra.searchpath=[{folder}]"],
    ]


def test_every_way_to_give_it_is_read(folder: Path) -> None:
    for words in forms(folder):
        assert given_folders(["seed=1", *words, "split=group"]) == [folder], words
        assert (configuration_of(words) / SLOT / "mine.yaml").is_file(), words
    assert given_folders(["seed=1"]) == [] and given_folders([f"--config-dir={folder}/x", f"-cd={folder}"]) == [folder]


def test_a_relative_folder_and_home_are_read_from_the_root(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder.parent)
    monkeypatch.setenv("HOME", str(folder.parent))
    for word in (folder.name, f"~/{folder.name}", f"./{folder.name}"):
        assert whole_flags(["--config-dir", word, "a=b"]) == [f"--config-dir={folder}", "a=b"]


def test_flags_may_stand_between_overrides() -> None:
    words = ["a=1", "-m", "~b", "--config-dir=/x=y", "+c=2", "++d=3", "--info", "e@f=4"]
    assert flags_first(words) == ["-m", "--config-dir=/x=y", "--info", "--", "a=1", "~b", "+c=2", "++d=3", "e@f=4"]


@pytest.mark.parametrize("form", range(7))
def test_an_option_of_a_slot_is_taken_in_whatever_order(
    folder: Path, form: int, capfd: pytest.CaptureFixture[str]
) -> None:
    given = forms(folder)[form]
    words = [
        "science=A.fits",
        *given,
        "preprocessing/subtract=mine",
        "--cfg",
        "job",
        "output_dir=o",
        "reference=B.fits",
    ]
    assert run(["difference", *words, "preprocessing.subtract.own_key=a (1),b"]) == 0
    shown = capfd.readouterr().out
    assert "grow: 7" in shown and "own_key: a (1),b" in shown


def test_help_keys_verbs_and_experiments_know_it(folder: Path) -> None:
    conf = configuration_of([f"--config-dir={folder}"])
    verbs = all_verbs(conf)
    assert "own-verb" in overview(conf) and "counts stars" in overview(conf) and "One night." in overview(conf)
    line = next(line for line in of_verb(verbs["difference"], conf).splitlines() if SLOT in line)
    assert line.split()[1:] == ["auto", "direct", "gaussian", "kernel", "mine", "zogy"]
    assert Keys("difference", conf).is_path("preprocessing.subtract.own_key")
    assert domain_of(["experiment=night"], conf, "train") == "differencing"  # by the experiment that it builds on
    assert rewrite(["experiment=night", "preprocessing/subtract=mine"], "train", conf)[1] == f"{SLOT}=mine"
    assert "mine" not in of_verb(verbs["difference"], conf_folder())


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["preprocessing/subtract=mien"], "did you mean mine?"),
        (["preprocessing/subtrat=mine"], "did you mean subtract?"),
        (
            ["preprocessing/subtract=mine", "preprocessing.subtract.own_kye=a"],
            "did you mean preprocessing.subtract.own_key?",
        ),
    ],
)
def test_the_nearest_name_is_one_of_it(
    folder: Path, words: list[str], told: str, capfd: pytest.CaptureFixture[str]
) -> None:
    paths = ["science=A.fits", "reference=B.fits", "output_dir=o"]
    assert run(["difference", f"--config-dir={folder}", *words, *paths]) == 2
    assert told in capfd.readouterr().err


def test_a_misspelt_experiment_of_it_is_named(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["train", "experiment=nihgt", f"--config-dir={folder}"]) == 2
    assert "did you mean night?" in capfd.readouterr().err


def test_a_folder_that_is_not_there_is_said_before_anything_else(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for words in (
        [f"--config-dir={tmp_path}/no"],
        ["-cd", f"{tmp_path}/file"],
        [f"hydra.searchpath=[file://{tmp_path}/no]"],
    ):
        with pytest.raises(UserError, match=str(tmp_path)):
            configuration_of(words)
    for address in ("pkg://no_such_package_here", "http://a"):
        with pytest.raises(UserError, match=address):
            configuration_of([f"hydra.searchpath=[{address}]"])


def test_an_option_under_a_name_of_ours_is_refused(folder: Path) -> None:
    ours = conf_folder() / "split" / "group.yaml"
    (folder / "split").mkdir()
    (folder / "split" / "group.yaml").write_text(ours.read_text())
    assert configuration_of([f"--config-dir={folder}"]).roots[-1] == folder  # a copy
    (folder / "split" / "group.yaml").write_text("seed: 7\n")
    with pytest.raises(UserError, match=r"group\.yaml"):
        configuration_of([f"--config-dir={folder}"])


def test_what_is_no_yaml_in_it_is_said_in_three_parts(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for text in ("a: [1", "- a\n"):
        (folder / "split").mkdir(exist_ok=True)
        (folder / "split" / "bad.yaml").write_text(text)
        assert run(["train", f"--config-dir={folder}", "seed=1 2"]) == 2
        told = capfd.readouterr().err
        assert "bad.yaml" in told and "Traceback" not in told


def test_readers_within_a_command_know_it(tmp_path: Path) -> None:
    own = tmp_path / "own"
    (own / "preprocessing").mkdir(parents=True)
    (own / "preprocessing" / "night.yaml").write_text(
        "_target_: astrid_ml.preprocessing.triplets.pipeline.TripletsPipeline\n"
    )
    code = (
        "import sys\nfrom astrid_ml.cli import compose\nfrom astrid_ml.cli.given import configuration_of\n"
        "from astrid_ml.cli.verbs.catalogue import Verb\nfrom astrid_ml.cli.verbs import doctor\n"
        "from astrid_ml.config import domains, preprocessing_of\n"
        "def show(cfg):\n    print('night' in domains(), preprocessing_of('night')['_target_'][-16:])\n    return 0\n"
        "doctor.command = show\nwords = sys.argv[1:]\n"
        "compose.run_verb(Verb('doctor', 'verbs.doctor', 'doctor', ''), words, configuration_of(words))\n"
    )
    for words in ([f"--config-dir={own}"], [f"hydra.searchpath=[file://{own}]"]):
        done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, cwd=tmp_path)
        assert done.stdout.strip() == "True TripletsPipeline", done.stderr[-2000:]


EVIL = {
    "trust": ("experiment/evil.yaml", "# @package _global_\ndefaults: [realbogus_triplets]\ntrust: [runpy.run_path]\n"),
    "hydra": ("experiment/evil.yaml", "# @package _global_\nhydra: {callbacks: {x: {_target_: evil.run}}}\n"),
    "name": ("model/$(touch marker).yaml", "a: 1\n"),
    "yaml": ("loss/own.yaml", "a: [1,\n"),
}


@pytest.mark.parametrize("what", EVIL)
def test_a_folder_that_takes_liberties_is_refused_before_anything_of_it_is_used(
    what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    name, text = EVIL[what]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "evil" / name).parent.mkdir(parents=True)
    (tmp_path / "evil" / name).write_text(text)
    for words in (["experiment=evil"], ["-m", "experiment=evil", "seed=1,2"], ["--help"]):
        assert run(["train", "--config-dir=evil", *words]) == 2
        assert name in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["evil"]


def test_what_is_trusted_must_be_typed(capsys: pytest.CaptureFixture[str]) -> None:
    from omegaconf import OmegaConf

    from astrid_ml.cli.compose import refuse_own_trust

    cfg = OmegaConf.create({"trust": ["my.Net"]})
    for words in (["trust=[my.Net]"], ["seed=1", "++trust=[my.Net]"]):
        refuse_own_trust(cfg, words)
    with pytest.raises(UserError, match="type trust="):
        refuse_own_trust(cfg, ["model.trust=[my.Net]", "seed=1"])
    refuse_own_trust(OmegaConf.create({"trust": []}), [])


@pytest.mark.parametrize("words", [["--config-dir="], ["--config-dir", ""], ["-cd="]], ids=str)
def test_a_folder_without_a_name_is_no_folder(words: list[str]) -> None:
    with pytest.raises(UserError, match="no folder"):
        whole_flags(words)
