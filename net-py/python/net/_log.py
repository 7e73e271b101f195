"""What the core has to say, in Python's logging. The extension's ``log.rs`` calls this, on a thread of its own.

Not here: what there is to say.
"""

from __future__ import annotations

import logging

from ._environment import LOGGER

__all__ = ["hand_over", "wanted"]


def hand_over(name: str, level: int, at: float, thread: str, text: str) -> None:
    """Log what was said by a thread of the core at that time."""
    logger = logging.getLogger(name)
    if LOGGER.disabled or not logger.isEnabledFor(level):
        return
    record = logger.makeRecord(name, level, "app-net", 0, text, (), None)
    record.created, record.msecs = at, at % 1 * 1000
    record.threadName = thread
    logger.handle(record)


def wanted() -> int:
    """Return the least level that any logger of ours lets through."""
    loggers = logging.Logger.manager.loggerDict
    ours = [LOGGER, *(logger for name, logger in list(loggers.items()) if name.startswith("net."))]
    levels = [logger.getEffectiveLevel() for logger in ours if isinstance(logger, logging.Logger)]
    return max(min(levels), logging.Logger.manager.disable + 1)
