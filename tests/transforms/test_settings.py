"""Settings convert what they are given, say where they stand, and can be listed."""

import dataclasses
import math
import typing

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import multiaug as ma
from multiaug.transforms import (
    Geometric,
    Ranged,
    Setting,
    converters,
    from_config,
    setting,
    to_config,
    transform,
)
from multiaug.transforms import _base as base
from tests.contract.cases import CASES


@pytest.fixture
def tilt(monkeypatch):
    """A transform of one's own with three settings."""
    monkeypatch.setattr(base, "REGISTRY", dict(base.REGISTRY))

    @transform
    class Tilt(Geometric):
        """Nothing; its settings matter."""

        degrees: Ranged = setting(converters.symmetric, default=15, low=-45, high=45, unit="°")
        axis: str = setting(converters.choice, default="x", options=("x", "y"))
        steps: int | None = setting(converters.whole, default=None, low=1)
        table: object = setting(lambda value, name: value, default=None, static=False)

        def sample(self, key, frame):
            return {}

        def map(self, params, shape):
            raise NotImplementedError

    return Tilt


def test_they_convert_and_keep_what_they_made(tilt):
    assert tilt().degrees == (-15.0, 15.0)
    assert tilt(np.float32(3), steps=np.int64(2)).degrees == (-3.0, 3.0)
    assert type(tilt(steps=np.int64(2)).steps) is int
    assert tilt().steps is None
    one = tilt((0, 4), table=jnp.ones(2))
    assert [leaf.shape for leaf in jax.tree.leaves(one)] == [(2,)]
    assert jax.tree.map(lambda leaf: leaf, one).degrees == (0.0, 4.0)
    assert repr(tilt()) == "Tilt()"
    assert repr(tilt(15)) == "Tilt()"
    assert repr(tilt(3, "y")) == "Tilt(degrees=(-3.0, 3.0), axis='y')"
    assert from_config(to_config(tilt(3, "y"))).degrees == (-3.0, 3.0)


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"degrees": "steep"}, r"`Tilt.degrees` must be a pair \(lo, hi\), got 'steep'"),
        ({"degrees": 50}, r"`Tilt.degrees` must be a finite number in \[-45, 45\], got -50.0"),
        ({"axis": "z"}, r"`Tilt.axis` must be one of x, y, got 'z'"),
        ({"steps": 0}, r"`Tilt.steps` must be a whole number >= 1, got 0"),
    ],
)
def test_errors_name_the_type_and_the_field(tilt, settings, text):
    with pytest.raises(ma.ParameterError, match=text):
        tilt(**settings)


def test_a_bad_default_is_found_where_it_is_written(monkeypatch):
    monkeypatch.setattr(base, "REGISTRY", dict(base.REGISTRY))
    with pytest.raises(ma.ParameterError, match=r"`Wrong\.degrees` must be"):

        @transform
        class Wrong(Geometric):
            degrees: Ranged = setting(converters.symmetric, default=-3)


def test_they_can_be_listed(tilt):
    listed = tilt.settings()
    assert list(listed) == ["degrees", "axis", "steps", "table"]
    assert (listed["degrees"].low, listed["degrees"].high) == (-45, 45)
    assert str(listed["degrees"]).endswith("in [-45, 45] °, default (-15.0, 15.0)")
    assert str(listed["axis"]) == "one of x, y, default 'x'"
    assert listed["steps"].high == math.inf
    assert ma.Rotate.settings()["degrees"].default is dataclasses.MISSING
    assert "required" in str(ma.Rotate.settings()["degrees"])


@pytest.mark.parametrize("cls", sorted({type(case) for case in CASES.values()}, key=str))
def test_annotations_of_what_is_shipped_say_what_it_is(cls):
    hints = typing.get_type_hints(cls)
    for item in dataclasses.fields(cls):
        assert item.type not in ("Any", "object"), f"{cls.__name__}.{item.name}"
        if typing.get_origin(hints[item.name]) is Setting:
            assert typing.Any not in typing.get_args(hints[item.name])
