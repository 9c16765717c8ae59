"""Loaders for people who train with other frameworks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from multiprocessing.context import get_spawning_popen
from threading import get_ident
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from .._forks import refuse_forked_child
from ..errors import ParameterError
from ._standing import Standing, Ticket, received
from ._views import on_arrays, refuse_views

if TYPE_CHECKING:
    from ._loader import Loader

Choose = str | Sequence[str]


class Doors:
    """What a `Loader` has for other frameworks."""

    def torch(self) -> Any:
        """A ``torch.utils.data.IterableDataset`` of whole batches, through DLPack.

        ``DataLoader(loader.torch(), batch_size=None)`` is the recommended way, without workers: it
        reads in this process, ahead and on all cores, with this loader's threads. Two workers on
        two cores take about twice as long. With ``num_workers=n,
        multiprocessing_context="spawn"`` (or "forkserver") n processes take turns at the same
        batches, in the same order, and every epoch is the next one; each has the loader's
        ``memory`` and threads of its own, and decodes every chunk that its batches need. `state` is
        known from the last batch of an epoch on then, and ``state(batches=n)`` within it. Workers
        that are forked are refused.

        Tensors may share memory that JAX regards as constant: clone before writing to it.
        """
        return torch_dataset(cast("Loader", self))

    def grain(self) -> Any:
        """A ``grain.IterDataset`` of whole batches; its iterator has get_state and set_state."""
        return grain_dataset(cast("Loader", self))

    def keras(self, inputs: str | Sequence[str], targets: str | Sequence[str] | None = None) -> Any:
        """A ``keras.utils.PyDataset`` of (inputs, targets); use it with ``fit(shuffle=False)``.

        Args:
            inputs: name of the entry that a model gets, or names, for a mapping.
            targets: the same for what it should give.
        """
        return keras_dataset(cast("Loader", self), inputs, targets)

    def tensorflow(self) -> Any:
        """A ``tf.data.Dataset`` of whole batches."""
        return tensorflow_dataset(cast("Loader", self))


def torch_dataset(loader: Loader) -> Any:
    """A ``torch.utils.data.IterableDataset`` whose items are whole batches of tensors.

    Args:
        loader: of which every loop over the dataset is an epoch.

    Raises:
        ParameterError: PyTorch is not installed.
    """
    torch = _need("torch", "torch")
    loader._standing.share()

    class LoaderDataset(torch.utils.data.IterableDataset):  # type: ignore[misc,name-defined]
        """Batches of a `Loader`; in a worker process, the worker's share of them."""

        def __init__(self) -> None:
            self.loader = loader
            self._turns = 0  # loops of this process, where it is a worker

        def __iter__(self) -> Iterator[dict[str, Any]]:
            info = torch.utils.data.get_worker_info()
            if info is None:
                return _tensors(iter(loader))
            refuse_forked_child("A Loader")
            # Said before the first batch is asked for: all workers are at the same loop.
            turn = loader._standing.join(info.seed - info.id, self._turns, info.num_workers)
            self._turns += 1
            ticket = loader.ticket(turn)
            return _sent(loader.share_of(info.id, info.num_workers, ticket), ticket)

        def __len__(self) -> int:
            return len(loader)

        def __reduce__(self) -> tuple[Any, ...]:
            # The class is made here, so that importing this module needs no PyTorch.
            if get_spawning_popen() is None:
                return torch_dataset, (loader,)
            loader._standing.reader = get_ident()
            return _in_worker, (loader, loader._standing)

    return LoaderDataset()


def _in_worker(loader: Loader, standing: Standing) -> Any:
    """The dataset in a process that is being spawned: it stands where all others do."""
    loader._standing = standing
    return torch_dataset(loader)


class _Sent(dict[str, Any]):
    """A batch of a worker: whoever receives it has a dict, and it is noted that it has come.

    Args:
        batch: its entries.
        ticket: of which epoch it is.
        step: its number there.
    """

    def __init__(self, batch: Mapping[str, Any], ticket: Ticket, step: int) -> None:
        super().__init__(batch)
        self._ticket, self._step = ticket, step

    def __copy__(self) -> _Sent:  # PyTorch copies what it may change
        return _Sent(self, self._ticket, self._step)

    def __reduce__(self) -> tuple[Any, ...]:
        return _come, (dict(self), self._ticket, self._step)


def _come(batch: dict[str, Any], ticket: Ticket, step: int) -> dict[str, Any]:
    received(ticket, step)
    return batch


def _sent(share: Iterator[tuple[int, dict[str, Any]]], ticket: Ticket) -> Iterator[_Sent]:
    for step, batch in share:
        yield _Sent(on_arrays(to_torch, batch), ticket, step)
        del batch


