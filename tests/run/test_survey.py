"""``survey=`` on the command line: a file becomes its content, a folder's descriptions join the packaged ones."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from astrid_ml.build import conf_folder
from astrid_ml.config import compose
from astrid_ml.errors import UserError
from astrid_ml.layers import Layers
from astrid_ml.run.survey import refuse_unread_schemas, settle_survey

MINE = {"name": "MyScope", "mission": "myscope", "source": ["our own handbook"]}


def test_what_a_command_holds_needs_no_file(tmp_path: Path) -> None:
    (tmp_path / "surveys").mkdir()
    (tmp_path / "surveys" / "mine.yaml").write_text(yaml.safe_dump(MINE))
    ours, both = Layers((conf_folder(),)), Layers((conf_folder(), tmp_path))
    alone = ["preprocessing=alerts"]
    for value, conf, expected in (
        (None, ours, None),
        ("ztf", ours, "ztf"),
        ("myscope", both, MINE),
        (None, both, [MINE]),
        (str(tmp_path / "surveys" / "mine.yaml"), ours, MINE),
    ):
        cfg = compose("train", alone)
        cfg.survey = value
        settle_survey(cfg, conf)
        assert cfg.survey == expected and cfg.preprocessing.survey == expected
    cfg = compose("train", ["preprocessing=lightcurves"])
    settle_survey(cfg, both)
    assert cfg.survey is None
    cfg.survey = "ztf"
    with pytest.raises(UserError, match="which nothing here reads"):
        settle_survey(cfg, ours)
    cfg = compose("train", [*alone, "survey=zft"])
    with pytest.raises(UserError, match="did you mean ztf"):
        settle_survey(cfg, ours)


def test_schemas_are_refused_where_nothing_reads_packets() -> None:
    refuse_unread_schemas(compose("train", ["preprocessing=alerts", "schemas=avsc"]))
    refuse_unread_schemas(compose("train", ["preprocessing=lightcurves"]))
    with pytest.raises(UserError, match="schemas= where packets are read"):
        refuse_unread_schemas(compose("train", ["preprocessing=lightcurves", "schemas=avsc"]))
