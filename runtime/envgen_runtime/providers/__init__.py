"""What starts an environment for a client and stops it again."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable


@runtime_checkable
class ContainerProvider(Protocol):
    """Starts a container from an image. The method names are the seed contract's.

    A client that was given a provider owns it: ``close()`` stops the container, once.
    """

    def start_container(
        self,
        image: str,
        port: int | None = None,
        env_vars: dict[str, str] | None = None,
        **kwargs: Any,
    ) -> str:
        """Start a container and return its base URL."""
        ...

    def wait_for_ready(self, base_url: str, timeout_s: float = 30.0) -> None:
        """Return when the server answers; raise when it has not after ``timeout_s`` seconds."""
        ...

    def stop_container(self) -> None:
        """Stop and remove the container. Does nothing the second time."""
        ...
