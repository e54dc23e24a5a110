"""Options for the generation of a package."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

Transport = Literal["auto", "websocket", "http", "http-unchecked"]

Adapter = Literal["gymnasium", "trl"]
"""A trainer that a package can have a module for."""

ADAPTERS: tuple[Adapter, ...] = get_args(Adapter)


@dataclass(frozen=True, slots=True)
class PackageOptions:
    """The settings for the generation of one package.

    Attributes:
        class_name: the client's class; None to derive it from the environment's name.
        transport: the client's default transport; None for ``auto``.
        naming: new names for classes, ``{"CodeAction": "Code"}``, and for fields, by the new name
            of their class, ``{"Code.class_": "kind"}``.
        adapters: the trainers that the package has a module for; None for those that the lock says.
        gymnasium: hints for the spaces of Gymnasium, by places of the contract.
        added_adapters: trainers that the package gets a module for beside ``adapters``.
    """

    class_name: str | None = None
    transport: Transport | None = None
    naming: Mapping[str, str] = field(default_factory=dict[str, str])
    adapters: tuple[Adapter, ...] | None = None
    gymnasium: Mapping[str, Any] = field(default_factory=dict[str, Any])
    added_adapters: tuple[Adapter, ...] = ()
