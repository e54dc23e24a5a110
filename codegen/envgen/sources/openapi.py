"""Convert an OpenAPI document to a contract, by its operations reset, step and state."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from ..config import SourceSettings
from ..errors import ContractError
from ..findings import Finding
from ..schema.keywords import as_array, as_object, pointer_to
from .openapi_schemas import OpenApiDocument, PartSchema

Role = Literal["reset", "step", "state"]

_METHODS: dict[Role, tuple[str, ...]] = {
    "step": ("post", "put"),
    "reset": ("post", "put"),
    "state": ("get", "post"),
}
_WORD = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+")
_COMMON_RESET_FIELDS = frozenset({"seed", "episode_id"})
_TYPING_KEYWORDS = frozenset(
    {
        "properties", "patternProperties", "$ref", "anyOf", "oneOf", "allOf", "enum", "const",
        "items", "prefixItems",
    }
)  # fmt: skip
_GENERIC_TITLES = frozenset({"fastapi", "openenv environment http api", "api", "openapi"})
_GENERIC_WORDS = re.compile(r"\b(?:http|rest|api|server|service)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Converted:
    """A contract made of an OpenAPI document.

    Attributes:
        document: the contract.
        findings: what is less exact than the document; pointers are into the document.
        origins: for places in the contract, their places in the document.
        name: the document's title, if it is specific enough for a name.
    """

    document: dict[str, Any]
    findings: tuple[Finding, ...]
    origins: dict[str, str]
    name: str | None


def is_openapi(document: Any) -> bool:
    """Whether a document is OpenAPI, of any version."""
    fields = as_object(document) or {}
    return isinstance(fields.get("openapi") or fields.get("swagger"), str)


def has_action(document: Any, settings: SourceSettings) -> bool:
    """Whether the document has a type for the action of a step."""
    reader = _Reader(OpenApiDocument(as_object(document) or {}, ""), settings)
    try:
        return not reader.is_free(*reader.action())
    except ContractError:
        return False


def convert(document: Any, settings: SourceSettings, *, source: str) -> Converted:
    """Convert an OpenAPI document.

    Raises:
        ContractError: its version is not 3.0 or 3.1, it has no operation that steps, or several,
            or the action has no type.
    """
    openapi = OpenApiDocument(as_object(document) or {}, source)
    version = str(openapi.document.get("openapi", ""))
    if not version.startswith(("3.0", "3.1")):
        raise openapi.error(
            "/openapi" if version else "/swagger",
            "envgen reads OpenAPI 3.0 and 3.1",
            hint="convert it to OpenAPI 3.1",
        )
    return _Reader(openapi, settings).contract()


@dataclass(frozen=True, slots=True)
class _Operation:
    path: str
    method: str
    pointer: str
    fields: dict[str, Any]

    @property
    def folder(self) -> str:
        return self.path.rstrip("/").rpartition("/")[0]

    @property
    def last(self) -> str:
        return self.path.rstrip("/").rpartition("/")[2]

    @property
    def label(self) -> str:
        return f"{self.method.upper()} {self.path[:60]}"


@dataclass
class _Reader:
    openapi: OpenApiDocument
    settings: SourceSettings
    findings: list[Finding] = field(default_factory=list[Finding])

    def contract(self) -> Converted:
        step = self.needed_step()
        action, place = self.action()
        if self.is_free(action, place):
            raise self.openapi.error(
                place,
                f"{step.label} takes an action without a type",
                hint="OpenEnv servers publish the type at /schema: name the server's URL as the "
                "source, or save it with: curl URL/schema > FILE (servers before 0.2 have no "
                "/schema: write the contract as a file); if another route steps, pass --step-path",
            )
        reset, state = self.find("reset", beside=step), self.find("state", beside=step)
        observation, observed = self.observation(step)
        parts = {"action": (action, place), "observation": (observation, observed)}
        if reset is not None:
            parts |= self._reset_parts(reset)
        parts["state"] = self._state(state)
        self._check_routes({"step": step, "reset": reset, "state": state})
        if "/health" not in (as_object(self.openapi.document.get("paths")) or {}):
            hint = 'pass transport="http" to the client'
            message = "no /health, from which a client detects that it has to use HTTP"
            self.findings.append(Finding("info", "/paths", message, hint))
        contract: dict[str, Any] = {}
        origins: dict[str, str] = {}
        for part, (schema, pointer) in parts.items():
            made = PartSchema(self.openapi, schema, pointer)
            contract[part] = made.schema
            origins |= {f"/{part}{inner}": origin for inner, origin in made.origins.items()}
        if contract.get("reset_observation") == contract["observation"]:
            del contract["reset_observation"]
        return Converted(contract, tuple(self.findings), origins, self._name())

    # --- operations ---------------------------------------------------------------------------

    def needed_step(self) -> _Operation:
        step = self.find("step")
        if step is None:
            raise self.openapi.error(
                "/paths",
                "no operation looks like step",
                hint="name its route with --step-path",
            )
        return step

    def find(self, role: Role, *, beside: _Operation | None = None) -> _Operation | None:
        """The operation of a role: the one in the settings, or the one whose name fits."""
        operations = [item for item in self._operations() if item.method in _METHODS[role]]
        operations.sort(key=lambda item: _METHODS[role].index(item.method))
        if (route := self.settings.paths.get(role)) is not None:
            for item in operations:
                if item.path.rstrip("/") == route.rstrip("/"):
                    return item
            methods = " or ".join(method.upper() for method in _METHODS[role])
            raise self.openapi.error(
                "/paths", f"no {methods} {route}, the route configured for {role}"
            )
        candidates = (
            [item for item in operations if item.last.lower() == role]
            or [item for item in operations if role in _words(item.last)]
            or [item for item in operations if role in _words(item.fields.get("operationId"))]
        )
        near = [item for item in candidates if beside and item.folder == beside.folder]
        candidates = near or candidates
        if len({item.path for item in candidates}) > 1:
            labels = ", ".join(item.label for item in candidates[:5])
            raise self.openapi.error(
                "/paths",
                f"several operations look like {role}: {labels}",
                hint=f"name the route with --{role}-path",
            )
        return candidates[0] if candidates else None

    def _operations(self) -> Iterator[_Operation]:
        for path, item in (as_object(self.openapi.document.get("paths")) or {}).items():
            place = pointer_to("/paths", path)
            fields = as_object(item) or {}
            if "$ref" in fields:
                if not str(fields["$ref"]).startswith("#/"):
                    continue  # files are not read here; the operation may not be needed
                fields, place = self.openapi.followed(item, place)
            for method, operation in fields.items():
                if (known := as_object(operation)) is not None:
                    yield _Operation(path, method.lower(), pointer_to(place, method), known)

    def _check_routes(self, operations: dict[Role, _Operation | None]) -> None:
        for role, item in operations.items():
            if item is None:
                if role == "reset":
                    self._warn("/paths", "no operation looks like reset", "name it: --reset-path")
            elif item.last != role or "{" in item.path or item.method != _METHODS[role][0]:
                self._warn(
                    item.pointer,
                    f"{item.label} has the types, but a client sends {_METHODS[role][0].upper()} "
                    f"/{role} below its base URL",
                    f"serve it at /{role} as well",
                )

    # --- bodies -------------------------------------------------------------------------------

    def action(self) -> tuple[Any, str]:
        step = self.needed_step()
        body, place = self._request(step)
        inner = self._property(body, place, "action")
        if inner is not None:
            return inner
        self._warn(
            place,
            f"{step.label} takes the action as its body; a client sends it as the property action",
            'make the server accept {"action": {...}}',
        )
        return body, place

    def observation(self, operation: _Operation) -> tuple[Any, str]:
        reply, place = self._response(operation)
        inner = self._property(reply, place, "observation")
        schema, place = inner or (reply, place)
        if self.is_free(schema, place):
            self._warn(place, f"the answer of {operation.label} has no type")
            fields, place = self.openapi.followed(schema, place)
            return {"title": "Observation", "type": "object", **fields}, place
        if inner is None:
            self._warn(
                place,
                f"{operation.label} answers the observation itself; a client reads it from the "
                "property observation",
                'make the server answer {"observation": {...}, "reward": ..., "done": ...}',
            )
        return schema, place

    def _reset_parts(self, reset: _Operation) -> dict[str, tuple[Any, str]]:
        parts: dict[str, tuple[Any, str]] = {}
        observation, place = self.observation(reset)
        if not self.is_free(observation, place):
            parts["reset_observation"] = observation, place
        body, place = self._request(reset)
        fields, place = self.openapi.followed(body, place)
        properties = as_object(fields.get("properties")) or {}
        own = {k: v for k, v in properties.items() if k not in _COMMON_RESET_FIELDS}
        if own:
            required = [name for name in as_array(fields.get("required")) or [] if name in own]
            schema: dict[str, Any] = {
                "title": "ResetParameters",
                "type": "object",
                "properties": own,
                "required": required,
            }
            parts["reset_parameters"] = schema, place
        elif fields.keys() & {"allOf", "anyOf", "oneOf"}:
            self._warn(place, "reset parameters are only typed if they are properties")
        return parts

    def _state(self, state: _Operation | None) -> tuple[Any, str]:
        untyped = {"title": "State", "type": "object"}
        if self.settings.state is not None:
            return untyped, "/paths"  # the settings have the state
        if state is None:
            self._warn(
                "/paths",
                "no operation looks like state: its fields are readable but untyped",
                "name its route with --state-path, or pass its schema with --state FILE",
            )
            return untyped, "/paths"
        reply, place = self._response(state)
        if self.is_free(reply, place):
            self._warn(
                place, f"the answer of {state.label} has no type", "pass it with --state FILE"
            )
            return untyped, place
        return reply, place

    def _request(self, operation: _Operation) -> tuple[Any, str]:
        place = pointer_to(operation.pointer, "requestBody")
        return self._json_schema(operation.fields.get("requestBody"), place)

    def _response(self, operation: _Operation) -> tuple[Any, str]:
        place = pointer_to(operation.pointer, "responses")
        responses = as_object(operation.fields.get("responses")) or {}
        good = sorted(code for code in responses if re.fullmatch(r"2(\d\d|XX)", code))
        for code in (*good, "default"):
            if code in responses:
                return self._json_schema(responses[code], pointer_to(place, code))
        return {}, place

    def _json_schema(self, body: Any, pointer: str) -> tuple[Any, str]:
        """The schema of a body's JSON content; ``{}`` if it has none."""
        body, pointer = self.openapi.followed(body, pointer)
        place = pointer_to(pointer, "content")
        for media, content in (as_object(body.get("content")) or {}).items():
            media_type = media.partition(";")[0].strip().lower()
            if media_type in ("application/json", "*/*") or media_type.endswith("+json"):
                schema = (as_object(content) or {}).get("schema", {})
                return schema, pointer_to(place, media, "schema")
        return {}, pointer

    def _property(self, schema: Any, pointer: str, name: str) -> tuple[Any, str] | None:
        fields, place = self.openapi.followed(schema, pointer)
        properties = as_object(fields.get("properties")) or {}
        if name not in properties:
            return None
        return properties[name], pointer_to(place, "properties", name)

    def is_free(self, schema: Any, pointer: str) -> bool:
        """Whether a schema allows any object."""
        fields, _ = self.openapi.followed(schema, pointer)
        if fields.get("type", "object") != "object" or fields.keys() & _TYPING_KEYWORDS:
            return False
        return fields.get("additionalProperties", True) in (True, {})

    def _name(self) -> str | None:
        title = (as_object(self.openapi.document.get("info")) or {}).get("title")
        if not isinstance(title, str) or title.strip().lower() in _GENERIC_TITLES:
            return None
        return _GENERIC_WORDS.sub(" ", title).strip() or None

    def _warn(self, pointer: str, message: str, hint: str = "") -> None:
        finding = Finding("warning", pointer, message, hint)
        if finding not in self.findings:
            self.findings.append(finding)


def _words(text: Any) -> set[str]:
    return {word.lower() for word in _WORD.findall(text)} if isinstance(text, str) else set()
