"""Functions over the contract that a project chooses: installed packages offer them by entry point.

An entry point of the group ``envgen.plugins`` names a function that takes a contract, as the JSON
object that ``/schema`` answers, and returns what is to be used instead:

    [project.entry-points."envgen.plugins"]
    drop-debug-fields = "our_tools.contracts:drop_debug_fields"

Only those that a project's settings name are imported, so what is installed changes nothing by
itself. What one returns is read as a server's contract would be: nothing in it is trusted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib import metadata
from typing import Any, cast

from .errors import ConfigError, PluginError
from .schema.keywords import as_object

GROUP = "envgen.plugins"

Plugin = Callable[[dict[str, Any]], dict[str, Any]]
"""Gets a contract that is its own to change, and returns one."""


def apply_plugins(document: Any, names: Iterable[str], *, source: str) -> Any:
    """``document`` as the plug-ins leave it, one after the other.

    Args:
        document: a contract, not yet read; anything else is passed on.
        names: the entry points.
        source: what to call the document in errors.

    Raises:
        ConfigError: a plug-in isn't installed.
        PluginError: it can't be imported, failed, or returned no object.
    """
    changed = as_object(document)
    for name in names if changed is not None else ():
        plugin = _load(name)
        try:
            returned: Any = plugin(cast("dict[str, Any]", changed))
        except Exception as error:  # whatever somebody's function raises
            raise PluginError(
                f"plug-in {name} failed: {type(error).__name__}: {error}", source=source
            ) from error
        changed = as_object(returned)
        if changed is None:
            raise PluginError(
                f"plug-in {name} returned {type(returned).__name__}, no contract",
                source=source,
                hint="it returns the contract that is to be used, as a dict",
            )
    return document if changed is None else changed


def _load(name: str) -> Plugin:
    offered = metadata.entry_points(group=GROUP)
    if name not in offered.names:
        known = ", ".join(sorted(offered.names)) or "none"
        raise ConfigError(
            f"plugins: {name} isn't installed",
            source="pyproject.toml",
            hint=f"installed are: {known}; packages offer them as entry points of {GROUP}",
        )
    try:
        return cast("Plugin", offered[name].load())
    except Exception as error:  # whatever an import does
        raise PluginError(
            f"plug-in {name} can't be imported: {type(error).__name__}: {error}"
        ) from error
