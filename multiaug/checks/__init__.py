"""What is plausible of records: value ranges, units, cameras, boxes. NumPy alone, without JAX."""

from ._behind import refuse_behind as refuse_behind
from ._conventions import convert_axes as convert_axes
from ._conventions import invert_extrinsics as invert_extrinsics
from ._conventions import scale_intrinsics as scale_intrinsics
from ._finding import Finding as Finding
from ._inspect import findings as findings
from ._inspect import first_of as first_of
from ._inspect import handful as handful
from ._inspect import inspect_records as inspect_records
from ._inspect import refuse_wrong as refuse_wrong
from ._inspect import say as say
from ._projection import reprojection_error as reprojection_error
