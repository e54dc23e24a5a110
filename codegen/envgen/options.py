"""How a package is generated, beside what its contract says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Transport = Literal["auto", "websocket", "http"]


@dataclass(frozen=True, slots=True)
class PackageOptions:
    """What settings choose for one package.

    Attributes:
        class_name: the client's name; None to make it of the environment's.
        transport: the transport that the client uses unless its user names one; None for ``auto``.
        naming: names instead of those that envgen makes: of classes, ``{"CodeAction": "Code"}``,
            and of fields, by the class's name in the package, ``{"Code.class_": "kind"}``.
    """

    class_name: str | None = None
    transport: Transport | None = None
    naming: Mapping[str, str] = field(default_factory=dict[str, str])
