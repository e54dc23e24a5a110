"""What generated code needs of the runtime. Import from ``envgen_runtime`` in code of your own."""

from __future__ import annotations

from .clients.codec import Codec
from .clients.fields import StepOptions, accepts_fields
from .models.base import ReplyModel, RequestModel, reset_fields, wire_fields
from .models.constraints import Omittable, OneOf, Tag, UniqueItems, constant
from .models.json_types import JsonTypes
from .models.linked import Linked
from .wire.envelope import Envelope
from .wire.routes import HttpRoute, HttpWire

__all__ = [
    "Codec", "Envelope", "HttpRoute", "HttpWire", "JsonTypes", "Linked", "Omittable", "OneOf",
    "ReplyModel", "RequestModel", "StepOptions", "Tag", "UniqueItems", "accepts_fields", "constant",
    "reset_fields", "wire_fields",
]  # fmt: skip
