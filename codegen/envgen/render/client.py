"""Contract and names -> ``client.py`` and ``__init__.py``, through jinja2."""

from __future__ import annotations

from typing import TYPE_CHECKING

from envgen_runtime.wire.protocol import COMMON_PARAMETERS

from ..naming import LIBRARY
from ..plan.plan import Plan, PlannedField
from ..plan.types import NONE, Type, Wrapped, union_of, without_constraints
from ..text import UntrustedText
from .context import ActionField, ClientClass, ClientContext, InitContext, ResetParameter
from .examples import example
from .modules import isort_key, render
from .routes import wire_context
from .templating import Templates

if TYPE_CHECKING:
    from ..contract.wire import ToolServer, Wire

# Names that the generated reset uses itself.
_RESET_PARAMETERS = frozenset(
    {*COMMON_PARAMETERS, "self", "timeout_s", "extra", "super", "parameters"}
)


def render_client(
    plan: Plan,
    templates: Templates,
    *,
    env_name: str,
    fingerprint: str,
    wire: Wire | ToolServer | None = None,
) -> str:
    """The source of ``client.py``. ``wire`` is the contract's, if it has its own.

    Raises:
        TemplateError: a template of the project's own can't be used.
    """
    observation = plan.parts["observation"]
    reset = plan.parts.get("reset_observation", observation)
    action, state = plan.parts["action"], plan.parts["state"]
    fields = _action_fields(plan)
    replies = {part.name: part for part in (observation, reset, state)}
    reset_parameters = _reset_parameters(plan)
    parameters = [action.name, observation.name, state.name]
    if reset.name != observation.name:
        parameters.append(reset.name)
    context = ClientContext(
        env_name=env_name,
        fingerprint=fingerprint,
        client=plan.client,
        clients=(
            ClientClass(plan.client, "EnvClient", "", ""),
            ClientClass(f"Async{plan.client}", "AsyncEnvClient", "async ", "await "),
        ),
        transport=plan.transport,
        parameters=", ".join(parameters),
        action=action,
        action_fields=fields,
        step_options=_step_options(fields or []),
        example=UntrustedText(example(plan, takes_fields=fields is not None, wire=wire)),
        observation=observation,
        reset=reset,
        state=state,
        reset_model=plan.parts["reset_parameters"].name if reset_parameters else None,
        reset_parameters=reset_parameters,
        unions=[part for part in replies.values() if part.union is not None],
        wire=None if wire is None else wire_context(wire),
        toolset=plan.toolset or None,
    )
    names = {**LIBRARY, **dict.fromkeys(_model_names(plan), ".models"), **_toolsets(plan)}
    return render("client.py", context, names=names, templates=templates)


def render_init(plan: Plan, templates: Templates, *, env_name: str) -> str:
    """The source of ``__init__.py``: both clients and every model.

    Raises:
        TemplateError: a template of the project's own can't be used.
    """
    client = plan.client
    models = dict.fromkeys(_model_names(plan), ".models")
    names = {client: ".client", f"Async{client}": ".client", **models, **_toolsets(plan)}
    context = InitContext(env_name, sorted(names, key=isort_key))
    return render("__init__.py", context, names=names, templates=templates, exports=context.exports)


def _action_fields(plan: Plan) -> list[ActionField] | None:
    """The keywords that ``step`` takes instead of an action.

    None for a union: its members have fields of their own, so that it takes an action alone.
    """
    action = plan.parts["action"]
    if action.union is not None:
        return None
    return [
        ActionField(
            field.name,
            without_constraints(field.type).render(),
            not _has_default(field),
            field.description,
        )
        for field in sorted(plan.classes[action.name].fields, key=_has_default)
    ]


def _has_default(field: PlannedField) -> bool:
    return field.default is not None


def _step_options(fields: list[ActionField]) -> list[ActionField] | None:
    """The options of the keyword form, one by one; None where it has all of them."""
    # Imported for rendering only: a build that is up to date doesn't need the clients.
    from envgen_runtime.clients.fields import STEP_OPTIONS

    taken = {field.name for field in fields} & STEP_OPTIONS.keys()
    if not taken:
        return None
    return [
        ActionField(name, str(type_), required=False, description=None)
        for name, type_ in STEP_OPTIONS.items()
        if name not in taken
    ]


def _reset_parameters(plan: Plan) -> list[ResetParameter]:
    part = plan.parts.get("reset_parameters")
    if part is None:
        return []
    taken = _RESET_PARAMETERS | plan.definitions.keys() | LIBRARY.keys()
    return [
        ResetParameter(
            f"{field.name}_" if field.name in taken else field.name,
            field.name,
            _parameter_type(field).render(),
            not _has_default(field),
            field.description,
        )
        for field in plan.classes[part.name].fields
    ]


def _parameter_type(field: PlannedField) -> Type:
    """The type of a parameter: None leaves it to the server."""
    match field.type:
        case Wrapped(alias="Omittable"):
            return field.type
        case _:
            return field.type if field.default is None else union_of([field.type, NONE])


def _toolsets(plan: Plan) -> dict[str, str]:
    """The module of each namespace of tools, if there are any."""
    names = (plan.toolset, f"Async{plan.toolset}") if plan.toolset else ()
    return dict.fromkeys(names, ".tools")


def _model_names(plan: Plan) -> list[str]:
    return [name for name in plan.definitions if not name.startswith("_")]
