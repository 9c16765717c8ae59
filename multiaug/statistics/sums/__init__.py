"""How numbers are summed: which shift, in blocks of how many rows, on the host or the device."""
