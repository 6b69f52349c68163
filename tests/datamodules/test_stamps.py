"""Stamps as batches: augmentation, features, balance; and weights that survive fit, test and predict."""

from __future__ import annotations

import functools
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from pytorch_lightning import Trainer

from astrid_ml.datamodules.augment import Dihedral, dihedral
from astrid_ml.datamodules.channels import Channels
from astrid_ml.datamodules.features import Standardiser
from astrid_ml.datamodules.stamps import StampDataModule, labels
from astrid_ml.dataset.prepared import PreparedDataset
from astrid_ml.errors import UserError
from astrid_ml.models.braai.network import BraaiWide
from astrid_ml.models.losses.binary import FocalLoss, WeightedBCE
from astrid_ml.models.tasks.binary import RealBogusTask
from astrid_ml.pipeline.engine import prepare_dataset
from astrid_ml.preprocessing.triplets.pipeline import TripletsPipeline
from astrid_ml.preprocessing.triplets.simulate import SimulateTriplets


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> PreparedDataset:
    folder = tmp_path_factory.mktemp("data")
    (folder / "raw").mkdir()
    SimulateTriplets(n=120, prevalence=0.25, part=30).run(folder / "raw", 1)
    outcome = prepare_dataset(TripletsPipeline(), [folder / "raw"], folder / "store", name="t", progress=False)
    return PreparedDataset(outcome.path)


def folds_of(dataset: PreparedDataset) -> pd.DataFrame:
    names = np.array(["train", "train", "val", "test"])[np.arange(len(dataset.index)) % 4]
    return pd.DataFrame({"id": dataset.index["id"], "fold": names})


def module(**other: Any) -> StampDataModule:
    return StampDataModule(Channels(size=21, normalisation="sigma", pad_value=0.0), batch_size=16, **other)


def test_the_eight_symmetries_differ_and_undo_each_other() -> None:
    image = torch.arange(9.0).reshape(1, 1, 3, 3)
    turned = [dihedral(image, code) for code in range(8)]
    assert len({tuple(one.flatten().tolist()) for one in turned}) == 8
    assert torch.equal(dihedral(dihedral(image, 1), 3), image)
    many = Dihedral()(image.expand(64, 1, 3, 3), torch.Generator().manual_seed(0))
    assert len({tuple(one.flatten().tolist()) for one in many}) == 8
    assert torch.equal(Dihedral(probability=0.0)(image, None), image)


def test_a_batch_is_one_fetch_in_the_order_of_its_rows(dataset: PreparedDataset) -> None:
    data = module()
    data.attach(dataset, folds_of(dataset))
    rows = np.array([5, 100, 3, 40], dtype=np.int64)
    batch = data.make_batch(dataset, rows, None, train=False)
    one_by_one = [data.make_batch(dataset, rows[i : i + 1], None, train=False) for i in range(4)]
    assert torch.equal(batch["x"], torch.cat([one["x"] for one in one_by_one]))
    assert batch["y"].tolist() == dataset.index["label"].iloc[rows].astype(float).tolist()


def test_features_are_standardised_on_training_and_missing_ones_masked(dataset: PreparedDataset) -> None:
    data = module(features=["snr", "host_distance"])
    data.attach(dataset, folds_of(dataset))
    train = data.make_batch(dataset, data.rows["train"], None, train=False)["features"]
    assert train.shape == (len(data.rows["train"]), 4)
    known = train[:, 3] == 0
    assert train[:, 0].mean().abs() < 1e-5
    assert train[known, 1].mean().abs() < 1e-5
    assert (train[~known, 1] == 0).all()
    assert (~known).any()
    with pytest.raises(UserError, match="nothere"):
        Standardiser(("nothere",)).fit(dataset.index)


def test_balance_touches_training_only(dataset: PreparedDataset) -> None:
    plain, under, over = module(), module(balance="undersample", undersample_ratio=1.0), module(balance="oversample")
    for data in (plain, under, over):
        data.attach(dataset, folds_of(dataset))
    labels = dataset.index["label"].to_numpy(dtype=int)
    assert np.bincount(labels[under.rows["train"]]).tolist() == [np.bincount(labels[plain.rows["train"]])[1]] * 2
    assert np.array_equal(under.rows["test"], plain.rows["test"])
    for data in (under, over):  # baselines and the domain's ranges are of the fold, not of what the network draws
        assert np.array_equal(data.training_fold, plain.rows["train"])
    drawn = torch.cat([batch["y"] for _ in range(5) for batch in over.train_dataloader()])
    assert 0.35 < float(drawn.mean()) < 0.65
    with pytest.raises(UserError, match="balance"):
        module(balance="always")


def test_losses_agree_where_they_should() -> None:
    logits, labels = torch.randn(50), (torch.rand(50) < 0.3).float()
    assert FocalLoss(alpha=0.5, gamma=0.0)(logits, labels) * 2 == pytest.approx(WeightedBCE()(logits, labels))
    balanced = WeightedBCE("balanced")
    balanced.set_class_counts(negatives=90, positives=10)
    expected = torch.nn.functional.binary_cross_entropy_with_logits(logits, labels, pos_weight=torch.tensor(9.0))
    assert balanced(logits, labels) == pytest.approx(expected)


def test_weights_are_the_same_after_fit_test_and_predict(dataset: PreparedDataset, tmp_path: Path) -> None:
    data = module()
    data.attach(dataset, folds_of(dataset))
    optimizer = functools.partial(torch.optim.AdamW, lr=1e-3)
    task = RealBogusTask(BraaiWide(size=21, widths=(4, 8)), WeightedBCE(), optimizer)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer = Trainer(
            max_epochs=1, logger=False, enable_checkpointing=False, enable_progress_bar=False, accelerator="cpu"
        )
        before = {name: value.clone() for name, value in task.state_dict().items()}
        trainer.fit(task, datamodule=data)
        fitted = {name: value.clone() for name, value in task.state_dict().items()}
        trainer.test(task, datamodule=data, verbose=False)
        trainer.predict(task, dataloaders=data.test_dataloader())
    assert any(not torch.equal(before[name], fitted[name]) for name in fitted)
    after = task.state_dict()
    assert all(torch.equal(fitted[name], after[name]) for name in fitted)


def test_names_of_classes_decide_no_score_and_are_refused_in_training() -> None:
    index = pd.DataFrame({"label": pd.array(["SN", "1", None], dtype="string")})
    assert torch.isnan(labels(index)).tolist() == [True, False, True]
    with pytest.raises(UserError, match="labels 0 and 1, which this network learns; got SN among the labels"):
        labels(index, train=True)
