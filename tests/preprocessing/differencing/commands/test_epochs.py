"""The verbs over many difference images, as a user runs them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits
from astropy.table import Table

from astrid_ml.errors import UserError
from astrid_ml.executors.limits import Limits
from astrid_ml.executors.local import Processes, Serial
from astrid_ml.preprocessing.differencing.commands.associate import AssociateCommand, joined_candidates
from astrid_ml.preprocessing.differencing.commands.depth import DepthCommand
from astrid_ml.preprocessing.differencing.commands.epochs import (
    MeasureImage,
    find_files,
    measure_all,
    read_positions,
    write_report,
)
from astrid_ml.preprocessing.differencing.commands.forced import ForcedCommand
from astrid_ml.preprocessing.lightcurves.curves.exchange import read_exchange


def astrid(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "astrid_ml", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


def test_forced_makes_curves_of_a_folder_of_epochs(
    epoch: Callable[..., Path], positions: pd.DataFrame, tmp_path: Path
) -> None:
    for seed, share in ((1, 0.0), (2, 1.0), (3, 0.6)):
        epoch(seed, share)
    broken = tmp_path / "pair_9" / "difference.fits"
    broken.parent.mkdir()
    broken.write_text("torn")
    positions.drop(columns=["x", "y"]).to_csv(tmp_path / "where.csv", index=False)
    given = [f"input={tmp_path}", f"positions={tmp_path / 'where.csv'}", f"output_dir={tmp_path / 'out'}"]
    ended = astrid("forced", *given, "executor=serial")
    assert ended.returncode == 1, ended.stderr  # one image could not be read
    assert "failed: 1" in ended.stdout
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    n = len(positions)
    assert (report["images"], report["objects"], report["measurements"], report["masked"]) == (4, n, 3 * n, 3)
    assert report["failed_images"][0]["source"] == str(broken)
    table = pd.read_parquet(tmp_path / "out" / "forced.parquet")
    assert table.groupby("object_id")["mjd"].is_monotonic_increasing.all()
    curves = next(read_exchange(tmp_path / "out" / "objects" / "part-00000.parquet"))
    assert len(curves) == report["curves"] == n - 1 and curves.bands == ("ZTF-r",)
    assert (tmp_path / "out" / "curves.png").stat().st_size > 10_000


def test_depth_maps_every_image(epoch: Callable[..., Path], tmp_path: Path) -> None:
    paths = [epoch(1), epoch(2, ZP=26.0)]
    summary = DepthCommand([str(p) for p in paths], str(tmp_path / "out"), box=60).run()
    assert summary["images"] == 2 and summary["failed"] == 0
    assert summary["deepest"] - summary["shallowest"] == pytest.approx(1.0, abs=0.01)
    table = pd.read_parquet(tmp_path / "out" / "depth.parquet")
    assert len(table) == 2 * 4 * 4 and table["limit"].notna().all()
    # white noise of 10 and 8 under PSFs of sigma 1.5 and 1.2 px: between science noise alone and both images' together
    low, high = (25 - 2.5 * np.log10(5 * noise * np.sqrt(4 * np.pi) * 1.5) for noise in (np.hypot(10, 8), 10))
    assert table["limit"][:16].between(low, high).all()
    by_image = json.loads((tmp_path / "out" / "report.json").read_text())["by_image"]
    assert by_image[0]["p05"] <= by_image[0]["median"] <= by_image[0]["p95"]
    assert (tmp_path / "out" / "depth.png").stat().st_size > 10_000


def candidates(folder: Path, shift: float, mjd: float, mission: str) -> None:
    """Three candidates in a pair's folder, moved by ``shift`` arcsec in declination; their ids are always the same."""
    folder.mkdir(parents=True)
    table = pd.DataFrame(
        {
            "id": ["sci-00000", "sci-00001", "sci-00002"],
            "group_id": ["sky-1", "sky-2", "sky-3"],
            "ra": [10.0, 10.01, 10.02],
            "dec": np.array([0.0, 0.001, 0.002]) + np.array([1.0, 1.0, 30.0]) * shift / 3600,
            "snr": [9.0, -8.0, 5.5],
            "mjd": mjd,
            "mission": mission,
            "filter": "r",
        }
    )
    table.to_parquet(folder / "candidates.parquet", index=False)


