"""The operations of an OpenAPI document: which one resets, steps, gives the state."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal
from urllib.parse import urlsplit

from ..schema.keywords import as_array, as_object, pointer_to
from .openapi_schemas import OpenApiDocument

Role = Literal["reset", "step", "state", "session"]

METHODS: Mapping[Role, tuple[str, ...]] = {
    "step": ("post", "put", "patch", "get"),
    "reset": ("post", "put", "get"),
    "state": ("get", "post"),
    "session": ("post", "put"),
}
_STATE_NAMES = ("state", "info", "status")
_WORD = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+")
_VARIABLE = re.compile(r"\{([^{}]+)\}")


def words(text: Any) -> list[str]:
    """The words of a name in any style, in lower case."""
    return [word.lower() for word in _WORD.findall(text)] if isinstance(text, str) else []


def snake_case(text: str) -> str:
    """``isDone``, ``is-done`` and ``X-Is-Done`` become ``is_done``."""
    parts = words(text)
    return "_".join(parts[1:] if parts[:1] == ["x"] and len(parts) > 1 else parts)


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of an operation.

    Attributes:
        name: its name on the wire.
        place: where it is sent.
        is_required: whether it has to be.
        schema: its schema.
        pointer: the schema's place in the document.
        description: what the document says about it.
    """

    name: str
    place: Literal["path", "query", "header", "cookie"]
    is_required: bool
    schema: Any
    pointer: str
    description: str | None


@dataclass(frozen=True, slots=True)
class Content:
    """The schema of a JSON body, and its place. ``schema`` is None if the body isn't JSON."""

    schema: Any
    pointer: str


@dataclass(frozen=True)
class Operation:
    """One operation.

    Attributes:
        openapi: the document.
        path: its path as the document has it.
        prefix: the path of the server, which comes before it.
        method: the method, in lower case.
        pointer: its place in the document.
        fields: what the document says about it.
        shared: the parameters of its path, and their place.
    """

    openapi: OpenApiDocument
    path: str
    prefix: str
    method: str
    pointer: str
    fields: Mapping[str, Any]
    shared: tuple[Any, str]

    @property
    def folder(self) -> str:
        """The path without its last segment."""
        return self.path.rstrip("/").rpartition("/")[0]

    @property
    def last(self) -> str:
        """The last segment of the path."""
        return self.path.rstrip("/").rpartition("/")[2]

    @property
    def label(self) -> str:
        """What to call it in messages."""
        return f"{self.method.upper()} {self.path[:60]}"

    @cached_property
    def parameters(self) -> tuple[Parameter, ...]:
        """Its parameters, with those of its path."""
        found: dict[tuple[str, str], Parameter] = {}
        own = (self.fields.get("parameters"), pointer_to(self.pointer, "parameters"))
        for items, place in (self.shared, own):
            for index, item in enumerate(as_array(items) or []):
                fields, pointer = self.openapi.followed(item, pointer_to(place, index))
                name, where = fields.get("name"), fields.get("in")
                if not isinstance(name, str) or where not in ("path", "query", "header", "cookie"):
                    continue
                content = Content(fields.get("schema"), pointer_to(pointer, "schema"))
                if "schema" not in fields:
                    content = self._json(fields, pointer) or Content({}, pointer)
                text = fields.get("description")
                found[name, where] = Parameter(
                    name,
                    where,
                    where == "path" or fields.get("required") is True,
                    content.schema,
                    content.pointer,
                    text if isinstance(text, str) else None,
                )
        return tuple(found.values())

    @cached_property
    def request(self) -> Content | None:
        """The body of its request; None if it takes none."""
        if "requestBody" not in self.fields or self.method == "get":
            return None
        place = pointer_to(self.pointer, "requestBody")
        body, place = self.openapi.followed(self.fields["requestBody"], place)
        return self._json(body, place) or Content(None, place)

    @cached_property
    def response(self) -> Content:
        """The body of its reply where it succeeds. ``schema`` is None if it isn't JSON."""
        place = pointer_to(self.pointer, "responses")
        responses = as_object(self.fields.get("responses")) or {}
        codes = sorted(code for code in responses if re.fullmatch(r"2(\d\d|XX)", code))
        for code in (*codes, "default"):
            if code in responses:
                body, at = self.openapi.followed(responses[code], pointer_to(place, code))
                if (found := self._json(body, at)) is not None:
                    return found
        return Content(None, place if "responses" in self.fields else self.pointer)

    def _json(self, body: Mapping[str, Any], pointer: str) -> Content | None:
        for media, content in (as_object(body.get("content")) or {}).items():
            media_type = media.partition(";")[0].strip().lower()
            if media_type in ("application/json", "*/*") or media_type.endswith("+json"):
                place = pointer_to(pointer, "content", media)
                fields = as_object(content) or {}
                if "schema" in fields:
                    return Content(fields["schema"], pointer_to(place, "schema"))
                return Content({}, place)
        return None