def _tensors(batches: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for batch in batches:
        yield on_arrays(to_torch, batch)
        del batch


def to_torch(array: Any) -> Any:
    """A tensor on the memory of an array, through DLPack; a copy only where that cannot be."""
    import torch
    import torch.utils.dlpack

    if isinstance(array, np.ndarray):
        return torch.from_numpy(array)
    try:
        return torch.utils.dlpack.from_dlpack(array)
    except (BufferError, RuntimeError, TypeError, ValueError):  # spread over several devices, say
        return torch.from_numpy(np.array(array))


def grain_dataset(loader: Loader) -> Any:
    """A ``grain.IterDataset`` of whole batches, whose iterator saves and restores its state.

    Args:
        loader: of which every iterator is an epoch.

    Raises:
        ParameterError: grain is not installed.
    """
    grain = _need("grain.python", "grain")

    class LoaderIterator(grain.DatasetIterator):  # type: ignore[misc,name-defined]
        """One epoch of a `Loader`."""

        def __init__(self) -> None:
            super().__init__()
            self._loop: Iterator[dict[str, Any]] | None = None

        def __next__(self) -> dict[str, Any]:
            if self._loop is None:
                self._loop = iter(loader)
            return next(self._loop)

        def get_state(self) -> dict[str, Any]:
            """As `Loader.state`."""
            return loader.state()

        def set_state(self, state: Mapping[str, Any]) -> None:
            """As `Loader.restore`."""
            loader.restore(state)
            self._loop = None

    class LoaderDataset(grain.IterDataset):  # type: ignore[misc,name-defined]
        """Batches of a `Loader`."""

        def __iter__(self) -> Any:
            return LoaderIterator()

    return LoaderDataset()


class RandomAccess:
    """Single records of a source by position: what grain calls a random access data source.

    ``grain.MapDataset.source(RandomAccess(source))`` reads them in grain's own order, record by
    record; a `Loader` reads chunks, which is faster.

    Args:
        source: where records come from.
    """

    def __init__(self, source: Any) -> None:
        self._source = source

    def __len__(self) -> int:
        return len(self._source)

    def __getitem__(self, index: int) -> dict[str, Any]:
        record = self._source.read([int(index)])
        return {name: array[0] for name, array in record.items()}


def keras_dataset(loader: Loader, inputs: Choose, targets: Choose | None) -> Any:
    """A ``keras.utils.PyDataset`` of (inputs, targets).

    Args:
        loader: whose epochs are Keras' epochs.
        inputs: name of the entry that a model gets, or names, for a mapping.
        targets: the same for what it should give; None leaves them away.

    Raises:
        ParameterError: Keras is not installed; or the loader has `Views`.
    """
    refuse_views(loader.pipeline, "Keras")
    keras = _need("keras", "keras")

    class LoaderDataset(keras.utils.PyDataset):  # type: ignore[misc,name-defined]
        """Batches of a `Loader`, in its order; ``fit(shuffle=False)`` keeps Keras from another."""

        def __init__(self) -> None:
            super().__init__()
            self._loop: Iterator[dict[str, Any]] | None = None
            self._next = 0
            self._latest: Any = None
            self._left: Any = None  # where the loader stood then

        def __len__(self) -> int:
            return len(loader)

        def __getitem__(self, index: int) -> Any:
            standing = loader._standing
            goes_on = self._loop is not None and self._left == (standing.epoch, standing.position)
            # Keras looks at the first batch, says that the epoch is over, and asks for it again.
            if goes_on and index == self._next - 1:
                return self._latest
            if index == 0:
                self._loop, self._next = iter(loader), 0
            elif index != self._next or not goes_on:
                raise ParameterError(
                    f"Keras asks for batch {index} where batch {self._next if goes_on else 0} "
                    "comes next. Pass shuffle=False to fit: the loader shuffles records."
                )
            assert self._loop is not None
            batch = next(self._loop)
            self._next += 1
            self._left = standing.epoch, standing.position
            chosen = _choose(batch, inputs)
            self._latest = (chosen,) if targets is None else (chosen, _choose(batch, targets))
            return self._latest

        def on_epoch_end(self) -> None:
            """The next first batch is one of another epoch, unless only the first was seen.

            Keras says so in the middle of an epoch, too, with ``steps_per_epoch``.
            """
            if self._next == len(loader):
                self._loop = self._latest = None

    return LoaderDataset()


def tensorflow_dataset(loader: Loader) -> Any:
    """A ``tf.data.Dataset`` of whole batches.

    Args:
        loader: of which every pass over the data set is an epoch.

    Raises:
        ParameterError: TensorFlow is not installed; or the loader has `Views`.
    """
    refuse_views(loader.pipeline, "TensorFlow")
    tf = _need("tensorflow", "tensorflow")
    shapes = loader.shapes()
    signature = {
        name: tf.TensorSpec((None, *shape), tf.as_dtype(dtype))
        for name, (shape, dtype) in shapes.items()
    }

    def batches() -> Iterator[dict[str, Any]]:
        for batch in loader:
            yield {name: np.asarray(array) for name, array in batch.items()}

    return tf.data.Dataset.from_generator(batches, output_signature=signature)


def _choose(batch: Mapping[str, Any], names: Choose) -> Any:
    if isinstance(names, str):
        return np.asarray(_entry(batch, names))
    return {name: np.asarray(_entry(batch, name)) for name in names}


def _entry(batch: Mapping[str, Any], name: str) -> Any:
    try:
        return batch[name]
    except KeyError:
        raise ParameterError(f"A batch has no entry {name!r}; it has {sorted(batch)}.") from None


def _need(module: str, extra: str) -> Any:
    """An optional package, or an error that says how to get it."""
    from importlib import import_module

    try:
        return import_module(module)
    except ImportError as error:
        raise ParameterError(
            f"{module.partition('.')[0]} is not installed: pip install 'multiaug[{extra}]'."
        ) from error
