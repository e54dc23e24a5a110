"""Complete sources in the shell. Where nothing matches, the shell offers files."""

from __future__ import annotations

from ..errors import EnvgenError


def complete_source(incomplete: str) -> list[str]:
    """The configured environments and sources that begin with ``incomplete``.

    Invalid settings complete to nothing: an error message would disturb the command line.
    """
    from ..config import load_config

    try:
        config = load_config()
        sources = [*config.envs, *config.all_sources()]
    except EnvgenError:
        return []
    return [source for source in dict.fromkeys(sources) if source.startswith(incomplete)]
