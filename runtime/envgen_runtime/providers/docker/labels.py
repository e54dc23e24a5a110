"""The labels of the containers and services that envgen starts."""

from __future__ import annotations

from ..owner import this_process

MANAGED = "envgen.managed"
OWNER = "envgen.owner"
IMAGE = "envgen.image"
PORT = "envgen.port"
DIGEST = "envgen.image-digest"


def managed(**more: str) -> dict[str, str]:
    """The labels of a container or service that this process starts."""
    return {MANAGED: "true", OWNER: this_process(), **more}
