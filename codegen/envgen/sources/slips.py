"""Common slips in writing a source: what was probably meant."""

from __future__ import annotations

import re
from difflib import get_close_matches
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from envgen_runtime.wire.redaction import without_secrets

_PAGES = frozenset({"docs", "redoc", "web", "health", "metadata", "reset", "step", "state", "ws"})
_SPACE_PAGE = re.compile(r"/spaces/([\w.-]+/[\w.-]+)")
_HOST = re.compile(
    r"(?:localhost|(?P<domain>[\w-]+(?:\.[\w-]+)+)|[\w-]+(?=:\d))(?P<port>:\d{1,5})?(?:/.*)?"
)
_DOCUMENTS = (".json", ".yaml", ".yml")
_IMAGE = re.compile(r"[\w./-]+:[\w.-]+|[\w.-]+/[\w.-]+")
_SCHEMES = {"ws": "http", "wss": "https", "http": "http", "https": "https"}


def hint_for_url(url: str) -> str:
    """What to write instead of the address of one of a server's pages; empty if it is none."""
    parts = urlsplit(url)
    if (space := _SPACE_PAGE.match(parts.path)) and "huggingface" in parts.netloc:
        return f"write hf://{space[1]}"
    first, *_ = [*filter(None, parts.path.split("/")), ""]
    above, _, last = parts.path.rstrip("/").rpartition("/")
    if last in _PAGES or first in _PAGES:
        base = parts._replace(path=above if last in _PAGES else "", query="", fragment="")
        return f"name the server's base URL: {without_secrets(urlunsplit(base))}"
    return ""


def hint_for_missing(path: str) -> str:
    """What to write instead of the path of a file that doesn't exist."""
    scheme, separator, rest = path.partition("://")
    if separator:
        if scheme.lower() in _SCHEMES:
            return f"write {without_secrets(f'{_SCHEMES[scheme.lower()]}://{rest}')}"
        return "sources begin with http://, https://, docker://, hf:// or git+"
    beside = [str(file) for file in _files_beside(path)]
    if near := get_close_matches(path, beside, 1, cutoff=0.8):
        return f"did you mean {near[0]}?"
    if not path.startswith((".", "/", "~")) and not path.lower().endswith(_DOCUMENTS):
        if host := _HOST.fullmatch(path):
            secure = "" if host["port"] or not host["domain"] else "s"
            return f"write http{secure}://{path} for a server"
        if _IMAGE.fullmatch(path):
            return f"write docker://{path} for an image, hf://OWNER/NAME for a Space"
    return "name a contract file, a server's URL, or - for standard input"


def _files_beside(path: str) -> list[Path]:
    try:
        folder = Path(path).parent
        return [file for file in folder.iterdir() if not file.name.startswith(".")]
    except (OSError, ValueError):
        return []
