"""Warnings that point at the user's line."""

from __future__ import annotations

import inspect
import warnings

_RUNTIME = __name__.partition(".")[0]


def warn_user(message: str, category: type[Warning], *, beside: str) -> None:
    """Warn with the place of the first caller that is neither the runtime nor generated.

    Args:
        message: what is wrong, and what to do.
        category: the warning's class.
        beside: the module of the generated client.
    """
    level, frame = 1, inspect.currentframe()  # what warnings has for this needs Python 3.12
    while frame is not None and frame.f_back is not None:
        name = str(frame.f_globals.get("__name__"))
        if name != beside and name.partition(".")[0] != _RUNTIME:
            break
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)
