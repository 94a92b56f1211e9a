"""The bundle: what a trained detector consists of, on disk and in memory."""

from zhenwei.bundle.bundle import Bundle, find_bundle, load_bundle, save_bundle

__all__ = ["Bundle", "find_bundle", "load_bundle", "save_bundle"]
