"""What the shell completes where a source is wanted. Where we know none, it offers files."""

from __future__ import annotations

from ..errors import EnvgenError


def complete_source(incomplete: str) -> list[str]:
    """The names of configured environments, and the project's sources, that begin so.

    Settings that can't be read complete to nothing: a shell is no place for errors.
    """
    from ..config import load_config

    try:
        config = load_config()
        known = [*config.envs, *config.all_sources()]
    except EnvgenError:
        return []
    return [name for name in dict.fromkeys(known) if name.startswith(incomplete)]
