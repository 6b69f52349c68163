"""When a ramp was read, by its keywords: each dialect, what the user says beside them, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from astrid_ml.errors import UserError
from astrid_ml.fingerprint import fingerprint
from astrid_ml.preprocessing.ramps.readers.options import RampOptions
from astrid_ml.preprocessing.ramps.readers.read_times import read_times

N = 6


def times(header: dict[str, Any], **said: Any) -> list[tuple[float, ...]]:
    return list(read_times(RampOptions(**said), header, said.pop("n", N)).groups)


JWST = {"NFRAMES": 4, "GROUPGAP": 1, "TFRAME": 10.0, "TGROUP": 50.0}


@pytest.mark.parametrize(
    ("header", "said"),
    [
        (JWST, {}),
        ({key: JWST[key] for key in ("NFRAMES", "GROUPGAP", "TFRAME")}, {}),
        ({key: JWST[key] for key in ("NFRAMES", "GROUPGAP", "TGROUP")}, {}),
        ({key: JWST[key] for key in ("NFRAMES", "TFRAME", "TGROUP")}, {}),
        ({"TFRAME": 10.0}, {"reads_per_group": 4, "group_gap": 1}),
        ({"TGROUP": 50.0, "NREADS": 24}, {"reads_per_group": 4, "frame_time": 10.0}),
        (JWST | {"TGROUP": 77.0}, {"group_time": 50.0}),
        (JWST | {"GROUPGAP": 3}, {"group_gap": 1}),
        (JWST | {"TFRAME": 11.0}, {"frame_time": 10.0}),
        (JWST | {"NFRAMES": 2}, {"reads_per_group": 4}),
        ({"FRMTIME": 10.0, "NFRAMES": 4, "GROUPGAP": 1}, {}),
        ({}, {"read_pattern": [[5 * k + j for j in (1, 2, 3, 4)] for k in range(N)], "frame_time": 10.0}),
        (JWST, {"group_times": [25.0 + 50.0 * k for k in range(N)]}),
    ],
)
def test_the_same_readout_said_in_many_ways(header: dict[str, Any], said: dict[str, Any]) -> None:
    """Four frames of 10 s averaged, one dropped."""
    wanted = [[10.0 * (5 * k + j) for j in (1, 2, 3, 4)] for k in range(N)]
    np.testing.assert_allclose(times(header, **said), wanted)


@pytest.mark.parametrize(
    ("header", "said", "first"),
    [
        ({"TGROUP": 5.0}, {}, 5.0),
        ({"FRAMTIME": 5.0}, {}, 5.0),
        ({"TGROUP": 5.0, "NREADS": N}, {}, 5.0),
        ({"TGROUP": 5.0, "NREADS": 1}, {}, 5.0),
        ({"TGROUP": 5.0, "NREADS": 3}, {"reads_per_group": 1}, 5.0),
        ({"TGROUP": 5.0, "NFRAMES": N}, {"reads_per_group": 1}, 5.0),
        ({"TFRAME": 2.5, "GROUPGAP": 1, "NFRAMES": 1}, {}, 2.5),
        ({"TFRAME": 2.5, "GROUPGAP": 1, "NFRAMES": 1, "DRPFRMS1": 3}, {}, 10.0),
        ({"TGROUP": 5.0, "GROUPGAP": 0}, {}, 5.0),
    ],
)
def test_one_read_a_group(header: dict[str, Any], said: dict[str, Any], first: float) -> None:
    np.testing.assert_allclose(np.ravel(times(header, **said)), first + 5.0 * np.arange(N))


@pytest.mark.parametrize(
    ("header", "said", "words"),
    [
        ({"NREADS": 3, "TGROUP": 5.0}, {}, r"NREADS = 3 with 6 groups.*reads_per_group=1"),
        ({"NREADS": 96, "TGROUP": 5.0}, {}, r"NREADS = 96"),
        ({"NFRAMES": N, "TGROUP": 5.0}, {}, r"NFRAMES = 6 with 6 groups: reads averaged into a group, or reads in all"),
        ({"GROUPGAP": 4, "TFRAME": 5.0}, {}, r"GROUPGAP = 4 and no NFRAMES.*reads_per_group"),
        ({"GROUPGAP": 4, "TGROUP": 5.0, "TFRAME": 1.0}, {}, "GROUPGAP = 4 and no NFRAMES"),
        (JWST | {"TGROUP": 77.0}, {}, r"77 s between groups, of 4 frames averaged and 1 dropped of 10 s each: 50 s"),
        ({"NFRAMES": 4, "TFRAME": 10.0, "TGROUP": 30.0}, {}, r"30 s between groups, of 4 frames averaged of 10 s"),
        ({"NFRAMES": 1, "TFRAME": 10.0, "TGROUP": 30.0, "GROUPGAP": 0}, {}, "30 s between groups"),
        ({"NFRAMES": 4, "TGROUP": 50.0}, {}, r"times of the 4 reads of each group.*frame_time.*group_gap"),
        ({"NFRAMES": 4, "TFRAME": 10.0}, {}, r"time between groups in s.*group_time"),
        ({}, {"reads_per_group": 4, "group_times": [1.0, 2, 3, 4, 5, 6]}, "times of the 4 reads"),
        ({}, {}, r"load\.group_time=VALUE"),
        ({"TGROUP": -5.0}, {}, "a time above 0 s"),
        ({"TGROUP": "soon"}, {}, "soon"),
        ({"NFRAMES": 1.5, "TGROUP": 5.0}, {}, "NFRAMES as a whole number"),
        ({"NFRAMES": 0, "TGROUP": 5.0}, {}, "NFRAMES of at least 1"),
        ({"GROUPGAP": "x", "TGROUP": 5.0}, {}, "GROUPGAP as a whole number"),
        ({}, {"group_times": [1.0, 2.0, 3.0, 2.5, 5.0, 6.0]}, "that rise"),
        ({}, {"read_pattern": [[1], [2], [3], [3], [5], [6]], "frame_time": 1.0}, "that rise"),
        ({}, {"read_pattern": [[1], [2], [3], [4], [5], [6]]}, "frame_time"),
    ],
)
def test_what_could_mean_two_things_or_nothing_is_refused(
    header: dict[str, Any], said: dict[str, Any], words: str
) -> None:
    with pytest.raises(UserError, match=words):
        times(header, **said)


def test_rounded_keywords_are_no_contradiction() -> None:
    header = {"NFRAMES": 8, "GROUPGAP": 12, "TFRAME": 10.73677, "TGROUP": 214.7354}
    groups = times(header)
    assert [len(group) for group in groups] == [8] * N
    np.testing.assert_allclose(np.mean(groups, axis=1), 48.315465 + 214.7354 * np.arange(N))


def test_what_was_prepared_by_the_former_default_is_found_again() -> None:
    assert fingerprint(RampOptions()) == fingerprint(RampOptions(reads_per_group=1))
    assert fingerprint(RampOptions()) != fingerprint(RampOptions(reads_per_group=2))
