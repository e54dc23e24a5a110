"""What starts an environment for a client and stops it again.

``base`` is what every provider promises; ``cleanup`` sees to it that nothing stays behind. The
providers themselves are imported when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .base import AnyProvider, ContainerProvider, Provider

if TYPE_CHECKING:
    from .engine import Credentials
    from .hub import Hub
    from .leases import Endpoint, Fleet, Lease
    from .local_docker import LocalDockerProvider
    from .remote import RemoteServer
    from .swarm import DockerSwarmProvider
    from .uv import UVProvider

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
    "Credentials": "engine",
    "DockerSwarmProvider": "swarm",
    "Endpoint": "leases",
    "Fleet": "leases",
    "Hub": "hub",
    "Lease": "leases",
    "LocalDockerProvider": "local_docker",
    "RemoteServer": "remote",
    "UVProvider": "uv",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)
