"""The first records are looked at once, at every door, unless check=False; nobody looks again."""

import jax
import numpy as np
import pytest

import multiaug as ma
from multiaug.checks import Finding, _inspect

SPEC = ma.DataSpec.from_dict(
    {"name": "s", "entries": {"image": {"role": "intensity", "dtype": "float32", "channels": 1}}}
)
ARRAYS = {"image": np.zeros((6, 4, 4, 1), np.float32)}
KEYS = jax.random.split(jax.random.key(0), 6)


@pytest.fixture
def looks(monkeypatch):
    """How many records were shown to the inspectors, call by call."""
    seen = []

    def inspector(spec, records):
        seen.append(len(records["image"]))
        return iter([])

    monkeypatch.setattr(_inspect, "INSPECTORS", (inspector,))
    return seen


@pytest.fixture
def finding(monkeypatch):
    def found(wrong: bool, of_range: bool = False) -> None:
        one = Finding("image", "found snow.", wrong, of_range)
        monkeypatch.setattr(_inspect, "INSPECTORS", (lambda *_: iter([one]),))

    return found


def flip():
    return ma.Pipeline([ma.Flip("x")], SPEC)


def test_a_pipeline_looks_once(looks):
    pipeline = flip()
    for _ in range(3):
        pipeline.batch(KEYS, ARRAYS)
        pipeline(KEYS[0], {"image": ARRAYS["image"][0]})
    assert looks == [6]


def test_without_a_check_nobody_looks_but_later_calls_do(looks):
    pipeline = flip()
    pipeline.batch(KEYS, ARRAYS, check=False)
    assert not looks
    pipeline.batch(KEYS, ARRAYS)
    pipeline.batch(KEYS, ARRAYS)
    assert looks == [6]


def test_traced_records_are_not_looked_at(looks):
    jax.eval_shape(flip().batch, KEYS, ARRAYS)
    assert not looks


@pytest.mark.parametrize("pipeline", [None, flip()])
def test_a_loader_looks_at_its_first_batch(looks, pipeline):
    loader = ma.Loader(ma.open_source(ARRAYS, SPEC), pipeline, batch_size=4)
    for _ in range(2):
        list(loader)
    assert looks == [4]
    list(ma.Loader(ma.open_source(ARRAYS, SPEC), pipeline, batch_size=4, check=False))
    assert looks == [4]


def test_what_a_loader_finds_is_said_at_the_line_of_the_loop(finding):
    finding(wrong=False)
    with pytest.warns(ma.MultiaugWarning, match=r"ArraySource.*, image: found snow") as told:
        list(ma.Loader(ma.open_source(ARRAYS, SPEC), flip(), batch_size=4))
    assert [one.filename for one in told] == [__file__]


def test_every_door_refuses(finding, tmp_path):
    finding(wrong=True)
    source = ma.open_source(ARRAYS, SPEC)
    doors = {
        "batch": lambda: flip().batch(KEYS, ARRAYS),
        "call": lambda: flip()(KEYS[0], {"image": ARRAYS["image"][0]}),
        "loader": lambda: list(ma.Loader(source, flip(), batch_size=2)),
        "plain loader": lambda: list(ma.Loader(source, batch_size=2)),
        "fit": lambda: ma.fit(source, ma.Moments(), progress=False),
        "export": lambda: ma.export(source, None, tmp_path / "a.zarr"),
        "convert": lambda: ma.convert(source, tmp_path / "b.zarr"),
        "records": lambda: ma.convert(iter([{"image": ARRAYS["image"][0]}]), tmp_path / "c", SPEC),
        "deep": lambda: source.check(deep=True),
    }
    for name, door in doors.items():
        with pytest.raises(ma.RecordError, match="found snow"):
            pytest.fail(f"{name}: {door()}")
    assert not list(tmp_path.iterdir())


def test_every_kind_of_source_looks_when_checked_deeply(finding, tmp_path):
    np.save(tmp_path / "image.npy", ARRAYS["image"])
    store = ma.convert(ARRAYS, tmp_path / "a.zarr", SPEC)
    finding(wrong=True)
    for data, spec in [(tmp_path / "image.npy", SPEC), (store, None)]:
        with pytest.raises(ma.RecordError, match="found snow"):
            ma.open_source(data, spec).check(deep=True)


def test_ranges_matter_where_they_are_used(finding):
    finding(wrong=True, of_range=True)
    flip().batch(KEYS, ARRAYS)
    for transform in (ma.Brightness(0.1), ma.Contrast(0.1, clip=True), ma.Normalize(0.5, 0.5)):
        with pytest.raises(ma.RecordError, match="found snow"):
            flip().then(transform).batch(KEYS, ARRAYS)
    flip().then(ma.Contrast(0.1)).batch(KEYS, ARRAYS)
    standard = ma.Normalize(0.5, 0.5)
    with pytest.raises(ma.RecordError, match="found snow"):
        flip().then(standard, ma.Brightness(0.1)).batch(KEYS, ARRAYS)
