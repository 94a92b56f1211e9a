"""Request and response models of the HTTP service."""
