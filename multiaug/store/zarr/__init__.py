"""Groups and arrays of zarr: which object holds what, and how it is read."""
