"""Plots of the report pages, as SVG."""
