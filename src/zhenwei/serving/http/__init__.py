"""Middleware, authentication and errors of the HTTP service."""
