"""Predict on files of any size, on one machine or by Ray."""
