"""Named fields of the sky as targets: places without a date, of which any two epochs make a pair."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from astrid_ml.preprocessing.acquisition.targets.catalogue import TargetList

# Centres, degrees ICRS: COSMOS (Scoville et al. 2007), GOODS-N and GOODS-S (Giavalisco et al. 2004), M101 (NED).
FIELDS: Mapping[str, tuple[float, float]] = {
    "COSMOS": (150.1191, 2.2058),
    "GOODS-N": (189.2282, 62.2355),
    "GOODS-S": (53.1225, -27.8050),
    "M101": (210.8024, 54.3490),
}


def targets_of_fields(names: Sequence[str]) -> TargetList:
    """Targets at the centres of fields.

    Args:
        names: of ``FIELDS``.

    Example:
        >>> targets_of_fields(["M101"]).targets()[0].dec
        54.349
    """
    places = [FIELDS[name] for name in names]
    rows = pd.DataFrame(
        {
            "name": [*names],
            "ra": [ra for ra, _ in places],
            "dec": [dec for _, dec in places],
            "discovered": np.nan,
            "year": np.nan,
            "type": "field",
            "host": "",
            "mag": np.nan,
            "redshift": np.nan,
        }
    )
    return TargetList(rows, len(rows), all_places=rows.loc[:0, ["ra", "dec"]].iloc[:0])  # no transients
