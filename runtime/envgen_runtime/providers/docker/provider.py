"""What the providers of containers and of services share: a connection to an engine."""

from __future__ import annotations

from ..base import Provider
from .engine import Credentials, Engine


class EngineProvider(Provider):
    """A provider that starts one image on a Docker engine."""

    def __init__(
        self, *, engine: str | None, credentials: Credentials | None, grace_s: float
    ) -> None:
        super().__init__()
        self._address = engine
        self._credentials = credentials
        self._grace_s = grace_s
        self._engine: Engine | None = None
        self._name = ""
        self._image = ""

    def stop(self) -> None:
        """Remove everything that was started, and disconnect. As ``Provider.stop``."""
        super().stop()
        engine, self._engine = self._engine, None
        if engine is not None:
            engine.close()
