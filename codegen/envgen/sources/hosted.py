"""An image, a project or a Space: its environment is started, asked, and stopped."""

from __future__ import annotations

from collections.abc import Callable

from envgen_runtime.providers import PullProgress

from ..config import SourceSettings
from ..errors import ContractError
from .hosting import Options, remote_or_started, target_of
from .server import Published
from .server import fetch as fetch_from


def fetch(
    source: str, settings: SourceSettings, on_pull: Callable[[PullProgress], None] | None = None
) -> Published:
    """What the environment publishes.

    Raises:
        EnvgenError: it can't be started; the message ends with its last lines.
        ContractError: it publishes nothing that can be built from.
    """
    target = target_of(source)
    if target is None:
        raise ContractError("nothing that can be started", source=source)
    with remote_or_started(source, target, Options(on_pull=on_pull)) as hosted:
        headers = {**hosted.headers, **settings.headers}
        return fetch_from(hosted.url, settings.model_copy(update={"headers": headers}))
