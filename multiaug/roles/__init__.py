"""What values mean, one file per role."""

from . import _boxes as _boxes
from . import _density as _density
from . import _depth as _depth
from . import _direction as _direction
from . import _extrinsics as _extrinsics
from . import _flow as _flow
from . import _intensity as _intensity
from . import _intrinsics as _intrinsics
from . import _keypoints as _keypoints
from . import _label as _label
from . import _orientation as _orientation
from . import _points3d as _points3d
from . import _position as _position
from . import _scalar as _scalar
