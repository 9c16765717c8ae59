"""What values mean under a map, one file per role."""

import typing as _typing

from ..errors import old_names as _old_names
from ..spec import RoleTraits as RoleTraits
from ._base import PointContext as PointContext
from ._base import RecordGeometry as RecordGeometry
from ._base import SpatialRole as SpatialRole
from ._base import TableRole as TableRole
from ._base import band_of as band_of
from ._boxes import Boxes as Boxes
from ._boxes import box_edges as box_edges
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
from ._registry import SPATIAL_ROLES as SPATIAL_ROLES
from ._registry import TABLE_ROLES as TABLE_ROLES
from ._registry import register_role as register_role
from ._scalar import Scalar as Scalar
from ._verbs import Verbs as Verbs
from ._verbs import blended as blended
from ._verbs import has_data as has_data

for _role in (
    Intensity,
    Label,
    Position,
    Direction,
    Depth,
    Flow,
    Orientation,
    Density,
    Probability,
    Keypoints,
    Boxes,
    Points3d,
    Intrinsics,
    Extrinsics,
    Scalar,
):
    register_role(_role)

if not _typing.TYPE_CHECKING:  # type checkers are to know of the new names only
    __getattr__ = _old_names(
        __name__,
        {
            "PointSite": "PointContext",
            "View": "RecordGeometry",
        },
    )