def test_associate_joins_pairs_and_keeps_known_names(tmp_path: Path) -> None:
    for i, (shift, mission) in enumerate(((0.0, "ztf"), (0.3, "ps1"), (-0.3, "ztf"))):
        candidates(tmp_path / "run" / f"pair_{i}", shift, 60000.0 + i, mission)
    given = [f"input={tmp_path / 'run'}", f"output_dir={tmp_path / 'out'}", "radius=1.0"]
    ended = astrid("associate", *given)
    assert ended.returncode == 0, ended.stderr
    out = pd.read_parquet(tmp_path / "out" / "candidates.parquet")
    objects = pd.read_parquet(tmp_path / "out" / "objects.parquet")
    assert len(out) == 9 and out["id"].is_unique and out["id"][0] == "pair_0/sci-00000"
    assert len(objects) == 5 and sorted(objects["n_epochs"]) == [1, 1, 1, 3, 3]
    assert (out["group_id"] == out["object_id"]).all()
    assert set(objects[objects["n_epochs"] == 3]["missions"]) == {"ps1+ztf"}
    candidates(tmp_path / "next" / "pair_3", 0.1, 59000.0, "ztf")  # an earlier epoch that comes later
    again = AssociateCommand(
        [str(tmp_path / "run"), str(tmp_path / "next")],
        str(tmp_path / "again"),
        known=str(tmp_path / "out" / "objects.parquet"),
        min_candidates=4,
    )
    assert again.run()["objects_kept"] == 2
    kept = pd.read_parquet(tmp_path / "again" / "objects.parquet")
    assert set(kept["object_id"]) == set(objects[objects["n_epochs"] == 3]["object_id"])
    with pytest.raises(UserError, match=r"leave out mission_radius\.galx"):
        AssociateCommand(str(tmp_path / "run"), str(tmp_path / "out"), mission_radius={"galx": 3.0}).run()
    far = AssociateCommand(str(tmp_path / "run"), str(tmp_path / "far"), mission_radius={"galex": 3.0, "ZTF": 1.0})
    assert far.run()["mission_radius_without_candidates"] == ["galex"]
    # what association leaves is what forced photometry takes
    assert {"object_id", "ra", "dec"} <= set(kept.columns)


def test_an_empty_image_and_one_file_twice(tmp_path: Path) -> None:
    candidates(tmp_path / "a", 0.0, 60000.0, "ztf")
    one = pd.read_parquet(tmp_path / "a" / "candidates.parquet")
    (tmp_path / "b").mkdir()
    one.head(0).to_parquet(tmp_path / "b" / "candidates.parquet", index=False)
    both = joined_candidates([tmp_path / "b" / "candidates.parquet", tmp_path / "a" / "candidates.parquet"])
    assert both["id"].tolist() == one["id"].tolist()
    (tmp_path / "c").mkdir()
    one.assign(id=[f"c{name}" for name in one["id"]], filter=3).to_parquet(tmp_path / "c" / "candidates.parquet")
    other = joined_candidates([tmp_path / "a" / "candidates.parquet", tmp_path / "c" / "candidates.parquet"])
    assert set(other["filter"].tail(len(one))) == {"3"}
    only = AssociateCommand(str(tmp_path / "b"), str(tmp_path / "out")).run()
    assert (only["candidates"], only["objects"]) == (0, 0)


