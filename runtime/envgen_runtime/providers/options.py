"""The options of servers that are started for a client. Each is written down once."""

# No `from __future__ import annotations`: the annotations are data here, read at run time.

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Literal

from typing_extensions import TypedDict

if TYPE_CHECKING:
    from .docker.engine import Credentials


READY_WITHIN_S = 60.0
"""How long a server may take to be ready, in seconds."""


class ContainerOptions(TypedDict, total=False):
    """The options of a container that ``start_container`` takes by keyword only.

    Attributes:
        container_port: the port that the server listens on; by default the one that the image
            exposes, else 8000.
        memory: the limit, in bytes or as ``512m``; no swap is added to it.
        cpus: the limit, in processors.
        gpus: how many GPUs it sees, ``all``, or their ids.
        shm_size: the size of /dev/shm, in bytes or as ``1g``.
        user: the user that the server runs as, as ``name`` or ``uid:gid``.
        read_only: make the container's files read-only, with /tmp in memory.
        network: the network to join, or ``host``.
        volumes: as ``HOST:CONTAINER`` or ``HOST:CONTAINER:ro``.
        labels: added to those of envgen.
        command: replaces the image's command.
        platform: such as ``linux/arm64``; by default the engine's own.
    """

    container_port: int | None
    memory: str | int | None
    cpus: float | None
    gpus: int | Literal["all"] | Sequence[str] | None
    shm_size: str | int | None
    user: str | None
    read_only: Annotated[bool, False]
    network: str | None
    volumes: Annotated[Sequence[str], ()]
    labels: Mapping[str, str] | None
    command: Sequence[str] | None
    platform: str | None


class RunOptions(TypedDict, total=False):
    """How a project's server runs.

    Attributes:
        app: the ASGI application, as ``module:attribute``; by default the one in the project's
            ``openenv.yaml``, else ``server.app:app``.
        reload: restart the server when its source changes.
        grace_s: how long the server may take to end by itself before it is killed, in seconds.
    """

    app: str | None
    reload: Annotated[bool, False]
    grace_s: Annotated[float, 2.0]


class ProjectOptions(RunOptions, total=False):
    """The options of a project that ``UVProvider`` serves.

    Attributes:
        credentials: for a private repository.
        clone_timeout_s: how long each git command may take, in seconds.
    """

    credentials: "Credentials | None"
    clone_timeout_s: Annotated[float, 60.0]


class AddressOptions(TypedDict, total=False):
    """Where a server listens, and what it finds in its environment.

    Attributes:
        port: the port of the server's address; by default a free one.
        host: the address to listen on, or to publish a container's port on.
        connect_host: the host to connect to, if it isn't ``host``.
        env_vars: environment variables of the server.
    """

    port: int | None
    host: Annotated[str, "127.0.0.1"]
    connect_host: str | None
    env_vars: Mapping[str, str] | None
