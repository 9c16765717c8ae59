"""What a pipeline draws, as data."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import jax
import numpy as np

from ...errors import ParameterError
from ...typing import Array, NDArray, SpatialShape
from .._report import params_report

SCHEMA = "multiaug.params/1"
_DTYPES = ("bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64")
_FLOATS = ("float16", "float32", "float64")


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class RecordParams:
    """All that one record, or a batch of them, drew: with the record it fixes the result.

    A pytree: ``jax.tree.map(np.asarray, params)`` turns its leaves into NumPy arrays, which
    `Pipeline.apply` and `Pipeline.invert` take as well.

    Args:
        values: one mapping per transform, name -> array; containers nest.
        key: uint32 words of the record's key; (..., words). A leading axis makes a batch.
        in_shape: (height, width) of the reference frame before the pipeline.
        out_shape: (height, width) after it.
    """

    values: tuple[Any, ...]
    key: Array
    in_shape: SpatialShape = field(metadata={"static": True})
    out_shape: SpatialShape = field(metadata={"static": True})

    def _repr_html_(self) -> str:
        return params_report(self.values, self.in_shape, self.out_shape).html()

    @property
    def batched(self) -> bool:
        """True when the params are those of a batch."""
        return self.key.ndim > 1

    def to_dict(self) -> dict[str, Any]:
        """The params as JSON-ready data; `from_dict` makes the same of it to the bit.

        An array is ``{"dtype", "shape", "data"}`` with its elements in C order; floats are
        written in full, those that JSON has no numbers for as ``"nan"``, ``"inf"``, ``"-inf"``.

        Raises:
            ParameterError: the params are being traced, or hold what is no array.

        Example:
            >>> import json, jax, numpy as np
            >>> import multiaug as ma
            >>> pipeline = ma.Pipeline([ma.Rotate(30)], ma.load_spec("rgb-segmentation"))
            >>> params = pipeline.sample(jax.random.key(0), (32, 32))
            >>> back = ma.RecordParams.from_dict(json.loads(json.dumps(params.to_dict())))
            >>> bool(back.values[0]["degrees"] == params.values[0]["degrees"])
            True
        """
        return {
            "schema": SCHEMA,
            "in_shape": list(self.in_shape),
            "out_shape": list(self.out_shape),
            "key": _written(self.key),
            "values": [_written(value) for value in self.values],
        }

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> RecordParams:
        """The inverse of `to_dict`; the arrays are NumPy arrays.

        Raises:
            ParameterError: another schema, or what `to_dict` does not write, with its JSON path.
        """
        if not isinstance(document, Mapping) or document.get("schema") != SCHEMA:
            found = document.get("schema") if isinstance(document, Mapping) else document
            raise ParameterError(f"$.schema must be {SCHEMA!r}, got {found!r}.")
        names = {"schema", "in_shape", "out_shape", "key", "values"}
        if set(document) != names or not isinstance(document["values"], list | tuple):
            raise ParameterError(
                f"A document of params must hold {', '.join(sorted(names))} (`values` a list), "
                f"got {sorted(map(str, document))}."
            )
        return cls(
            tuple(_read(v, f"$.values[{i}]") for i, v in enumerate(document["values"])),
            cast(Array, _read(document["key"], "$.key")),
            _shape(document["in_shape"], "$.in_shape"),
            _shape(document["out_shape"], "$.out_shape"),
        )


def _written(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _written(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_written(part) for part in value]
    if isinstance(value, jax.core.Tracer) or not hasattr(value, "dtype"):
        raise ParameterError(
            f"`RecordParams.to_dict` must find arrays, got {type(value).__name__}. "
            "Call it outside of jit, grad and vmap."
        )
    array = np.asarray(value)
    if array.dtype.name not in _DTYPES + _FLOATS:
        raise ParameterError(f"`RecordParams.to_dict` cannot write arrays of {array.dtype}.")
    data = array.ravel().tolist()
    if array.dtype.name in _FLOATS:
        data = [number if math.isfinite(number) else str(number) for number in data]
    return {"dtype": array.dtype.name, "shape": list(array.shape), "data": data}


def _read(value: Any, path: str) -> Any:
    if isinstance(value, list | tuple):
        return tuple(_read(part, f"{path}[{i}]") for i, part in enumerate(value))
    if not isinstance(value, Mapping):
        raise ParameterError(f"{path} must be an array, a list or an object, got {value!r}.")
    if set(value) == {"dtype", "shape", "data"} and isinstance(value["dtype"], str):
        return _array(value, path)
    return {name: _read(part, f"{path}.{name}") for name, part in value.items()}


def _array(value: Mapping[str, Any], path: str) -> NDArray:
    if value["dtype"] not in _DTYPES + _FLOATS:
        raise ParameterError(
            f"{path}.dtype must be one of {', '.join(_DTYPES + _FLOATS)}, got {value['dtype']!r}."
        )
    try:
        # NumPy reads "nan" and "inf" as floats, too.
        array: NDArray = np.array(value["data"], dtype=value["dtype"]).reshape(value["shape"])
    except (TypeError, ValueError, OverflowError) as error:
        raise ParameterError(
            f"{path} must hold {value['dtype']} elements of shape {value['shape']}: {error}."
        ) from None
    return array


def _shape(value: Any, path: str) -> SpatialShape:
    lengths = list(value) if isinstance(value, list | tuple) else []
    if len(lengths) != 2 or not all(type(length) is int and length > 0 for length in lengths):
        raise ParameterError(f"{path} must be [height, width], got {value!r}.")
    return lengths[0], lengths[1]
