"""Scoring of files in shards."""
