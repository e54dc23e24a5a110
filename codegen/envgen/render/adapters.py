"""The modules that trainers use of a package, on request."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, TypeAlias

from ..plan.plan import Plan
from .templating import Templates
from .trl import render_trl

if TYPE_CHECKING:
    from ..contract.contract import EnvContract
    from ..options import Adapter

_Renderer: TypeAlias = "Callable[[EnvContract, Plan, Templates], str]"

_RENDERERS: Mapping[Adapter, _Renderer] = {"trl": render_trl}


def render_adapters(
    adapters: Collection[Adapter], contract: EnvContract, plan: Plan, templates: Templates
) -> dict[str, str]:
    """The source of each module, by its file's name.

    Raises:
        ContractError: a trainer can't play what the contract says.
        TemplateError: a template of the project's own can't be used.
    """
    return {f"{name}.py": _RENDERERS[name](contract, plan, templates) for name in adapters}