class Operations:
    """The operations of a document.

    Args:
        openapi: the document.
        paths: the routes that settings choose, by role.
    """

    def __init__(self, openapi: OpenApiDocument, paths: Mapping[str, str]) -> None:
        self.openapi = openapi
        self._paths = paths
        self.all = tuple(self._read())

    def find(self, role: Role, *, beside: Operation | None = None) -> Operation | None:
        """The operation of a role: the one in the settings, or the one whose name fits.

        Raises:
            ContractError: there are several, or none at the configured route.
        """
        operations = [item for item in self.all if item.method in METHODS[role]]
        operations.sort(key=lambda item: METHODS[role].index(item.method))
        if (chosen := self.chosen(role)) is not None:
            return chosen
        names = _STATE_NAMES if role == "state" else (role,)
        for name in names:
            candidates = (
                [item for item in operations if item.last.lower() == name]
                or [item for item in operations if name in words(item.last)]
                or [item for item in operations if name in words(item.fields.get("operationId"))]
            )
            if role == "state" and name != "state":
                candidates = [item for item in candidates if item.last.lower() == name]
            if role != "state":
                candidates = [item for item in candidates if item.method != "get"] or candidates
            near = [item for item in candidates if beside and item.folder == beside.folder]
            candidates = near or candidates
            if len({item.path for item in candidates}) > 1:
                raise self.several(role, candidates)
            if candidates:
                return candidates[0]
        return None

    def chosen(self, role: Role) -> Operation | None:
        """The operation that the settings choose for a role; None if they choose none.

        Raises:
            ContractError: it isn't there.
        """
        route = self._paths.get(role)
        if route is None:
            return None
        operations = [item for item in self.all if item.method in METHODS[role]]
        for item in sorted(operations, key=lambda item: METHODS[role].index(item.method)):
            if route.rstrip("/") in (item.path.rstrip("/"), item.prefix + item.path.rstrip("/")):
                return item
        methods = " or ".join(method.upper() for method in METHODS[role])
        raise self.openapi.error("/paths", f"no {methods} {route}, the route configured for {role}")

    def several(self, role: Role, candidates: list[Operation]) -> Exception:
        """The error for several operations that look alike."""
        labels = ", ".join(item.label for item in candidates[:5])
        return self.openapi.error(
            "/paths",
            f"several operations look like {role}: {labels}",
            hint=f"name the route with --{role}-path",
        )

    def _read(self) -> Iterator[Operation]:
        for path, item in (as_object(self.openapi.document.get("paths")) or {}).items():
            place = pointer_to("/paths", path)
            fields = as_object(item) or {}
            if "$ref" in fields:
                if not str(fields["$ref"]).startswith("#/"):
                    continue  # files are not read here; the operation may not be needed
                fields, place = self.openapi.followed(item, place)
            shared = (fields.get("parameters"), pointer_to(place, "parameters"))
            for method, operation in fields.items():
                if (known := as_object(operation)) is None:
                    continue
                prefix = self._prefix(known, fields, self.openapi.document)
                pointer = pointer_to(place, method)
                yield Operation(self.openapi, path, prefix, method.lower(), pointer, known, shared)

    def _prefix(self, *levels: dict[str, Any]) -> str:
        """The path of the server that the innermost ``servers`` names.

        One that is relative, or at the document's own host, is preferred to others.
        """
        lists = [as_array(level.get("servers")) or [] for level in levels]
        servers = next(filter(None, lists), lists[0])
        host = urlsplit(self.openapi.source).netloc
        chosen: str | None = None
        for server in servers:
            if (url := _url(as_object(server) or {})) is None:
                continue
            if urlsplit(url).netloc in ("", host):
                chosen = url
                break
            chosen = chosen or url
        path = urlsplit(chosen or "").path.strip("/.")
        return f"/{path}" if path else ""


def _url(server: Mapping[str, Any]) -> str | None:
    """A server's URL, with its variables replaced by their defaults."""
    variables = as_object(server.get("variables")) or {}

    def default(match: re.Match[str]) -> str:
        return str((as_object(variables.get(match[1])) or {}).get("default", ""))

    url = server.get("url")
    try:
        return urlsplit(_VARIABLE.sub(default, url)).geturl() if isinstance(url, str) else None
    except ValueError:
        return None
