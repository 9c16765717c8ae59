"""The version, in one place: the build reads it here, and files that we write record it."""

__version__ = "0.1.0"
