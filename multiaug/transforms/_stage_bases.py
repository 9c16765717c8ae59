"""Transforms that end a run of warps and values: they stand where they were declared."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from ..errors import ParameterError
from ..spec import DataSpec, EntrySpec
from ..typing import Array, NDArray, SpatialShape
from ._base import Frame, Params, Transform
from ._entry_names import refuse_taken

# The name of the channel of a mask of what was covered: the spec of later stages tells it by that.
_MASK_CHANNEL = ("covered",)

NewArray = Callable[[str, tuple[int, ...], Any], NDArray]
"""Name, shape and dtype -> memory of a new entry."""


class Occluding(Transform):
    """A transform that covers places of a record; every role says what a covered pixel becomes.

    Subclasses have a field ``entries``: names of the entries it covers, None for all.
    """

    entries: Any  # a tuple of names, or None
    fill: Any
    """What covered intensity becomes: a number in units of its range, where 0 is black and 1 is
    white; ``mean``, of every channel over the record's valid pixels; or ``noise``, independent
    values between black and white, made of the ``seed`` (2,) uint32 that `sample` draws."""

    mask: str | None = None
    """The name of a new entry with what was covered: labels, bool, of the size of the frame."""

    def check(self, frame: Frame) -> None:
        """Refuse entries that the spec does not have."""
        check_names(self.owner, "entries", self.entries, frame.spec)

    def out_spec(self, spec: DataSpec) -> DataSpec:
        """The spec with the entry ``mask``, where one is asked for.

        Raises:
            ParameterError: the spec has an entry of that name.
        """
        if self.mask is None:
            return spec
        refuse_taken(f"{self.owner}.mask", self.mask, spec, "Give it another name.")
        made = EntrySpec.of_role(self.mask, "label", channels=_MASK_CHANNEL, dtype="bool")
        entries = [*spec.entries.values(), made]
        return DataSpec(spec.name, entries, spec.camera, spec.description)

    def touches(self, name: str) -> bool:
        """True when an entry is covered."""
        return bool(self.entries is None or name in self.entries)

    def covers_entry(self, entry: EntrySpec) -> bool:
        """True when something of an image or a table is covered; masks of others must be named."""
        is_mask = entry.groups[0].names == _MASK_CHANNEL
        return self.touches(entry.name) and not (is_mask and self.entries is None)

    def dropped(self, params: Params, name: str, start: int, count: int | None) -> Array | None:
        """Which channels of an entry are covered where `covers` is True; None for all of them.

        Args:
            params: what one record drew, or a batch of them, leading N; of NumPy or of JAX.
            name: of the entry, an image or a table.
            start: its first channel that is asked for.
            count: how many; None for all that follow.

        Returns:
            (..., count) bool, or (..., 1) for all alike.
        """
        return None

    @abstractmethod
    def covers(self, params: Params, x: Array, y: Array, shape: SpatialShape) -> Array:
        """Whether positions are covered, bool, of the shape that x and y broadcast to.

        Args:
            params: what one record drew.
            x: in pixels of the reference frame, whose pixel centres are whole numbers.
            y: the same, downwards.
            shape: (height, width) of the reference frame.
        """

    def boxes(self, params: Params, x: NDArray, y: NDArray, shape: SpatialShape) -> NDArray | None:
        """The same as boxes of pixels, in NumPy: eager batches on CPUs are covered by them.

        A transform that has this method must write `covers` so that it takes arrays of NumPy, too,
        for the places of keypoints and boxes. Without it XLA runs the stage, and compiles it for
        every size of batch and image.

        Args:
            params: what the records of a batch drew, leading N, as NumPy arrays.
            x: (w,) float32, where the columns of an image lie, as of `covers`; ascending.
            y: (h,) float32, where its rows lie.
            shape: (height, width) of the reference frame.

        Returns:
            (n, 5) int32: the record, its first covered row and the row behind the last one, the
            same of columns; boxes may be empty, and overlap.
        """
        return None


class Mixing(Transform):
    """A transform that makes a record of itself and of partners of the batch it is run with.

    In a `Loader` that is a group of neighbours of its stream, from which batches are cut.

    By default values are blended, by the rules of their roles. A transform with ``pastes = True``
    takes every place of an image from one record or the other, whatever the role, and blends
    scalars alone.

    Subclasses have a field ``keep``: names of entries that stay those of the record itself.
    """

    keep: tuple[str, ...]
    pastes: ClassVar[bool] = False
    """Images are put together of pieces (`piece_at`, `boxes`); otherwise they are blended."""

    def check(self, frame: Frame) -> None:
        """Refuse entries that the spec does not have."""
        check_names(self.owner, "keep", self.keep, frame.spec)

    @abstractmethod
    def partners(self, params: Params, size: int) -> Array:
        """(N,) int32, the partner of every record of a batch; or (N, S), where pieces are pasted.

        Args:
            params: what the records drew, leading N; of NumPy or of JAX.
            size: N.
        """

    @abstractmethod
    def weights(self, params: Params) -> Array:
        """(N, 1 + S) float32, the weights of every record and of its partners; they add up to 1."""

    keeps_scalars: ClassVar[bool] = False
    """Scalars stay those of the record, whatever they are."""

    def pieces(
        self,
        params: Params,
        spec: DataSpec,
        own: Mapping[str, Any],
        other: Mapping[str, Any],
        size: SpatialShape,
    ) -> Array | None:
        """Whose piece the pixels of an image are, where that depends on what the records hold.

        None, the default, where `piece_at` says it. Takes arrays of NumPy and of JAX, and gives
        both the same.

        Args:
            params: what one record drew.
            spec: of the records.
            own: the entries of the record.
            other: those of its partner.
            size: (h, w) of the image.

        Returns:
            (h, w) int32, as of `piece_at`.
        """
        return None

    def windows(self, params: Params, shape: SpatialShape) -> Array | None:
        """The pieces, where each is a rectangle: tables of places are cut to them and joined.

        By default there is none, and such tables are refused. Takes arrays of NumPy and of JAX. A
        field ``min_visible`` is the least share of area that is left of a box.

        Args:
            params: what the records of a batch drew, leading N.
            shape: (height, width) of the reference frame.

        Returns:
            (N, 1 + S, 4) float32: the edges x0 y0 x1 y1, on the pixel-area scale of the frame, of
            what is shown of every record and of its partners.
        """
        return None

    def pasted(self, name: str, own: Any, other: Any, spec: DataSpec) -> Any:
        """What a piece of a partner shows of an entry: by default its values.

        Args:
            name: of the entry.
            own: the array of the record, of NumPy or of JAX; of a second partner on with what
                this method made of those before, one behind the other along the first axis.
            other: that of the partner.
            spec: of the records.
        """
        return other

    def piece_at(self, params: Params, x: Array, y: Array, shape: SpatialShape) -> Array:
        """Whose piece positions lie in, int32: 0 is the record, 1 its first partner.

        Args:
            params: what one record drew.
            x: in pixels of the reference frame, whose pixel centres are whole numbers.
            y: the same, downwards.
            shape: (height, width) of the reference frame.
        """
        raise NotImplementedError

    def boxes(self, params: Params, x: NDArray, y: NDArray, shape: SpatialShape) -> NDArray:
        """The same as boxes of pixels, in NumPy; arguments are those of `Occluding.boxes`.

        Returns:
            (n, 6) int32: the record, the partner from 1 on, the first row and the row behind the
            last one, the same of columns. What is in no box is the record's own.
        """
        raise NotImplementedError


class Deriving(Transform):
    """A transform that makes new entries; it draws nothing."""

    @property
    @abstractmethod
    def sources(self) -> frozenset[str]:
        """The entries that it needs."""

    @property
    def replaces(self) -> frozenset[str]:
        """The entries that it puts new ones in the place of."""
        return frozenset()

    @property
    def moves_rows_of(self) -> frozenset[str]:
        """Scalars of which it moves or takes away whole rows, whatever these hold.

        JAX has no 64 bits: ids of them are given to `derive` as words of 32 bits, with one more
        axis, where others are refused if they do not fit. `absent_row` is right for both.
        """
        return frozenset()

    def sample(self, key: Any, frame: Frame) -> Params:
        """Nothing is drawn."""
        return {}

    @abstractmethod
    def out_spec(self, spec: DataSpec) -> DataSpec:
        """What the entries of a record are after the transform.

        Raises:
            ParameterError: the spec has not what the transform needs.
        """

    @abstractmethod
    def derive(self, spec: DataSpec, batch: Mapping[str, Any]) -> dict[str, Array]:
        """The new entries of a batch (leading N). Traceable."""

    def derive_into(self, spec: DataSpec, batch: Mapping[str, NDArray], new: NewArray) -> None:
        """The same in NumPy, for eager batches on CPUs; without it XLA derives.

        Args:
            spec: of the records that come in.
            batch: the entries, leading N.
            new: (name, shape, dtype) -> memory of a new entry, to be written to.
        """
        raise NotImplementedError

    def check_values(self, spec: DataSpec, batch: Mapping[str, Any]) -> None:
        """Refuse values that nothing can be derived from; called where values are checked.

        Raises:
            RecordError: naming the entry and what was found.
        """
        return


class Altering(Transform):
    """A transform that changes entries of one record without moving a pixel.

    What is neither a map of the image nor a change of intensities: clouds that turn, depths that
    get noise or another encoding, cameras that get another focal length.
    """

    leaves_camera = False
    """Points in the camera's frame are no longer on the rays of their pixels: no map may follow."""

    def out_spec(self, spec: DataSpec) -> DataSpec:
        """What the entries are after the transform; by default what they were.

        Raises:
            ParameterError: the spec has not what the transform needs.
        """
        return spec

    @abstractmethod
    def alter(
        self, params: Params, spec: DataSpec, record: Mapping[str, Array]
    ) -> dict[str, Array]:
        """The entries that change. Traceable.

        Entries with time come frame by frame, beside those without. Words that noise is made of are
        drawn as ``seed``, (2,) uint32: those of later frames are others.

        Args:
            params: what the record drew.
            spec: of the record.
            record: its entries, images as (h, w, c).
        """

    def restore(
        self, params: Params, spec: DataSpec, record: Mapping[str, Array]
    ) -> dict[str, Array] | None:
        """Undo `alter` on whatever entries there are; None where that cannot be done."""
        return None


def check_names(owner: str, field: str, names: tuple[str, ...] | None, spec: DataSpec) -> None:
    """Refuse names of entries that a spec does not have."""
    for name in names or ():
        if name not in spec.entries:
            raise ParameterError(
                f"`{owner}.{field}` must name entries of the spec, got {name!r}. "
                f"It has {sorted(spec.entries)}."
            )
