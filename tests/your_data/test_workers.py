"""Workers, forks and interrupts: the rows of the page, each as people meet it."""

import os
import re
import signal
import warnings

import jax
import numpy as np
import pytest

import multiaug as ma
from multiaug import keras, preview

SPEC = ma.load_spec("rgb-segmentation")
IMAGE = np.random.default_rng(0).integers(0, 256, (8, 16, 16, 3), np.uint8)
KEYS = jax.random.split(jax.random.key(0), 8)


def in_a_child(job) -> str:
    """What becomes of a job in a forked child: ``ran``, ``hung``, or the error."""
    read, write = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # JAX warns of every fork
        child = os.fork()
    if child == 0:
        signal.alarm(10)
        try:
            job()
            os.write(write, b"ran")
        except BaseException as error:
            os.write(write, f"{type(error).__name__}: {error}".encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as told:
        found = told.read()
    return "hung" if os.WIFSIGNALED(os.waitpid(child, 0)[1]) else found


@pytest.fixture
def doors(tmp_path):
    """All that calls JAX, each as a function."""
    source = ma.open_source({"image": IMAGE}, SPEC)
    pipeline = ma.Pipeline([ma.Rotate(20), ma.Brightness(0.1)], SPEC)
    params, key = pipeline.sample(KEYS, (16, 16)), KEYS[0]
    loader = ma.Loader(source, pipeline, batch_size=4)
    statistics = ma.fit(source, ma.ZCA(), progress=False)
    generator = keras.ImageDataGenerator(rotation_range=20, featurewise_center=True)
    generator.fit(IMAGE)
    floats = IMAGE.astype(np.float32)
    # As any program does that looks at one sample first.
    pipeline.batch(KEYS, {"image": IMAGE})
    return {
        "sample": lambda: pipeline.sample(KEYS, (16, 16)),
        "batch": lambda: pipeline.batch(KEYS, {"image": IMAGE}),
        "record": lambda: pipeline(key, {"image": IMAGE[0]}),
        "apply": lambda: pipeline.apply(params, {"image": IMAGE}),
        "invert": lambda: pipeline.invert(params, {"image": IMAGE}),
        "warmup": lambda: pipeline.warmup((16, 16), like={"image": IMAGE[0]}),
        "map_batches": lambda: list(ma.map_batches([{"image": IMAGE[0]}], pipeline, batch_size=1)),
        "loop": lambda: list(loader),
        "loader": lambda: ma.Loader(source, pipeline, batch_size=4),
        "shapes": loader.shapes,
        "fit": lambda: ma.fit(source, ma.Moments(), progress=False),
        "update": lambda: (
            ma.statistics.Covariance(record_shape=(16, 16, 3), dtype="uint8").init().update(IMAGE)
        ),
        "export": lambda: ma.export(source, pipeline, tmp_path / "a", progress=False),
        "sheet": lambda: preview.statistics_sheet(statistics, records=IMAGE),
        "flow": lambda: generator.flow(floats, batch_size=4)[0],
        "next": lambda: next(generator.flow(floats, batch_size=4)),
        "random_transform": lambda: generator.random_transform(floats[0]),
        "standardize": lambda: generator.standardize(floats[0]),
        "keras fit": lambda: generator.fit(IMAGE),
    }


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
@pytest.mark.row("a forked child of a program in which JAX has run")
def test_a_forked_child_refuses_at_once(doors):
    found = {name: in_a_child(job) for name, job in doors.items()}
    told = re.compile("ParameterError: .* forked child")
    assert {n: text for n, text in found.items() if not told.match(text)} == {}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
@pytest.mark.row("sources that are read there")
def test_what_needs_no_jax_runs_in_a_forked_child(tmp_path):
    source = ma.open_source(ma.write_zarr([{"image": IMAGE}], SPEC, tmp_path / "a.zarr"))
    source.read([0])
    assert in_a_child(lambda: source.read([0])) == "ran"
    assert in_a_child(lambda: list(source.scan())) == "ran"
    assert in_a_child(lambda: ma.open_source(tmp_path / "a.zarr").check(deep=True)) == "ran"
    sheet = [[IMAGE[0], IMAGE[1]]]
    assert in_a_child(lambda: preview.contact_sheet(sheet)) == "ran"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
@pytest.mark.row("a fork before anything has run in JAX")
def test_a_fork_before_jax_runs(fresh_python):
    code = """
import os, signal, warnings
warnings.simplefilter("ignore")
import numpy as np, multiaug as ma
pipeline = ma.Pipeline([ma.Flip("x")], ma.load_spec("rgb-segmentation"))
child = os.fork()
if child == 0:
    import jax
    signal.alarm(100)
    pipeline(jax.random.key(0), {"image": np.zeros((8, 8, 3), np.uint8)})
    os._exit(0)
print(os.waitpid(child, 0)[1])
"""
    assert fresh_python(code).strip() == "0"


@pytest.mark.row("`zip(loader, loader)`, a loop inside a loop over one loader")
def test_two_loops_over_one_loader():
    loader = ma.Loader(ma.open_source({"image": IMAGE}, SPEC), batch_size=2)
    with pytest.raises(ma.ParameterError, match="Make a loader for each"):
        list(zip(loader, loader, strict=True))


@pytest.mark.row("a `.npy` file or memory map that is cut short while it is open")
def test_a_file_that_becomes_shorter(tmp_path):
    file = tmp_path / "image.npy"
    np.save(file, np.ones((2000, 16, 16, 3), np.uint8))
    held = np.load(file, mmap_mode="r")
    sources = [
        ma.open_source(file, SPEC),
        ma.open_source({"image": held}, SPEC),
        ma.open_source({"image": held[10:]}, SPEC),
    ]
    os.truncate(file, 100_000)
    for source in sources:
        for read in (
            lambda s=source: s.read([0]),
            lambda s=source: next(iter(s.scan())),
            lambda s=source: list(ma.Loader(s, batch_size=100)),
        ):
            with pytest.raises(ma.StoreError, match=r"image\.npy .* has 100,000 bytes"):
                read()


@pytest.mark.row("a file that another one is renamed to meanwhile")
def test_a_file_that_is_replaced(tmp_path):
    file = tmp_path / "image.npy"
    np.save(file, IMAGE)
    source = ma.open_source(file, SPEC)
    np.save(tmp_path / "new.npy", IMAGE[:1])
    (tmp_path / "new.npy").replace(file)
    np.testing.assert_array_equal(source.read(np.arange(8))["image"], IMAGE)
