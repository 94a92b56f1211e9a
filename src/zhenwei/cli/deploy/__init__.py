"""Commands that put a detector to use elsewhere."""
