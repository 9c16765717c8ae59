"""Passes on a cluster. Dask is an extra, imported where it is used."""

from ._dask import DaskRunner as DaskRunner
