"""What a notebook, or `astrid predict`, sets below a checkpoint's configuration is looked at before any work."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from made.untrained import Untrained, untrained

from astrid_ml import api
from astrid_ml.asked import merged
from astrid_ml.build import build
from astrid_ml.errors import UserError
from astrid_ml.notebook import Model


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    made: Untrained = untrained(tmp_path_factory.mktemp("api"))
    return {name: made.config[name] for name in ("datamodule", "evaluation", "preprocessing", "model")}


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ({"datamodule": {"batch_size": 0}}, "datamodule.batch_size: a whole number of at least 1"),
        ({"datamodule": {"batch_size": "foo"}}, "for instance datamodule.batch_size="),
        ({"evaluation": {"threshold": "abc"}}, "evaluation.threshold: an option that makes a ThresholdRule"),
        ({"evaluation": {"evaluation": {"bootstrap": {"replicates": -3}}}}, "replicates: a whole number of at least 0"),
        ({"datamodule": {"bach_size": 3}}, "did you mean batch_size"),
        ({"datamodule": "x"}, "datamodule.KEY=VALUE"),
    ],
    ids=str,
)
def test_values_that_the_class_does_not_take_are_refused(
    config: dict[str, Any], overrides: dict[str, Any], words: str
) -> None:
    with pytest.raises(UserError, match=words):
        merged(config, overrides)


def test_other_values_take_the_place_of_the_recorded_ones(config: dict[str, Any]) -> None:
    out = merged(config, {"datamodule": {"eval_batch_size": 7}})
    assert build(out["datamodule"]).eval_batch_size == 7
    assert out["evaluation"] == merged(config, {})["evaluation"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("experiment=nosuch",), "expected experiment: one of lightcurves_elasticc"),
        (("experiment=_ramps",), "_ramps, on which others build"),
        (("model=_realbogus",), "_realbogus, on which others build"),
        (("model=/etc/passwd",), "/etc/passwd, which is a path"),
        (("experiment=../../etc/passwd",), "which is a path"),
        (("optimizer.lrr=1",), r"did you mean optimizer\.lr\?"),
        (("nosuch=1",), "see astrid train --help"),
        (("experiment=realbogus_sim", "seed=[1"), r"\[ without its \]"),
        (("seed",), "write seed=VALUE"),
        (("seed=1,2",), "one value of seed"),
        (("experiment=realbogus_sim", "model=braai_wid"), "did you mean braai_wide"),
    ],
)
def test_an_override_that_cannot_be_is_told_in_words(words: tuple[str, ...], said: str) -> None:
    with pytest.raises(UserError, match=said) as caught:
        api.compose(*words)
    message = str(caught.value)
    assert " _" not in message.replace(" _ramps,", "").replace(" _realbogus,", "")  # bases are no choice
    assert not any(word in message for word in ("hydra.cc", "mismatched", "extraneous", "struct", "Interpolation"))


def test_a_notebook_predicts_into_a_folder_of_its_own(tmp_path_factory: pytest.TempPathFactory) -> None:
    made = untrained(tmp_path_factory.mktemp("raw"))
    before = sorted(made.raw.iterdir())
    (made.raw.parent / "mine").mkdir()
    (made.raw.parent / "mine" / "notes.txt").write_text("mine")
    for folder in (made.raw, made.raw.parent / "mine", made.checkpoint):
        with pytest.raises(UserError, match="output_dir=") as caught:
            api.predict(made.checkpoint, made.raw, folder)
        assert "choose another output_dir" in caught.value.fix
    assert sorted(made.raw.iterdir()) == before
    with pytest.raises(UserError, match="an output folder of its own"):
        api.predict(made.checkpoint, sorted(made.raw.iterdir()), made.raw)


@pytest.mark.parametrize(
    "places", [(None, "a", "b"), ("a", None, "b"), ("a", "b", None), ("a", [], "b"), (3, "a", "b")]
)
def test_what_is_no_path_is_told_by_its_name(places: tuple[Any, Any, Any]) -> None:
    with pytest.raises(UserError, match=r"expected (ckpt_path|inputs|output_dir): a path"):
        api.predict(*places)


def test_what_is_of_another_kind_is_told_in_words() -> None:
    calls: list[tuple[Any, str]] = [
        (lambda: api.compose(["experiment=realbogus_sim"]), "overrides as texts"),  # type: ignore[arg-type]
        (lambda: api.train("experiment=realbogus_sim"), "a configuration, as compose"),
        (lambda: api.train(None), "a configuration, as compose"),
        (lambda: api.load_checkpoint(None), "path: a path; got None"),  # type: ignore[arg-type]
        (lambda: api.predict("a", "b", "c", overrides=["x=1"]), "overrides as a dictionary"),  # type: ignore[arg-type]
        (lambda: api.predict({"a": 1}, "b", "c"), "ckpt_path: a path; got a dict"),  # type: ignore[arg-type]
    ]
    for call, said in calls:
        with pytest.raises(UserError, match=said):
            call()


@pytest.mark.parametrize(("key", "value"), [("max_epochs", 0), ("max_epochs", "two"), ("precision", "17")])
def test_a_value_that_was_set_afterwards_is_checked_before_anything_is_built(
    key: str, value: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    cfg = api.compose("experiment=realbogus_triplets")
    cfg.trainer[key] = value
    with pytest.raises(UserError, match=rf"expected trainer\.{key}: .*got trainer\.{key}={value}"):
        api.train(cfg)
    assert list(tmp_path.iterdir()) == []


def test_a_model_predicts_files_arrays_and_tables_alike(tmp_path_factory: pytest.TempPathFactory) -> None:
    made = untrained(tmp_path_factory.mktemp("model"))
    model = api.load(made.checkpoint)
    files = model.predict(made.raw, allow_outside=True)
    assert len(files) == 40 and files.score.between(0, 1).all()
    stamps = np.concatenate([np.load(path) for path in sorted(made.raw.glob("*.npy"))])
    given = model.predict(stamps, allow_outside=True)
    assert np.sort(given.score) == pytest.approx(np.sort(files.score), abs=1e-6)
    one = model.predict(stamps[3], allow_outside=True)
    assert one.score.tolist() == pytest.approx([given.score[3]], abs=1e-6)
    assert not [place for place in Path(tempfile.gettempdir()).glob("astrid-*") if (place / "given").exists()]


def test_a_notebook_shows_the_columns_that_were_asked_for(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Case: columns=brief came back with eight columns that are always null."""
    made = untrained(tmp_path_factory.mktemp("brief"))
    brief = api.load(made.checkpoint).predict(made.raw, columns="brief")
    assert set(brief.columns) < set(api.load(made.checkpoint).predict(made.raw).columns)
    assert "group_id" not in brief and "set" not in brief


