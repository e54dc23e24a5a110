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
        routes: the routes, as an ``HttpWire``.
        action: the field of a step's body that is the action, as a literal; None where the action
            is the body.
        step: where a step's reply has its fields.
        reset: where a reset's reply has them.
    """

    routes: str
    action: str | None
    step: ReplyContext
    reset: ReplyContext


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
class InitContext:
    """For ``__init__.py``.

    Attributes:
        env_name: the environment's name.
        exports: what the package gives: the clients and all models.
    """

    env_name: str
    exports: list[str]


Context = ClientContext | ModelsContext | InitContext
