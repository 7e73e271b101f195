"""What a trip to another peer would do to a value: for the check of local results that ``NET_DEV`` turns on.

Not here: how values travel (the extension's ``convert``).
"""

from __future__ import annotations

from typing import Any

from . import _net
from ._environment import LOGGER
from ._errors import BadValue

__all__ = ["warn"]


def warn(result: Any, tag: str) -> None:
    """Log a warning if ``result``, which ``tag`` returned here, would come back from another peer as something else."""
    try:
        back = _net.decode(_net.encode(result))
    except BadValue as error:
        LOGGER.warning("What %s returned here would not come back from another peer: %s", tag, error)
        return
    if difference := _difference(result, back, "result"):
        LOGGER.warning("What %s returned here would come back from another peer changed: %s", tag, difference)


def _difference(one: Any, other: Any, path: str) -> str | None:
    """Return where the two differ in type first; in value they cannot without that."""
    if type(one) is not type(other):
        return f"{path} is of type {type(one).__qualname__} and would be of type {type(other).__qualname__}"
    pairs: list[tuple[str, Any, Any]] = []
    if isinstance(one, (list, tuple)):
        pairs = [(f"{path}[{index}]", *pair) for index, pair in enumerate(zip(one, other, strict=True))]
    elif isinstance(one, dict):
        for (key, value), (other_key, other_value) in zip(one.items(), other.items(), strict=True):
            pairs += [(f"a key of {path}", key, other_key), (f"{path}[{key!r}]", value, other_value)]
    elif isinstance(one, (set, frozenset)):
        # They have no order to pair them by.
        kinds, other_kinds = {type(member) for member in one}, {type(member) for member in other}
        if changed := kinds - other_kinds:
            return f"{path} has members of type {changed.pop().__qualname__}, which would be of another"
    return next((found for where, a, b in pairs if (found := _difference(a, b, where))), None)
