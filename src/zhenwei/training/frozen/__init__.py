"""Precomputed states of frozen encoder layers."""
