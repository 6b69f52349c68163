"""Which pipeline reads the user's files is the checkpoint's own, another that knows them, or the one that was named."""

from __future__ import annotations

from pathlib import Path

import fastavro
import numpy as np
import pytest
from made.alerts import SCHEMA, make_packet

from astrid_ml.config import domains, preprocessing_of
from astrid_ml.errors import UserError
from astrid_ml.preprocessing.triplets.simulate import SimulateTriplets
from astrid_ml.run.prediction.readers import Reader, choose_reader, kinds_read


@pytest.fixture
def alerts(tmp_path: Path) -> Path:
    folder = tmp_path / "alerts"
    folder.mkdir()
    with (folder / "night.avro").open("wb") as stream:
        fastavro.writer(stream, SCHEMA, [make_packet(1, star=True)])
    return folder


def chosen(raw: Path, wanted: str = "auto", own: str = "triplets") -> Reader:
    return choose_reader(wanted, own, preprocessing_of(own), [raw], [])


def test_the_checkpoints_own_reads_its_files(tmp_path: Path) -> None:
    SimulateTriplets(n=2, missions=["ZTF"]).run(tmp_path, 1)
    found = chosen(tmp_path)
    assert (found.domain, [unit.id for unit in found.units]) == ("triplets", ["triplets_ZTF_000"])


def test_another_reads_what_the_own_does_not_know(alerts: Path) -> None:
    found = chosen(alerts)
    assert found.domain == "alerts"
    assert found.units
    assert chosen(alerts, "alerts").domain == "alerts"


def test_the_named_one_is_not_replaced(alerts: Path) -> None:
    with pytest.raises(UserError, match=r"one of the readers knows; got none in") as caught:
        chosen(alerts, "triplets")
    assert "alerts:" not in caught.value.got


def test_the_own_domain_keeps_the_checkpoints_settings(alerts: Path) -> None:
    node = {**preprocessing_of("alerts"), "files_per_unit": 1}
    (alerts / "second.avro").write_bytes((alerts / "night.avro").read_bytes())
    found = choose_reader("auto", "alerts", node, [alerts], [])
    assert [[path.name for path in unit.inputs] for unit in found.units] == [["night.avro"], ["second.avro"]]


def test_files_that_nobody_knows_are_refused_with_each_readers_reason(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing of the sky")
    with pytest.raises(UserError) as caught:
        chosen(tmp_path)
    assert caught.value.got == f"none in {tmp_path}, which holds 1 .txt"
    assert all(name in caught.value.fix for name in domains())


def test_samples_of_another_kind_than_the_checkpoints_are_named(alerts: Path) -> None:
    node = preprocessing_of("lightcurves")
    for reader in ("auto", "alerts"):
        with pytest.raises(UserError, match=r"files of lightcurves.*; got a folder.*takes such files for stamps"):
            choose_reader(reader, "lightcurves", node, [alerts], [], ("lightcurves",))
    node = {"datamodule": {"_target_": "astrid_ml.datamodules.ramps.RampDataModule"}}
    assert kinds_read(node) == ("ramps",) and kinds_read({}) == ()


@pytest.mark.parametrize(
    ("shape", "labels", "reason"),
    [
        ((4, 3, 31, 31), 3, "3 rows in a.csv beside 4 stamps"),
        ((1, 4, 3, 31, 31), 0, r"one array of shape \(1, 4, 3, 31, 31\)"),
    ],
)
def test_why_the_own_reader_refused_its_files_comes_before_who_else_reads_them(
    shape: tuple[int, ...], labels: int, reason: str, tmp_path: Path
) -> None:
    np.save(tmp_path / "a.npy", np.random.default_rng(0).normal(size=shape).astype("f4"))
    if labels:
        (tmp_path / "a.csv").write_text("candid,label\n" + "".join(f"{n},{n % 2}\n" for n in range(labels)))
    with pytest.raises(UserError, match=rf"; {reason}.*; the reader ramps takes such files for ramps. To fix it: if"):
        choose_reader("auto", "triplets", preprocessing_of("triplets"), [tmp_path], [], ("stamps",))


def test_a_missing_path_and_an_unknown_reader_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nothing at .*/none"):
        chosen(tmp_path / "none")
    with pytest.raises(UserError, match="got reader=telescope"):
        chosen(tmp_path, "telescope")
