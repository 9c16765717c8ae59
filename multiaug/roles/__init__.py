"""What values mean under a map, one file per role."""

from ._base import PointContext as PointContext
from ._base import RecordGeometry as RecordGeometry
from ._base import SpatialRole as SpatialRole
from ._base import TableRole as TableRole
from ._boxes import Boxes as Boxes
from ._density import Density as Density
from ._depth import Depth as Depth
from ._direction import Direction as Direction
from ._extrinsics import Extrinsics as Extrinsics
from ._flow import Flow as Flow
from ._intensity import Intensity as Intensity
from ._intrinsics import Intrinsics as Intrinsics
from ._keypoints import Keypoints as Keypoints
from ._keypoints import mirrored_order as mirrored_order
from ._label import Label as Label
from ._orientation import Orientation as Orientation
from ._points3d import Points3d as Points3d
from ._position import Position as Position
from ._probability import Probability as Probability
from ._scalar import Scalar as Scalar
from ._verbs import Verbs as Verbs

SPATIAL_ROLES: dict[str, SpatialRole] = {
    role.traits.name: role
    for role in (
        Intensity(),
        Label(),
        Position(),
        Direction(),
        Depth(),
        Flow(),
        Orientation(),
        Density(),
        Probability(),
    )
}
"""Roles of pictures, by name."""

TABLE_ROLES: dict[str, TableRole] = {
    role.traits.name: role
    for role in (Keypoints(), Boxes(), Points3d(), Intrinsics(), Extrinsics())
}
"""Roles of tables and matrices, by name; scalars are handed through."""
