"""Keep secrets out of what people read.

Tokens travel in addresses and headers, never in messages. A secret is known by its value, so it is
found wherever a server echoes it. Redaction is the one place that knows what a secret is, for the
runtime and the generator.
"""

from __future__ import annotations

import html
import json
import re
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from shlex import quote as quoted
from typing import Any, cast
from urllib.parse import (
    SplitResult,
    quote,
    quote_plus,
    unquote,
    unquote_plus,
    urlsplit,
    urlunsplit,
)

from ..errors import EnvError
from ..json_value import as_object
from ..printable import LINES, printable

_HIDDEN = "***"
_UNREADABLE = "a URL that can't be read"
_SHORTEST_SECRET = 4  # of a password or token: a shorter one would be found in half of all words
_SHORTEST_OTHER = 6
_DEEPEST = 400
_PUBLIC_HEADERS = frozenset({"accept", "content-type", "traceparent", "user-agent", "x-request-id"})
_SECRET_HEADER = re.compile(r"auth|cookie|key|pass|secret|session|token", re.IGNORECASE)
_REFERENCE = re.compile(r"(?:\w+ )?\$\{[\w:]+\}")
_ASSIGNMENT = re.compile(r"(-{0,2}[\w-]+)(?:=|:\s*)(.+)", re.DOTALL)
_PLAIN = re.compile(r"[\w@%+=:,./$*{}\[\]-]+", re.ASCII)
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_HOST = re.compile(r"(?:\[[^\]]*\]|[^:\[\]]+)(?::[0-9]+)?")
_DIGEST = re.compile(r"@sha256:[0-9a-f]+$")
_SUBDIRECTORY = re.compile(r"#subdirectory=[\w./-]+$", re.ASCII)
_CREDENTIALS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*://)[^\s/@'\"]*@")


# --- what is shown --------------------------------------------------------------------------------


def without_secrets(url: str) -> str:
    """An address as a message may show it: without user, password, query and fragment.

    It need not be valid: a scheme that was forgotten hides nothing.
    """
    scheme, rest, _ = _split(url)
    cut = re.split(r"[?#]", rest, maxsplit=1)[0]
    if not _is_local(scheme) and not _HOST.fullmatch(cut.partition("/")[0]):
        return _UNREADABLE
    return printable(f"{scheme}{cut}", 1000)


def source_without_secrets(source: str) -> str:
    """The address of a repository or an image, as ``without_secrets``; it keeps the revision."""
    folder = _SUBDIRECTORY.search(source)
    return f"{without_secrets(source)}{folder[0] if folder else ''}"


def text_without_credentials(text: str) -> str:
    """``text`` without ``user:password@`` in the addresses that it mentions."""
    return _CREDENTIALS.sub(r"\1", text)


def url_parts(url: str) -> SplitResult:
    """``urlsplit``. Its own errors quote the user and the password.

    Raises:
        ValueError: it is no URL.
    """
    try:
        return urlsplit(url.strip())
    except ValueError:
        shown = without_secrets(url)
        told = "its host can't be read" if shown == _UNREADABLE else shown
        raise ValueError(f"not a valid address: {told}") from None


def split_credentials(url: str) -> tuple[str, str | None]:
    """A URL without ``user:password@``, and the Authorization header that replaces them."""
    parts = url_parts(url)
    credentials, at, host = parts.netloc.rpartition("@")
    if not at:
        return url, None
    return urlunsplit(parts._replace(netloc=host)), f"Basic {_encoded(unquote_login(credentials))}"


def unquote_login(credentials: str) -> str:
    """``user:password`` as a server gets it, from the form that it has in an address."""
    user, _, password = credentials.partition(":")
    return f"{unquote(user)}:{unquote(password)}"


def checked_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Copy ``headers``. ValueError: one can't be sent; the message has its name, not its value."""
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name):
            raise ValueError(f"{name!r} is not a header name")
        if not value.isascii() or not value.isprintable():
            raise ValueError(f"the value of the header {name} has characters that can't be sent")
    return dict(headers)


# --- what is secret -------------------------------------------------------------------------------


