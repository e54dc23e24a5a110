"""Contract and names -> ``client.py`` and ``__init__.py``, through jinja2."""

from __future__ import annotations

from .naming import client_name
from .plan import Plan
from .render import LIBRARY, render


def render_client(plan: Plan, *, env_name: str, fingerprint: str) -> str:
    """The source of ``client.py``."""
    observation = plan.roots["observation"]
    reset = plan.roots.get("reset_observation", observation)
    action, state = plan.roots["action"], plan.roots["state"]
    replies = {root.name: root for root in (observation, reset, state)}
    parameters = [action.name, observation.name, state.name]
    if reset.name != observation.name:
        parameters.append(reset.name)
    return render(
        "client.py",
        names={**LIBRARY, **dict.fromkeys(_model_names(plan), ".models")},
        env_name=env_name,
        fingerprint=fingerprint,
        client=client_name(env_name),
        parameters=", ".join(parameters),
        action=action,
        observation=observation,
        reset=reset,
        state=state,
        unions=[root for root in replies.values() if root.union is not None],
    )


def render_init(plan: Plan, *, env_name: str) -> str:
    """The source of ``__init__.py``: both clients and every model."""
    client = client_name(env_name)
    models = _model_names(plan)
    return render(
        "__init__.py",
        names={
            client: ".client",
            f"Async{client}": ".client",
            **dict.fromkeys(models, ".models"),
        },
        env_name=env_name,
        exports=sorted([client, f"Async{client}", *models]),
    )


def _model_names(plan: Plan) -> list[str]:
    return [*plan.classes, *(root.name for root in plan.roots.values() if root.union is not None)]
