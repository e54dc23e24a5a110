"""What a source's name says before anything is asked of it."""

from __future__ import annotations


def is_url(source: str) -> bool:
    """Whether a source is an address."""
    return source.lower().startswith(("http://", "https://"))
