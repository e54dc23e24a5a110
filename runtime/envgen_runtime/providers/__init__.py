"""Providers: they start an environment server for a client, and stop it again.

``base`` has the interface, and ``cleanup`` makes sure that nothing keeps running. The providers
themselves are imported on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .base import AnyProvider, ContainerProvider, Provider

if TYPE_CHECKING:
    from . import start as start
    from .docker.engine import Credentials, PullProgress
    from .docker.local import LocalDockerProvider
    from .hub import Hub
    from .process.uv import UVProvider
    from .remote import RemoteServer
    from .swarm.leases import Lease, Replica
    from .swarm.leases import Replica as Endpoint
    from .swarm.service import DockerSwarmProvider
    from .swarm.service import DockerSwarmProvider as Fleet

__all__ = [
    "AnyProvider", "ContainerProvider", "Credentials", "DockerSwarmProvider", "Endpoint", "Fleet",
    "Hub", "Lease", "LocalDockerProvider", "Provider", "PullProgress", "RemoteServer", "Replica",
    "UVProvider",
]  # fmt: skip

_HOMES = {
    "Credentials": "docker.engine",
    "DockerSwarmProvider": "swarm.service",
    "Hub": "hub",
    "Lease": "swarm.leases",
    "LocalDockerProvider": "docker.local",
    "PullProgress": "docker.engine",
    "RemoteServer": "remote",
    "Replica": "swarm.leases",
    "UVProvider": "process.uv",
}

_FORMER_NAMES = {"Endpoint": "Replica", "Fleet": "DockerSwarmProvider"}


def __getattr__(name: str) -> Any:
    name = _FORMER_NAMES.get(name, name)
    if name == "start":
        return import_module(".start", __name__)
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)
