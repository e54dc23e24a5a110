"""The options of the class methods that start a server for a client."""

# No `from __future__ import annotations`: the annotations are data here, read at run time.

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

from typing_extensions import TypedDict

from ..providers import AnyProvider
from ..providers.options import (
    READY_WITHIN_S,
    AddressOptions,
    ContainerOptions,
    ProjectOptions,
    RunOptions,
)
from .options import ClientOptions

if TYPE_CHECKING:
    from ..providers import Hub


class ServerOptions(TypedDict, total=False):
    """The options of every class method that starts a server for a client.

    Attributes:
        timeout_s: how long the server may take to be ready, in seconds.
        client_options: the client's own options, such as ``request_timeout_s``.
    """

    timeout_s: Annotated[float, READY_WITHIN_S]
    client_options: ClientOptions | None


class ContainerServer(ServerOptions, AddressOptions, ContainerOptions, total=False):
    """The options of ``from_docker_image``, without a provider of your own."""


class ProjectServer(ServerOptions, AddressOptions, ProjectOptions, total=False):
    """The options of ``from_project``."""


class UrlServer(ClientOptions, total=False):
    """The options of ``from_url``.

    Attributes:
        timeout_s: how long the server may take to be healthy, in seconds.
        token: sent as ``Authorization: Bearer`` with every request and the handshake.
    """

    timeout_s: Annotated[float, READY_WITHIN_S]
    token: str | None


class SpaceServer(ServerOptions, AddressOptions, ContainerOptions, RunOptions, total=False):
    """The options of ``from_hub``, without a provider of your own.

    Attributes:
        use_docker: run the Space's image; otherwise uv serves its source.
        remote: connect to the running Space instead.
        provider: starts the server, instead of ``LocalDockerProvider`` or ``UVProvider``. It takes
            any options of its own.
        runner: the seed contract's name of ``provider`` for a source.
        image: the image, instead of the Space's.
        tag: the tag of the Space's image.
        project_url: the source, instead of the Space's: ``git+URL`` or a folder.
        revision: the commit, branch or tag of the Space's source.
        extra_env: the seed contract's name of ``env_vars``.
        token: for a private Space; by default that of HF_TOKEN.
        hub: where Spaces are; by default Hugging Face, or HF_ENDPOINT.
    """

    use_docker: Annotated[bool, False]
    remote: Annotated[bool, False]
    provider: None
    runner: AnyProvider | None
    image: str | None
    tag: Annotated[str, "latest"]
    project_url: str | None
    revision: str | None
    extra_env: Mapping[str, str] | None
    token: str | None
    hub: "Hub | None"
