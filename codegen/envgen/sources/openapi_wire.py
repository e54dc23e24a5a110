"""How the contract in an OpenAPI document travels, and the parts that it has."""

from __future__ import annotations

from typing import TypeVar

from envgen_runtime.wire.protocol import COMMON_PARAMETERS

from ..contract.wire import ResetRoute, Route, StepRoute, Wire
from ..errors import ContractError
from ..findings import Finding, Severity
from ..schema.keywords import pointer_to
from .openapi_operations import Content, Operation, Operations, snake_case, words
from .openapi_parts import PartSource, add_fields, object_of, without
from .openapi_replies import ReplyReader
from .openapi_schemas import OpenApiDocument
from .openapi_session import Session, SessionFinder
from .openapi_shapes import Shape, Shapes

R = TypeVar("R", bound=Route)

_KNOWN = ("timeout_s", "request_id", "episode_id")
"""Values that the client adds to a request where there is a place for them."""


class WirePlanner:
    """Settles the wire of a document.

    Args:
        operations: the document's operations.
        has_state: whether the schema of the state comes from elsewhere.

    Attributes:
        parts: the parts of the contract.
        findings: what is less exact than the document.
    """

    def __init__(self, operations: Operations, *, has_state: bool) -> None:
        self._operations = operations
        self._openapi: OpenApiDocument = operations.openapi
        self._shapes = Shapes(self._openapi)
        self._replies = ReplyReader(self._openapi, self._shapes)
        self._has_state = has_state
        self.parts: dict[str, PartSource] = {}
        self._findings: list[Finding] = []

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What was found, each once."""
        return tuple(dict.fromkeys([*self._findings, *self._replies.findings]))

    def has_action(self) -> bool:
        """Whether the document has a type for the action of a step, whatever else it lacks."""
        try:
            step = self._step()
        except ContractError:
            return False
        content = step.request
        if content is None or content.schema is None:
            return True  # its parameters, or another error
        return self._action(content).kind != "untyped"

    def plan(self) -> Wire:
        """Settle the wire, and the parts of the contract.

        Raises:
            ContractError: the document has something that a client can't express.
        """
        step = self._step()
        self._check_action(step)
        reset = self._operations.find("reset", beside=step)
        session = SessionFinder(self._operations, self._shapes).find(step, reset)
        step_route = self._step_route(step, session)
        seen = self._replies.step(step)
        begun = self._replies.reset(session.reset, seen)
        self.parts["observation"] = seen.observation
        self.parts["reset_observation"] = begun.observation
        reset_route = self._reset_route(session.reset, session)
        create = self._create_route(session.create, session) if session.create else None
        state = self._state_route(step, session)
        close = self._close_route(step, session)
        self._say_arguments(step, session)
        return Wire(
            create=create,
            reset=ResetRoute(**reset_route.model_dump(), reply=begun.places),
            step=step_route.model_copy(update={"reply": seen.places}),
            state=state,
            close=close,
            session=session.values,
            session_headers=tuple(session.headers),
            chosen=tuple(session.chosen),
            arguments=tuple(dict.fromkeys(session.arguments)),
        )

    # --- step -----------------------------------------------------------------------------------

    def _step(self) -> Operation:
        step = self._operations.find("step")
        if step is None:
            raise self._openapi.error(
                "/paths", "no operation looks like step", hint="name its route with --step-path"
            )
        return step

    def _check_action(self, step: Operation) -> None:
        """Refuse a step whose action can't be expressed."""
        content = step.request
        if content is None:
            return
        if content.schema is None:
            raise self._openapi.error(
                content.pointer,
                f"{step.label} takes no JSON",
                hint="envgen sends JSON: take a pydantic model instead of a form or a file",
            )
        body = self._shapes.of(content.schema, content.pointer)
        if body.kind in ("scalar", "array", "null"):
            raise self._openapi.error(
                content.pointer,
                f"{step.label} takes a bare {' or '.join(sorted(body.types)) or body.kind} as "
                "its body, and an action is an object",
                hint="embed it: Annotated[int, Body(embed=True)], or a model with a field action",
            )
        action = self._action(content)
        if action.kind == "untyped":
            raise self._openapi.error(
                action.pointer,
                f"{step.label} takes an action without a type",
                hint="OpenEnv servers publish the type at /schema: name the server's URL as the "
                "source, or save it with: curl URL/schema > FILE (servers before 0.2 have no "
                "/schema: write the contract as a file); if another route steps, pass --step-path",
            )

    def _action(self, content: Content) -> Shape:
        """The shape of the body of a step, or of its field ``action``."""
        body = self._shapes.of(content.schema, content.pointer)
        name = self._action_field(body)
        return body if name is None else self._shapes.of(*body.fields[name])

    def _action_field(self, body: Shape) -> str | None:
        if body.kind != "object":
            return None
        return next((name for name in body.fields if snake_case(name) == "action"), None)

    def _step_route(self, step: Operation, session: Session) -> StepRoute:
        names = self._names(step, session)
        content = step.request
        if content is None:
            self.parts["action"] = self._action_of_parameters(step, session, names)
            return self._route(StepRoute, step, names, has_body=False)
        body = self._shapes.of(content.schema, content.pointer)
        name = self._action_field(body)
        self._drop_others(step, session, names)
        if name is not None:
            known = [item for item in body.fields if item in _KNOWN or session.knows(item)]
            action = self._shapes.of(*body.fields[name])
            others = [item for item in body.fields if item not in (name, *known)]
            needed = [item for item in others if item in body.required]
            if action.is_object and not needed:
                for item in others:
                    place = body.fields[item][1]
                    self._say("info", place, f"{item} stands beside the action; it is not sent")
                self.parts["action"] = PartSource(action.schema, action.pointer)
                return self._route(StepRoute, step, names, known, action=pointer_to("", name))
        else:
            known = [item for item in body.fields if session.knows(item)]
        self.parts["action"] = without(body, known)
        if known and not body.fields.keys() - set(known):
            raise self._openapi.error(
                body.pointer,
                f"{step.label} takes no action",
                hint="if another route steps, pass --step-path",
            )
        return self._route(StepRoute, step, names, known)

    def _action_of_parameters(
        self, step: Operation, session: Session, names: dict[str, list[str]]
    ) -> PartSource:
        """The action of a step without a body: its parameters in the path and the query."""
        own = [
            item
            for item in step.parameters
            if item.place in ("path", "query")
            and not session.knows(item.name)
            and item.name not in _KNOWN
        ]
        if not own:
            raise self._openapi.error(
                step.pointer,
                f"{step.label} takes no action",
                hint="if another route steps, pass --step-path",
            )
        names["query"] += [item.name for item in own if item.place == "query"]
        return object_of(own, step.pointer)

    def _drop_others(self, step: Operation, session: Session, names: dict[str, list[str]]) -> None:
        """Settle the parameters beside a body, which the action can't give."""
        for item in step.parameters:
            if session.knows(item.name) or item.place == "cookie":
                continue
            if item.place == "query" and item.name in _KNOWN:
                names["query"].append(item.name)
            elif item.is_required and item.place == "query":
                session.arguments.append(item.name)
                names["query"].append(item.name)
            elif not item.is_required:
                self._say("info", item.pointer, f"{step.label}: {item.name} is not sent")

    # --- reset and create -----------------------------------------------------------------------

    def _reset_route(self, reset: Operation, session: Session) -> Route:
        names = self._names(reset, session)
        own = [
            item
            for item in reset.parameters
            if item.place in ("path", "query") and not session.knows(item.name)
        ]
        names["query"] += [item.name for item in own if item.place == "query"]
        parameters = [item for item in own if item.name not in COMMON_PARAMETERS]
        fields: list[str] = []
        source = object_of(parameters, reset.pointer)
        content = reset.request
        if content is not None:
            body = self._body(reset, content)
            if body.kind == "object":
                known = (*COMMON_PARAMETERS, *_KNOWN)
                fields = [item for item in body.fields if item in known or session.knows(item)]
                rest = without(body, fields, keep_whole=False)
                add_fields(source, rest)
            elif body.kind == "union":
                self._say(
                    "warning",
                    body.pointer,
                    "reset parameters are only typed if they are properties",
                )
            if body.kind == "untyped":
                fields = list(COMMON_PARAMETERS)
        if source.schema["properties"]:
            self.parts["reset_parameters"] = source
        taken = {*fields, *names["query"]}
        if "seed" not in taken:
            self._say("info", reset.pointer, f"{reset.label} takes no seed; none is sent")
        return self._route(Route, reset, names, fields, has_body=content is not None)

    def _create_route(self, create: Operation, session: Session) -> Route:
        """The route of a session's beginning. Its values are the client's arguments."""
        names = self._names(create, session)
        own = [item for item in create.parameters if item.place in ("path", "query")]
        names["query"] += [item.name for item in own if item.place == "query"]
        session.arguments += [item.name for item in own if item.is_required]
        fields: list[str] = []
        if create.request is not None:
            body = self._body(create, create.request)
            fields = list(body.fields)
            session.arguments += [item for item in body.fields if item in body.required]
        return self._route(Route, create, names, fields, has_body=create.request is not None)

    def _body(self, operation: Operation, content: Content) -> Shape:
        """The shape of a body, which is an object.

        Raises:
            ContractError: it is not JSON, or no object.
        """
        found = self._shapes.of(content.schema or {}, content.pointer)
        if content.schema is None or found.kind in ("array", "scalar"):
            raise self._openapi.error(
                content.pointer,
                f"{operation.label} takes a body that is no JSON object",
                hint="embed a single value: Annotated[int, Body(embed=True)]",
            )
        return found

    # --- state and close ------------------------------------------------------------------------

    def _state_route(self, step: Operation, session: Session) -> Route | None:
        state = self._find_state(step)
        why = "no operation looks like state" if state is None else self._lacks(state, session)
        if state is None or why:
            place = "/paths" if state is None else state.pointer
            self._say("info", place, f"{why}: the state is the base State")
            return None
        content = state.response
        found = self._shapes.of(content.schema or {}, content.pointer)
        self.parts["state"] = PartSource(found.schema, found.pointer)
        if not found.is_object:
            self.parts["state"] = PartSource({"title": "State", "type": "object"}, content.pointer)
            if not self._has_state:
                self._say(
                    "warning",
                    content.pointer,
                    f"the reply of {state.label} has no type",
                    "give it a response_model, or pass its schema with --state FILE",
                )
        names = self._names(state, session)
        return self._route(Route, state, names, has_body=state.request is not None)

    def _find_state(self, step: Operation) -> Operation | None:
        """The operation of the state: one that is called so, or a session's own."""
        state = self._operations.find("state", beside=step)
        if state is not None and ("state" in words(state.last) or self._is_typed(state)):
            return state
        owners = (
            item
            for item in self._operations.all
            if item.method == "get" and item.path.rstrip("/") == step.folder != ""
        )
        return next((item for item in owners if self._is_typed(item)), None)

    def _is_typed(self, operation: Operation) -> bool:
        content = operation.response
        return self._shapes.of(content.schema or {}, content.pointer).is_object

    def _lacks(self, state: Operation, session: Session) -> str:
        """Why a client can't ask for the state; empty if it can."""
        lacking = [
            item.name
            for item in state.parameters
            if item.is_required and item.place in ("path", "query") and not session.knows(item.name)
        ]
        if lacking:
            return f"{state.label} needs {', '.join(lacking)}, which a client lacks"
        content = state.response
        kind = self._shapes.of(content.schema or {}, content.pointer).kind
        is_possible = kind in ("object", "union", "untyped")
        return "" if is_possible else f"{state.label} doesn't answer an object"

    def _close_route(self, step: Operation, session: Session) -> Route | None:
        if not session.values and not session.headers:
            return None
        for item in self._operations.all:
            is_delete = item.method == "delete" and item.path.rstrip("/") == step.folder
            is_close = item.folder == step.folder and item.last in ("close", "end", "stop")
            is_known = all(
                session.knows(parameter.name) or not parameter.is_required
                for parameter in item.parameters
            )
            if is_known and (is_delete or (is_close and item.method in ("post", "delete"))):
                names = self._names(item, session)
                fields: list[str] = []
                if item.request is not None:
                    body = self._shapes.of(item.request.schema or {}, item.request.pointer)
                    fields = [name for name in body.fields if session.knows(name)]
                return self._route(Route, item, names, fields, has_body=item.request is not None)
        return None

    # --- common ---------------------------------------------------------------------------------

    def _names(self, operation: Operation, session: Session) -> dict[str, list[str]]:
        """The session's values among an operation's parameters, by where they are sent."""
        names: dict[str, list[str]] = {"query": [], "headers": []}
        for item in operation.parameters:
            if item.place == "query" and session.knows(item.name):
                names["query"].append(item.name)
            elif item.place == "header" and session.knows(item.name):
                names["headers"].append(item.name)
            elif item.place == "header" and item.is_required:
                self._say(
                    "info",
                    item.pointer,
                    f"{operation.label} needs the header {item.name}",
                    "give it to the client in default_headers",
                )
        return names

    def _route(
        self,
        kind: type[R],
        operation: Operation,
        names: dict[str, list[str]],
        fields: list[str] | None = None,
        *,
        has_body: bool = True,
        **more: str,
    ) -> R:
        return kind.model_validate(
            {
                "method": operation.method.upper(),
                "path": operation.prefix + operation.path,
                "query": tuple(dict.fromkeys(names["query"])),
                "headers": tuple(names["headers"]),
                "fields": tuple(fields or ()),
                "has_body": has_body,
                **more,
            }
        )

    def _say_arguments(self, step: Operation, session: Session) -> None:
        for name in session.arguments:
            self._say(
                "info",
                step.pointer,
                f"{name} is for the user to give",
                f'the client takes it as parameters={{"{name[:40]}": ...}}',
            )
        for name in session.chosen:
            self._say("info", step.pointer, f"{name} is made up by the client, for each session")

    def _say(self, severity: Severity, pointer: str, message: str, hint: str = "") -> None:
        self._findings.append(Finding(severity, self._openapi.existing(pointer), message, hint))
