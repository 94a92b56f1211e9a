"""Harmless edits of a text: what people and platforms do to a post without changing what it says."""

from zhenwei.news.edits.edit import Edit
from zhenwei.news.edits.families import EDITS, check_family, edit_text

__all__ = ["EDITS", "Edit", "check_family", "edit_text"]
