"""What is plausible of records: value ranges, units, cameras, boxes. NumPy alone, without JAX."""

from ._behind import refuse_behind as refuse_behind
from ._conventions import convert_axes as convert_axes
from ._conventions import invert_extrinsics as invert_extrinsics
from ._conventions import scale_intrinsics as scale_intrinsics
from ._finding import Finding as Finding
from ._inspect import inspect_records as inspect_records
from ._projection import reprojection_error as reprojection_error
