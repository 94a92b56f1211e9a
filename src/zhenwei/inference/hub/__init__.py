"""Sharing bundles on the Hugging Face hub."""
