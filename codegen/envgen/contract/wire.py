"""How a contract travels where its server has routes of its own: the ``wire`` of a contract.

::

    "wire": {
      "reset": {"method": "POST", "path": "/envs", "reply": {"observation": "/observation"}},
      "step": {
        "method": "POST",
        "path": "/envs/{id}/step",
        "fields": ["timeout_s"],         values that the client adds to the body
        "action": "/action",             where the action stands in the body; "" if it is the body
        "reply": {
          "observation": "/observation",   "" if the reply itself is the observation
          "reward": "/reward",
          "done": ["/terminated", "/truncated"],
          "metadata": "/info",
          "optional": ["/reward"]          places that may be absent or null
        }
      },
      "state": {"method": "GET", "path": "/envs/{id}", "has_body": false},
      "session": {"id": "/id"}           values of the session, and their places in reset's reply
    }

Places are JSON pointers; what has its default is left out. Contracts of OpenEnv's own wire have no
``wire``. A generated client states the routes as the runtime's ``HttpWire``.

Servers of tools that follow another standard than OpenEnv's have that instead, and their contracts
are those of OpenEnv's environments of tools::

    "wire": {"protocol": "open-reward", "environment": "countdown"}
    "wire": {"protocol": "nemo-gym"}
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool, ValidationError

from envgen_runtime.wire.routes import HttpRoute, HttpWire

from ..errors import ContractError
from ..schema.keywords import as_object, pointer_to

Method = Literal["DELETE", "GET", "PATCH", "POST", "PUT"]
Pointer = Annotated[str, Field(pattern=r"^(/[^/]*)*$", max_length=500)]
_Path = Annotated[str, Field(pattern=r"^(/([^\s/?#{}]|\{[^\s/?#{}]+\})*)+$", max_length=2000)]
_Name = Annotated[str, Field(pattern=r"^[^\s{}]+$", max_length=200)]
_Header = Annotated[str, Field(pattern=r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$", max_length=200)]


class _Frozen(BaseModel):
    # Few contracts have a wire, and every command imports this.
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class ReplyPlaces(_Frozen):
    """Where the reply to a reset or step has its fields."""

    observation: Pointer = ""
    """The observation; empty if the reply itself is."""

    reward: Pointer | None = None
    """The reward; None if the reply has none."""

    done: tuple[Pointer, ...] = ()
    """Flags, each of which ends the episode."""

    metadata: Pointer | None = None
    """An object with further fields; None if there is none."""

    optional: tuple[Pointer, ...] = ()
    """Places of these that may be absent or null."""


class Route(_Frozen):
    """A route, as the runtime's ``HttpRoute``."""

    method: Method
    path: _Path
    query: tuple[_Name, ...] = ()
    headers: tuple[_Header, ...] = ()
    fields: tuple[_Name, ...] = ()
    has_body: StrictBool = True

    @property
    def http(self) -> HttpRoute:
        """What a client states."""
        return HttpRoute(
            self.method, self.path, self.query, self.headers, self.fields, self.has_body
        )


class ResetRoute(Route):
    """The route of resets."""

    reply: ReplyPlaces = ReplyPlaces()


class StepRoute(Route):
    """The route of steps."""

    action: Annotated[str, Field(pattern=r"^(/[^/]+)?$", max_length=200)] = ""
    """Where the action stands in the body; empty if it is the body."""

    reply: ReplyPlaces = ReplyPlaces()


class Wire(_Frozen):
    """How one environment's contract travels. ``HttpWire`` describes the fields."""

    calls_tools: ClassVar[Literal[False]] = False
    """Whether the tools of the contract are called over it."""

    create: Route | None = None
    reset: ResetRoute
    step: StepRoute
    state: Route | None = None
    close: Route | None = None
    session: dict[_Name, Pointer] = Field(default_factory=dict[str, str])
    session_headers: tuple[_Header, ...] = ()
    chosen: tuple[_Name, ...] = ()
    arguments: tuple[_Name, ...] = ()

    @property
    def http(self) -> HttpWire:
        """What a client states."""
        return HttpWire(
            reset=self.reset.http,
            step=self.step.http,
            state=self.state.http if self.state else None,
            create=self.create.http if self.create else None,
            close=self.close.http if self.close else None,
            session=self.session,
            session_headers=self.session_headers,
            chosen=self.chosen,
            arguments=self.arguments,
        )

    def to_json(self) -> dict[str, Any]:
        """The value of ``wire`` in a contract."""
        return self.model_dump(mode="json", exclude_defaults=True)


class ToolServer(_Frozen):
    """A standard that a server of tools follows."""

    calls_tools: ClassVar[Literal[True]] = True
    """As ``Wire.calls_tools``."""

    protocol: Literal["nemo-gym", "open-reward"]
    environment: Annotated[str, Field(max_length=200)] = ""
    """The environment's name on its server, where that may have several."""

    def to_json(self) -> dict[str, Any]:
        """The value of ``wire`` in a contract."""
        return self.model_dump(mode="json", exclude_defaults=True)


def parse_wire(value: Any, *, source: str) -> Wire | ToolServer:
    """Read the ``wire`` of a contract.

    Raises:
        ContractError: it has an unknown key, or a value that can't be used.
    """
    try:
        kind = ToolServer if "protocol" in (as_object(value) or {}) else Wire
        return kind.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = first["loc"][:-1] if first["type"] == "missing" else first["loc"]
        pointer = pointer_to("/wire", *place)
        raise ContractError(
            f"{('wire', *first['loc'])[-1]}: {first['msg']}",
            pointer=pointer,
            source=source,
            hint="envgen writes this key itself",
        ) from error
