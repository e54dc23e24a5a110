"""Hugging Face Spaces: the addresses of their images, sources and running servers."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

from ..errors import ConnectError
from ..transports import ConnectionOptions
from ..wire.protocol import Request
from .docker.engine import Credentials

_SPACE_ID = re.compile(r"[\w.-]+/[\w.-]+", re.ASCII)
_FRONT_MATTER = re.compile(r"\A---\s*\n(.*?)\n---\s*$", re.DOTALL | re.MULTILINE)
_APP_PORT = re.compile(r"^app_port:\s*(\d+)\s*(?:#.*)?$", re.MULTILINE)
_README_LIMIT = 1 << 20
_TIMEOUT_S = 10.0


@dataclass(frozen=True)
class Hub:
    """A hub of Spaces. The defaults are Hugging Face's.

    Attributes:
        endpoint: the hub's address; sources are at ``/spaces/OWNER/NAME`` there.
        registry: the registry of the Spaces' images.
        space_url: the address of a running Space; ``{subdomain}`` stands for its subdomain.
        token: for private Spaces; empty for none.
    """

    endpoint: str = "https://huggingface.co"
    registry: str = "registry.hf.space"
    space_url: str = "https://{subdomain}.hf.space"
    token: str = field(default="", repr=False)

    @classmethod
    def from_environment(cls, token: str | None = None) -> Hub:
        """Build a hub from environment variables.

        HF_ENDPOINT and HF_TOKEN are those of huggingface_hub; ``token`` replaces HF_TOKEN, empty
        for none at all. ENVGEN_HUB_REGISTRY and ENVGEN_HUB_SPACES give the other two addresses of a
        hub that isn't Hugging Face's.
        """
        return cls(
            endpoint=os.environ.get("HF_ENDPOINT", cls.endpoint).rstrip("/"),
            registry=os.environ.get("ENVGEN_HUB_REGISTRY", cls.registry),
            space_url=os.environ.get("ENVGEN_HUB_SPACES", cls.space_url),
            token=os.environ.get("HF_TOKEN", "") if token is None else token,
        )

    def image(self, space_id: str, tag: str = "latest") -> str:
        """The name of a Space's image."""
        return f"{self.registry}/{subdomain(space_id)}:{tag}"

    def source(self, space_id: str, revision: str | None = None) -> str:
        """A Space's repository, as ``git+URL``; at a commit, branch or tag if one is given."""
        subdomain(space_id)  # raises if it isn't a Space's id
        at = f"@{revision}" if revision else ""
        return f"git+{self.endpoint}/spaces/{space_id}{at}"

    def url(self, space_id: str) -> str:
        """The address of the running Space."""
        return self.space_url.replace("{subdomain}", subdomain(space_id))

    def headers(self) -> Mapping[str, str]:
        """The headers of every request and WebSocket handshake for a private Space."""
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}

    def credentials(self, space_id: str) -> Credentials | None:
        """The token as a password; the registry and git accept it with any user name."""
        return Credentials(space_id.partition("/")[0], self.token) if self.token else None

    def app_port(self, space_id: str) -> int | None:
        """The port in the front matter of a Space's README.

        None if it has none or can't be fetched: the image may expose its port as well.
        """
        from ..transports.http import HttpTransport
        from ..transports.httpx_client import redirected_client

        with redirected_client() as client:
            options = ConnectionOptions(
                self.headers(), _TIMEOUT_S, _README_LIMIT, http_client=client
            )
            request = Request.begun("schema", {}, _TIMEOUT_S, "readme")
            try:
                response = HttpTransport(f"{self.endpoint}/spaces/{space_id}", options).ask(
                    "/raw/main/README.md", request
                )
            except ConnectError:
                return None
        readme = response.body.decode(errors="replace") if response.status == HTTPStatus.OK else ""
        matter = _FRONT_MATTER.match(readme.replace("\r\n", "\n"))
        port = _APP_PORT.search(matter[1]) if matter else None
        return int(port[1]) if port else None


def subdomain(space_id: str) -> str:
    """A Space's subdomain: its id in lower case, with ``-`` for everything but a-z and 0-9.

    Raises:
        ValueError: the id is not ``OWNER/NAME``.
    """
    if not _SPACE_ID.fullmatch(space_id):
        raise ValueError(f"a Space is OWNER/NAME, not {space_id!r}")
    return re.sub(r"[^a-z0-9]", "-", space_id.lower())
