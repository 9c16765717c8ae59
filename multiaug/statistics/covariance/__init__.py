"""Covariances in three forms: of pixels, of pairs of records, and a sketch."""
