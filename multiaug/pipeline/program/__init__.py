"""What a pipeline is for a spec and a frame: draws, geometry, values, tables. No devices here."""
