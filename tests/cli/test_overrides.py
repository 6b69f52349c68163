"""What a user types becomes what Hydra reads."""

from __future__ import annotations

from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf

from astrid_ml.cli.overrides import rewrite
from astrid_ml.errors import UserError
from astrid_ml.typed_values import quote

CONF = Path(__file__).resolve().parents[2] / "conf"


def parsed(override: str) -> object:
    return OverridesParser.create().parse_override(override).value()


@pytest.mark.parametrize(
    "path",
    [
        "epoch=3-step=4.ckpt",
        "run (1)/best.ckpt",
        "données/é.fits",
        "a,b.fits",
        "${x}",
        "a\\${oc.env:HOME}b",
        "[night]",
        "[a]/[b]",
        "it's",
        'say "hi"',
        "C:\\x\\",
        "a=b",
    ],
)
def test_a_path_survives_hydras_parser(path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "[night]").mkdir()  # one that is not there is taken for a list
    if "${" in path:  # one that is not there was meant for the shell
        (tmp_path / path).touch()
    [override] = rewrite([f"ckpt_path={path}"], "predict", CONF)
    value = parsed(override)
    assert OmegaConf.create({"key": getattr(value, "text", value)}).key == path


@pytest.mark.parametrize(
    ("word", "fix"),
    [
        ("paths.run_dir=${oc.env:OUT}/x", 'paths.run_dir="$OUT/x"'),
        ("paths.data=${oc.env:OUT,data}", 'paths.data="$OUT"'),
        ("paths.raw=[a,${x}]", "write the value itself"),
        ("channels.names=[${x}]", "write the value itself"),
    ],
)
def test_a_reference_where_text_is_taken_as_it_is_makes_no_folder(word: str, fix: str) -> None:
    with pytest.raises(UserError, match="without \\$") as caught:
        rewrite([word], "train", CONF)
    assert fix in caught.value.fix


@given(
    st.text(alphabet=st.characters(blacklist_categories=("Cc", "Cs")), min_size=1).filter(lambda s: s[0] not in "~['\"")
)
def test_any_text_can_be_quoted(text: str) -> None:
    value = parsed(f"input={quote(text, many=False)}")
    assert OmegaConf.create({"key": getattr(value, "text", value)}).key == text


def test_a_list_is_quoted_element_by_element() -> None:
    [override] = rewrite(["input=[a (1).fits, b=2.fits]"], "predict", CONF)
    assert [getattr(part, "text", part) for part in parsed(override)] == ["a (1).fits", "b=2.fits"]  # type: ignore[attr-defined]


def test_a_comma_inside_quotes_belongs_to_its_element() -> None:
    [override] = rewrite(['runs=["a,b",c]'], "compare", CONF)
    assert [getattr(part, "text", part) for part in parsed(override)] == ["a,b", "c"]  # type: ignore[attr-defined]


def test_a_number_of_one_option_is_no_text_because_another_option_has_texts() -> None:
    assert rewrite(["split.test=0.25"], "train", CONF) == ["split.test=0.25"]
    assert rewrite(["split=missions", "split.test=[ztf]"], "train", CONF)[1] == "split.test=[ztf]"


def test_home_is_expanded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/someone")
    assert rewrite(["input=~/x"], "predict", CONF) == ['input="/home/someone/x"']


def test_the_short_form_of_an_image_node() -> None:
    assert rewrite(["science.gain=1.2", "science=A.fits"], "difference", CONF) == [
        "science.gain=1.2",
        'science.path="A.fits"',
    ]


def test_what_chooses_the_simulation() -> None:
    assert rewrite(["what=triplets", "simulate.n=5"], "simulate", CONF) == ["simulate=triplets", "simulate.n=5"]


def test_a_slot_of_another_domain_is_refused() -> None:
    with pytest.raises(UserError) as caught:
        rewrite(["preprocessing=triplets", "preprocessing/nosuchslot=x"], "train", CONF)
    assert "triplets" in caught.value.expected
