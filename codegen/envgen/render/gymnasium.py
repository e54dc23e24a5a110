"""Contract and hints -> ``gymnasium.py``: the environment of Gymnasium."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..errors import ConfigError, ContractError
from ..naming import LIBRARY
from ..plan.plan import Plan
from ..plan.types import value_literal
from .context import GymnasiumContext
from .modules import render
from .templating import Templates

if TYPE_CHECKING:
    from ..contract.contract import EnvContract


def render_gymnasium(
    contract: EnvContract, plan: Plan, templates: Templates, hints: Mapping[str, Any]
) -> str:
    """The source of ``gymnasium.py``.

    Raises:
        ContractError: no space can say what the contract allows.
        ConfigError: a hint is of no place, or can't be true of its place.
        TemplateError: a template of the project's own can't be used.
    """
    _check(contract, hints)
    context = GymnasiumContext(
        env_name=contract.name,
        fingerprint=contract.fingerprint,
        name=f"{plan.client}Gym",
        client=plan.client,
        hints={value_literal(place): value_literal(hint) for place, hint in hints.items()},
    )
    names = {**LIBRARY, plan.client: ".client"}
    return render("gymnasium.py", context, names=names, templates=templates)


def _check(contract: EnvContract, hints: Mapping[str, Any]) -> None:
    """Read the contract as the environment will."""
    # Imported for rendering only, as the clients are.
    from envgen_runtime.adapters.gymnasium.hints import HintError
    from envgen_runtime.adapters.gymnasium.notes import NoSpace
    from envgen_runtime.adapters.gymnasium.reading import read_interface

    if not contract.has_environment:
        raise ContractError(
            f"{contract.name} has tools and no environment, which Gymnasium needs",
            hint="leave out the adapter gymnasium",
        )
    try:
        read_interface(json.loads(contract.to_json()), hints)
    except HintError as error:
        raise ConfigError(str(error), source=_section(contract)) from error
    except NoSpace as error:
        settings = "; ".join(error.settings)
        hint = f"set under [{_section(contract)}]: {settings}" if settings else ""
        raise ContractError(str(error), hint=hint) from error


def _section(contract: EnvContract) -> str:
    return f"tool.envgen.envs.{contract.name}.gymnasium"
