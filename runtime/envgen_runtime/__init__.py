"""The runtime of generated environment clients: the names that users import.

Generated code takes what only it needs from ``envgen_runtime.generated``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .calling.advice import InvalidCall
    from .calling.dispatch import ToolCall
    from .calling.specs import ToolSpecs
    from .clients.asyncio import AsyncEnvClient
    from .clients.codec import EnvHooks
    from .clients.sync import EnvClient
    from .clients.tasks import AsyncTasks, TaskRow, Tasks
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
        StepAfterDoneWarning,
        TraceMismatch,
        UpgradeRefused,
    )
    from .json_value import JsonValue
    from .mcp.asyncio import AsyncToolsClient
    from .mcp.sync import ToolsClient
    from .observe.observers import Observer, ReplyEvent, RequestEvent, RetryEvent
    from .observe.telemetry import OpenTelemetry
    from .observe.trace import EpisodeTrace
    from .providers import ContainerProvider, Provider
    from .result import StepResult, Transition
    from .tools import (
        ToolArgumentsInvalid,
        ToolError,
        ToolExecutionFailed,
        ToolNotFound,
        ToolResult,
        ToolResultMismatch,
        ToolTimeout,
        ToolTransportFailed,
    )
    from .wire.retries import RetryPolicy

__version__ = "0.2.0"

__all__ = [
    "ActionRejected", "AsyncEnvClient", "AsyncTasks", "AsyncToolsClient", "CapacityReached",
    "ConnectError", "ConnectionLost", "ContainerProvider", "ContractDrift", "ContractMissing",
    "EngineError", "EnvClient", "EnvError", "EnvHooks", "EpisodeTrace", "ExactValidator",
    "ExecutionError", "FactoryError", "FetchError", "InvalidCall", "InvalidRequest",
    "JsonValue", "MissingExtra", "NotReset", "Observer", "OpenTelemetry", "ProtocolError",
    "Provider", "ProviderError", "ReadyTimeout", "ReplyEvent", "ReplyMismatch", "RequestEvent",
    "RequestTimeout", "RetryEvent", "RetryPolicy", "ServerError", "ServerSessionError",
    "SessionBusy", "SessionClosed", "SessionError", "SessionLost", "StartError",
    "StepAfterDoneWarning", "StepResult", "TaskRow", "Tasks", "ToolArgumentsInvalid",
    "ToolCall", "ToolError", "ToolExecutionFailed", "ToolNotFound", "ToolResult",
    "ToolResultMismatch", "ToolSpecs", "ToolTimeout", "ToolTransportFailed", "ToolsClient",
    "TraceMismatch", "Transition", "UpgradeRefused", "Violation",
]  # fmt: skip

if not TYPE_CHECKING:  # type checkers know every name: what they don't find is a mistake
    from importlib import import_module as _import_module

    # Where the names are, the lightest module first. Each is imported when a name is first used:
    # envgen imports this package for the modules that read contracts, and needs no clients.
    _MODULES = (
        "errors", "result", "json_value", "wire.retries", "observe.observers", "observe.telemetry",
        "observe.trace", "contract.exact", "calling.advice", "calling.specs", "calling.dispatch",
        "providers", "clients.codec", "clients.sync", "clients.asyncio", "clients.tasks", "tools",
        "mcp.sync", "mcp.asyncio",
    )  # fmt: skip
    _MOVED = frozenset(
        {
            "Envelope", "Omittable", "OneOf", "ReplyModel", "RequestModel", "UniqueItems",
            "reset_fields", "wire_fields",
        }
    )  # fmt: skip

    def __getattr__(name: str) -> object:
        if name in __all__:
            for module in _MODULES:
                names = vars(_import_module(f".{module}", __name__))
                if name in names:
                    return globals().setdefault(name, names[name])
        if name in _MOVED:
            raise ImportError(
                f"{name} has moved to envgen_runtime.generated; the package that imports it was "
                "built by envgen 0.1: run envgen build"
            )
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
