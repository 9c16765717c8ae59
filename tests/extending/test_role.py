"""A role, added from outside the package: an index of refraction, which is at least 1."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import multiaug as ma
from multiaug.errors import ParameterError
from multiaug.roles import (
    SPATIAL_ROLES,
    TABLE_ROLES,
    RoleTraits,
    _registry,
    band_of,
    register_role,
)
from multiaug.spec import ROLE_TRAITS
from multiaug.spec import register_role as register_traits
from multiaug.testing import check_role


class Refraction:
    """Blended like intensity, and not below 1 wherever it comes from."""

    traits = RoleTraits(
        "refraction", "spatial", interpolations=("linear",), borders=("edge", "constant")
    )

    def band(self, group, geometry):
        """Linear; what a border has filled counts as air."""
        return band_of(group, move=lambda values, context: jnp.maximum(values, 1))


class Gauges:
    """A table of readings, whose columns change places under a mirror."""

    traits = RoleTraits("gauges", "points", channels=2)

    def move(self, values, group, context):
        """Left and right."""
        return {"": jnp.where(context.view.mirrored, values[:, ::-1], values)}


@pytest.fixture(autouse=True)
def registered():
    """The two roles, on registries that forget them: other tests look at all that are shipped."""
    tables = (ROLE_TRAITS, SPATIAL_ROLES, TABLE_ROLES, _registry._DEFINED)
    before = [dict(table) for table in tables]
    register_role(Refraction)
    register_role(Gauges)
    yield
    for table, held in zip(tables, before, strict=True):
        table.clear()
        table.update(held)


def test_images_and_tables_of_it_go_through_a_pipeline():
    spec = ma.DataSpec.from_dict(
        {
            "name": "glass",
            "entries": {
                "glass": {
                    "role": "refraction",
                    "dtype": "float32",
                    "border": "constant",
                    "channels": 1,
                },
                "gauges": {"role": "gauges", "dtype": "float32"},
            },
        }
    )
    record = {
        "glass": np.linspace(1, 2, 24, dtype=np.float32).reshape(4, 6),
        "gauges": np.arange(6, dtype=np.float32).reshape(3, 2),
    }
    pipeline = ma.Pipeline([ma.Flip("x", p=1), ma.Translate(((0, 0), (0.5, 0.5)))], spec)
    out = pipeline(jax.random.key(0), record)
    expected = np.concatenate([np.ones((2, 6)), record["glass"][:2, ::-1]])
    np.testing.assert_allclose(out["glass"], expected, atol=1e-6)
    np.testing.assert_array_equal(out["gauges"], record["gauges"][:, ::-1])


@pytest.mark.parametrize("role", ["refraction", "gauges"])
def test_they_keep_the_promises_of_a_role(role):
    # Above 1 by an offset of a range of values: noise of [0, 1] would be moved.
    settings = {"dtype": "float32"} if role == "gauges" else {"dtype": "uint16"}
    check_role(role, 3, **settings)


def sheen(factor):
    """The cell of a notebook: run twice, it defines the class twice."""

    @register_role
    class Sheen:
        traits = RoleTraits("sheen", "spatial", interpolations=("linear",), borders=("edge",))

        def band(self, group, geometry):
            return band_of(group, move=lambda values, context: values * factor)

    return Sheen


def test_a_cell_that_is_run_again_takes_effect():
    entry = {"role": "sheen", "dtype": "float32", "channels": 1}
    sheen(2.0)
    spec = ma.DataSpec.from_dict({"name": "s", "entries": {"sheen": entry}})
    pipeline = ma.Pipeline([ma.Rotate(30)], spec)
    keys = jax.random.split(jax.random.key(0), 1)
    batch = {"sheen": np.ones((1, 4, 4), np.float32)}
    assert float(pipeline.batch(keys, batch)["sheen"].max()) == pytest.approx(2, abs=1e-4)
    sheen(3.0)
    assert float(pipeline.batch(keys, batch)["sheen"].max()) == pytest.approx(3, abs=1e-4)


def test_a_namesake_is_refused():
    class Label:
        traits = RoleTraits("label", "spatial", interpolations=("linear",), borders=("edge",))

        def band(self, group, geometry):
            return band_of(group)

    with pytest.raises(ParameterError, match=r"'label' of .*Label has the name of one .*_label"):
        register_role(Label)
    assert type(SPATIAL_ROLES["label"]).__module__.startswith("multiaug")


def test_a_role_without_its_verb_is_refused():
    class Wet:
        traits = RoleTraits("wet", "spatial", interpolations=("linear",), borders=("edge",))

    with pytest.raises(ParameterError, match=r"Wet` must have the method `band`"):
        register_role(Wet())
    with pytest.raises(ParameterError, match=r"traits` must be RoleTraits, got None"):
        register_role(object())
    register_traits(Wet.traits)
    spec = ma.DataSpec.from_dict({"name": "w", "entries": {"w": {"role": "wet", "dtype": "uint8"}}})
    with pytest.raises(ParameterError, match=r"'wet' of entry 'w' is known to specs only"):
        ma.Pipeline([ma.Rotate(30)], spec)
