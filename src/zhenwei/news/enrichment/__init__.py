"""Entities and emotion features extracted from an article's text."""
