"""What a pull shows while it goes on."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any, TextIO

_MB = 1e6


class PullBar:
    """A pull's progress on one line of a terminal; silent where there is none.

    Args:
        reference: the image.
        stream: where to write; standard error by default.
    """

    def __init__(self, reference: str, stream: TextIO | None = None) -> None:
        self._reference = reference
        self._stream = stream or sys.stderr
        self._layers: dict[str, tuple[float, float]] = {}
        self._width = 0

    def update(self, event: Mapping[str, Any]) -> None:
        """Take in a line of the engine's report, and draw."""
        detail: Mapping[str, Any] = event.get("progressDetail") or {}
        if event.get("status") == "Downloading" and detail.get("total"):
            self._layers[event["id"]] = (detail["current"], detail["total"])
        elif event.get("status") == "Download complete" and event.get("id") in self._layers:
            total = self._layers[event["id"]][1]
            self._layers[event["id"]] = (total, total)
        if self._stream.isatty():
            self._draw(f"pulling {self._reference}: {self.summary()}")

    def summary(self) -> str:
        """How far it is: ``42 of 128 MB (33%)``."""
        done = sum(current for current, _ in self._layers.values())
        total = sum(size for _, size in self._layers.values())
        if not total:
            return "asking the registry"
        return f"{done / _MB:.0f} of {total / _MB:.0f} MB ({done / total:.0%})"

    def close(self) -> None:
        """Take the line away."""
        if self._width:
            self._draw("")
            self._stream.write("\r")

    def _draw(self, line: str) -> None:
        self._stream.write("\r" + line.ljust(self._width))
        self._stream.flush()
        self._width = len(line)