def secrets_in(headers: Mapping[str, str], *urls: str) -> tuple[str, ...]:
    """The secrets in headers and addresses, in each form that a server may echo, longest first.

    Of headers: whole values, the longer words in them, and the user and password of Basic. Of
    addresses: user and password, and the values of the query.
    """
    found: set[str] = set()
    for name, value in headers.items():
        if name.lower() in _PUBLIC_HEADERS:
            continue
        shortest = _SHORTEST_SECRET if is_secret_name(name) else _SHORTEST_OTHER
        words = value.split()
        found |= {text for text in (value, *words[1:]) if len(text) >= shortest}
        if len(words) > 1 and words[0].lower() == "basic":
            found |= {*_of_login(_decoded(words[1]))}
    for url in urls:
        _, rest, login = _split(url)
        query = rest.partition("#")[0].partition("?")[2]
        values = [item.partition("=")[2] for item in re.split(r"[&;]", query)]
        found |= {*_of_login(login), *_of_login(unquote_login(login))}
        found |= {text for value in values for text in (value, unquote(value), unquote_plus(value))}
    long = {text for text in found if len(text) >= _SHORTEST_SECRET}
    long |= {form for text in long for form in _written(text)}
    return tuple(sorted(long, key=lambda text: (-len(text), text)))


def _written(text: str) -> Iterator[str]:
    """A text as it stands in an address, in JSON, in Python's repr and in a page."""
    yield from (quote(text, safe=""), quote_plus(text), html.escape(text))
    yield from (
        json.dumps(text)[1:-1],
        json.dumps(text, ensure_ascii=False)[1:-1],
        repr(text)[1:-1],
    )


def _of_login(login: str) -> Iterator[str]:
    user, colon, password = login.partition(":")
    if user or password:
        yield from (login.rstrip(":"), password, _encoded(login))
        if not password or password == "x-oauth-basic":  # noqa: S105 - then the user is the token
            yield user
        if not colon:
            yield _encoded(f"{login}:")


def _split(url: str) -> tuple[str, str, str]:
    """An address as a scheme with ``://``, ``user:password``, and what follows them.

    Only before the first slash does an ``@`` end a user and a password, unless what stands there
    is no host: then they hold a slash, or the scheme was forgotten.
    """
    text = url.strip()
    match = _SCHEME.match(text)
    scheme = match[0] if match else ""
    rest = text[len(scheme) :]
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    before, at, after = rest.rpartition("@")
    if not at or (scheme == "docker://" and _DIGEST.search(rest) and rest.count("@") == 1):
        return scheme, rest, ""
    if "@" in authority:
        login, _, host = authority.rpartition("@")
        return scheme, host + rest[len(authority) :], login
    if scheme and (_HOST.fullmatch(authority) or _is_local(scheme)):
        return scheme, rest, ""  # the @ of a path
    if not scheme and ":" not in before and "/" in before:
        return scheme, rest, ""  # a path
    return scheme, after, before


def _is_local(scheme: str) -> bool:
    return scheme.lower().endswith("file://")


def _encoded(login: str) -> str:
    return b64encode(login.encode()).decode()


def _decoded(text: str) -> str:
    try:
        return b64decode(text, validate=True).decode()
    except ValueError:
        return ""


def is_secret_name(name: str) -> bool:
    """Whether a header, a variable or an option of this name holds a secret."""
    return _SECRET_HEADER.search(name) is not None


def _secret_words(command: Sequence[str]) -> Iterator[tuple[int, str]]:
    """The secrets in a command, each with the number of its word.

    They are the values of options, assignments and headers whose names say so (``--api-key abc``,
    ``API_KEY=abc``, ``Authorization: abc``), and those in addresses.
    """
    is_value = False
    for number, word in enumerate(command):
        assigned = _ASSIGNMENT.fullmatch(word)
        if is_value and not word.startswith("-"):
            yield number, word
        elif assigned and is_secret_name(assigned[1]):
            yield number, assigned[2]
        elif "://" in word:
            yield from ((number, text) for text in secrets_in({}, word) if text in word)
        is_option = word.startswith("-") and assigned is None
        is_value = is_option and is_secret_name(word)


