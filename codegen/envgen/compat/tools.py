"""What changed about tools beside the schemas of their arguments and results."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from envgen_runtime.json_value import comparable

from ..contract.tools import Tool
from ..schema.keywords import pointer_to
from .changes import Change, change


def renamed(tool: Tool, before: Mapping[str, Tool], after: Mapping[str, Tool]) -> str:
    """A hint about what a tool that is gone may be called now; empty if nothing is like it."""
    alike = [
        name
        for name in sorted(after.keys() - before.keys())
        if tool.schemas and comparable(after[name].structure) == comparable(tool.structure)
    ]
    if not alike:
        return ""
    return f"{alike[0]} is new and has the same arguments and result: was it renamed?"


def result_changes(old: Tool, new: Tool) -> Iterator[Change]:
    """Yield that a tool's result has a type now or has none any more, or has another name."""
    place = pointer_to("/tools", new.name, "outputSchema")
    if "outputSchema" in new.schemas and "outputSchema" not in old.schemas:
        message = f"the result of {new.name} has a type now; it was text or any JSON before"
        yield change("result-typed", "reply", "tools", place, message)
    elif "outputSchema" in old.schemas and "outputSchema" not in new.schemas:
        message = f"the result of {new.name} has no type any more"
        yield change("result-untyped", "reply", "tools", place, message)
    else:
        titles = [(tool.result_schema() or {}).get("title") for tool in (old, new)]
        if titles[0] != titles[1]:
            message = f"the class of its result is called {titles[1]}, not {titles[0]}"
            yield change("title-changed", "reply", "tools", place, message)


def annotation_changes(old: Tool, new: Tool) -> Iterator[Change]:
    """Yield what a tool says otherwise about what its calls do."""
    before, after = old.annotations or {}, new.annotations or {}
    if before == after:
        return
    place = pointer_to("/tools", new.name, "annotations")
    if _is_harmless(before) and not _is_harmless(after):
        message = f"{new.name} may destroy something now"
        yield change("tool-destructive", "request", "tools", place, message)
        return
    keys = sorted(key for key in before.keys() | after.keys() if before.get(key) != after.get(key))
    message = f"{new.name} says otherwise about itself: {', '.join(keys)}"
    yield change("annotation-changed", "request", "tools", place, message)


def _is_harmless(hints: Mapping[str, bool]) -> bool:
    """Whether a tool promises to destroy nothing: MCP has it that one that is silent may."""
    return hints.get("readOnlyHint", False) or not hints.get("destructiveHint", True)
