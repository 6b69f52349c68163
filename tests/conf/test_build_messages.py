"""What a class says of its own arguments reaches the user without Hydra's wrapping."""

from __future__ import annotations

import pytest

from astrid_ml.build import build, check_targets
from astrid_ml.errors import UserError


def test_a_nested_class_speaks_for_itself() -> None:
    nested = {"_target_": "astrid_ml.preprocessing.lightcurves.select.augment.Augmentation", "thinning": 2.0}
    node = {"_target_": "astrid_ml.datamodules.curves.CurveDataModule", "augmentation": nested}
    with pytest.raises(UserError, match=r"thinning.*1"):
        build(node)


def test_a_width_that_cannot_be_shared_out_is_said_with_the_next_that_can() -> None:
    node = {
        "_target_": "astrid_ml.models.lightcurves.network.CurveGRU",
        "static": [], "taxonomy": "elasticc2", "width": 30, "hidden": 8, "latent": 8,
    }  # fmt: skip
    with pytest.raises(UserError, match="write 32"):
        build(node)


def test_what_a_class_refuses_is_said_with_its_place_and_reason() -> None:
    node = {"_target_": "astrid_ml.models.braai.network.BraaiVGG6", "size": 4}
    with pytest.raises(UserError, match="BraaiVGG6"):
        build({"network": node} | {"_target_": "astrid_ml.models.tasks.binary.RealBogusTask"})
    with pytest.raises(UserError, match="unexpected keyword argument 'sized'"):
        build({**node, "size": 63, "sized": 3})


TEMPERATURE = "astrid_ml.evaluation.calibration.Temperature"


@pytest.mark.parametrize("key", ["_args_", "_recursive_", "_convert_", "__class__", "a-b", "_mode_"])
def test_no_word_of_hydra_is_a_word_of_ours(key: str) -> None:
    with pytest.raises(UserError, match="by name"):
        build({"_target_": TEMPERATURE, key: []})
    with pytest.raises(UserError, match="by name"):
        build({"_target_": TEMPERATURE, "_partial_": "${oc.env:HOME}"})


def test_a_text_that_looks_like_a_reference_is_a_text() -> None:
    target = "astrid_ml.preprocessing.labels.TableLabel"
    text = "/data/${oc.create:{_target_: os.getcwd}}/a.csv"
    assert build({"_target_": target, "path": text}).path == text


def test_partials_lists_and_mappings_are_built_inside_out() -> None:
    made = build({"a": [{"_target_": TEMPERATURE, "offset": False}], "b": {"c": ({"_target_": TEMPERATURE},)}})
    assert (made["a"][0].offset, made["b"]["c"][0].offset) == (False, True)
    partial = build({"_target_": TEMPERATURE, "_partial_": True, "offset": False})
    assert partial().offset is False


def test_a_misspelt_class_of_ours_gets_the_nearest_name_and_no_word_of_trust() -> None:
    with pytest.raises(UserError) as caught:
        check_targets({"_target_": "astrid_ml.preprocessing.differencing.subtract.steps.Drect"})
    assert "did you mean astrid_ml." in caught.value.fix and "trust" not in str(caught.value)