def secrets_in_command(command: Sequence[str]) -> tuple[str, ...]:
    """The secrets in the arguments of a command, longest first."""
    found = {secret for _, secret in _secret_words(command) if len(secret) >= _SHORTEST_SECRET}
    return tuple(sorted(found, key=lambda text: (-len(text), text)))


def command_without_secrets(command: Sequence[str]) -> str:
    """A command as a message may show it, quoted as a shell would read it."""
    shown = [*command]
    for number, secret in _secret_words(command):
        if secret and not _REFERENCE.fullmatch(secret):
            shown[number] = shown[number].replace(secret, _HIDDEN)
    return printable(" ".join(word if _PLAIN.fullmatch(word) else quoted(word) for word in shown))


# --- scrubbing ------------------------------------------------------------------------------------


def scrub(value: Any, secrets: Sequence[str], *, depth: int = 0) -> Any:
    """A copy of a JSON-like value with every secret in its texts replaced by ``***``.

    What is not text, a list, a tuple, a set or a dictionary is returned as it is.
    """
    if isinstance(value, str | bytes):
        return _hidden(value, secrets)
    if not isinstance(value, dict | list | tuple | set | frozenset):
        return value
    if depth > _DEEPEST:
        return _HIDDEN  # not looked at, so not kept
    if (fields := as_object(value)) is not None:
        return dict(scrub(pair, secrets, depth=depth + 1) for pair in fields.items())
    items = [scrub(item, secrets, depth=depth + 1) for item in cast("Iterable[Any]", value)]
    if isinstance(value, list):
        return items
    return tuple(items) if isinstance(value, tuple) else set(items)


def _hidden(text: str | bytes, secrets: Iterable[str]) -> str | bytes:
    if isinstance(text, bytes):
        return str(_hidden(text.decode("latin-1"), secrets)).encode("latin-1")
    for secret in secrets:
        if secret in text:
            text = text.replace(secret, _HIDDEN)
    return text


def redact(error: EnvError, secrets: Sequence[str]) -> None:
    """Replace secrets in an error, its notes, its attributes and its causes by ``***``.

    A traceback shows what causes say. One that has a secret, or what ``printable`` escapes, and
    that can't be changed, is replaced by an ``Exception`` that says the rest.
    """
    seen: set[int] = set()
    pending: list[BaseException] = [error]
    while pending:
        one = pending.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        _redact_one(one, secrets)
        cause = one.__cause__
        for link in ("__cause__", "__context__"):
            other = getattr(one, link)
            if other is None:
                continue
            _redact_one(other, secrets)
            # A context may be the user's own, whose text is as they want it.
            is_ours = link == "__cause__" or other is cause
            if _shows(other, secrets) or (is_ours and not _is_printable(other)):
                text = scrub(f"{type(other).__name__}: {other}", secrets)
                setattr(one, link, Exception(printable(text, keep=LINES)))
            else:
                pending.append(other)
        if isinstance(one, BaseExceptionGroup):
            pending += cast("BaseExceptionGroup[BaseException]", one).exceptions


def _redact_one(error: BaseException, secrets: Sequence[str]) -> None:
    if not secrets:
        return
    hidden = scrub(error.args, secrets)
    if hidden != error.args:
        error.args = hidden
    for name, value in [*vars(error).items()]:
        hidden = scrub(value, secrets)
        if hidden != value:
            setattr(error, name, hidden)
    if isinstance(error, OSError):
        for name in ("strerror", "filename", "filename2"):
            value = getattr(error, name, None)
            if isinstance(value, str | bytes) and (hidden := scrub(value, secrets)) != value:
                setattr(error, name, hidden)


def _shows(error: BaseException, secrets: Sequence[str]) -> bool:
    texts = (str(error), repr(error))
    return any(secret in text for text in texts for secret in secrets)


def _is_printable(error: BaseException) -> bool:
    text = str(error)
    return printable(text, len(text), keep=LINES) == text
