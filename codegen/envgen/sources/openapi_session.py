"""What makes a session of a server with routes of its own, and which values belong to it."""

from __future__ import annotations

from dataclasses import dataclass, field

from .openapi_operations import Operation, Operations, Parameter, snake_case, words
from .openapi_replies import field_of
from .openapi_shapes import Shape, Shapes

_CREATE = frozenset({"create", "new", "start", "init", "make", "open", "begin", "register"})
_OF_SESSIONS = frozenset(
    {
        "session", "env", "environment", "instance", "episode", "game", "run", "rollout", "sandbox",
        "world", "trajectory", "sid",
    }
)  # fmt: skip
_ID_WORDS = frozenset({"id", "sid", "uuid", "token", "session"})


@dataclass(slots=True)
class Session:
    """The session of a server.

    Attributes:
        reset: the operation that resets.
        create: the operation that makes the session, if it is another one.
        values: the places of its values in the reply of ``create`` or ``reset``, by name.
        headers: values that arrive as headers.
        chosen: values that the client makes up.
        arguments: values that the user gives.
    """

    reset: Operation
    create: Operation | None = None
    values: dict[str, str] = field(default_factory=dict[str, str])
    headers: list[str] = field(default_factory=list[str])
    chosen: list[str] = field(default_factory=list[str])
    arguments: list[str] = field(default_factory=list[str])

    def knows(self, name: str) -> bool:
        """Whether a value belongs to the session."""
        return name in {*self.values, *self.headers, *self.chosen, *self.arguments}


def is_session_name(name: str) -> bool:
    """Whether a value's name alone says that it belongs to a session."""
    parts = snake_case(name).split("_")
    if len(parts) == 1:
        return parts[0] in _ID_WORDS
    return parts[-1] in _ID_WORDS and bool(_OF_SESSIONS.intersection(parts))


class SessionFinder:
    """Finds the session of a document."""

    def __init__(self, operations: Operations, shapes: Shapes) -> None:
        self._operations = operations
        self._shapes = shapes

    def find(self, step: Operation, reset: Operation | None) -> Session:
        """Find what makes the session that ``step`` and ``reset`` need.

        Raises:
            ContractError: nothing resets, or several operations may make the session.
        """
        handles = self._handles(step)
        needed = [name for name in handles if reset is None or _requires(reset, name, self._shapes)]
        create = self._creating(step, reset, needed) if needed or reset is None else None
        maker = create or reset
        if maker is None:
            raise self._operations.openapi.error(
                "/paths", "no operation looks like reset", hint="name its route with --reset-path"
            )
        session = Session(reset or maker, create if reset is not None else None)
        content = maker.response
        reply = self._shapes.of(content.schema or {}, content.pointer)
        for name, parameter in handles.items():
            self._place(session, maker, reply, name, parameter)
        return session

    def _place(
        self,
        session: Session,
        maker: Operation,
        reply: Shape,
        name: str,
        parameter: Parameter | None,
    ) -> None:
        """Settle where a value comes from."""
        is_of_maker = _requires(maker, name, self._shapes)
        place = None if is_of_maker else field_of(reply, self._shapes, name)
        if place is not None:
            session.values[name] = place
        elif not is_of_maker and reply.kind == "untyped" and (parameter and parameter.is_required):
            raise self._operations.openapi.error(
                maker.response.pointer,
                f"the reply of {maker.label} has no type, so {name} can't be found in it",
                hint=f"give it a response_model (or a return type) with a field for {name}",
            )
        elif parameter is None or not (parameter.is_required or is_of_maker):
            return
        elif parameter.place == "header" and not is_of_maker:
            session.headers.append(name)
        elif "session" in words(name):
            session.chosen.append(name)
        else:
            session.arguments.append(name)

    def _handles(self, step: Operation) -> dict[str, Parameter | None]:
        """The values of a step that may be a session's, with their parameters."""
        takes_body = step.request is not None
        handles: dict[str, Parameter | None] = {}
        for item in step.parameters:
            if item.place == "cookie":
                continue  # the client keeps cookies
            is_named = is_session_name(item.name)
            if is_named or (takes_body and item.place == "path"):
                handles[item.name] = item
        if step.request is not None:
            body = self._shapes.of(step.request.schema or {}, step.request.pointer)
            if body.kind == "object":
                handles |= {name: None for name in body.fields if is_session_name(name)}
        return handles

    def _creating(
        self, step: Operation, reset: Operation | None, needed: list[str]
    ) -> Operation | None:
        """The operation that makes a session, if there is one."""
        chosen = self._operations.chosen("session")
        if chosen is not None:
            return chosen
        others = [
            item
            for item in self._operations.all
            if item.method in ("post", "put")
            and item not in (step, reset)
            and not any(parameter.place == "path" for parameter in item.parameters)
        ]
        in_path = [name for name in needed if f"{{{name}}}" in step.path]
        if in_path:
            folder = step.path.partition(f"{{{in_path[0]}}}")[0].rstrip("/")
            owner = [item for item in others if item.path.rstrip("/") == folder]
            below = [item for item in others if item.folder == folder and _creates(item)]
            if owner or below:
                return self._only(owner or below)
        giving = [item for item in others if _creates(item) and self._gives(item, needed)]
        return self._only(giving) if giving and needed else None

    def _only(self, candidates: list[Operation]) -> Operation:
        if len({item.path for item in candidates}) > 1:
            raise self._operations.several("session", candidates)
        return candidates[0]

    def _gives(self, operation: Operation, names: list[str]) -> bool:
        content = operation.response
        reply = self._shapes.of(content.schema or {}, content.pointer)
        return all(field_of(reply, self._shapes, name) is not None for name in names)


def _creates(operation: Operation) -> bool:
    """Whether an operation looks like one that makes a session, as ``POST /instances`` does."""
    last = words(operation.last)
    names = {*last, *words(operation.fields.get("operationId"))}
    return bool(_CREATE & names) or any(word.removesuffix("s") in _OF_SESSIONS for word in last)


def _requires(operation: Operation, name: str, shapes: Shapes) -> bool:
    """Whether an operation can't be sent without a value."""
    if any(item.name == name and item.is_required for item in operation.parameters):
        return True
    if operation.request is None:
        return False
    body = shapes.of(operation.request.schema or {}, operation.request.pointer)
    return body.kind == "object" and name in body.required