def test_mistakes_of_the_user_are_named(epoch: Callable[..., Path], tmp_path: Path) -> None:
    path = str(epoch(1))
    (tmp_path / "where.csv").write_text("ra,dec\n1,2\n")
    with pytest.raises(UserError, match="object_id"):
        ForcedCommand(path, str(tmp_path / "where.csv"), str(tmp_path / "o")).run()
    (tmp_path / "twice.csv").write_text("object_id,ra,dec\n7,1,2\n7,1,3\n")
    with pytest.raises(UserError, match="7 twice"):
        ForcedCommand(path, str(tmp_path / "twice.csv"), str(tmp_path / "o")).run()
    with pytest.raises(UserError, match="nothing at"):
        DepthCommand(str(tmp_path / "absent"), str(tmp_path / "o")).run()
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="none in"):
        AssociateCommand(str(tmp_path / "empty"), str(tmp_path / "o")).run()
    with pytest.raises(UserError, match="ZP"):
        DepthCommand(str(epoch(2, ZP=None)), str(tmp_path / "o")).run()
    assert DepthCommand(path, str(tmp_path / "o"), zero_point=25.0).run()["failed"] == 0


@pytest.mark.parametrize("kind", ["csv", "ecsv", "ecsv,", "votable", "fits"])
def test_positions_of_any_kind_keep_every_name(
    kind: str, epoch: Callable[..., Path], positions: pd.DataFrame, tmp_path: Path
) -> None:
    """A hash is part of many transients' names; a row that cannot be used is counted with its reason."""
    names = ["SN 2014J", "SN#2", "SN 2020abc # candidate"]
    table = positions.head(3)[["object_id", "ra", "dec"]].assign(object_id=names)
    where = tmp_path / "where"
    if kind == "csv":
        where.write_text(table.to_csv(index=False) + "lost,,1.0\n")
    else:
        form = {"ecsv": "ascii.ecsv", "ecsv,": "ascii.ecsv"}.get(kind, kind)
        options = {"delimiter": ","} if kind == "ecsv," else {}
        Table.from_pandas(table).write(where, format=form, **options)
    report = ForcedCommand(str(epoch(0)), str(where), str(tmp_path / "out")).run()
    assert report["objects"] == 3
    assert report["positions_dropped"] == (1 if kind == "csv" else 0)
    assert sorted(pd.read_parquet(tmp_path / "out" / "forced.parquet")["object_id"].unique()) == sorted(names)
    account = json.loads((tmp_path / "out" / "report.json").read_text())["positions"]
    assert account["rows_dropped_by_reason"] == ({"ra is empty": 1} if kind == "csv" else {})


