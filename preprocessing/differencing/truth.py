"""One-to-one matching of candidates to known positions, nearest first."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

Array = npt.NDArray[np.float64]


def match(x: Array, y: Array, truth_x: Array, truth_y: Array, radius: float) -> tuple[npt.NDArray[np.int64], Array]:
    """Pair candidates with truth within ``radius`` (units of the coordinates); each is used once, nearest first.

    Equal distances go by the candidate's, then the truth's order.

    Returns:
        for each candidate the index of its truth, -1 where it has none, and the distance (NaN there).
    """
    index = np.full(len(x), -1, dtype=np.int64)
    distance = np.full(len(x), np.nan)
    if len(x) == 0 or len(truth_x) == 0:
        return index, distance
    tree = cKDTree(np.column_stack([x, y]))
    near = tree.sparse_distance_matrix(
        cKDTree(np.column_stack([truth_x, truth_y])), radius, p=2.0, output_type="ndarray"
    )
    taken = np.zeros(len(truth_x), dtype=bool)
    for k in np.lexsort((near["j"], near["i"], near["v"])):
        i, j = int(near["i"][k]), int(near["j"][k])
        if index[i] < 0 and not taken[j]:
            index[i], distance[i], taken[j] = j, float(near["v"][k]), True
    return index, distance
