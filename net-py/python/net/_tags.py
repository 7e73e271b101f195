"""Tags, by which functions are called: in either form of the original's, and the mapping of them.

Not here: which functions there are (see ``_connect``).
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable
from typing import Any

from . import _net

__all__ = ["Registered", "own_tag", "tag_text"]


def own_tag(function: Callable[..., Any]) -> str:
    """Return the tag of a function that was given none."""
    return f"{function.__module__}.{function.__name__}"


def tag_text(tag: str | bytes) -> str:
    """Return a tag as text. As bytes it is in the form of 0.3, base64, or is the text itself."""
    return tag if isinstance(tag, str) else _net.decode_tag(tag.decode("ascii"))


class Registered(ChainMap[str, Callable[..., Any]]):
    """Functions by tag, which is taken as text or in the form of 0.3."""

    def __getitem__(self, tag: str | bytes) -> Callable[..., Any]:
        return super().__getitem__(tag_text(tag))

    def __contains__(self, tag: object) -> bool:
        return super().__contains__(tag_text(tag) if isinstance(tag, bytes) else tag)
