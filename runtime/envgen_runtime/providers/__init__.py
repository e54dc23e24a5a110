"""What starts an environment for a client and stops it again.

``base`` is what every provider promises; ``cleanup`` sees to it that nothing stays behind. The
providers themselves are imported when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .base import AnyProvider, ContainerProvider, Provider

if TYPE_CHECKING:
    from .docker.engine import Credentials
    from .docker.local import LocalDockerProvider
    from .hub import Hub
    from .process.uv import UVProvider
    from .remote import RemoteServer
    from .swarm.leases import Endpoint, Fleet, Lease
    from .swarm.service import DockerSwarmProvider

__all__ = [
    "AnyProvider",
    "ContainerProvider",
    "Credentials",
    "DockerSwarmProvider",
    "Endpoint",
    "Fleet",
    "Hub",
    "Lease",
    "LocalDockerProvider",
    "Provider",
    "RemoteServer",
    "UVProvider",
]

_HOMES = {
    "Credentials": "docker.engine",
    "DockerSwarmProvider": "swarm.service",
    "Endpoint": "swarm.leases",
    "Fleet": "swarm.leases",
    "Hub": "hub",
    "Lease": "swarm.leases",
    "LocalDockerProvider": "docker.local",
    "RemoteServer": "remote",
    "UVProvider": "process.uv",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)
