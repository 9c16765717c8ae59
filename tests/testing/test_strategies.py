"""What the strategies draw is what specs and cameras ask for."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import multiaug as ma
from multiaug.spec import check_structure, check_values
from multiaug.testing import compilations, keys, make_record, organised_clouds, records, seeds
from tests.pipeline.rich import SPEC


@pytest.mark.parametrize("name", [*ma.shipped_specs(), "every role"])
@given(data=st.data())
def test_records_are_what_their_spec_declares(name, data):
    spec = SPEC if name == "every role" else ma.load_spec(name)
    batch = data.draw(st.sampled_from([None, 1, 3]))
    shapes = [(5, 8), (6, 6)]
    half = ("mask",) if "mask" in spec.entries else ()
    record = data.draw(records(spec, shapes=shapes, batch=batch, half=half))
    assert list(record) == list(spec.entries)
    assert check_structure(spec, record, batch=batch is not None) in shapes
    check_values(spec, record, batch=batch is not None)


@given(drawn=organised_clouds(shapes=((5, 7), (6, 4))))
def test_clouds_fall_on_their_pixels(drawn):
    _, record = drawn
    xyz, k = record["xyz"].astype(np.float64), record["intrinsics"].astype(np.float64)
    seen = xyz @ k.T
    y, x = np.mgrid[: xyz.shape[0], : xyz.shape[1]]
    valid = np.isfinite(xyz[..., 2])
    assert valid.any()
    assert np.abs(seen[..., 0] / seen[..., 2] - x)[valid].max() < 1e-4
    assert np.abs(seen[..., 1] / seen[..., 2] - y)[valid].max() < 1e-4


@given(seed=seeds())
def test_an_entry_less_leaves_the_others_as_they_were(seed):
    whole = make_record(SPEC, (4, 6), seed, batch=2, holes=True)
    less = make_record(SPEC, (4, 6), seed, batch=2, holes=True, without=("grey", "boxes"))
    assert set(whole) - set(less) == {"grey", "boxes"}
    for name, array in less.items():
        np.testing.assert_array_equal(array, whole[name])


@settings(max_examples=3)
@given(one=keys(), many=keys(3))
def test_keys_are_typed(one, many):
    pipeline = ma.Pipeline([ma.Flip("x")], ma.load_spec("mnist"))
    assert pipeline.sample(one, (4, 4)).key.shape == (2,)
    assert pipeline.sample(many, (4, 4)).key.shape == (3, 2)


def test_compilations_leave_the_logger_as_it_was():
    import logging

    logger = logging.getLogger("jax")
    before = (list(logger.handlers), logger.propagate)
    with pytest.raises(RuntimeError), compilations():
        raise RuntimeError
    assert (list(logger.handlers), logger.propagate) == before
