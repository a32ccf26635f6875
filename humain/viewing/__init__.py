"""Viewing: plan trees, tables, plots and reports."""

__all__ = ["plan_tree", "plots", "report", "tables"]
