"""What code outside this project imports from one place."""

from __future__ import annotations

import subprocess
import sys

import pytest

from astrid_ml import plugins, types
from astrid_ml.identity import name_of


def test_every_name_is_there_and_is_the_thing_itself() -> None:
    for name in plugins.__all__:
        found = getattr(plugins, name)
        if name in plugins._HOMES["astrid_ml.types"]:  # those of numbers have no name of their own
            assert found is getattr(types, name)
            continue
        assert found.__name__ == name
        assert not found.__module__.startswith("astrid_ml.plugins")
    with pytest.raises(AttributeError, match="Nothing"):
        plugins.Nothing  # noqa: B018


def test_the_table_and_the_list_agree() -> None:
    assert sorted(plugins.__all__) == sorted(name for names in plugins._HOMES.values() for name in names)


def test_the_contracts_alone_do_not_load_torch() -> None:
    code = "import sys; from astrid_ml.plugins import DomainPipeline, Unit, UserError; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_a_strangers_class_keeps_its_own_name() -> None:
    assert name_of("mypkg.nets.Net") == "mypkg.nets.Net"
