"""The least that an installation must do, for environments with nothing but multiaug in them.

python tests/smoke.py
"""

import tempfile
from pathlib import Path

import jax
import numpy as np

import multiaug as ma
from multiaug.sampling import compiled_is_available


def main() -> None:
    """One record by itself, a batch, a data set on disk and statistics of it."""
    spec = ma.load_spec("rgb-segmentation")
    rng = np.random.default_rng(0)
    batch = {
        "image": rng.integers(0, 256, (8, 32, 48, 3), np.uint8),
        "mask": rng.integers(0, 4, (8, 32, 48), np.uint8),
    }
    pipeline = ma.Pipeline([ma.Flip("x", p=1), ma.ColorJitter(0.2)], spec)
    keys = jax.random.split(jax.random.key(0), 8)
    out = pipeline.batch(keys, batch)
    np.testing.assert_array_equal(out["mask"], batch["mask"][:, :, ::-1])
    one = pipeline(keys[0], {name: array[0] for name, array in batch.items()})
    np.testing.assert_array_equal(one["image"], out["image"][0])
    with tempfile.TemporaryDirectory() as folder:
        ma.export(ma.ArraySource(batch, spec), None, Path(folder, "a.zarr"), progress=False)
        source = ma.open_source(Path(folder, "a.zarr"))
        stats = ma.fit(source, ma.Moments(), progress=False)
        mean = stats["image"]["moments"].finalize()["mean"]
        np.testing.assert_allclose(mean, batch["image"].mean((0, 1, 2), np.float64), rtol=1e-12)
        assert sum(len(b["index"]) for b in ma.Loader(source, pipeline, batch_size=4)) == 8
    print(f"multiaug {ma.__version__}: works, compiled code: {compiled_is_available()}")


if __name__ == "__main__":
    main()
