"""What is plausible of records: value ranges, units, cameras, boxes. NumPy alone, without JAX."""

from ._finding import Finding as Finding
from ._inspect import inspect_records as inspect_records
