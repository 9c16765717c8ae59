"""Transforms that end a run of warps and values: they stand where they were declared."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

from ..errors import ParameterError
from ..spec import DataSpec
from ..typing import Array, SpatialShape
from ._base import Frame, Params, Transform


class Occluding(Transform):
    """A transform that covers places of a record; every role says what a covered pixel becomes.

    Subclasses have a field ``entries``: names of the entries it covers, None for all.
    """

    entries: tuple[str, ...] | None
    fill: float
    """What covered intensity becomes, in units of its range: 0 is black and 1 is white."""

    def check(self, frame: Frame) -> None:
        """Refuse entries that the spec does not have."""
        check_names(self.owner, "entries", self.entries, frame.spec)

    def touches(self, name: str) -> bool:
        """True when an entry is covered."""
        return self.entries is None or name in self.entries

    @abstractmethod
    def covers(self, params: Params, x: Array, y: Array, shape: SpatialShape) -> Array:
        """Whether positions are covered, bool, of the shape that x and y broadcast to.

        Args:
            params: what one record drew.
            x: in pixels of the reference frame, whose pixel centres are whole numbers.
            y: the same, downwards.
            shape: (height, width) of the reference frame.
        """


class Mixing(Transform):
    """A transform that blends a record with a partner of the same batch.

    Subclasses have a field ``keep``: names of entries that stay those of the record itself.
    """

    keep: tuple[str, ...]

    def check(self, frame: Frame) -> None:
        """Refuse entries that the spec does not have."""
        check_names(self.owner, "keep", self.keep, frame.spec)

    @abstractmethod
    def partners(self, params: Params, size: int) -> Array:
        """(N,) int32, the partner of every record of a batch of this size.

        Args:
            params: what the records drew, leading N.
            size: N.
        """

    @abstractmethod
    def weights(self, params: Params) -> Array:
        """(N, 2) float32, the weights of every record and of its partner; they add up to 1."""


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
