"""Where the replies of an OpenAPI document's operations have observation, reward and done."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ..contract.wire import ReplyPlaces
from ..findings import Finding
from ..schema.keywords import pointer_to
from .openapi_operations import Operation, snake_case
from .openapi_parts import PartSource
from .openapi_schemas import OpenApiDocument
from .openapi_shapes import Shape, Shapes

_OBSERVATION = (
    "observation", "obs", "next_observation", "next_obs", "initial_observation", "initial_obs",
)  # fmt: skip
_STATE = ("next_state", "initial_state", "state")
"""Names of an observation where reward or done stand beside it."""

_DONE = (
    "done", "is_done", "terminated", "is_terminated", "truncated", "is_truncated", "terminal",
    "is_terminal", "finished", "is_finished", "game_over", "is_game_over", "episode_over",
    "episode_done",
)  # fmt: skip
_METADATA = ("info", "metadata")
_WRAPPERS = ("result", "data", "response", "payload", "reply", "step_result", "transition")
_MAX_WRAPPERS = 3

_ADD = "give it a response_model (or a return type) with the fields observation, reward and done"


@dataclass(slots=True)
class Reply:
    """The reply to a reset or a step.

    Attributes:
        observation: the observation.
        shape: what its schema is.
        places: where the fields stand.
        whole: what the schema of the whole reply is.
    """

    observation: PartSource
    shape: Shape
    places: ReplyPlaces
    whole: Shape


class ReplyReader:
    """Reads the replies of operations.

    Attributes:
        findings: what is less exact than the document.
    """

    def __init__(self, openapi: OpenApiDocument, shapes: Shapes) -> None:
        self._openapi = openapi
        self._shapes = shapes
        self.findings: list[Finding] = []

    def whole(self, operation: Operation) -> Shape:
        """The shape of a reply, which is an object with a type.

        Raises:
            ContractError: it is not.
        """
        content = operation.response
        found = self._shapes.of(content.schema or {}, content.pointer)
        if found.is_object:
            return found
        if found.kind == "untyped":
            message, hint = f"the reply of {operation.label} has no type", _ADD
        else:
            kind = {"array": "an array", "null": "null"}.get(found.kind, "no object")
            message = f"{operation.label} answers {kind}, and a reply is an object"
            hint = "answer an object with the fields observation, reward and done"
        raise self._openapi.error(content.pointer, message, hint=hint)

    def step(self, operation: Operation) -> Reply:
        """Read the reply to a step.

        Raises:
            ContractError: it has no type, or is no object.
        """
        reply = self._read(operation, None)
        if not reply.places.done:
            self._warn(
                reply.whole.pointer,
                f"{operation.label} never says done: an episode goes on until its player stops",
                "add a field done to the reply, or terminated and truncated",
            )
        return reply

    def reset(self, operation: Operation, step: Reply) -> Reply:
        """Read the reply to a reset. Raises as ``step`` does."""
        return self._read(operation, step.shape)

    def _read(self, operation: Operation, known: Shape | None) -> Reply:
        whole = self.whole(operation)
        located = self._locate(whole, "", known, _MAX_WRAPPERS)
        places, shape = located or (ReplyPlaces(), whole)
        source = PartSource(shape.schema, shape.pointer)
        if shape.kind == "untyped":
            self._warn(
                shape.pointer, f"the observation in the reply of {operation.label} has no fields"
            )
            fields, at = self._openapi.followed(shape.schema, shape.pointer)
            source = PartSource({"title": "Observation", "type": "object", **fields}, at)
        if shape.is_nullable and places.observation:
            self._warn(shape.pointer, "the observation may be null; then it is a ReplyMismatch")
        return Reply(source, shape, places, whole)

    def _locate(
        self, reply: Shape, at: str, known: Shape | None, wrappers: int
    ) -> tuple[ReplyPlaces, Shape] | None:
        """Find the fields of a reply, or None if none of them is there."""
        if known is not None and known.target == reply.target:
            return self._places(reply, at, None, reply), reply
        names = {snake_case(name): name for name in reversed(reply.fields)}
        children = {name: self._shapes.of(*reply.fields[name]) for name in reply.fields}
        has_others = any(name in names for name in ("reward", *_DONE))
        like_known = [
            name for name, child in children.items() if known and child.target == known.target
        ]
        wanted = (*_OBSERVATION, *(_STATE if has_others or known else ()))
        named = like_known[:1] or [names[name] for name in wanted if name in names]
        if named and reply.kind == "object":
            child = children[named[0]]
            if child.is_object or self._is_free_object(child):
                return self._places(reply, at, named[0], child), child
            return self._places(reply, at, None, reply), reply
        if has_others:
            return self._places(reply, at, None, reply), reply
        wrapped = [names[name] for name in _WRAPPERS if name in names]
        for name in wrapped or (list(children) if len(children) == 1 else []):
            if wrappers and children[name].kind == "object":
                return self._locate(children[name], pointer_to(at, name), known, wrappers - 1)
        return None

    def _places(self, reply: Shape, at: str, observation: str | None, shape: Shape) -> ReplyPlaces:
        """The places of a reply whose observation is found."""
        place = at if observation is None else pointer_to(at, observation)
        holders = [(reply, at)] if observation is None else [(reply, at), (shape, place)]
        optional: list[str] = []
        reward = next(iter(self._found(holders, ("reward",), _NUMBERS, optional)), None)
        done = self._found(holders, _DONE, _FLAGS, optional)
        metadata = next(
            (
                pointer_to(at, name)
                for name in reply.fields
                if snake_case(name) in _METADATA
                and name != observation
                and self._shapes.of(*reply.fields[name]).kind in ("object", "union", "untyped")
            ),
            None,
        )
        return ReplyPlaces(
            observation=place,
            reward=reward,
            done=tuple(done),
            metadata=metadata,
            optional=tuple(optional),
        )

    def _found(
        self,
        holders: Iterable[tuple[Shape, str]],
        names: Iterable[str],
        types: frozenset[str],
        optional: list[str],
    ) -> list[str]:
        """The places of fields with these names, in the first holder that has any."""
        for holder, at in holders:
            found: list[str] = []
            for name in holder.fields:
                if snake_case(name) not in names:
                    continue
                child = self._shapes.of(*holder.fields[name])
                place = pointer_to(at, name)
                if child.kind not in ("scalar", "untyped") or not child.types <= types:
                    kinds = " or ".join(sorted(types))
                    self._warn(
                        child.pointer, f"{name} is not a {kinds}, so it is not taken for one"
                    )
                    continue
                found.append(place)
                if child.is_nullable or name not in holder.required:
                    optional.append(place)
            if found:
                return found
        return []

    def _is_free_object(self, shape: Shape) -> bool:
        fields, _ = self._openapi.followed(shape.schema, shape.pointer)
        return shape.kind == "untyped" and fields.get("type") == "object"

    def _warn(self, pointer: str, message: str, hint: str = "") -> None:
        finding = Finding("warning", self._openapi.existing(pointer), message, hint)
        if finding not in self.findings:
            self.findings.append(finding)


_NUMBERS = frozenset({"number", "integer", "boolean"})
_FLAGS = frozenset({"boolean", "integer"})


def field_of(reply: Shape, shapes: Shapes, name: str) -> str | None:
    """The place in a reply from which a value of the session called ``name`` comes."""
    holders: list[tuple[Shape, str]] = [(reply, "")]
    for key, child in reply.fields.items():
        inner = shapes.of(*child)
        if inner.kind == "object":
            holders.append((inner, pointer_to("", key)))
    for holder, at in holders:
        known = {snake_case(key): key for key in reversed(holder.fields)}
        wanted = snake_case(name)
        ids = [key for key in known if key.split("_")[-1] in _ID_WORDS]
        candidates = [wanted]
        if wanted.split("_")[-1] in _ID_WORDS:
            candidates += ["id"]
        if wanted in _ID_WORDS and len(ids) == 1:
            candidates += ids
        for candidate in candidates:
            if candidate in known:
                value = shapes.of(*holder.fields[known[candidate]])
                if value.kind == "scalar" and value.types <= {"string", "integer"}:
                    return pointer_to(at, known[candidate])
    return None


_ID_WORDS = frozenset({"id", "sid", "uuid", "token", "session", "handle"})
