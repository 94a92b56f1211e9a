"""Traditional to Simplified Chinese characters, with the tables of OpenCC."""

from functools import cache
from typing import Any

from zhenwei.news.normalize.edits import NormalizedText

TABLE = "t2s"


class Simplify:
    """Replaces Traditional by Simplified characters, one for one."""

    def __call__(self, text: str) -> str:
        """Return the text in Simplified characters."""
        return text if text.isascii() else str(_converter().convert(text))

    def with_offsets(self, text: NormalizedText) -> NormalizedText:
        """Return the same with offsets."""
        return text.with_text(self(text.text))


@cache
def _converter() -> Any:
    """Return OpenCC's converter; its tables take some milliseconds to load."""
    from opencc import OpenCC  # noqa: PLC0415  # only where it is needed, as the next

    return OpenCC(TABLE)


def opencc_version() -> str:
    """Return the version of the installed tables, such as `t2s 1.4.2`."""
    import opencc  # noqa: PLC0415

    return f"{TABLE} {opencc.__version__}"
