"""Groups as programs name them: one or several, as text or bytes.

Not here: which peers are in one (the core).
"""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["Groups", "group_names"]

#: One group's name, or several; ``None`` is that of peers without one.
Groups = str | bytes | Iterable[str | bytes | None] | None


def group_names(groups: Groups) -> list[str] | None:
    """Return the groups' names as the core takes them; none is the peer's own, and peers without one are in "None"."""
    if groups is None:
        return None
    several = [groups] if isinstance(groups, (str, bytes)) else groups
    return [group.decode() if isinstance(group, bytes) else str(group) for group in several]
