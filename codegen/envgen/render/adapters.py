"""The modules that trainers use of a package, on request."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from ..plan.plan import Plan
from .gymnasium import render_gymnasium
from .templating import Templates
from .trl import render_trl

if TYPE_CHECKING:
    from ..contract.contract import EnvContract
    from ..options import Adapter

_Renderer: TypeAlias = "Callable[[EnvContract, Plan, Templates], str]"


def render_adapters(
    adapters: Collection[Adapter],
    contract: EnvContract,
    plan: Plan,
    templates: Templates,
    *,
    gymnasium: Mapping[str, Any],
) -> dict[str, str]:
    """The source of each module, by its file's name.

    Args:
        adapters: the trainers.
        contract: the contract.
        plan: its plan.
        templates: what the modules are rendered with.
        gymnasium: hints for the spaces of Gymnasium.

    Raises:
        ContractError: a trainer can't play what the contract says.
        ConfigError: a hint can't be.
        TemplateError: a template of the project's own can't be used.
    """
    renderers: Mapping[Adapter, _Renderer] = {
        "gymnasium": partial(render_gymnasium, hints=gymnasium),
        "trl": render_trl,
    }
    return {f"{name}.py": renderers[name](contract, plan, templates) for name in adapters}
