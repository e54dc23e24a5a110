"""Contract -> ``trl.py``: the class that TRL trains with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..naming import LIBRARY
from ..plan.plan import Plan
from .context import TRLContext
from .functions import functions
from .modules import render
from .templating import Templates

if TYPE_CHECKING:
    from ..contract.contract import EnvContract


def render_trl(contract: EnvContract, plan: Plan, templates: Templates) -> str:
    """The source of ``trl.py``.

    Raises:
        TemplateError: a template of the project's own can't be used.
    """
    # Imported for rendering only, as the clients are.
    from envgen_runtime.adapters.trl import TRLEnvironment, TRLTools

    base = TRLEnvironment if contract.has_environment else TRLTools
    taken = {name for name in dir(base) if not name.startswith("_")}
    taken |= {"client_class", "get_reward"}
    context = TRLContext(
        env_name=contract.name,
        fingerprint=contract.fingerprint,
        name=f"{plan.client}TRL",
        base=base.__name__,
        client=plan.client,
        functions=functions(contract, taken=taken),
    )
    names = {**LIBRARY, plan.client: ".client"}
    return render("trl.py", context, names=names, templates=templates)
