"""What a generated file says, apart from its layout.

A formatter run over a repository, or a checkout with other line ends, edits nothing: the file is
still what envgen wrote. A name, a string or a comment that changed is an edit.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import io
import json
import tokenize
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

# Of a syntax tree, what formatters or versions of Python write differently.
_IGNORED_FIELDS = frozenset({"ctx", "kind", "type_comment", "type_params"})


@dataclass(frozen=True, slots=True)
class FileDigest:
    """SHA-256 of a file's text with Unix line ends, and of what the text says.

    The text is compared first: it is cheap.
    """

    text: str
    meaning: str

    @classmethod
    def of(cls, name: str, content: str) -> FileDigest:
        """The digest of a file called ``name``."""
        text = _unix(content.encode())
        return cls(sha256(text), _meaning(name, text))

    def matches(self, path: Path) -> bool:
        """Whether the file at ``path`` says the same."""
        try:
            text = _unix(path.read_bytes())
        except OSError:
            return False
        return sha256(text) == self.text or _meaning(path.name, text) == self.meaning


def says(path: Path, content: str) -> bool:
    """Whether the file at ``path`` says the same as ``content``."""
    try:
        text = _unix(path.read_bytes())
    except OSError:
        return False
    wanted = _unix(content.encode())
    return text == wanted or _meaning(path.name, text) == _meaning(path.name, wanted)


def sha256(content: bytes) -> str:
    """SHA-256, as hex digits."""
    return hashlib.sha256(content).hexdigest()


def _unix(content: bytes) -> bytes:
    return content.replace(b"\r\n", b"\n")


def _meaning(name: str, text: bytes) -> str:
    read = _READERS.get(Path(name).suffix)
    if read is not None:
        with suppress(ValueError, SyntaxError, RecursionError, MemoryError, tokenize.TokenError):
            text = json.dumps(read(text), sort_keys=True).encode()
    return sha256(text)


def _python(text: bytes) -> Any:
    tree = ast.parse(text)
    tokens = tokenize.tokenize(io.BytesIO(text).readline) if b"#" in text else ()
    comments = [token.string for token in tokens if token.type == tokenize.COMMENT]
    return [_node(tree), comments]


def _node(node: object) -> Any:
    """A syntax tree as JSON."""
    if isinstance(node, list):
        return [_node(item) for item in cast("list[object]", node)]
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        value = node.value.value
        if isinstance(value, str):  # a docstring: its margin and its blank ends are layout
            return ["docstring", inspect.cleandoc(value).strip()]
    if isinstance(node, ast.AST):
        fields = {
            name: _node(value)
            for name, value in ast.iter_fields(node)
            if name not in _IGNORED_FIELDS and value not in (None, [])
        }
        if isinstance(node, ast.Constant):
            fields["value"] = repr(node.value)
        return [type(node).__name__, fields]
    return repr(node)


_READERS: Mapping[str, Callable[[bytes], Any]] = {".json": json.loads, ".py": _python}
