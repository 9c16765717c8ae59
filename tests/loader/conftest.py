"""Small data sets whose records tell which they are."""

from pathlib import Path

import numpy as np
import pytest

from multiaug.spec import DataSpec
from multiaug.store import open_source, write_zarr


@pytest.fixture(scope="session")
def spec() -> DataSpec:
    return DataSpec.from_dict(
        {
            "name": "loader",
            "entries": {
                "image": {"role": "intensity", "dtype": "uint8", "channels": 3},
                "mask": {"role": "label", "dtype": "uint8"},
                "id": {"role": "scalar", "dtype": "int64"},
            },
        }
    )


def arrays(count: int) -> dict[str, np.ndarray]:
    """Records whose every value follows from their position."""
    image = np.random.default_rng(count).integers(0, 256, (count, 8, 8, 3), np.uint8)
    return {
        "image": image,
        "mask": image[..., 0] // 64,
        "id": np.arange(count, dtype=np.int64) + 2**40,
    }


@pytest.fixture(scope="session")
def stores(tmp_path_factory, spec):
    """A source of `count` records in chunks of `chunk`, written once."""
    root = tmp_path_factory.mktemp("stores")

    def make(count: int, chunk: int):
        path = Path(root, f"{count}-{chunk}")
        if not path.exists():
            write_zarr([arrays(count)], spec, path, chunk=chunk)
        return open_source(path)

    return make
