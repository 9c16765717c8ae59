"""Where the blocks of a pass are worked on: here, in threads, or on a cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any, Protocol, runtime_checkable

from ..errors import ParameterError

Work = Callable[[Any, Any], Any]


@runtime_checkable
class Runner(Protocol):
    """Works on blocks and hands results back as they come.

    What is worked on is a function of a context and what names a block (a number, or a first and
    a last one); it must be importable, and all of it must go through pickle, so that other
    processes can do the work. Results are small: states or log entries, never records.
    """

    def run(self, work: Work, context: Any, blocks: Iterable[Any]) -> Iterator[tuple[Any, Any]]:
        """Yield (block, ``work(context, block)``) of all blocks, in any order.

        Args:
            work: an importable function.
            context: its first argument, the same for all blocks.
            blocks: its second argument, hashable; taken one by one as work is begun, because how
                large the later ones are may depend on how long the earlier ones took.
        """


class SerialRunner:
    """One block after the other, in this thread."""

    def run(self, work: Work, context: Any, blocks: Iterable[Any]) -> Iterator[tuple[Any, Any]]:
        """See `Runner`."""
        for block in blocks:
            yield block, work(context, block)


class ThreadRunner:
    """A few blocks at a time, in threads.

    Args:
        workers: how many.
    """

    def __init__(self, workers: int) -> None:
        self.workers = workers

    def run(self, work: Work, context: Any, blocks: Iterable[Any]) -> Iterator[tuple[Any, Any]]:
        """See `Runner`; not much more is begun than the consumer has taken.

        After an error what is being worked on is handed back first, so that nobody does it again.
        """
        todo = iter(blocks)
        running: dict[Future[Any], Any] = {}
        failed: BaseException | None = None
        with ThreadPoolExecutor(self.workers, thread_name_prefix="multiaug-pass") as executor:
            try:
                while True:
                    while failed is None and len(running) <= self.workers:
                        if (block := next(todo, None)) is None:
                            break
                        running[executor.submit(work, context, block)] = block
                    if not running:
                        break
                    for future in wait(running, return_when=FIRST_COMPLETED).done:
                        block = running.pop(future)
                        if future.cancelled():
                            continue
                        if (error := future.exception()) is None:
                            yield block, future.result()
                        elif failed is None:
                            failed = error
                            for waiting in running:
                                waiting.cancel()
            finally:
                executor.shutdown(wait=True, cancel_futures=True)
        if failed is not None:
            raise failed


# Module of a scheduler's class -> what makes a runner of it; `multiaug.distributed` adds Dask's.
ADAPTERS: dict[str, Callable[[Any], Runner]] = {}


def as_runner(scheduler: Any, workers: int = 1) -> Runner:
    """The runner for what a user passes as ``scheduler``.

    Args:
        scheduler: None for this process, a `Runner`, or a `dask.distributed.Client`.
        workers: threads when it is None.

    Raises:
        ParameterError: anything else.
    """
    if scheduler is None:
        return SerialRunner() if workers == 1 else ThreadRunner(workers)
    top = type(scheduler).__module__.partition(".")[0]
    if top in ADAPTERS:  # asked first: a client has a method `run` of its own
        return ADAPTERS[top](scheduler)
    if isinstance(scheduler, Runner):
        return scheduler
    raise ParameterError(
        "`scheduler` must be None, a dask.distributed.Client or a multiaug.passes.Runner, got "
        f"{type(scheduler).__name__}."
    )
