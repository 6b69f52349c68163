"""What a class's file says of its fields is what the class says of them."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pytest

from astrid_ml.build import registry, resolve
from astrid_ml.values import default_of, fields_of
from astrid_ml.written import written_fields

OURS = sorted(name for name in registry() if name.startswith("astrid_ml."))


def test_every_field_that_is_read_is_that_of_the_class() -> None:
    read = {target: written_fields(target) for target in OURS}
    assert sum(map(len, read.values())) > 500
    for target, fields in read.items():
        known = fields_of(resolve(target))
        assert {name: hint for name, (hint, _) in fields.items()} == {name: known[name] for name in fields}, target
        for name, (_, default) in fields.items():
            if default is not inspect.Parameter.empty:
                assert default_of(resolve(target), name) == default, (target, name)


def test_nothing_is_imported_for_it() -> None:
    code = (
        "import sys; from astrid_ml.written import written_fields as fields; "
        "print(len(fields('astrid_ml.models.braai.network.BraaiWide')), 'torch' in sys.modules)"
    )
    told = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert int(told[0]) > 0 and told[1] == "False"


@pytest.mark.parametrize("target", ["", "os.system", "astrid_ml.nothing.Here", "astrid_ml.build.build", "astrid_ml"])
def test_of_others_nothing_is_read(target: str) -> None:
    assert written_fields(target) == {}
