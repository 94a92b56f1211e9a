"""zhenwei (真伪): detectors of fake news whose scores hold on tomorrow's news.

The public names below are imported when they are first used, so that ``import zhenwei`` costs next to nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zhenwei.config import Config
    from zhenwei.inference import Detector
    from zhenwei.news import Article, read_articles
    from zhenwei.training.trainer import Trainer

__version__ = "0.1.0"
__all__ = ["Article", "Config", "Detector", "Trainer", "__version__", "read_articles"]

_MODULES = {
    "Article": "zhenwei.news",
    "Config": "zhenwei.config",
    "Detector": "zhenwei.inference",
    "Trainer": "zhenwei.training.trainer",
    "read_articles": "zhenwei.news",
}


def __getattr__(name: str) -> Any:
    """Import a public name on first use."""
    if name not in _MODULES:
        raise AttributeError(f"module 'zhenwei' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_MODULES[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
