"""OME-NGFF, the format of microscopy."""
