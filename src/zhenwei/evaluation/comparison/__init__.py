"""Detectors compared on the same articles, over seeds, with their significance."""
