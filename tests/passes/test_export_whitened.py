import jax
import numpy as np
import pytest

import multiaug as ma
from multiaug.errors import ParameterError, StoreError
from tests.passes.test_fit import SPEC, source_of
from tests.statistics.pictures import pictures


def test_a_whitened_data_set(tmp_path):
    records = pictures(70, 4, 4)
    declared = ma.DataSpec.from_dict(
        {
            "name": "bytes",
            "entries": {
                "image": {"role": "intensity", "channels": 3, "dtype": "uint8", "range": [0, 255]},
                "name": {"role": "scalar", "dtype": "int64"},
            },
        }
    )
    arrays = {"image": records, "name": np.arange(70)}
    source = ma.open_source(arrays, declared)
    stats = ma.fit(source, ma.ZCA(), progress=False)
    stats.save(tmp_path / "stats")
    pipeline = ma.Pipeline([ma.Flip("x"), ma.Whiten(stats)], declared)
    path = ma.export(source, pipeline, tmp_path / "white.zarr", seed=4, progress=False)
    white = ma.open_source(path)
    assert white.spec.entries["image"].dtype == "float32"
    epoch = jax.random.fold_in(jax.random.key(4), 0)
    keys = jax.vmap(lambda i: jax.random.fold_in(jax.random.fold_in(epoch, i), 0))(
        np.arange(70, dtype=np.uint32)
    )
    expected = pipeline.batch(keys, arrays)
    found = white.read(np.arange(70))
    np.testing.assert_array_equal(found["image"], expected["image"])
    np.testing.assert_array_equal(found["name"], np.arange(70))
    with pytest.raises(StoreError, match="already exists"):
        ma.export(source, pipeline, path, progress=False)


def test_what_cannot_be_written(tmp_path):
    source = source_of(pictures(30, 4, 4))
    stats = ma.fit(source, ma.ZCA(), progress=False)
    stats.save(tmp_path / "stats")
    pca = ma.Pipeline([ma.Whiten(stats, method="pca")], SPEC)
    with pytest.raises(ParameterError, match="makes rows of 'image'"):
        ma.export(source, pca, tmp_path / "pca.zarr", progress=False)
    with pytest.raises(ParameterError, match="must be a Pipeline"):
        ma.export(source, stats, tmp_path / "x.zarr")
    assert [path.name for path in tmp_path.iterdir()] == ["stats"]
