"""What C and Python both declare is the same, or it is said."""

import ctypes
import re
from pathlib import Path

import pytest

from multiaug import _native
from multiaug._native import layout, library
from multiaug.sampling import elements_of
from multiaug.sampling._pointwise import opcode_of
from multiaug.transforms import Clip, Noise, PowerLaw, ScaleAboutMean, ScaleShift

pytestmark = pytest.mark.skipif(library() is None, reason="no compiled library")

OPERATIONS = {
    "scale_shift": ScaleShift(2.0, 1.0),
    "scale_about_mean": ScaleAboutMean(1.5),
    "power_law": PowerLaw(1.2, 0.0, 1.0),
    "clip": Clip(0.0, 1.0),
    "noise": Noise(None, 0, 0.1),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_row_of_the_table_is_the_library_s(name):
    for channels in (1, 3):
        kind, elements = OPERATIONS[name].pack(channels)
        assert kind == name
        assert opcode_of(kind) >= 0
        assert sum(part.size for part in elements) == elements_of(kind, channels)


def test_rows_by_channel():
    import jax.numpy as jnp

    operation = ScaleShift(jnp.ones((1, 1, 5)), 1.0)
    kind, elements = operation.pack(5)
    assert kind == "scale_shift_by_channel"
    assert sum(part.size for part in elements) == elements_of(kind, 5) == 15
    assert operation.pack(4) is None
    assert opcode_of("unknown") == -1


def test_opcodes_are_numbered_once():
    header = Path(_native.__file__).with_name("warp.h").read_text()
    names = re.findall(r"X\([A-Z_]+, (\w+),", header)
    assert {*OPERATIONS, "scale_shift_by_channel"} <= set(names)
    assert sorted(opcode_of(name) for name in names) == list(range(len(names)))


def test_another_size_of_a_structure_is_refused(monkeypatch):
    monkeypatch.setattr(_native, "_LAYOUTS", dict(_native._LAYOUTS))
    assert {"ChannelBand", "Group", "Check", "PointwiseProgram", "Batch"} <= set(_native._LAYOUTS)

    @layout("Check")
    class Other(ctypes.Structure):
        _fields_ = (("a", ctypes.c_int64),)

    with pytest.raises(ImportError, match=r"disagree on the structure Check: \d+ bytes there, 8"):
        library.__wrapped__()
