"""Contract and names -> ``client.py`` and ``__init__.py``, through jinja2."""

from __future__ import annotations

import ast

from ..plan.expressions import nullable
from ..plan.plan import Plan
from .context import ActionField, ClientClass, ClientContext, InitContext, ResetParameter
from .modules import LIBRARY, render
from .templating import Templates

# Parameters that every client's reset and step have.
_RESET_PARAMETERS = frozenset(
    {"self", "seed", "episode_id", "timeout_s", "extra", "super", "parameters", "reset_fields"}
)
_STEP_PARAMETERS = frozenset({"self", "action", "request_id", "timeout_s", "fields"})


def render_client(plan: Plan, templates: Templates, *, env_name: str, fingerprint: str) -> str:
    """The source of ``client.py``.

    Raises:
        TemplateError: a template of the project's own can't be used.
    """
    observation = plan.roots["observation"]
    reset = plan.roots.get("reset_observation", observation)
    action, state = plan.roots["action"], plan.roots["state"]
    replies = {root.name: root for root in (observation, reset, state)}
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
        action_fields=_action_fields(plan),
        observation=observation,
        reset=reset,
        state=state,
        reset_model=plan.roots["reset_parameters"].name if reset_parameters else None,
        reset_parameters=reset_parameters,
        unions=[root for root in replies.values() if root.union is not None],
    )
    names = {**LIBRARY, **dict.fromkeys(_model_names(plan), ".models")}
    return render("client.py", context, names=names, templates=templates)


def render_init(plan: Plan, templates: Templates, *, env_name: str) -> str:
    """The source of ``__init__.py``: both clients and every model.

    Raises:
        TemplateError: a template of the project's own can't be used.
    """
    client = plan.client
    models = dict.fromkeys(_model_names(plan), ".models")
    names = {client: ".client", f"Async{client}": ".client", **models}
    context = InitContext(env_name, sorted(names))
    return render("__init__.py", context, names=names, templates=templates, exports=context.exports)


def _action_fields(plan: Plan) -> list[ActionField] | None:
    """The keywords that ``step`` takes instead of an action; None where it takes the action alone.

    So it is for a union, whose members have fields of their own, and where a field that must be
    given is called as a parameter of ``step`` is. An optional one of such a name is left out.
    """
    action = plan.roots["action"]
    if action.union is not None or len(action.models) != 1:
        return None
    fields = plan.classes[action.name].fields
    if any(field.default is None and field.name in _STEP_PARAMETERS for field in fields):
        return None
    return [
        ActionField(field.name, _without_constraints(field.type), field.default is None)
        for field in fields
        if field.name not in _STEP_PARAMETERS
    ]


def _without_constraints(expression: str) -> str:
    """A type with every ``Annotated[T, ...]`` as ``T``: a signature is for people."""
    return ast.unparse(_Plain().visit(ast.parse(expression, mode="eval")))


class _Plain(ast.NodeTransformer):
    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        self.generic_visit(node)
        match node:
            case ast.Subscript(value=ast.Name(id="Annotated"), slice=ast.Tuple(elts=[plain, *_])):
                return plain
            case _:
                return node


def _reset_parameters(plan: Plan) -> list[ResetParameter]:
    root = plan.roots.get("reset_parameters")
    if root is None:
        return []
    taken = _RESET_PARAMETERS | plan.classes.keys() | LIBRARY.keys()
    return [
        ResetParameter(
            f"{field.name}_" if field.name in taken else field.name,
            field.name,
            field.type if field.default is None else nullable(field.type),
            field.default is None,
            field.description,
        )
        for field in plan.classes[root.name].fields
    ]


def _model_names(plan: Plan) -> list[str]:
    return [*plan.classes, *(root.name for root in plan.unions)]