def test_named_files_are_kept_and_folders_give_those_of_the_pattern(tmp_path: Path) -> None:
    for name in ("b/difference.fits", "a/difference_2.fits.gz", "a/science.fits", "c/other.fits"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    given = [str(tmp_path / "c" / "other.fits"), str(tmp_path)]
    found = [str(path.relative_to(tmp_path)) for path in find_files(given, "difference*.fits*")]
    assert found == ["c/other.fits", "a/difference_2.fits.gz", "b/difference.fits"]
    with pytest.raises(UserError, match="make them with astrid difference"):
        find_files(str(tmp_path / "c"), "difference*.fits*")


def test_positions_of_any_unit_are_degrees_and_a_table_of_bad_rows_is_refused(tmp_path: Path) -> None:
    table = Table(
        {"object_id": [7, 8], "ra": [0.5, 6.0], "dec": [-60.0, 30.0]}, units={"ra": "hourangle", "dec": "arcmin"}
    )
    table.write(tmp_path / "where.ecsv")
    read = read_positions(tmp_path / "where.ecsv").rows
    assert read["object_id"].tolist() == ["7", "8"]
    assert read["ra"].tolist() == pytest.approx([7.5, 90.0]) and read["dec"].tolist() == pytest.approx([-1.0, 0.5])
    (tmp_path / "bad.csv").write_text("object_id,ra,dec\nSN 1,?,3\nSN 2,4,\n")
    with pytest.raises(UserError, match=r"row 1: ra is no number.*correct the table"):
        read_positions(tmp_path / "bad.csv")


@pytest.mark.parametrize("end", ["csv", "ecsv"])
def test_a_table_of_positions_without_rows_is_refused(end: str, tmp_path: Path) -> None:
    path = tmp_path / f"none.{end}"
    empty = Table(names=["object_id", "ra", "dec"], dtype=["U5", "f8", "f8"])
    empty.write(path, format={"csv": "ascii.csv", "ecsv": "ascii.ecsv"}[end])
    with pytest.raises(UserError, match=r"none\.e?csv without a row"):
        read_positions(path)


@dataclass(frozen=True)
class Lines:
    """Measures files of numbers, some of which no process survives."""

    factor: float = 1.0

    def __call__(self, path: Path) -> tuple[dict[str, Any], pd.DataFrame]:
        text = path.read_text()
        if text == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        values = [float(line) * self.factor for line in text.split()]
        return {"source": str(path), "worst": float("nan")}, pd.DataFrame({"value": values})


def measured(folder: Path, executor: Any = None, factor: float = 1.0) -> Any:
    files = sorted(folder.glob("*.txt"))
    return measure_all(MeasureImage(Lines(factor), folder / "out"), files, ["lines", factor], executor)


def test_files_are_measured_once_in_order_and_one_failure_is_named(tmp_path: Path) -> None:
    for name, text in {"a": "1 2", "b": "torn", "c": "3", "d": ""}.items():
        (tmp_path / f"{name}.txt").write_text(text)
    done, failed = measured(tmp_path)
    assert [table["value"].tolist() for _, table in done] == [[1.0, 2.0], [3.0], []]
    assert done[0][0] == {"source": str(tmp_path / "a.txt"), "worst": None}
    assert failed[0]["source"] == str(tmp_path / "b.txt") and "Error" not in failed[0]["reason"]
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "out" / "parts").glob("*.parquet")}
    (tmp_path / "b.txt").write_text("5")
    done, failed = measured(tmp_path, Processes(2))
    assert [len(table) for _, table in done] == [2, 1, 1, 0] and not failed
    assert all(path.stat().st_mtime_ns == time for path, time in kept.items())
    [first, *_] = measured(tmp_path, factor=2.0)[0]
    assert first[1]["value"].tolist() == [2.0, 4.0]
    assert not set(kept) & set((tmp_path / "out" / "parts").iterdir())  # of the other settings


def test_a_file_that_kills_its_process_costs_itself_and_where_all_fail_the_first_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("kill")
    (tmp_path / "b.txt").write_text("1")
    executor = Serial(Limits(retries=0))
    done, failed = measured(tmp_path, executor)
    assert len(done) == 1 and "killed" in failed[0]["reason"]
    (tmp_path / "b.txt").write_text("torn")
    with pytest.raises(UserError, match="killed"):
        measured(tmp_path, executor)


def test_a_file_of_which_nothing_is_known_is_shown_with_the_others(epoch: Callable[..., Path], tmp_path: Path) -> None:
    paths = [epoch(1), epoch(2)]
    with fits.open(paths[1], mode="update") as hdus:
        hdus["MASK"].data[:] = 1
    DepthCommand([str(path) for path in paths], str(tmp_path / "out")).run()
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert [image["median"] is None for image in report["by_image"]] == [False, True]
    assert report["median"] == report["by_image"][0]["median"]


def test_a_report_is_json_and_replaces_the_last_one(tmp_path: Path) -> None:
    for n in (1, 2):
        write_report(tmp_path / "report.json", {"images": n, "depth": np.float32(20.5), "failed_images": []})
    assert json.loads((tmp_path / "report.json").read_text()) == {"images": 2, "depth": 20.5, "failed_images": []}
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"]
