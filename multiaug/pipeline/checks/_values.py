"""Value checks of records that may live on an accelerator."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import SingleDeviceSharding

from ...spec import ChannelGroup, DataSpec, EntrySpec, check_values
from ...typing import Array, NDArray


def check_record_values(spec: DataSpec, record: Mapping[str, Any], *, batch: bool) -> None:
    """`check_values`, without copying a sound batch from an accelerator to the host.

    Raises:
        RecordError: as `check_values` does.
    """
    begin_check(spec, record, batch=batch)()


def begin_check(spec: DataSpec, record: Mapping[str, Any], *, batch: bool) -> Callable[[], None]:
    """Begin what `check_record_values` does; who calls the result waits for it.

    Pictures on an accelerator are first looked at where they are; only those that hold
    something suspicious travel, so that the error can name the place. An accelerator runs what
    it is given in order: what is given to it between the two calls is not waited for.

    Args:
        spec: what the values mean.
        record: arrays by entry name.
        batch: they have a leading axis of records.
    """
    here = dict(record)
    places: dict[frozenset[jax.Device], tuple[list[str], list[str]]] = {}
    for name, array in record.items():
        kind = spec.entries[name].kind
        devices = array.devices() if isinstance(array, jax.Array) else ()
        if kind == "value" or not any(device.platform != "cpu" for device in devices):
            continue
        del here[name]
        # Integers are what they are: nobody needs to look.
        if jnp.issubdtype(array.dtype, jnp.floating):
            pictures, tables = places.setdefault(frozenset(devices), ([], []))
            (pictures if kind == "spatial" else tables).append(name)
    looks = []
    for place, (pictures, tables) in places.items():
        groups = tuple(spec.entries[name].groups for name in pictures)
        held = [record[name] for name in pictures], [record[name] for name in tables]
        looks.append((pictures, tables, _look_on(place)(*held, groups=groups)))

    def conclude() -> None:
        for pictures, tables, (flags, fetched) in looks:
            bad = [name for name, flag in zip(pictures, np.asarray(flags), strict=True) if flag]
            here.update({name: record[name] for name in bad})
            here.update(zip(tables, fetched, strict=True))
        check_values(spec, here, batch=batch)

    return conclude


def on_host(record: Mapping[str, Any]) -> dict[str, Any]:
    """The arrays of a record that NumPy can look at where they are."""
    return {
        name: array
        for name, array in record.items()
        if isinstance(array, np.ndarray)
        or (isinstance(array, jax.Array) and {d.platform for d in array.devices()} == {"cpu"})
    }


def _look(
    pictures: list[Array], tables: list[Array], groups: tuple[tuple[ChannelGroup, ...], ...]
) -> tuple[Array, list[Array]]:
    """(len(pictures),) bool, see `has_nonfinite`, and the tables as they are: for one call."""
    flags = [has_nonfinite(array, of) for array, of in zip(pictures, groups, strict=True)]
    return jnp.stack(flags) if flags else jnp.zeros(0, bool), tables


@lru_cache(maxsize=16)
def _look_on(devices: frozenset[jax.Device]) -> Callable[..., tuple[Array, list[Array]]]:
    """`_look`, compiled for arrays on these devices.

    One GPU puts the answers into memory of the host by itself: fetching them from there takes half
    of the time of fetching them from the GPU.
    """
    device = next(iter(devices))
    kinds = {memory.kind for memory in device.addressable_memories()}
    place = None
    if len(devices) == 1 and device.platform == "gpu" and "pinned_host" in kinds:
        place = SingleDeviceSharding(device, memory_kind="pinned_host")
    return jax.jit(_look, static_argnames=("groups",), out_shardings=place)


def nan_is_fine(entry: EntrySpec, channels: int) -> NDArray:
    """(C,) bool, the channels of a picture in which NaN means no data."""
    fine = np.zeros(channels, bool)
    for group in entry.groups:
        fine[group.channel_slice()] = group.invalid == "nan"
    return fine


@partial(jax.jit, static_argnames=("groups",))
def has_nonfinite(array: Array, groups: tuple[ChannelGroup, ...]) -> Array:
    """Some channel group holds a value that its invalid value does not allow."""
    found = jnp.zeros((), bool)
    if not jnp.issubdtype(array.dtype, jnp.floating):
        return found
    for group in groups:
        # Only pictures of a single channel may lack the channel axis.
        part = array if len(groups) == 1 else array[..., group.channel_slice()]
        bad = jnp.isinf(part) if group.invalid == "nan" else ~jnp.isfinite(part)
        found = found | bad.any()
    return found
