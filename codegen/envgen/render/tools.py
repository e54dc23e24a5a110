"""Plan -> ``tools.py``, and the client of a package that has tools alone."""

from __future__ import annotations

import textwrap

from envgen_runtime.printable import as_sentence

from ..naming import LIBRARY
from ..plan.plan import Plan, PlannedClass, PlannedField, PlannedTool
from ..plan.types import Named, Type, Wrapped, without_constraints
from ..text import UntrustedText
from .context import (
    ActionField,
    ToolContext,
    ToolsClientClass,
    ToolsClientContext,
    ToolsContext,
    ToolsetClass,
)
from .modules import render
from .templating import Templates

_SILENT_DEFAULTS = frozenset({"None", "[]", "{}"})  # also of fields that have none
_MAX_DEFAULT = 60  # characters of a default that a docstring shows
_TIMEOUT = "timeout_s"
_WIDTH = 80  # columns of a docstring's lists, which stand further in


def render_tools(plan: Plan, templates: Templates, *, env_name: str, fingerprint: str) -> str:
    """The source of ``tools.py``.

    Raises:
        TemplateError: a template of the project's own can't be used.
    """
    constants: set[str] = set()
    context = ToolsContext(
        env_name=env_name,
        fingerprint=fingerprint,
        tools=[_tool(tool, plan, constants) for tool in plan.tools],
        toolsets=(
            ToolsetClass(plan.toolset, "Toolset", "", ""),
            ToolsetClass(f"Async{plan.toolset}", "AsyncToolset", "async ", "await "),
        ),
    )
    models = (name for name in plan.definitions if not name.startswith("_"))
    names = {**LIBRARY, **dict.fromkeys(models, ".models")}
    return render("tools.py", context, names=names, templates=templates)


def render_tools_client(
    plan: Plan, templates: Templates, *, env_name: str, fingerprint: str
) -> str:
    """The source of ``client.py`` for a server that has tools and no environment.

    Raises:
        TemplateError: a template of the project's own can't be used.
    """
    toolset = plan.toolset
    context = ToolsClientContext(
        env_name=env_name,
        fingerprint=fingerprint,
        clients=(
            ToolsClientClass(plan.client, "ToolsClient", "", toolset),
            ToolsClientClass(
                f"Async{plan.client}", "AsyncToolsClient", "async ", f"Async{toolset}"
            ),
        ),
    )
    names = {**LIBRARY, toolset: ".tools", f"Async{toolset}": ".tools"}
    return render("tools_client.py", context, names=names, templates=templates)


def _tool(tool: PlannedTool, plan: Plan, constants: set[str]) -> ToolContext:
    arguments = tool.arguments
    planned = plan.definitions.get(arguments.name)
    cls = planned if isinstance(planned, PlannedClass) else None
    fields = [] if cls is None else sorted(cls.fields, key=_has_default)
    parameters = [
        ActionField(field.name, _shown(field.type), not _has_default(field), field.description)
        for field in fields
    ]
    taken = {field.name for field in fields}
    extra = None if cls is None or cls.extras is None else without_constraints(cls.extras[1])
    return ToolContext(
        name=tool.name,
        constant=_constant(tool.name, constants),
        wire_name=tool.wire_name,
        arguments=arguments.name,
        shown_arguments=without_constraints(Named(arguments.name)).render(),
        takes_object=cls is None,
        parameters=parameters,
        has_timeout=_TIMEOUT not in taken,
        extra=None if extra is None else extra.render(),
        extra_name="extra_" if "extra" in taken else "extra",
        data=tool.data.render(),
        shown_data=without_constraints(tool.data).render(),
        is_wrapped=tool.is_wrapped,
        description=_description(tool, fields, has_timeout=_TIMEOUT not in taken),
    )


def _constant(name: str, taken: set[str]) -> str:
    """The name of a tool's constant: names that differ in case alone are numbered."""
    plain = f"_{name.upper()}"
    number, result = 1, plain
    while result in taken:
        number += 1
        result = f"{plain}_{number}"
    taken.add(result)
    return result


def _has_default(field: PlannedField) -> bool:
    return field.default is not None


def _shown(type_: Type) -> str:
    """The type of a parameter: what may be left out is left out, and needs no null for that."""
    match without_constraints(type_):
        case Wrapped(alias="Omittable", type=inner):
            return inner.render()
        case plain:
            return plain.render()


def _description(
    tool: PlannedTool, fields: list[PlannedField], *, has_timeout: bool
) -> UntrustedText:
    """The method's docstring: what the server says, and the parameters that it describes."""
    lines = textwrap.dedent(tool.description.raw.expandtabs(4)).strip().splitlines()
    if lines:  # the first line often stands further out than the others
        lines = [lines[0], *textwrap.dedent("\n".join(lines[1:])).splitlines()]
    paragraphs = ["\n".join(lines) or f"Call {_words(tool.wire_name)}."]
    if tool.hints.get("readOnlyHint"):
        paragraphs.append("The server says that it only reads.")
    elif tool.hints.get("destructiveHint"):
        paragraphs.append("The server says that it may destroy something.")
    entries = [entry for field in fields if (entry := _entry(field))]
    if has_timeout and entries:
        entries.append(_wrapped(f"{_TIMEOUT}: time limit in seconds, instead of the client's."))
    if entries:
        paragraphs.append("\n".join(["Args:", *entries]))
    return UntrustedText("\n\n".join(paragraphs))


def _entry(field: PlannedField) -> str:
    text = _words(field.description) if field.description is not None else ""
    default = field.default
    is_said = default is None or default in _SILENT_DEFAULTS or default.startswith("constant(")
    if not is_said and default is not None and len(default) <= _MAX_DEFAULT:
        text = f"{as_sentence(text)} Default: {default}.".lstrip()
    return _wrapped(f"{field.name}: {text}") if text else ""


def _words(text: UntrustedText) -> str:
    """A text in one line."""
    return " ".join(text.raw.split())


def _wrapped(entry: str) -> str:
    return textwrap.fill(
        entry,
        width=_WIDTH,
        initial_indent="    ",
        subsequent_indent="        ",
        break_long_words=False,
        break_on_hyphens=False,
    )
