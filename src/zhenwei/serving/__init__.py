"""The room of the HTTP service."""
