"""The options of the class methods that start a server for a client."""

# No `from __future__ import annotations`: the annotations are data here, read at run time.

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, TypedDict

from ..documented import Option
from ..providers import AnyProvider
from ..providers.options import AddressOptions, ContainerOptions, ProjectOptions, RunOptions
from .options import ClientOptions

if TYPE_CHECKING:
    from ..providers import Hub

READY_WITHIN_S = 60.0


class ServerOptions(TypedDict, total=False):
    """The options of every class method that starts a server for a client."""

    timeout_s: Annotated[
        float, Option("how long the server may take to be ready, in seconds.", READY_WITHIN_S)
    ]
    client_options: Annotated[
        ClientOptions | None,
        Option("the client's own options, such as ``request_timeout_s``.", None),
    ]


class ContainerServer(ServerOptions, AddressOptions, ContainerOptions, total=False):
    """The options of ``from_docker_image``, without a provider of your own."""


class ProjectServer(ServerOptions, AddressOptions, ProjectOptions, total=False):
    """The options of ``from_project``."""


class UrlServer(ClientOptions, total=False):
    """The options of ``from_url``."""

    timeout_s: Annotated[
        float, Option("how long the server may take to be healthy, in seconds.", READY_WITHIN_S)
    ]
    token: Annotated[
        str | None,
        Option("sent as ``Authorization: Bearer`` with every request and the handshake.", None),
    ]


class SpaceServer(ServerOptions, AddressOptions, ContainerOptions, RunOptions, total=False):
    """The options of ``from_hub``, without a provider of your own."""

    use_docker: Annotated[
        bool, Option("run the Space's image; otherwise uv serves its source.", False)
    ]
    remote: Annotated[bool, Option("connect to the running Space instead.", False)]
    provider: Annotated[
        None,
        Option(
            "starts the server, instead of ``LocalDockerProvider`` or ``UVProvider``. It takes "
            "any options of its own.",
            None,
        ),
    ]
    runner: Annotated[
        AnyProvider | None, Option("the seed contract's name of ``provider`` for a source.", None)
    ]
    image: Annotated[str | None, Option("the image, instead of the Space's.", None)]
    tag: Annotated[str, Option("the tag of the Space's image.", "latest")]
    project_url: Annotated[
        str | None, Option("the source, instead of the Space's: ``git+URL`` or a folder.", None)
    ]
    revision: Annotated[
        str | None, Option("the commit, branch or tag of the Space's source.", None)
    ]
    extra_env: Annotated[
        Mapping[str, str] | None, Option("the seed contract's name of ``env_vars``.", None)
    ]
    token: Annotated[str | None, Option("for a private Space; by default that of HF_TOKEN.", None)]
    hub: Annotated[
        "Hub | None", Option("where Spaces are; by default Hugging Face, or HF_ENDPOINT.", None)
    ]
