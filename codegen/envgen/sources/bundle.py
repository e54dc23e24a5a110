"""References to files in a contract's own folder, included in the contract.

Off unless requested: a contract may come from anybody, and the content of a local file would end up
in a package that is passed on. Nothing outside the folder is read, however a reference spells it.
"""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urldefrag, urlsplit
from urllib.request import url2pathname

from referencing import Registry, Resource, Specification
from referencing.exceptions import Unretrievable

from envgen_runtime.json_value import at_pointer, pointer_keys, pointer_of, reference_to

from ..contract.contract import PARTS
from ..errors import ContractError
from ..schema.keywords import MAX_DEPTH, SCHEMA_MAPS, as_array, as_object, pointer_to
from ..schema.limits import MAX_SCHEMAS
from . import file
from .openapi_schemas import DefinitionNames
from .parsing import is_openapi

MAX_FILES = 200
"""Files that a contract may refer to."""

_DATA = frozenset({"default", "const", "enum", "example", "examples"})


def bundle(document: Any, path: str) -> Any:
    """Return ``document``, read from ``path``, with the files that it refers to as definitions.

    Raises:
        ContractError: a reference leads out of the folder, to a URL or to nothing.
    """
    fields = as_object(document)
    if fields is None:
        return document
    files = _Files(path)
    if not is_openapi(fields):
        return {
            key: _bundled_part(value, key, files) if key in PARTS else value
            for key, value in fields.items()
        }
    components = as_object(fields.get("components")) or {}
    bundler = _Bundler(files, "/components/schemas", as_object(components.get("schemas")))
    bundled = bundler.document(fields, "")
    components = as_object(bundled.get("components")) or {}
    schemas = {**(as_object(components.get("schemas")) or {}), **bundler.definitions}
    return {**bundled, "components": {**components, "schemas": schemas}}


def _bundled_part(value: Any, part: str, files: _Files) -> Any:
    fields = as_object(value)
    if fields is None:
        return value
    bundler = _Bundler(files, "/$defs", as_object(fields.get("$defs")))
    bundled = bundler.document(fields, f"/{part}")
    if bundler.definitions:
        own = as_object(bundled.get("$defs")) or {}
        bundled["$defs"] = {**own, **bundler.definitions}
    return bundled


class _Files:
    """The documents in a folder, by ``file:`` URI. Each is read once."""

    def __init__(self, path: str) -> None:
        main = Path(path).resolve()
        self.source = path
        self.main = main.as_uri()
        self._root = main.parent
        self._registry: Registry[Any] = Registry(retrieve=_read)  # type: ignore[call-arg]

    def locate(self, reference: str, holder: str, pointer: str) -> str:
        """Return the URI of a reference's target, which is in a file of the folder."""
        path = Path(_path(holder))
        try:
            parts = urlsplit(reference)
            name = unquote(parts.path)
            if parts.scheme or parts.netloc or parts.query:
                raise self.error(pointer, reference, "is no file: nothing is fetched")
            if name.startswith(("/", "\\", "~")):
                raise self.error(pointer, reference, "is an absolute path")
            if name:
                path = (path.parent / name).resolve(strict=True)
            if not path.is_relative_to(self._root):
                raise self.error(pointer, reference, "leads out of the contract's folder")
            if not path.is_file():
                raise self.error(pointer, reference, "leads to no file")
        except (FileNotFoundError, NotADirectoryError) as error:
            raise self.error(pointer, reference, "leads to no file") from error
        except (ValueError, OSError, RuntimeError) as error:  # NUL, bad URL, loop of links
            raise self.error(pointer, reference, "can't be followed") from error
        return f"{path.as_uri()}#{parts.fragment}"

    def at(self, uri: str, reference: str, pointer: str) -> Any:
        """Return what is at a URI that ``locate`` returned."""
        file_uri, fragment = urldefrag(uri)
        if file_uri not in self._registry and len(self._registry) >= MAX_FILES:
            raise self.error(pointer, reference, f"is one of more than {MAX_FILES} files")
        try:
            retrieved = self._registry.get_or_retrieve(file_uri)
        except Unretrievable as error:
            message = getattr(error.__cause__, "message", "can't be read")
            raise self.error(pointer, reference, message) from error
        self._registry = retrieved.registry
        missing = self.error(pointer, reference, "leads to a place that is not there")
        place = pointer_of(f"#{fragment}")
        if place is None:
            raise missing
        try:
            return at_pointer(retrieved.value.contents, place)
        except LookupError as error:
            raise missing from error

    def error(self, pointer: str, reference: str, message: str) -> ContractError:
        return ContractError(
            f"the $ref {reference[:80]!r} {message}",
            pointer=pointer,
            source=self.source,
            hint="--bundle follows files beside the contract and in folders below it",
        )


def _read(uri: str) -> Resource[Any]:
    # Opaque: an $id in a file doesn't change what the references in it are relative to.
    return Specification.OPAQUE.create_resource(file.read(_path(uri)).content)


def _path(uri: str) -> str:
    return url2pathname(urlsplit(uri).path)


class _Bundler:
    """Copies a document, and makes a definition of everything outside that it refers to."""

    def __init__(self, files: _Files, prefix: str, own: dict[str, Any] | None) -> None:
        self.definitions: dict[str, Any] = {}
        self._files = files
        self._prefix = prefix
        self._free = DefinitionNames(set(own or {}))
        self._names: dict[str, str] = {}
        self._nodes = 0
        self._waiting: deque[tuple[str, str, str]] = deque()

    def document(self, fields: dict[str, Any], pointer: str) -> dict[str, Any]:
        copy: dict[str, Any] = self._copy(fields, pointer, self._files.main)
        while self._waiting:
            uri, reference, place = self._waiting.popleft()
            value = self._files.at(uri, reference, place)
            self.definitions[self._names[uri]] = self._copy(value, place, urldefrag(uri).url)
        return copy

    def _reference(self, reference: str, holder: str, pointer: str) -> str:
        """Return a reference as it reads in the bundle."""
        if holder == self._files.main and reference.startswith("#"):
            return reference
        uri = self._files.locate(reference, holder, pointer)
        file_uri, fragment = urldefrag(uri)
        if file_uri == self._files.main and self._prefix.startswith("/components"):
            return f"#{fragment}"
        if uri not in self._names:
            keys = pointer_keys(unquote(fragment))
            self._names[uri] = self._free.claim(keys[-1] if keys else Path(_path(file_uri)).stem)
            self._waiting.append((uri, reference, pointer))
        return reference_to(pointer_to(self._prefix, self._names[uri]))

    def _copy(
        self, value: Any, pointer: str, holder: str, *, depth: int = 0, is_map: bool = False
    ) -> Any:
        self._nodes += 1
        if depth > 4 * MAX_DEPTH or self._nodes > 100 * MAX_SCHEMAS:
            raise ContractError("too large or too deep", pointer=pointer, source=self._files.source)
        fields, items = as_object(value), as_array(value)
        if items is not None:
            return [
                self._copy(item, pointer_to(pointer, index), holder, depth=depth + 1)
                for index, item in enumerate(items)
            ]
        if fields is None:
            return value
        result: dict[str, Any] = {}
        for key, child in fields.items():
            place = pointer_to(pointer, key)
            if not is_map and key == "$ref" and isinstance(child, str):
                result[key] = self._reference(child, holder, place)
            elif not is_map and (key in _DATA or key.startswith("x-")):
                result[key] = child
            else:
                names = not is_map and key in SCHEMA_MAPS
                result[key] = self._copy(child, place, holder, depth=depth + 1, is_map=names)
        return result
