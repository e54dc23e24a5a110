"""The labels by which what envgen started is found again."""

from __future__ import annotations

from ..owner import this_process

MANAGED = "envgen.managed"
OWNER = "envgen.owner"
IMAGE = "envgen.image"
PORT = "envgen.port"
DIGEST = "envgen.image-digest"


def managed(**more: str) -> dict[str, str]:
    """The labels of something that this process starts."""
    return {MANAGED: "true", OWNER: this_process(), **more}
