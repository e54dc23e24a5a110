"""Environments in TRL: ``GRPOTrainer(environment_factory=...)``. Read and run: TRL 1.16."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar


class _Tools:
    client_class: ClassVar[type[Any]]

    def _call(self, name: str, arguments: Mapping[str, Any]) -> str:
        raise NotImplementedError


class TRLEnvironment(_Tools):
    """An environment."""


class TRLTools(_Tools):
    """Tools."""
