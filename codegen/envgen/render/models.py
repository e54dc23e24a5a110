"""Plan -> ``models.py``, through datamodel-code-generator.

It renders the classes alone. Types, defaults and texts go in as ``text.Placeholders`` and come back
as the plan has them; aliases, imports and layout are ours.
"""

from __future__ import annotations

import re
from typing import Any

from ..errors import AuditError
from ..naming import LIBRARY
from ..plan.plan import Plan, PlannedAlias, PlannedClass, PlannedField
from ..plan.types import (
    JSON_VALUE,
    NONE,
    STR,
    ListOf,
    MapOf,
    Named,
    Scalar,
    Type,
    Union,
    Values,
    named_in,
    without_constraints,
)
from ..text import Placeholders, UntrustedText, docstring, literal
from .context import ModelsContext
from .library import classes_of
from .modules import render
from .templating import Templates

# The module that datamodel-code-generator believes to have the types; no import of it is kept.
_PLACEHOLDER_MODULE = "envgen_types"

# It configures this for every class with a type that it doesn't know. pydantic knows all of ours.
_NEEDLESS_CONFIG = re.compile(r"^ {8}arbitrary_types_allowed=True,?\n", re.MULTILINE)
_EMPTY_CONFIG = re.compile(r"^ {4}model_config = ConfigDict\(\s*\)\n+", re.MULTILINE)

_DOCSTRING = re.compile(r'"""\s*(envgen_d\d+_)\s*"""')
_BLANK_LINES = re.compile(r"\n\s*\n+")
_MANY_BLANK_LINES = re.compile(r"\n{4,}")

_CLASS = re.compile(r"class (EnvgenN\d+x)\b")

# BaseModel declares the attribute as a mapping of anything, or None.
_IGNORE = "  # pyright: ignore[reportIncompatibleVariableOverride]"


def render_models(plan: Plan, templates: Templates, *, env_name: str, fingerprint: str) -> str:
    """The source of ``models.py``.

    Raises:
        TemplateError: a template of the project's can't be used.
        AuditError: datamodel-code-generator rendered something else than was planned.
    """
    placeholders = Placeholders()
    wire_names: dict[str, str] = {}
    classes = {
        (name := placeholders.name(planned.name)): _definition(
            name, planned, placeholders, wire_names
        )
        for planned in plan.classes.values()
    }
    rendered = _classes(classes_of(classes, wire_names) if classes else "")
    try:
        blocks = {
            match[1]: block for block in rendered if (match := _CLASS.match(block)) is not None
        }
        body = "".join(
            _alias(item)
            if isinstance(item, PlannedAlias)
            else f"\n\n{placeholders.restore(blocks[placeholders.name(item.name)])}\n\n\n"
            for item in plan.definitions.values()
        )
    except KeyError as error:
        raise AuditError("the rendered models are not those that were planned") from error
    body = _MANY_BLANK_LINES.sub("\n\n\n", body).strip("\n") + "\n"
    if body.startswith("class "):
        body = f"\n{body}"  # two blank lines stand between imports and a class
    context = ModelsContext(env_name, fingerprint, body, plan.unions)
    return render("models.py", context, names=LIBRARY, templates=templates)


def _alias(planned: PlannedAlias) -> str:
    """An alias. One that is evaluated late is a string.

    pydantic needs a ``TypeAliasType`` for it. pyright reads that as a variable where another alias
    refers to it first (1.1.41x), so type checkers are shown a plain alias.
    """
    name, type_ = planned.name, planned.type.render()
    if type_ == "None":
        type_ = "Literal[None]"  # at run time, None can't be united with None: N | None
    indent = "    " if planned.is_lazy else ""
    described = (
        f"{indent}{docstring(planned.description, indent=indent)}\n"
        if planned.description is not None
        else ""
    )
    if not planned.is_lazy:
        return f"{name}: TypeAlias = {type_}\n{described}\n"
    if not name.startswith("_") and not _is_of_models(planned.type):
        type_ = f"Annotated[{type_}, JsonTypes()]"
    late = literal(UntrustedText(type_))
    return (
        f"if TYPE_CHECKING:\n{indent}{name}: TypeAlias = {late}\n{described}"
        f'else:\n{indent}{name} = TypeAliasType("{name}", {late})\n\n'
    )


