"""Environments in TRL: ``GRPOTrainer(environment_factory=...)``. Read and run: TRL 1.16.

The trainer reads the tools off a class that ``envgen build --adapter trl`` writes, with one of the
bases here. It keeps instances in a pool, resets them for reuse, and never closes them. So an
environment opens its session in ``reset``, and gives it back where a rollout shows that it is over:
the environment says so, ``get_reward`` is asked, or the next ``reset`` begins.

TRL turns whatever a tool raises into text for the model, and takes a reward of None for one that is
unknown. So a lost episode has no reward, in any case, and its tools raise the same short sentence.
"""

from __future__ import annotations

from .environment import TRLEnvironment
from .functions import function_schemas
from .rewards import lost_environments
from .spec import EnvironmentFactory, TRLSpec
from .tools import TRLTools

__all__ = [
    "EnvironmentFactory", "TRLEnvironment", "TRLSpec", "TRLTools", "function_schemas",
    "lost_environments",
]  # fmt: skip
