"""psfcat and finder: names of photutils 2 and 3, text and parquet, joined on id."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from astrid_ml.preprocessing.roman.job.catalogues import CatalogueError, inside, join, read_table

PSFCAT_3 = (
    "id group_id group_size local_bkg x_init y_init flux_init x_fit y_fit flux_fit x_err y_err flux_err n_pixels_fit "
    "qfit cfit reduced_chi2 flags ra dec\n"
    "1 1 1 0.0 10.1 20.2 5.0 10.1234 20.4321 55.123456 0.01 0.02 1.5 289 0.1 -0.2 1.1 0 7.5 -44.8\n"
    "2 2 1 0.0 30.1 40.2 5.0 30.5000 40.2500 65.0 0.01 0.02 1.5 289 0.1 -0.2 1.1 4 7.6 -44.9\n"
)
FINDER_2 = (
    "id xcentroid ycentroid sharpness roundness1 roundness2 npix peak flux mag daofind_mag\n"
    "2 30.4 40.2 0.5 0.1 0.2 25 9.0 90.0 -4.9 -0.5\n1 10.2 20.3 0.6 -0.1 -0.2 25 8.0 80.0 -4.8 -0.4\n"
)
FINDER_3 = FINDER_2.replace("xcentroid ycentroid", "x_centroid y_centroid").replace("npix", "n_pixels")


class Drops(dict[str, str]):
    def __call__(self, name: str, reason: str) -> None:
        self[name] = reason


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


@pytest.mark.parametrize("finder", [FINDER_2, FINDER_3])
def test_rows_are_joined_on_id_whatever_their_order(tmp_path: Path, finder: str) -> None:
    tables = [read_table(write(tmp_path / name, text)) for name, text in (("p.txt", PSFCAT_3), ("f.txt", finder))]
    table, counts = join(tables[0], tables[1], Drops())
    assert counts == {"detections_without_finder_row": 0}
    assert table["x"].tolist() == [10.1234, 30.5]  # the fit, not the centroid
    assert table["sharpness"].tolist() == [0.6, 0.5]
    assert table["npix"].tolist() == [25, 25]
    assert table["flags"].tolist() == [0, 4]
    assert table["ra"].tolist() == [7.5, 7.6]


def test_parquet_holds_both_and_old_names_are_known(tmp_path: Path) -> None:
    old = PSFCAT_3.replace("n_pixels_fit", "npixfit").replace(" reduced_chi2", " xyz")
    psfcat, finder = (read_table(write(tmp_path / n, t)) for n, t in (("p.txt", old), ("f.txt", FINDER_2)))
    psfcat.merge(finder, on="id").to_parquet(tmp_path / "p.parquet")
    table, _ = join(read_table(tmp_path / "p.parquet"), None, Drops())
    assert table["n_pixels_fit"].tolist() == [289, 289]
    assert table["reduced_chi2"].isna().all()
    assert table["daofind_mag"].tolist() == [-0.4, -0.5]


def test_catalogues_of_different_lengths_keep_the_fits_and_count(tmp_path: Path) -> None:
    psfcat = read_table(write(tmp_path / "p.txt", PSFCAT_3))
    finder = read_table(write(tmp_path / "f.txt", FINDER_2))
    drops = Drops()
    table, counts = join(psfcat, finder.iloc[:1], drops)
    assert counts == {"detections_without_finder_row": 1}
    assert np.isnan(table["sharpness"][0])
    assert table["sharpness"][1] == 0.5
    table, _ = join(psfcat.iloc[1:], finder, drops)
    assert table["id"].tolist() == [2]
    assert drops == {"1": "in the finder catalogue, not in the psfcat"}


def test_the_first_row_of_a_repeated_id_stays(tmp_path: Path) -> None:
    psfcat = read_table(write(tmp_path / "p.txt", PSFCAT_3))
    finder = read_table(write(tmp_path / "f.txt", FINDER_2))
    drops = Drops()
    table, _ = join(pd.concat([psfcat, psfcat.iloc[:1].assign(x_fit=99.0)]), pd.concat([finder, finder]), drops)
    assert table["x"].tolist() == [10.1234, 30.5]
    assert set(drops) == {"1", "2"}
    assert "twice" in drops["1"]


def test_positions_outside_the_image_are_dropped_by_name(tmp_path: Path) -> None:
    psfcat = pd.DataFrame(
        {"id": [1, 2, 3, 4, 5], "x_fit": [-0.5, 99.49, 99.5, 3.0, np.nan], "y_fit": [0, 0, 0, -9.0, 1]}
    )
    drops = Drops()
    table = inside(join(psfcat, None, drops)[0], (50, 100), drops)
    assert table["id"].tolist() == [1, 2]
    assert drops == {
        "3": "a position outside the image",
        "4": "a position outside the image",
        "5": "no finite position",
    }


def test_empty_catalogues_are_empty_tables(tmp_path: Path) -> None:
    for text in ("", PSFCAT_3.splitlines()[0] + "\n"):
        table, _ = join(read_table(write(tmp_path / "p.txt", text)), None, Drops())
        assert len(table) == 0
        assert "x" in table


def test_files_that_are_no_catalogues_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match="no column id"):
        read_table(write(tmp_path / "p.txt", "a b\n1 2\n"))
    with pytest.raises(CatalogueError, match="cannot be read"):
        read_table(write(tmp_path / "p.parquet", "no parquet"))
    with pytest.raises(CatalogueError, match="x_fit"):
        join(read_table(write(tmp_path / "p.txt", "id flux\n1 2\n")), None, Drops())