def _is_of_models(type_: Type) -> bool:
    """Whether a type is made of models alone, which have the types of JSON Schema already."""
    if isinstance(type_, MapOf):
        return type_.key == STR and _is_of_models(type_.value)
    if isinstance(type_, Scalar | Values):
        return type_ in (JSON_VALUE, NONE)
    return isinstance(type_, Named) or all(map(_is_of_models, type_.children()))


def _definition(
    name: str, planned: PlannedClass, placeholders: Placeholders, wire_names: dict[str, str]
) -> dict[str, Any]:
    properties: dict[str, Any] = {}
    required: list[str] = []
    if planned.extras is not None and planned.extras != (STR, JSON_VALUE):
        # pydantic checks the fields that a model doesn't name against this annotation.
        key = placeholders.name("__pydantic_extra__")
        extras = f"{MapOf(*planned.extras).render()}{_IGNORE}"
        properties[key] = {"customTypePath": _type(extras, placeholders)}
        required.append(key)
    for item in planned.fields:
        key = item.wire_name.raw
        if key != item.name:
            key = placeholders.literal(item.wire_name)
            wire_names[f"{name}.{key}"] = item.name
        properties[key] = _property(item, placeholders)
        if item.default is None:
            required.append(key)
    definition: dict[str, Any] = {
        "type": "object",
        "properties": properties,
        "required": required,
        "customBasePath": f"envgen_runtime.generated.{'Request' if planned.sent else 'Reply'}Model",
    }
    if planned.description is not None:
        definition["description"] = placeholders.docstring(planned.description)
    if planned.sent and planned.extras is not None:
        definition["additionalProperties"] = True
    return definition


def _property(item: PlannedField, placeholders: Placeholders) -> dict[str, Any]:
    type_ = item.type.render()
    if item.deprecated:
        type_ = f"Annotated[{type_}, Field(deprecated=True)]"
    schema = {"customTypePath": _type(type_, placeholders)}
    if item.default is not None:
        schema["default"] = placeholders.code(_default(item.default, item.type))
    if item.description is not None:
        schema["description"] = placeholders.docstring(item.description)
    return schema


def _default(expression: str, type_: Type) -> str:
    """A default as a class body has it: ruff takes a plain dict or list there for a mistake."""
    if not expression.startswith(("{", "[")):
        return expression
    # mypy infers a list's type without the union that the list is for, and refuses another one.
    kind = ListOf if expression.startswith("[") else MapOf
    members = type_.children() if isinstance(type_, Union) else ()
    plain = [item for member in members if isinstance(item := without_constraints(member), kind)]
    if len(plain) != 1 or _is_inferred(plain[0]):
        return f"Field(default={expression})"
    made = f"{plain[0].render()}({expression})"
    if any(named_in(plain[0])):  # which may be defined further down
        return f"Field(default_factory=lambda: {made})"
    return f"Field(default={made})"


def _is_inferred(type_: Type) -> bool:
    """Whether type checkers infer a type from any of its values."""
    if isinstance(type_, ListOf | MapOf):
        return all(map(_is_inferred, type_.children()))
    return type_ in (STR, Scalar("int"), Scalar("bool"))


def _type(expression: str, placeholders: Placeholders) -> str:
    return f"{_PLACEHOLDER_MODULE}.{placeholders.type(expression)}"


def _classes(source: str) -> list[str]:
    """The classes of a module, with blank lines where formatters have them."""
    start = source.find("\nclass ")
    source = _NEEDLESS_CONFIG.sub("", source[start:] if start >= 0 else "")
    source = _DOCSTRING.sub(r'"""\1"""', _EMPTY_CONFIG.sub("", source))
    source = source.replace("'", '"')  # of placeholders and settings: there are no other strings
    source = _BLANK_LINES.sub("\n", source).replace('"""\n', '"""\n\n')
    return [
        f"class {block.strip()}" for block in re.split(r"^class ", source, flags=re.MULTILINE)[1:]
    ]
