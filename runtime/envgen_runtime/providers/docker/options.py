"""Options as users write them, and as engines take them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?", re.IGNORECASE)
_EXPONENTS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}


def memory_bytes(size: str | int | None) -> int:
    """A size in bytes, of what ``docker run --memory`` takes: ``512m`` is 512 MiB. 0 for None.

    Raises:
        ValueError: it is not a size.
    """
    if size is None:
        return 0
    if isinstance(size, int):
        number, unit = float(size), ""
    else:
        match = _SIZE.fullmatch(size.strip())
        number, unit = (float(match[1]), match[2].lower()) if match else (0.0, "")
    if number <= 0:
        raise ValueError(f"not a size: {size!r}; give bytes, or 512m, 2g")
    return int(number * 1024 ** _EXPONENTS[unit])


def device_requests(gpus: int | str | Sequence[str] | None) -> list[dict[str, Any]]:
    """The engine's device requests for GPUs: so many, ``all`` of them, or those with these ids.

    Raises:
        ValueError: neither of these.
    """
    if gpus is None:
        return []
    request: dict[str, Any] = {"Driver": "", "Capabilities": [["gpu"]]}
    if isinstance(gpus, str):
        if gpus != "all":
            raise ValueError(f"gpus is a number, 'all' or a list of ids, not {gpus!r}")
        return [{**request, "Count": -1}]
    if isinstance(gpus, int):
        if gpus <= 0:
            raise ValueError("gpus must be greater than zero")
        return [{**request, "Count": gpus}]
    return [{**request, "DeviceIDs": list(gpus)}]
