"""The options of servers that are started for a client. Each is written down once."""

# No `from __future__ import annotations`: the annotations are data here, read at run time.

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Literal, TypedDict

from ..documented import Option

if TYPE_CHECKING:
    from .docker.engine import Credentials


class ContainerOptions(TypedDict, total=False):
    """The options of a container that ``start_container`` takes by keyword only."""

    container_port: Annotated[
        int | None,
        Option(
            "the port that the server listens on; by default the one that the image exposes, else "
            "8000.",
            None,
        ),
    ]
    memory: Annotated[
        str | int | None,
        Option("the limit, in bytes or as ``512m``; no swap is added to it.", None),
    ]
    cpus: Annotated[float | None, Option("the limit, in processors.", None)]
    gpus: Annotated[
        int | Literal["all"] | Sequence[str] | None,
        Option("how many GPUs it sees, ``all``, or their ids.", None),
    ]
    shm_size: Annotated[
        str | int | None, Option("the size of /dev/shm, in bytes or as ``1g``.", None)
    ]
    user: Annotated[
        str | None, Option("the user that the server runs as, as ``name`` or ``uid:gid``.", None)
    ]
    read_only: Annotated[
        bool, Option("make the container's files read-only, with /tmp in memory.", False)
    ]
    network: Annotated[str | None, Option("the network to join, or ``host``.", None)]
    volumes: Annotated[Sequence[str], Option("as ``HOST:CONTAINER`` or ``HOST:CONTAINER:ro``.", ())]
    labels: Annotated[Mapping[str, str] | None, Option("added to those of envgen.", None)]
    command: Annotated[Sequence[str] | None, Option("replaces the image's command.", None)]
    platform: Annotated[
        str | None, Option("such as ``linux/arm64``; by default the engine's own.", None)
    ]


class RunOptions(TypedDict, total=False):
    """How a project's server runs."""

    app: Annotated[
        str | None,
        Option(
            "the ASGI application, as ``module:attribute``; by default the one in the project's "
            "``openenv.yaml``, else ``server.app:app``.",
            None,
        ),
    ]
    reload: Annotated[bool, Option("restart the server when its source changes.", False)]
    grace_s: Annotated[
        float,
        Option(
            "how long the server may take to end by itself before it is killed, in seconds.", 2.0
        ),
    ]


class ProjectOptions(RunOptions, total=False):
    """The options of a project that ``UVProvider`` serves."""

    credentials: Annotated["Credentials | None", Option("for a private repository.", None)]
    clone_timeout_s: Annotated[
        float, Option("how long each git command may take, in seconds.", 60.0)
    ]


class AddressOptions(TypedDict, total=False):
    """Where a server listens, and what it finds in its environment."""

    port: Annotated[
        int | None, Option("the port of the server's address; by default a free one.", None)
    ]
    host: Annotated[
        str, Option("the address to listen on, or to publish a container's port on.", "127.0.0.1")
    ]
    connect_host: Annotated[
        str | None, Option("the host to connect to, if it isn't ``host``.", None)
    ]
    env_vars: Annotated[
        Mapping[str, str] | None, Option("environment variables of the server.", None)
    ]
