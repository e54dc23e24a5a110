"""What templates are rendered with. docs/templates.md documents it for authors of templates.

Names and types are Python expressions that envgen made. A contract's text is ``UntrustedText``: it
fails to render unless it goes through a filter such as ``literal``, ``docstring`` or ``comment``.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..plan.plan import PlannedPart
from ..text import UntrustedText


@dataclass(frozen=True, slots=True)
class ResetParameter:
    """One of the environment's own reset parameters, as the client's ``reset`` has it.

    Attributes:
        name: the parameter's name.
        field: the name of the field in the model.
        type: its type, as a Python expression.
        required: whether it must be given.
        description: its description in the contract.
    """

    name: str
    field: str
    type: str
    required: bool
    description: UntrustedText | None


@dataclass(frozen=True, slots=True)
class ActionField:
    """A field of the action, as a keyword of the client's ``step``.

    Attributes:
        name: the field's name.
        type: its type, as a Python expression without constraints.
        required: whether it must be given.
        description: its description in the contract.
    """

    name: str
    type: str
    required: bool
    description: UntrustedText | None


@dataclass(frozen=True, slots=True)
class ClientClass:
    """One of the two clients.

    Attributes:
        name: the class.
        base: the class of the runtime that it extends.
        async_: what stands before ``def``: ``"async "`` or nothing.
        await_: what stands before a call: ``"await "`` or nothing.
    """

    name: str
    base: str
    async_: str
    await_: str


@dataclass(frozen=True, slots=True)
class ReplyContext:
    """Where a reply has its fields.

    Attributes:
        places: the places, as keyword arguments of ``Envelope.at``.
        is_whole: whether the reply itself is the observation.
    """

    places: str
    is_whole: bool


@dataclass(frozen=True, slots=True)
class WireContext:
    """How a contract travels to a server that has routes of its own.

    Attributes:
        routes: the routes, as an ``HttpWire`` or another of the runtime's.
        action: the field of a step's body that is the action, as a literal; None where the action
            is the body.
        step: where a step's reply has its fields; None for the places of OpenEnv's.
        reset: where a reset's reply has them; None as well.
    """

    routes: str
    action: str | None = None
    step: ReplyContext | None = None
    reset: ReplyContext | None = None


@dataclass(frozen=True, slots=True)
class ClientContext:
    """For ``client.py``.

    Attributes:
        env_name: the environment's name.
        fingerprint: identifies the structure of the contract, 64 hex digits.
        client: the sync client's class.
        clients: both clients.
        transport: the transport that settings choose, if they do.
        parameters: the type parameters of the clients' bases.
        action: the action, and so on for the other parts.
        action_fields: the keywords of ``step``; None where it takes an action alone.
        step_options: the options beside those keywords, where a field has the name of another
            option; None where the keywords leave all options free.
        example: a program that takes one step.
        observation: what a step gives.
        reset: the observation that a reset gives; often the same.
        state: the environment's state.
        reset_model: the class of the reset parameters; None where there are none.
        reset_parameters: the parameters of ``reset``.
        unions: the parts that are unions, which need a ``TypeAdapter``.
        wire: how the contract travels; None on OpenEnv's own wire.
        toolset: the sync namespace of the environment's tools; None where it has none.
    """

    env_name: str
    fingerprint: str
    client: str
    clients: tuple[ClientClass, ...]
    transport: str | None
    parameters: str
    action: PlannedPart
    action_fields: list[ActionField] | None
    step_options: list[ActionField] | None
    example: UntrustedText
    observation: PlannedPart
    reset: PlannedPart
    state: PlannedPart
    reset_model: str | None
    reset_parameters: list[ResetParameter]
    unions: list[PlannedPart]
    wire: WireContext | None
    toolset: str | None


@dataclass(frozen=True, slots=True)
class ModelsContext:
    """For ``models.py``.

    Attributes:
        env_name: the environment's name.
        fingerprint: identifies the structure of the contract, 64 hex digits.
        body: the classes and aliases, as Python.
        unions: the parts that are unions; their aliases are in the body.
    """

    env_name: str
    fingerprint: str
    body: str
    unions: list[PlannedPart]


@dataclass(frozen=True, slots=True)
class ToolContext:
    """One tool, as a method of both namespaces.

    Attributes:
        name: the method's name.
        constant: the constant that describes the tool.
        wire_name: the tool's name.
        arguments: the class of its arguments, or an alias for a union of classes.
        shown_arguments: the same, as a signature shows it.
        takes_object: whether the method takes an instance of that union in place of parameters.
        parameters: the parameters of the method.
        has_timeout: whether it takes ``timeout_s``; not where a parameter has that name.
        extra: the type of further parameters; None where it takes none.
        extra_name: what they are called together.
        data: the type of its result's data.
        shown_data: the same, without constraints.
        is_wrapped: whether the server sends that data as ``{"result": ...}``.
        description: the method's docstring.
    """

    name: str
    constant: str
    wire_name: UntrustedText
    arguments: str
    shown_arguments: str
    takes_object: bool
    parameters: list[ActionField]
    has_timeout: bool
    extra: str | None
    extra_name: str
    data: str
    shown_data: str
    is_wrapped: bool
    description: UntrustedText


@dataclass(frozen=True, slots=True)
class ToolsetClass:
    """One of the two namespaces of tools. Attributes as ``ClientClass``."""

    name: str
    base: str
    async_: str
    await_: str


@dataclass(frozen=True, slots=True)
class ToolsContext:
    """For ``tools.py``.

    Attributes:
        env_name: the name of the environment, or of the MCP server.
        fingerprint: identifies the structure of the contract, 64 hex digits.
        tools: the tools.
        toolsets: the sync and the async namespace.
    """

    env_name: str
    fingerprint: str
    tools: list[ToolContext]
    toolsets: tuple[ToolsetClass, ...]


@dataclass(frozen=True, slots=True)
class ToolsClientClass:
    """One of the two clients of an MCP server.

    Attributes:
        name: the class.
        base: the class of the runtime that it extends.
        async_: ``"async "`` or nothing.
        toolset: its namespace of tools.
    """

    name: str
    base: str
    async_: str
    toolset: str


@dataclass(frozen=True, slots=True)
class ToolsClientContext:
    """For the ``client.py`` of an MCP server, which is rendered from ``tools_client.py.jinja``.

    Attributes:
        env_name: the server's name.
        fingerprint: identifies the structure of the contract, 64 hex digits.
        clients: both clients.
    """

    env_name: str
    fingerprint: str
    clients: tuple[ToolsClientClass, ...]


@dataclass(frozen=True, slots=True)
class FunctionParameter:
    """A parameter of a function that models call.

    Attributes:
        name: its name.
        wire_name: the parameter's name in the contract.
        type: its type, in Python's own types.
        required: whether it must be given.
    """

    name: str
    wire_name: UntrustedText
    type: str
    required: bool


@dataclass(frozen=True, slots=True)
class FunctionContext:
    """A function that models call: a tool, the action, or a variant of it.

    Attributes:
        name: its name.
        wire_name: what it calls, by the contract's name.
        parameters: its parameters, those that must be given first.
        docstring: what models are told of it.
    """

    name: str
    wire_name: UntrustedText
    parameters: list[FunctionParameter]
    docstring: UntrustedText


@dataclass(frozen=True, slots=True)
class TRLContext:
    """For ``trl.py``.

    Attributes:
        env_name: the name of the environment, or of the MCP server.
        fingerprint: identifies the structure of the contract, 64 hex digits.
        name: the class.
        base: the class of the runtime that it extends.
        client: the client that plays.
        functions: what models can call.
    """

    env_name: str
    fingerprint: str
    name: str
    base: str
    client: str
    functions: list[FunctionContext]


@dataclass(frozen=True, slots=True)
class GymnasiumContext:
    """For ``gymnasium.py``.

    Attributes:
        env_name: the name of the environment.
        fingerprint: identifies the structure of the contract, 64 hex digits.
        name: the class.
        client: the client that plays.
        hints: the hints of the settings for each place, as Python expressions.
    """

    env_name: str
    fingerprint: str
    name: str
    client: str
    hints: dict[str, str]


@dataclass(frozen=True, slots=True)
class InitContext:
    """For ``__init__.py``.

    Attributes:
        env_name: the environment's name.
        exports: what the package gives: the clients and all models.
    """

    env_name: str
    exports: list[str]


Context = (
    ClientContext
    | ModelsContext
    | ToolsContext
    | ToolsClientContext
    | GymnasiumContext
    | TRLContext
    | InitContext
)
