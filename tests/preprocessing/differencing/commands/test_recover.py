"""Each pair of a comparison is a piece of work: wherever it is done, and however often the command is typed."""

import json
import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

from astrid_ml.errors import UserError
from astrid_ml.executors.limits import Limits
from astrid_ml.executors.local import Processes, Serial
from astrid_ml.preprocessing.differencing.commands.recover import Injections, RecoverCommand
from astrid_ml.preprocessing.differencing.commands.recover_pair import PairToRecover, RecoverPair, recoveries
from astrid_ml.preprocessing.differencing.frame.image import Image
from astrid_ml.preprocessing.differencing.frame.manifest import find_pairs
from astrid_ml.preprocessing.differencing.pipeline import DifferencingPipeline
from astrid_ml.preprocessing.differencing.subtract.steps import Direct

PRODUCTS = ("recover.parquet", "recover.json", "sources.parquet", "recover.png")


@pytest.fixture(scope="module")
def manifest(pair_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three pairs with their truth; the science frame of the second is no FITS file."""
    folder = tmp_path_factory.mktemp("manifest")
    (folder / "broken.fits").write_bytes(b"SIMPLE  =                    T" + b" " * 3000)
    good = {side: str(pair_folder / f"{side}.fits") for side in ("science", "reference")}
    truth = {"truth": str(pair_folder / "truth.csv")}
    rows = [good | truth, good | truth | {"science": "broken.fits"}, good | truth | {"name": "again"}]
    pd.DataFrame(rows).to_csv(folder / "pairs.csv", index=False)
    return folder / "pairs.csv"


def over(manifest: Path, out: Path, **settings: Any) -> dict[str, Any]:
    return RecoverCommand(str(out), str(manifest), subtractions={"direct": Direct()}, **settings).run()


def products(out: Path) -> dict[str, bytes]:
    return {name: (out / name).read_bytes() for name in PRODUCTS}


def test_processes_and_shards_recover_what_one_process_does(manifest: Path, tmp_path: Path) -> None:
    assert over(manifest, tmp_path / "plain")["failed"] == 1
    told = json.loads((tmp_path / "plain" / "recover.json").read_text())
    assert [line.split(":")[0] for line in told["failed"]] == ["broken"] and told["rows"][0]["pairs"] == 2
    over(manifest, tmp_path / "many", executor=Processes(2))
    assert over(manifest, tmp_path / "shards", shard="1/2")["failed"] == 0
    with pytest.raises(UserError, match=r"missing .*shard=2/2"):
        over(manifest, tmp_path / "shards", shard="join")
    assert over(manifest, tmp_path / "shards", shard="2/2")["failed"] == 1
    assert over(manifest, tmp_path / "shards", shard="join")["failed"] == 1
    assert products(tmp_path / "plain") == products(tmp_path / "many") == products(tmp_path / "shards")


def test_a_comparison_typed_again_does_what_is_missing(manifest: Path, tmp_path: Path) -> None:
    over(manifest, tmp_path, limit=1)
    before = products(tmp_path)
    [first] = (tmp_path / "parts").glob("*.parquet")
    made = first.stat().st_mtime_ns
    over(manifest, tmp_path)
    assert first.stat().st_mtime_ns == made and len(list((tmp_path / "parts").glob("*.parquet"))) == 2
    first.write_bytes(bytes(first.stat().st_size))
    over(manifest, tmp_path, limit=1)
    assert products(tmp_path) == before and list((tmp_path / "parts").glob("*.parquet")) == [first]


@dataclass(frozen=True)
class Fatal(Injections):
    """Kills the process that injects with a certain seed."""

    def __call__(self, image: Image, psf: torch.Tensor, seed: int) -> tuple[Image, pd.DataFrame]:
        if seed == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().__call__(image, psf, seed)


def test_a_pair_that_kills_its_process_costs_itself(manifest: Path, tmp_path: Path) -> None:
    executor = Serial(Limits(retries=1, backoff=0))
    said = over(manifest, tmp_path, inject=Fatal(n=20), executor=executor)
    told = json.loads((tmp_path / "recover.json").read_text())
    assert said["failed"] == 2 and "killed" in told["failed"][0] and told["failed"][1].startswith("broken: ")
    assert told["rows"][0]["pairs"] == 1


def test_ways_that_fail_are_named_and_a_pair_without_result_is_none(manifest: Path, tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()

    def refuses(science: Image, reference: Image) -> Any:
        raise UserError("one thing", "another", "fix it")

    refusing: Any = type("Refusing", (), {"psf": None, "__call__": lambda self, *images: refuses(*images)})()
    pair = find_pairs([manifest])[0]
    work = RecoverPair(DifferencingPipeline(), {"direct": refusing}, Injections(), 4.0, 2e4, tmp_path)
    result, files = work(PairToRecover(pair, None, "mark"))
    assert result["failed"] == {"direct": "expected one thing; got another. To fix it: fix it"} and files == []
    assert recoveries(result, tmp_path / "absent.parquet") == {}
    broken = pd.read_csv(manifest).iloc[1:2]
    broken.to_csv(tmp_path / "broken.csv", index=False)
    (tmp_path / "broken.fits").write_bytes((manifest.parent / "broken.fits").read_bytes())
    with pytest.raises(UserError, match=r"broken\.fits"):
        over(tmp_path / "broken.csv", tmp_path / "out")


def test_ranges_of_sources_that_are_not_put_in_are_refused() -> None:
    with pytest.raises(UserError, match=r"inject\.n above 0 beside inject\.snr and inject\.margin"):
        Injections(snr=(3.0, 4.0), margin=20)