def test_a_model_shows_what_it_is(tmp_path_factory: pytest.TempPathFactory) -> None:
    made = untrained(tmp_path_factory.mktemp("card"))
    model = api.load(made.checkpoint)
    assert model.path == Model.open(made.checkpoint).path
    assert "data: triplets" in repr(model) and "calibrated: no" in repr(model)
    assert (
        model._repr_html_().startswith("<table><caption>") and "<th>data</th><td>triplets</td>" in model._repr_html_()
    )


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (np.zeros(3), "an array of 3 for a checkpoint of triplets"),
        (np.array(["a"]), "stamps"),
        (pd.DataFrame({"mjd": [1.0]}), "a table for a checkpoint of triplets"),
        ([], "stamps"),
    ],
    ids=["few axes", "texts", "table", "nothing"],
)
def test_what_a_model_cannot_read_is_said(data: object, said: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    model = api.load(untrained(tmp_path_factory.mktemp("not")).checkpoint)
    with pytest.raises(UserError, match=said):
        model.predict(data)


def test_what_notebooks_look_for_first_is_found_or_named() -> None:
    """``astrid_ml.load`` ended in Python's own words, ``astrid_ml.api`` needed an import that no page showed."""
    import astrid_ml

    assert astrid_ml.api is api
    with pytest.raises(AttributeError, match=r"no attribute 'load': astrid_ml\.api\.load\(PATH\) opens a model"):
        _ = astrid_ml.load
    with pytest.raises(AttributeError, match=r"no attribute 'nothing'$"):
        _ = astrid_ml.nothing
