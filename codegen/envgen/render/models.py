"""Plan -> ``models.py``, through datamodel-code-generator.

It is asked for the classes alone. Types, defaults and texts go in as placeholders (see
``text.Placeholders``) and come back as written by ``plan``; the imports are ours.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from ..errors import AuditError
from ..naming import LIBRARY
from ..plan.expressions import JSON_VALUE
from ..plan.plan import Plan, PlannedClass, PlannedField
from ..text import Placeholders
from .context import ModelsContext
from .modules import render
from .templating import Templates

# Where datamodel-code-generator believes the placeholder types to live; the import never survives.
_PLACEHOLDER_MODULE = "envgen_types"

# It says so of every class with a type that it doesn't know. Ours are all known to pydantic.
_NEEDLESS_CONFIG = re.compile(r"^ {8}arbitrary_types_allowed=True,\n", re.MULTILINE)
_EMPTY_CONFIG = re.compile(r"^ {4}model_config = ConfigDict\(\n {4}\)\n+", re.MULTILINE)

_BASES = {"request": "RequestModel", "reply": "ReplyModel"}

# Lines are broken later, when the placeholders are gone.
_LINE_LENGTH = 10_000

# BaseModel has the attribute as a mapping of anything, or None.
_IGNORE = "  # pyright: ignore[reportIncompatibleVariableOverride]"


def render_models(plan: Plan, templates: Templates, *, env_name: str, fingerprint: str) -> str:
    """The source of ``models.py``.

    Raises:
        TemplateError: a template of the project's own can't be used.
        AuditError: datamodel-code-generator rendered something else than was planned.
    """
    placeholders = Placeholders()
    definitions: dict[str, Any] = {}
    aliases: dict[str, str] = {}
    bases: dict[str, str | list[str]] = {}
    for planned in plan.classes.values():
        name = placeholders.name(planned.name)
        definitions[name] = _definition(name, planned, placeholders, aliases)
        bases[name] = f"envgen_runtime.generated.{_BASES[planned.direction]}"
    source = _generate({"$defs": definitions}, aliases=aliases, bases=bases)
    classes = _EMPTY_CONFIG.sub("", _NEEDLESS_CONFIG.sub("", _without_imports(source)))
    try:
        body = placeholders.restore(classes)
    except KeyError as error:
        raise AuditError("the rendered models hold a placeholder that nobody gave out") from error
    context = ModelsContext(env_name, fingerprint, body, plan.unions)
    return render("models.py", context, names=LIBRARY, templates=templates)


def _definition(
    name: str, planned: PlannedClass, placeholders: Placeholders, aliases: dict[str, str]
) -> dict[str, Any]:
    properties: dict[str, Any] = {}
    required: list[str] = []
    if planned.extras is not None and planned.extras != JSON_VALUE:
        # pydantic checks the fields that a model doesn't name against this annotation.
        key = placeholders.name("__pydantic_extra__")
        extras = f"dict[str, {planned.extras}]{_IGNORE}"
        properties[key] = {"customTypePath": _type(extras, placeholders)}
        required.append(key)
    for item in planned.fields:
        key = item.wire_name.raw
        if key != item.name:
            key = placeholders.literal(item.wire_name)
            aliases[f"{name}.{key}"] = item.name
        properties[key] = _property(item, placeholders)
        if item.default is None:
            required.append(key)
    definition: dict[str, Any] = {"type": "object", "properties": properties, "required": required}
    if planned.description is not None:
        definition["description"] = placeholders.docstring(planned.description)
    if planned.open and planned.direction == "request":
        definition["additionalProperties"] = True
    return definition


def _property(item: PlannedField, placeholders: Placeholders) -> dict[str, Any]:
    schema = {"customTypePath": _type(item.type, placeholders)}
    if item.default is not None:
        schema["default"] = placeholders.code(_default(item.default))
    if item.description is not None:
        schema["description"] = placeholders.docstring(item.description)
    return schema


def _default(expression: str) -> str:
    """A default as a class body has it: ruff takes a plain dict or list there for a mistake."""
    return f"Field(default={expression})" if expression.startswith(("{", "[")) else expression


def _type(expression: str, placeholders: Placeholders) -> str:
    return f"{_PLACEHOLDER_MODULE}.{placeholders.type(expression)}"


def _generate(
    schema: dict[str, Any], *, aliases: dict[str, str], bases: dict[str, str | list[str]]
) -> str:
    if not schema["$defs"]:
        return ""
    # Half a second of imports: not on the way to --help, nor where nothing is built.
    from datamodel_code_generator import generate
    from datamodel_code_generator.enums import DataModelType, InputFileType
    from datamodel_code_generator.format import Formatter, PythonVersion

    source = generate(
        schema,
        input_file_type=InputFileType.JsonSchema,
        output_model_type=DataModelType.PydanticV2BaseModel,
        target_python_version=PythonVersion.PY_311,
        base_class="envgen_runtime.generated.ReplyModel",
        base_class_map=bases,
        aliases=aliases,
        # Nothing outside of this call may have a say in the output.
        settings_path=Path("/nonexistent"),
        formatters=[Formatter.BUILTIN],
        builtin_format_line_length=_LINE_LENGTH,
        disable_timestamp=True,
        allow_remote_refs=False,
        strict_refs=True,
        treat_dot_as_module=False,
        use_annotated=True,
        strict_nullable=True,
        use_double_quotes=True,
        use_schema_description=True,
        use_field_description=True,
        use_inline_field_description=True,
        skip_root_model=True,
        use_single_line_docstring=True,
    )
    if not isinstance(source, str):
        raise AuditError("datamodel-code-generator rendered several modules, not one")
    return source


def _without_imports(source: str) -> str:
    start = source.find("\nclass ")
    return source[start:].strip("\n") + "\n" if start >= 0 else ""
