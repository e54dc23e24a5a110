"""Time limits: which numbers of seconds can be one."""

from __future__ import annotations

from numbers import Real
from typing import Any, cast

MAX_LIMIT_S = 2_000_000.0
"""The longest time limit, in seconds: 23 days. Longer ones don't fit what systems can wait for."""


def refused_limit(name: str, value: Any) -> str | None:
    """Why a time limit can't be one; None if it can.

    Args:
        name: of the option.
        value: the limit, in seconds.
    """
    is_number = not isinstance(value, bool) and isinstance(value, Real)
    if is_number and 0 < cast("float", value) <= MAX_LIMIT_S:
        return None
    return (
        f"{name} must be a number of seconds greater than zero and at most {MAX_LIMIT_S:,.0f}, "
        f"not {value!r}"
    )
