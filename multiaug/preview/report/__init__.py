"""A page that shows what a pipeline does to some data: one HTML file that needs nothing else."""

from ._report import report as report
