"""The order of channels that a container names."""

import numpy as np
import pytest

from astrid_ml.preprocessing.triplets.containers.channel_names import channels_of


@pytest.mark.parametrize(
    "names",
    ["science, template, difference", b"science template difference", np.array(["science", "template", "difference"])],
)
def test_names_as_a_text_or_a_list(names: object) -> None:
    assert channels_of({"channel_names": names}) == ("science", "template", "difference")


def test_the_arrays_own_names_come_first_and_none_are_none() -> None:
    assert channels_of({"channels": ["a", "b"]}, {"channels": ["c"]}) == ("a", "b")
    assert channels_of({"unit": "nJy"}, {"channel_order": "['x', 'y']"}) == ("x", "y")
    assert channels_of({}, {}) == ()
