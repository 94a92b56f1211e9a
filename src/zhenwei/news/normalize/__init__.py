"""Normalize texts before a detector reads them, by named steps that its bundle stores."""
