"""Viewing: tables, plots and reports."""

from humain.viewing.plots import bars, curves
from humain.viewing.report import Report
from humain.viewing.tables import Table

__all__ = ["Report", "Table", "bars", "curves"]
