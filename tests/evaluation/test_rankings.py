"""Rankings against scikit-learn, and differences whose truth is known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score

from astrid_ml.errors import UserError
from astrid_ml.evaluation.bootstrap import Bootstrap
from astrid_ml.evaluation.intervals import area_interval
from astrid_ml.evaluation.rankings import (
    Ranking,
    binary_difference,
    binary_ranking,
    no_common_scale,
    ranked,
    unpaired,
)
from astrid_ml.evaluation.tree.ranking import leaves, tree_difference, tree_ranking
from astrid_ml.evaluation.tree.views import View
from astrid_ml.taxonomy import load_taxonomy


def drawn(seed: int, n: int = 600, shift: float = 1.5) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    label = (random.random(n) < 0.2).astype(int)
    score = 1 / (1 + np.exp(-(shift * label + random.normal(size=n))))
    names = np.arange(n).astype(str)
    return pd.DataFrame({"id": names, "group_id": names, "label": label, "score": score})


def test_the_ranking_is_average_precision_of_either_class() -> None:
    table = drawn(1)
    found = binary_ranking(table)
    assert found.value == pytest.approx(average_precision_score(table["label"], table["score"]), abs=1e-12)
    assert (found.low, found.high) == area_interval(table["score"], table["label"], table["group_id"])
    bogus = binary_ranking(table, positive=0)
    assert bogus.value == pytest.approx(average_precision_score(1 - table["label"], 1 - table["score"]), abs=1e-12)


def test_another_share_of_positives_is_that_of_copied_negatives() -> None:
    table = drawn(2)
    copies = pd.concat([table, *[table[table["label"] == 0]] * 3], ignore_index=True)
    share = float(copies["label"].mean())
    assert binary_ranking(table, share=share).value == pytest.approx(
        average_precision_score(copies["label"], copies["score"]), abs=1e-9
    )


def test_one_class_alone_has_no_ranking() -> None:
    assert binary_ranking(drawn(1).query("label == 0")).value is None


def test_a_paired_difference_asks_for_the_same_samples_in_any_order() -> None:
    table = drawn(3)
    found = binary_difference(table, table.sample(frac=1, random_state=0), 1, Bootstrap(100))
    assert found is not None and (found.value, found.low, found.high) == (0.0, 0.0, 0.0)
    with pytest.raises(UserError, match="same samples"):
        binary_difference(table, table.iloc[1:], 1, Bootstrap(10))


def test_an_unpaired_interval_covers_no_difference_as_often_as_it_says() -> None:
    covered, defined = 0, 0
    for seed in range(200):
        found = unpaired(binary_ranking(drawn(2 * seed)), binary_ranking(drawn(2 * seed + 1)))
        assert found is not None
        defined += 1
        covered += found.low <= 0 <= found.high
    assert 0.91 <= covered / defined <= 0.99


def test_what_is_undefined_has_no_difference() -> None:
    assert unpaired(Ranking("AUCPR", None), Ranking("AUCPR", 0.5, 0.4, 0.6)) is None


TREE = load_taxonomy("elasticc2")


def judged(seed: int, sharp: float) -> pd.DataFrame:
    """Light curves of the leaves at two windows, the second one better known."""
    random, leaves = np.random.default_rng(seed), [TREE.nodes[i] for i in TREE.level_nodes(TREE.n_levels)]
    names = np.arange(200).astype(str)
    truth = random.integers(0, len(leaves), 200)
    tables = []
    for days in (4.0, 64.0):
        p = random.random((200, len(leaves))) + sharp * np.eye(len(leaves))[truth] * np.log2(days)
        full = {f"{kind}_{node}": np.zeros(200) for kind in ("score", "p") for node in TREE.nodes}
        for place, leaf in enumerate(leaves):
            full[f"score_{leaf}"] = full[f"p_{leaf}"] = p[:, place] / p.sum(axis=1)
        label = [leaves[i] for i in truth]
        tables.append(pd.DataFrame({"id": names, "group_id": names, "label": label, "days": days, **full}))
    return pd.concat(tables, ignore_index=True)


def test_leaves_are_ranked_at_the_headlines_window() -> None:
    table, worse = judged(1, 0.2), judged(1, 0.1)
    bootstrap = Bootstrap(40)
    view = leaves(TREE, table, "leaf/macro_f1/64d")
    assert isinstance(view, View) and view.day == 64
    truth = np.eye(len(view.names))[view.y]
    wanted = np.mean([average_precision_score(truth[:, k], view.p[:, k]) for k in np.unique(view.y)])
    found = tree_ranking(TREE, table, "leaf/macro_f1/64d", bootstrap)
    assert found.value == pytest.approx(wanted, abs=1e-9)
    assert found.name == "macro-AUCPR of the leaves, 64 days"
    difference = tree_difference(TREE, (table, worse.sample(frac=1, random_state=1)), "leaf/macro_f1/64d", bootstrap)
    assert difference is not None and 0 < difference.low < difference.value < difference.high
    assert tree_ranking(TREE, table.assign(label="no class"), "leaf/macro_f1/64d", bootstrap).value is None


def of_two_networks() -> pd.DataFrame:
    """Each ranks its own samples without a mistake, the second on a scale that begins where the first one's ends."""
    first, second = drawn(3, 200), drawn(4, 200)
    label = pd.concat([first["label"], second["label"]], ignore_index=True)
    round_ = np.repeat([0, 1], 200)
    score = np.where(label == 1, 0.3, 0.1) + 0.5 * round_ + np.tile(np.linspace(0, 0.05, 200), 2)
    names = np.arange(400).astype(str)
    return pd.DataFrame({"id": names, "group_id": names, "label": label, "score": score, "round": round_})


def test_scores_of_several_networks_are_brought_to_one_scale() -> None:
    """A k-fold run said AUCPR 0.5 of two networks that made no mistake: their scores were pooled as they came."""
    table = of_two_networks()
    assert average_precision_score(table["label"], table["score"]) < 0.6
    probability = np.where(table["label"] == 1, 0.9, 0.1) + 0.01 * table["score"]
    calibrated = table.assign(probability=probability)
    assert binary_ranking(calibrated).value == pytest.approx(1.0)
    assert no_common_scale(calibrated) == ""
    # without probabilities by ranks: of unequal shares of real ones they are no perfect scale, but one
    by_rank = binary_ranking(table).value
    assert by_rank is not None and by_rank > 0.9
    assert "rank among those of their own network" in no_common_scale(table)


def test_the_order_within_a_network_is_kept_where_probabilities_are_tied() -> None:
    table = of_two_networks().assign(probability=np.tile([0.2, 0.7], 200))
    places = ranked(table)
    assert len(np.unique(places)) == len(np.unique(table[["probability", "score"]], axis=0))
    for _, part in table.assign(place=places).groupby(["round", "probability"]):
        assert (part.sort_values("score")["place"].diff().dropna() > 0).all()
    one = table.drop(columns="round")
    assert (ranked(one) == one["score"]).all() and no_common_scale(one) == ""
