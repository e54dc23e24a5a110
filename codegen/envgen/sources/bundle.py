"""References to files in a contract's own folder, taken into the contract.

Off unless asked for: a contract may come from anybody, and what a file of ours says would end up in
a package that is given on. Nothing outside of the folder is read, whichever way it is named.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from ..contract.contract import PARTS
from ..errors import ContractError, EnvgenError
from ..schema.keywords import MAX_DEPTH, SCHEMA_MAPS, as_array, as_object, pointer_to
from ..schema.normalize import MAX_NODES
from . import file
from .openapi import is_openapi
from .openapi_schemas import DefinitionNames, OpenApiDocument

MAX_FILES = 200
"""Files that a contract may refer to."""

_Refer = Callable[[str, str], str]
"""Takes a reference and where it stands; gives it as it reads in the bundle."""

_DATA = frozenset({"default", "const", "enum", "example", "examples"})


def bundle(document: Any, path: str) -> Any:
    """``document``, read from ``path``, with the files that it refers to in its definitions.

    Raises:
        ContractError: a reference leads out of the folder, to a URL or to nothing.
    """
    fields = as_object(document)
    if fields is None:
        return document
    files = _Files(path)
    if is_openapi(fields):
        components = as_object(fields.get("components")) or {}
        schemas = as_object(components.get("schemas")) or {}
        taken = _Bundler(files, "#/components/schemas", set(schemas))
        bundled = taken.document(fields, "")
        components = as_object(bundled.get("components")) or {}
        schemas = {**(as_object(components.get("schemas")) or {}), **taken.definitions}
        return {**bundled, "components": {**components, "schemas": schemas}}
    return {
        key: _bundled_part(value, key, files) if key in PARTS else value
        for key, value in fields.items()
    }


def _bundled_part(value: Any, part: str, files: _Files) -> Any:
    fields = as_object(value)
    if fields is None:
        return value
    taken = _Bundler(files, "#/$defs", set(as_object(fields.get("$defs")) or {}))
    bundled = taken.document(fields, f"/{part}")
    if taken.definitions:
        own = as_object(bundled.get("$defs")) or {}
        bundled["$defs"] = {**own, **taken.definitions}
    return bundled


class _Files:
    """The documents in a folder, each read once."""

    def __init__(self, path: str) -> None:
        self.source = path
        self.main = Path(path).resolve()
        self._root = self.main.parent
        self._documents: dict[Path, Any] = {}

    def locate(self, reference: str, holder: Path, pointer: str) -> tuple[Path, str]:
        """The file that a reference leads to, and the place in it."""
        try:
            parts = urlsplit(reference)
            name = unquote(parts.path)
            if parts.scheme or parts.netloc or parts.query:
                raise self.error(pointer, reference, "is no file: nothing is fetched")
            if name.startswith(("/", "\\", "~")):
                raise self.error(pointer, reference, "is an absolute path")
            path = (holder.parent / name).resolve() if name else holder
            if not path.is_relative_to(self._root):
                raise self.error(pointer, reference, "leads out of the contract's folder")
            if path.is_symlink():  # a loop of links, at which resolve() raises up to Python 3.12
                raise self.error(pointer, reference, "can't be followed")
            if not path.is_file():
                raise self.error(pointer, reference, "leads to no file")
        except (ValueError, OSError, RuntimeError) as error:  # NUL, bad URL, loop
            raise self.error(pointer, reference, "can't be followed") from error
        return path, f"#{parts.fragment}"

    def read(self, path: Path, reference: str, pointer: str) -> dict[str, Any]:
        if path not in self._documents:
            if len(self._documents) >= MAX_FILES:
                raise self.error(pointer, reference, f"is one of more than {MAX_FILES} files")
            try:
                self._documents[path] = file.read(str(path)).content
            except EnvgenError as error:
                raise self.error(pointer, reference, error.message) from error
        return as_object(self._documents[path]) or {}

    def error(self, pointer: str, reference: str, message: str) -> ContractError:
        return ContractError(
            f"the $ref {reference[:80]!r} {message}",
            pointer=pointer,
            source=self.source,
            hint="--bundle follows files beside the contract and in folders below it",
        )


class _Bundler:
    """Copies a document; what it refers to outside of it becomes a definition."""

    def __init__(self, files: _Files, prefix: str, names: set[str]) -> None:
        self.definitions: dict[str, Any] = {}
        self._files = files
        self._prefix = prefix
        self._free = DefinitionNames(names)
        self._names: dict[tuple[Path, str], str] = {}
        self._nodes = 0
        self._waiting: deque[tuple[str, Path, str, str, str]] = deque()

    def document(self, fields: dict[str, Any], pointer: str) -> dict[str, Any]:
        copy: dict[str, Any] = self._copied(
            fields, pointer, lambda ref, at: self._outer(ref, self._files.main, at)
        )
        while self._waiting:
            name, path, target, reference, place = self._waiting.popleft()
            found = self._files.read(path, reference, place)
            value = found if target == "#" else self._at(found, target, reference, place)
            self.definitions[name] = self._copied(value, place, self._within(path))
        return copy

    def _within(self, path: Path) -> _Refer:
        return lambda reference, pointer: self._outer(reference, path, pointer)

    def _at(self, found: dict[str, Any], target: str, reference: str, place: str) -> Any:
        try:
            return OpenApiDocument(found, "").at(target, place)
        except ContractError as error:
            message = "leads to a place that is not there"
            raise self._files.error(place, reference, message) from error

    def _outer(self, reference: str, holder: Path, pointer: str) -> str:
        """A reference as it reads in the bundle."""
        is_ours = holder == self._files.main
        if is_ours and reference.startswith("#"):
            return reference
        path, target = self._files.locate(reference, holder, pointer)
        if path == self._files.main and self._prefix.startswith("#/components"):
            return target
        if (path, target) not in self._names:
            wanted = unquote(target).rpartition("/")[2].lstrip("#") or path.stem
            name = self._free.claim(wanted)
            self._names[path, target] = name
            self._waiting.append((name, path, target, reference, pointer))
        name = self._names[path, target].replace("~", "~0").replace("/", "~1")
        return f"{self._prefix}/{quote(name, safe='~')}"

    def _copied(self, value: Any, pointer: str, refer: _Refer) -> Any:
        return self._copy(value, pointer, refer, depth=0, is_map=False)

    def _copy(
        self,
        value: Any,
        pointer: str,
        refer: _Refer,
        *,
        depth: int,
        is_map: bool,
    ) -> Any:
        self._nodes += 1
        if depth > 4 * MAX_DEPTH or self._nodes > 10 * MAX_NODES:
            raise ContractError("too large or too deep", pointer=pointer, source=self._files.source)
        fields, items = as_object(value), as_array(value)
        if items is not None:
            return [
                self._copy(item, pointer_to(pointer, i), refer, depth=depth + 1, is_map=False)
                for i, item in enumerate(items)
            ]
        if fields is None:
            return value
        result: dict[str, Any] = {}
        for key, child in fields.items():
            place = pointer_to(pointer, key)
            if not is_map and key == "$ref" and isinstance(child, str):
                result[key] = refer(child, place)
            elif not is_map and (key in _DATA or key.startswith("x-")):
                result[key] = child
            else:
                names = not is_map and key in SCHEMA_MAPS
                result[key] = self._copy(child, place, refer, depth=depth + 1, is_map=names)
        return result
