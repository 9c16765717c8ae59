"""A spec, records that follow it, and stores as other programs write them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

from multiaug.spec import DataSpec

Arrays = dict[str, np.ndarray]


@pytest.fixture(scope="session")
def spec() -> DataSpec:
    return DataSpec.from_dict(
        {
            "name": "test",
            "entries": {
                "image": {"role": "intensity", "dtype": "uint8", "channels": 3},
                "depth": {"role": "depth", "dtype": "float32", "invalid": "nan"},
                "mask": {"role": "label", "dtype": "uint8", "optional": True},
                "weight": {"role": "scalar", "dtype": "float32", "optional": True},
            },
        }
    )


@pytest.fixture(scope="session")
def records() -> Callable[[int], Arrays]:
    """Records by their number: no two values of the images are alike by chance."""

    def make(count: int) -> Arrays:
        draw = np.random.default_rng(count)
        depth = draw.random((count, 6, 8)).astype(np.float32)
        depth[:, 0, 0] = np.nan
        return {
            "image": draw.integers(1, 256, (count, 6, 8, 3)).astype(np.uint8),
            "depth": depth,
            "mask": draw.integers(1, 5, (count, 6, 8)).astype(np.uint8),
            "weight": np.arange(1, count + 1, dtype=np.float32),
        }

    return make


@pytest.fixture
def foreign(tmp_path: Path) -> Callable[..., Path]:
    """Write arrays the way other programs do: without our marker, with zarr's own defaults."""

    def write(arrays: Arrays, *, version: int = 3, chunk: int = 4, **settings: Any) -> Path:
        path = tmp_path / "foreign.zarr"
        group = zarr.open_group(path, mode="w", zarr_format=version)
        for name, array in arrays.items():
            chunks = (chunk, *array.shape[1:])
            made = group.create_array(
                name, shape=array.shape, dtype=array.dtype, **{"chunks": chunks, **settings}
            )
            made[:] = array
        return path

    return write
