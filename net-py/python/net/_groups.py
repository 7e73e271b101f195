"""Groups as programs name them: one or several, as text or bytes.

Not here: which peers are in one (the core).
"""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["Callers", "Groups", "caller_groups", "group_names"]

#: One group's name, or several; ``None`` is that of peers without one.
Groups = str | bytes | Iterable[str | bytes | None] | None
#: The same of those whose peers may call a function; ``None`` is that everybody may.
Callers = str | bytes | Iterable[str | bytes] | None


def group_names(groups: Groups) -> list[str] | None:
    """Return the groups' names as the core takes them; none is the peer's own, and peers without one are in "None"."""
    if groups is None:
        return None
    several = [groups] if isinstance(groups, (str, bytes)) else groups
    return [group.decode() if isinstance(group, bytes) else str(group) for group in several]


def caller_groups(groups: Callers) -> list[str] | None:
    """Return the groups whose peers may call a function; none is that everybody may.

    What would leave nobody, or leaves in doubt who is meant, raises ``ValueError``.
    """
    names = group_names(groups)
    if names is None:
        return None
    if not names:
        raise ValueError(
            "groups=[] is that nobody may call: name the groups that may, or leave groups out for everybody"
        )
    for name in names:
        if name in ("", "None"):
            # Also as the original writes that there is none.
            raise ValueError(
                f"groups={groups!r}: a peer without a group has none to prove, so name those that may call"
            )
    return names
