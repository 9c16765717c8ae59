"""What a role is to the pipeline: sampling rules for pictures, moves for everything else."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import jax
import jax.numpy as jnp

from ..geometry import Map, Projective
from ..sampling import Band, NativeRules, Pointwise
from ..spec import ChannelGroup, RoleTraits
from ..typing import Array, SpatialShape


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class RecordGeometry:
    """All that roles may know of one record's geometry; built once per record by the pipeline.

    Args:
        warp: the composed map.
        matrix: the product of its matrix segments; the whole map unless it is dense.
        mirrored: bool scalar, left has become right.
        motion: (3, 3) camera motion M; None where a perspective map met no intrinsics.
        k: (3, 3) source intrinsics, centred, per reference pixel; None when unknown.
        k_out: (3, 3) refitted intrinsics, centred on the output; None when unknown.
        deformation: (3, 3) H of a camera with fixed intrinsics; None under other policies.
        extrinsics: (4, 4) world to camera of the source; None when the record has none.
        policy: ``refit``, ``fixed`` or ``none``.
        frame: ``camera`` or ``world``.
        refit_intrinsics: under ``none``, intrinsics follow all the same.
    """

    warp: Map
    matrix: Projective
    mirrored: Array
    motion: Array | None
    k: Array | None
    k_out: Array | None
    deformation: Array | None
    extrinsics: Array | None
    policy: str = field(default="refit", metadata={"static": True})
    frame: str = field(default="camera", metadata={"static": True})
    refit_intrinsics: bool = field(default=False, metadata={"static": True})

    @property
    def on_rays(self) -> bool:
        """Source positions can be put on the rays of their pixels."""
        if self.k is None or self.policy == "none" or self.warp.dense:
            return False
        return self.frame == "camera" or self.extrinsics is not None

    def linear_motion(self) -> Array | None:
        """The matrix that camera-frame coordinates move by; None when they stay."""
        if self.policy == "none" or self.frame == "world":
            return None
        return self.deformation if self.policy == "fixed" else self.motion


class PointContext(NamedTuple):
    """Where entries without pixels of their own live.

    Args:
        view: the record's geometry.
        size_in: (height, width) of the picture whose pixels they count, in the source.
        size_out: the same in the output.
    """

    view: RecordGeometry
    size_in: SpatialShape
    size_out: SpatialShape


class SpatialRole(Protocol):
    """A role of pictures."""

    @property
    def traits(self) -> RoleTraits:
        """The static side of the role."""

    def band(self, group: ChannelGroup, view: RecordGeometry) -> Band:
        """How the sampler is to treat a channel group; only static parts of the view decide."""


class TableRole(Protocol):
    """A role of entries that are moved, not sampled.

    A role of tables may have ``rowwise = True``: every row is moved by itself, whatever others
    there are. Then one compiled program serves tables of any number of rows.
    """

    @property
    def traits(self) -> RoleTraits:
        """The static side of the role."""

    def move(self, values: Array, group: ChannelGroup, context: PointContext) -> dict[str, Array]:
        """Suffix -> array; the suffix "" is the entry itself."""


def band_of(
    group: ChannelGroup,
    *,
    method: str | None = None,
    joint: bool = True,
    lowpass: bool = False,
    encode: Pointwise | None = None,
    decode: Pointwise | None = None,
    move: Pointwise | None = None,
    needs_jacobian: bool = False,
    native: NativeRules | None = None,
) -> Band:
    """The band of a group, with what the spec says of its border and its invalid values."""
    fill: tuple[float, ...] | None
    if group.border not in ("constant", "constant-hard"):
        fill = (0.0,)  # never read
    elif group.fill == "invalid":
        fill = None
    else:
        fill = tuple(float(value) for value in group.fill)
    return Band(
        channels=group.channel_slice(),
        method=method or group.interpolation,
        border=group.border,
        fill=fill,
        invalid=group.invalid,
        joint=joint,
        max_jump=group.max_jump,
        lowpass=lowpass,
        encode=encode,
        decode=decode,
        move=move,
        needs_jacobian=needs_jacobian,
        native=native,
    )


def unit(vectors: Array) -> Array:
    """Scale (..., 3) vectors to length 1; the zero vector stays."""
    square = jnp.sum(vectors * vectors, axis=-1, keepdims=True)
    # Not the root of 0, whose slope is infinite.
    return vectors * (1 / jnp.sqrt(jnp.where(square > 0, square, 1)))


def reciprocal(values: Array) -> Array:
    """1 / v of what is above 0, as distances are; elsewhere 1, which nobody is to look at.

    The pole would take no part in a result, but turn its gradient into NaN, 0 times infinity.
    """
    return 1 / jnp.where(values > 0, values, 1)


def column(values: Array) -> Array:
    """(h, w) -> (h, w, 1)."""
    return values[..., None]
