"""`Loader`: a source, a pipeline and an order, joined into batches."""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import jax
import numpy as np

from .._arguments import FLAG, NUMBERS, SEED, checked, instance, one_of, optional, real, whole
from .._forks import refuse_forked_child
from .._machine import core_count, parse_memory
from ..checks import say
from ..errors import ParameterError
from ..store import Source, chunked, requests_of
from ._budget import budget_of
from ._doors import Doors
from ._groups import Groups
from ._make import BatchMaker
from ._order import Order, Shuffle
from ._prefetch import Prefetcher
from ._read import Losses
from ._report import report_of
from ._schedule import Schedule
from ._settings import check_count, check_draws, check_shard, check_weights, digest
from ._standing import Standing, Ticket, Turn
from ._state import MIX_AMONG, LoaderState
from ._views import MAKER_KIND, Maker, check_names, inspect_for, mixes, on_arrays

if TYPE_CHECKING:
    from jax.sharding import Sharding
    from numpy.typing import ArrayLike

_REMOTE_THREADS = 16


class Loader(Doors):
    """Batches of augmented records, in an order that can be resumed anywhere.

    One ``for`` is one epoch. The stream of records is a function of the seed, the epoch, the
    number of records, the chunk length, the window and the copies alone; ``batch_size`` only
    cuts it, and the number of threads changes nothing. A record's augmentation is drawn from
    ``fold_in(fold_in(fold_in(jax.random.key(seed), epoch), index), copy)``.

    Reading, decoding and augmenting run in threads, ``prefetch`` batches ahead. They end with
    the loop, however it ends.

    Where the pipeline mixes records (`MixUp`, `CutMix`, `Mosaic`, `CopyPaste`), partners are drawn
    among ``mix_among`` neighbours of the stream: places 0 .. 63 of each of the ``streams``, 64 ..
    127 and so on; the last of these groups takes what is left over, too. The loader runs the
    pipeline on whole groups and cuts its batches from them, so a mix is a function of what the
    stream is, whatever the batches, workers and restarts are.

    Records of a folder of images may be of different sizes where the pipeline brings them to one
    (`RandomResizedCrop`, `Resize`, `Crop`); ``memory`` is then counted by the first of them.

    Args:
        source: where records come from.
        pipeline: what is done to them, a `Pipeline` or `Views`; None hands them out as they are.
        batch_size: records per batch, on this host.
        seed: of order and augmentation, at least 0.
        shuffle: ``block`` mixes the records of ``window`` chunks at a time, and reads each chunk
            once; where a chunk is one record this is a full shuffle. ``full`` picks single
            records at random, and decodes a chunk for each of them. None keeps the order.
        memory: bytes, or text such as "2GiB": the most that reading, batches and results take
            together, on the host. The source's own memory map or page cache is not counted.
        window: chunks that are mixed at a time; by default as many as half of ``memory`` holds.
            It is part of the state, because another window is another order.
        copies: how often each record comes in an epoch, augmented differently each time.
        drop_last: leave out a last batch that is not full.
        shard: ``(i, n)``: this is host i of n, which together read every record once. By
            default JAX's process index and count. Every host makes the same number of steps;
            without ``drop_last`` their last batches may differ by a record, or be empty.
        streams: shares of the data that hosts take; a multiple of n. The number of hosts can
            later change to any divisor of it. By default n.
        indices: positions of the records to use, for a split or a subset; repeats allowed.
        weights: (n,) relative expectations of how often each record comes; an epoch is still n
            records long. See `class_weights`.
        prefetch: batches that are made ahead.
        mix_among: how many records partners are drawn among, where the pipeline mixes. ``batch``
            draws them among the records of the batch: less memory and no waiting for a group where
            batches are small, but batches of another size, or of another number of hosts, are
            mixed otherwise.
        threads: that read and decode; by default one per core. What is asked of a zarr store on
            another machine does not wait in them; of other remote sources it does, in 16 by
            default.
        on_corrupt: ``skip`` leaves out records of chunks that cannot be decoded: their batches
            become shorter, and ``skipped`` counts them.
        skip_limit: the share of an epoch's records that may be skipped; more is an error.
        sharding: where batches go; by default to all local devices where they divide evenly.
        check: as in `Pipeline.batch`.

    Raises:
        ParameterError: a setting is out of range, or memory does not hold two chunks.

    Example:
        >>> import numpy as np
        >>> import multiaug as ma
        >>> spec = ma.load_spec("rgb-segmentation")
        >>> images = np.zeros((10, 8, 8, 3), np.uint8)
        >>> source = ma.open_source({"image": images}, spec)
        >>> loader = ma.Loader(source, ma.Pipeline([ma.Flip("x")], spec), batch_size=4, seed=0)
        >>> [batch["image"].shape for batch in loader]
        [(4, 8, 8, 3), (4, 8, 8, 3), (2, 8, 8, 3)]
    """

    @checked(
        pipeline=optional(MAKER_KIND),
        seed=SEED,
        shuffle=one_of("block", "full", None),
        copies=whole(1),
        drop_last=FLAG,
        indices=optional(NUMBERS),
        weights=optional(NUMBERS),
        mix_among=MIX_AMONG,
        threads=optional(whole(1)),
        on_corrupt=one_of("raise", "skip"),
        skip_limit=real(0, 1),
        sharding=optional(instance(jax.sharding.Sharding, "a sharding of JAX")),
        check=FLAG,
    )
    def __init__(
        self,
        source: Source,
        pipeline: Maker | None = None,
        *,
        batch_size: int,
        seed: int = 0,
        shuffle: Shuffle | None = "block",
        memory: int | str = "1GiB",
        window: int | None = None,
        copies: int = 1,
        drop_last: bool = False,
        shard: tuple[int, int] | None = None,
        streams: int | None = None,
        indices: ArrayLike | None = None,
        weights: ArrayLike | None = None,
        prefetch: int = 2,
        mix_among: int | Literal["batch"] = 64,
        threads: int | None = None,
        on_corrupt: str = "raise",
        skip_limit: float = 0.01,
        sharding: Sharding | None = None,
        check: bool = True,
    ) -> None:
        refuse_forked_child("A Loader")
        self._settings = {k: v for k, v in locals().items() if k not in ("self", "__class__")}
        check_names(pipeline)
        self.source = source
        self.pipeline = pipeline
        self.batch_size = check_count("batch_size", batch_size, 1)
        self.seed = int(seed)
        self.drop_last = drop_last
        self.sharding = sharding
        self._on_corrupt, self._skip_limit = on_corrupt, skip_limit
        self._prefetch = check_count("prefetch", prefetch, 0)
        among = mix_among if mix_among == "batch" else int(mix_among)
        self._mix_among = among if mixes(pipeline) else None
        group = self._mix_among if isinstance(self._mix_among, int) else None
        self.shard, streams = check_shard(shard, streams, self.batch_size)
        self._chunked = chunked(source, "Loader.source")
        draws = check_draws(indices, len(source))
        weight = check_weights(weights, len(source), draws)
        waits = self._chunked.remote and requests_of(self._chunked) is None
        self._threads = threads or (_REMOTE_THREADS if waits else core_count())
        # Single records need no window: any order of them is as good as any other.
        chunk = self._chunked.chunk
        self._rows = shuffle == "full" or (shuffle == "block" and chunk == 1)
        self._budget = budget_of(
            source,
            self._chunked,
            pipeline,
            parse_memory(memory, "Loader.memory"),
            batch_size=self.batch_size,
            mix_among=group,
            window=None if window is None else check_count("window", window, 1),
            shuffle=shuffle,
            rows=self._rows,
            total=copies * (len(source) if draws is None else int(draws.sum())),
            streams=streams,
            local=streams // self.shard[1],
            prefetch=self._prefetch,
            threads=self._threads,
        )
        self._order = Order(
            len(source),
            1 if self._rows else chunk,
            self._budget.window,
            self.seed,
            "full" if self._rows else shuffle,
            copies,
            streams,
            draws if weight is None else None,
            weight,
        )
        if self._order.epoch(0).total // streams == 0:
            raise ParameterError(
                f"`Loader.streams` is {streams}, but an epoch has only "
                f"{self._order.epoch(0).total} records. Use fewer hosts or streams."
            )
        self._schedule = Schedule(self._order, self.shard, self.batch_size, drop_last)
        self._selection = digest(draws, weight)
        inspect = partial(inspect_for, pipeline, source.spec, origin=repr(source))
        self._maker = BatchMaker(
            self._chunked,
            source.spec,
            pipeline,
            self._schedule,
            None if group is None else Groups(self._schedule, group),
            budget=self._budget,
            threads=self._threads,
            prefetch=self._prefetch,
            sharding=sharding,
            check=check,
            inspect=inspect if check else None,
        )
        self._standing = Standing()
        self._running: weakref.ref[Prefetcher[Any]] | None = None

    @property
    def epoch(self) -> int:
        """The epoch that is being read, or comes next."""
        return self._standing.epoch

    @property
    def window(self) -> int:
        """Chunks that are mixed at a time, of each stream."""
        return self._budget.window

    @property
    def memory(self) -> int:
        """The most bytes that reading, batches and results take together."""
        return self._budget.total

    @property
    def skipped(self) -> int:
        """Records that were left out of the latest epoch, because they could not be decoded."""
        return self._standing.skipped

    def __len__(self) -> int:
        """Batches of an epoch, the same on every host."""
        return self._schedule.steps(self._order.epoch(0))

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Yield the batches of one epoch.

        A batch maps entry names to arrays with a leading n, as `Pipeline.batch` returns them, and
        ``index`` (positions in the source) and ``copy`` to (n,); of `Views`, the names of views to
        lists of such batches, beside ``index`` and ``copy``. Arrays are `jax.Array`; only those
        with 64 bits, which JAX would shorten, are NumPy's.

        After a loop that ran to its end, or was left with ``break``, the next one begins the next
        epoch, with its first batch. After `restore` it goes on where the state was taken. One loop
        runs at a time: another one ends it, and it says so when it is asked for more.

        Raises:
            StoreError: a record cannot be read; raised at the batch that needs it.
            RecordError: a record is not what the spec declares.
            ParameterError: another loop has begun; or in a forked child, where threads of JAX do
                not live on.
        """
        refuse_forked_child("A Loader")
        return self._batches()

    def close(self) -> None:
        """End the threads of a loop that is still running; a later loop starts new ones."""
        running = None if self._running is None else self._running()
        if running is not None:
            running.close()
        self._running = None

    def __enter__(self) -> Loader:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    @checked(batches=optional(whole(1)))
    def state(self, batches: int | None = None) -> dict[str, Any]:
        """Where the stream of records stands, as JSON-ready data.

        It names the batch after the one that was handed out last. It does not depend on threads,
        nor on the host.

        Args:
            batches: how many the latest loop has handed out. It is known where this process reads;
                where workers of a DataLoader do, within an epoch only who counts them knows.
                Batches of which every record was skipped are not handed out, nor counted.

        Raises:
            ParameterError: workers of a DataLoader are in the middle of an epoch, or left one, and
                ``batches`` is not given; the loop has no such batch; or workers skipped every
                record of one before it, and what came in its place is not known.
        """
        epoch, position = self._standing.epoch, self._standing.position
        if batches is not None:
            position = self._position_after(batches)
        if position is None:
            raise ParameterError(
                f"Workers of a DataLoader have begun epoch {epoch} and not ended it, and only "
                "PyTorch knows which of their batches were handed out. Count them: "
                "Loader.state(batches=n), n batches after the beginning of this loop; ask after "
                "the epoch; or let this process read: DataLoader(..., num_workers=0)."
            )
        if self._schedule.has_ended(epoch, position):
            epoch, position = epoch + 1, 0
        order = self._order
        return LoaderState(
            **self._identity(),
            window=order.window,
            streams=order.streams,
            epoch=epoch,
            position=position,
            mix_among=self._mix_among,
        ).to_dict()

    def _position_after(self, batches: int) -> int:
        """Records of each stream before what comes after so many batches of the latest loop."""
        standing = self._standing
        begun_at = standing.begun_at
        steps = self._schedule.steps(self._order.epoch(standing.epoch), begun_at)
        most = steps - standing.empty if standing.started else 0
        if batches > most:
            raise ParameterError(
                f"`Loader.state.batches` is {batches}, but the latest loop has {most} batches."
            )
        step = standing.step_after(batches, steps)
        if step is None:
            raise ParameterError(
                f"`Loader.state.batches` is {batches}, but a worker of a DataLoader skipped every "
                f"record of batch {standing.first_empty} of this loop, counted from 0, so later "
                "ones came in another order and it is not known where the loop stands. Mend the "
                "chunk, go on from a state before it, or let this process read: "
                "DataLoader(..., num_workers=0)."
            )
        return begun_at + step * self._schedule.share

    def _identity(self) -> dict[str, Any]:
        """What must be the same for a state to mean the same."""
        order = self._order
        return {
            "fingerprint": self.source.fingerprint,
            "records": order.count,
            "chunk": order.chunk,
            "seed": order.seed,
            "shuffle": order.shuffle,
            "copies": order.copies,
            "selection": self._selection,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a state, of this process or another one, on this machine or another.

        The next loop yields the rest of that epoch. Batch size, threads and prefetch may differ,
        and so may the number of hosts, as long as it divides the streams; the window is taken
        from the state. With ``mix_among="batch"`` another batch size mixes otherwise.

        Args:
            state: what `state` returned, on any host.

        Raises:
            ParameterError: the state is of another data set, seed, selection or order, or of
                another ``mix_among`` where the pipeline mixes.
        """
        found = LoaderState.from_dict(state)
        self.close()
        found.refuse_other(**self._identity())
        if None not in (found.mix_among, self._mix_among):  # older states do not have it
            found.refuse_other(mix_among=self._mix_among)
        if (found.window, found.streams) != (self._order.window, self._order.streams):
            self._change_order(found)
        self._standing.set(found.epoch, found.position, started=False)

    def _change_order(self, found: LoaderState) -> None:
        """Take over window and streams of a state."""
        settings = {**self._settings, "streams": found.streams}
        if not self._rows and found.shuffle is not None:
            settings["window"] = found.window
        again, standing = Loader(**settings), self._standing
        if again._order.window != found.window:
            raise ParameterError(
                f"The state has a window of {found.window} chunks, which this loader cannot hold. "
                "Raise memory."
            )
        self.__dict__.update(again.__dict__)
        self._standing = standing

    def shapes(self) -> dict[str, Any]:
        """Entry name -> (shape of one record, dtype), as batches hold them; of views, lists."""
        one = self._maker.one(self.epoch)
        shapes: dict[str, Any] = on_arrays(lambda a: (tuple(a.shape[1:]), np.dtype(a.dtype)), one)
        return shapes

    def __reduce__(self) -> tuple[Any, ...]:
        # Threads and memory stay behind; where the stream stands goes along.
        at = self._standing
        return _rebuild, (self._settings, at.epoch, at.position or 0, at.started)

    def __repr__(self) -> str:
        return (
            f"Loader({self.source!r}, batch_size={self.batch_size}, shard={self.shard}, "
            f"window={self.window}, epoch={self.epoch})"
        )

    def _repr_html_(self) -> str:
        return report_of(self).html()

    def _batches(self) -> Iterator[dict[str, Any]]:
        """The generator behind one loop; its end is the end of the threads."""
        self.close()
        standing = self._standing
        number, first = standing.begin()
        position = first
        prefetcher, losses = self._read(number, first)
        self._running = weakref.ref(prefetcher)
        with prefetcher:
            for step, batch in prefetcher:
                position = first + (step + 1) * self._schedule.share
                standing.reach(number, position, losses.skipped)
                if self._maker.to_say:
                    to_say, self._maker.to_say = self._maker.to_say, []
                    say(to_say, origin=repr(self.source))
                if batch is None:
                    standing.leave_out(step)
                else:
                    yield batch
                del batch
        # More than the last batch of this host: another one may have had a record more.
        standing.reach(number, max(position, self._length(number)), losses.skipped)

    def ticket(self, turn: Turn) -> Ticket:
        """What batches are sent with that a worker of a DataLoader makes in a turn."""
        steps = self._schedule.steps(self._order.epoch(turn.epoch), turn.first)
        return Ticket(self._standing.name, turn, self._length(turn.epoch), steps)

    def share_of(
        self, worker: int, workers: int, ticket: Ticket
    ) -> Iterator[tuple[int, dict[str, Any]]]:
        """(step, batch) of every so-many-th batch of an epoch, for a worker of a DataLoader.

        Args:
            worker: from 0.
            workers: how many there are.
            ticket: of the epoch.
        """
        turn = ticket.turn
        prefetcher, losses = self._read(turn.epoch, turn.first, worker, workers)
        try:
            with prefetcher:
                for step, batch in prefetcher:
                    self._standing.make(ticket, step, empty=batch is None)
                    if batch is not None:
                        yield step, batch
                    del batch
        finally:
            self._standing.leave(ticket, losses.skipped)

    def _read(
        self, number: int, first: int, part: int = 0, parts: int = 1
    ) -> tuple[Prefetcher[tuple[int, dict[str, Any] | None]], Losses]:
        """Begin to read an epoch from a position on."""
        epoch = self._order.epoch(number)
        total = epoch.total / self.shard[1]
        limit = int(self._skip_limit * total + 1e-6)  # 0.29 of 100 are 29
        losses = Losses(self._on_corrupt == "skip", limit, max(1, int(total)))
        return self._maker.batches(epoch, first, losses, part, parts), losses

    def _length(self, number: int) -> int:
        """Records of the longest stream of an epoch."""
        return self._order.epoch(number).length(0)


def _rebuild(settings: dict[str, Any], epoch: int, position: int, started: bool) -> Loader:
    loader = Loader(**settings)
    loader._standing.set(epoch, position, started=started)
    return loader
