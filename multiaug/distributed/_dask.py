"""The runner of passes for a Dask cluster."""

from __future__ import annotations

import queue
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any

from ..errors import MultiaugError, ParameterError, StoreError
from ..passes import ADAPTERS, Work
from ..runtime import keep_freed_memory

_PER_WORKER = 2
_POLL = 1.0  # seconds
_AGAIN = "What was done before is kept: run the same command again."


class DaskRunner:
    """Works on blocks in the workers of a Dask cluster.

    A block is a task of its own, sent to whichever worker is free; what it needs to know travels
    once to each worker. A task whose worker dies is run again by another one, and one that raises
    an error of the system (a network, a disk) is tried again. Results come back as they are ready,
    so what has been logged is safe should the scheduler itself be lost: the same command goes on
    from there.

    Workers need this package in the same version, and paths that mean the same. They should have
    one thread each (``threads_per_worker=1``), as every block uses the cores by itself, and be
    started by spawning, Dask's default: JAX does not survive a fork.

    Args:
        client: a ``dask.distributed.Client``.
        retries: how often a failed block is tried again.

    Raises:
        ParameterError: not a client.

    Example:
        >>> from multiaug.distributed import DaskRunner
        >>> DaskRunner("tcp://scheduler:8786")
        Traceback (most recent call last):
        ...
        multiaug.errors.ParameterError: `DaskRunner.client` must be a dask.distributed.Client, ...
    """

    def __init__(self, client: Any, *, retries: int = 3) -> None:
        if not hasattr(client, "submit") or not hasattr(client, "scatter"):
            raise ParameterError(
                "`DaskRunner.client` must be a dask.distributed.Client, got "
                f"{type(client).__name__}. Make one with Client(address); it comes with "
                "pip install 'multiaug[dask]'."
            )
        self._client = client
        self._retries = retries

    def run(self, work: Work, context: Any, blocks: Iterable[Any]) -> Iterator[tuple[Any, Any]]:
        """Yield (block, result) as workers finish; see `multiaug.passes.Runner`.

        Raises:
            StoreError: a block failed on every try, or killed every worker that it ran on; or the
                scheduler is gone.
        """
        client = self._client
        todo = iter(blocks)
        names: dict[Any, Any] = {}
        tries: dict[Any, int] = {}
        done: queue.SimpleQueue[Any] = queue.SimpleQueue()

        def submit(block: Any) -> None:
            # Not pure: a task that was run before, of another store, is not this one.
            future = client.submit(work_on, work, shared, block, pure=False, retries=self._retries)
            names[future] = block
            future.add_done_callback(done.put)

        try:
            shared = self._send(context)
            # Few at a time: the scheduler's memory does not grow with the data.
            width = _PER_WORKER * max(1, sum(client.nthreads().values()))
            for _, block in zip(range(width), todo, strict=False):
                submit(block)
            while names:
                future = self._next(done)
                block = names.pop(future)
                try:
                    result = future.result()
                except MultiaugError:
                    raise  # it says itself what is wrong, and would again
                except Exception as error:
                    tries[block] = tries.get(block, 0) + 1
                    if tries[block] > self._retries or client.status != "running":
                        raise StoreError(
                            f"block {block} failed {tries[block]} times on the cluster: "
                            f"{type(error).__name__}: {error}. {_AGAIN}"
                        ) from error
                    if shared.status != "finished":  # it died with all that held it
                        shared = self._send(context)
                    submit(block)
                    continue
                yield block, result
                following = next(todo, None)
                if following is not None:
                    submit(following)
        except MultiaugError:
            raise
        except Exception as error:  # of the client itself
            raise StoreError(
                f"the cluster cannot be reached: {type(error).__name__}: {error}. {_AGAIN}"
            ) from error
        finally:
            # A client that is just losing its scheduler must not hide what is being raised.
            if client.status == "running":
                with suppress(Exception):
                    client.cancel(list(names))

    def _send(self, context: Any) -> Any:
        """Every worker gets the context once."""
        return self._client.scatter(context, broadcast=True, hash=False)

    def _next(self, done: queue.SimpleQueue[Any]) -> Any:
        """A task that has ended. Nothing ends any more when the scheduler is gone."""
        while True:
            try:
                return done.get(timeout=_POLL)
            except queue.Empty:
                if self._client.status in ("closing", "closed"):
                    raise StoreError(f"the cluster's scheduler is gone. {_AGAIN}") from None


def work_on(work: Work, context: Any, block: Any) -> Any:
    """What a worker runs; importable, so that it travels by its name."""
    # Dask's own setting of malloc has a fit take a third more time.
    with keep_freed_memory():
        return work(context, block)


def _adapt(client: Any) -> DaskRunner:
    return DaskRunner(client)


ADAPTERS["distributed"] = _adapt
