"""The runtime of generated environment clients.

Reading order: a generated package's ``client.py``, then ``client``, ``base``, ``protocol``,
``session``, ``transports``.
"""

from __future__ import annotations

from .clients.asyncio import AsyncEnvClient
from .clients.codec import EnvHooks
from .clients.sync import EnvClient
from .contract.exact import ExactValidator, Violation
from .errors import (
    ActionRejected,
    CapacityReached,
    ConnectError,
    ConnectionLost,
    ContractDrift,
    ContractMissing,
    EngineError,
    EnvError,
    ExecutionError,
    FactoryError,
    FetchError,
    InvalidRequest,
    MissingExtra,
    NotReset,
    ProtocolError,
    ProviderError,
    ReadyTimeout,
    ReplyMismatch,
    RequestTimeout,
    ServerError,
    ServerSessionError,
    SessionBusy,
    SessionClosed,
    SessionError,
    SessionLost,
    StartError,
    TraceMismatch,
    UpgradeRefused,
)
from .json_value import JsonValue
from .models.base import ReplyModel, RequestModel, reset_fields, wire_fields
from .models.constraints import Omittable, OneOf, UniqueItems
from .observe.observers import Observer, ReplyEvent, RequestEvent, RetryEvent
from .observe.telemetry import OpenTelemetry
from .observe.trace import EpisodeTrace
from .providers import ContainerProvider, Provider
from .result import StepResult, Transition
from .wire.envelope import Envelope
from .wire.retries import RetryPolicy

__version__ = "0.1.0"

__all__ = [
    "ActionRejected",
    "AsyncEnvClient",
    "CapacityReached",
    "ConnectError",
    "ConnectionLost",
    "ContainerProvider",
    "ContractDrift",
    "ContractMissing",
    "EngineError",
    "EnvClient",
    "EnvError",
    "EnvHooks",
    "Envelope",
    "EpisodeTrace",
    "ExactValidator",
    "ExecutionError",
    "FactoryError",
    "FetchError",
    "InvalidRequest",
    "JsonValue",
    "MissingExtra",
    "NotReset",
    "Observer",
    "Omittable",
    "OneOf",
    "OpenTelemetry",
    "ProtocolError",
    "Provider",
    "ProviderError",
    "ReadyTimeout",
    "ReplyEvent",
    "ReplyMismatch",
    "ReplyModel",
    "RequestEvent",
    "RequestModel",
    "RequestTimeout",
    "RetryEvent",
    "RetryPolicy",
    "ServerError",
    "ServerSessionError",
    "SessionBusy",
    "SessionClosed",
    "SessionError",
    "SessionLost",
    "StartError",
    "StepResult",
    "TraceMismatch",
    "Transition",
    "UniqueItems",
    "UpgradeRefused",
    "Violation",
    "reset_fields",
    "wire_fields",
]
