"""What a class says of its own arguments reaches the user without Hydra's wrapping."""

from __future__ import annotations

import pytest

from astrid_ml.build import build
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
