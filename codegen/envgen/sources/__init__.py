"""Where a contract comes from: a file, a server, OpenAPI, Python classes, an image, a Space."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from envgen_runtime.wire.redaction import without_secrets

from ..config import SourceSettings
from ..contract.contract import EnvContract, parse_contract
from ..errors import ContractError
from ..findings import Finding
from ..naming import environment_name
from ..schema.keywords import as_object
from ..text import UntrustedText
from . import file, openapi
from .address import is_url

if TYPE_CHECKING:
    from envgen_runtime.providers import PullProgress

__all__ = ["STDIN", "ReadSource", "is_started", "is_url", "label", "read_contract", "read_source"]

STDIN = "-"
PYTHON = "python:"


@dataclass(frozen=True, slots=True)
class ReadSource:
    """A contract that was read.

    Attributes:
        contract: the contract.
        is_derived: whether there is no contract file that says the same: it came from a server, or
            was put together here. Such a contract is worth saving.
    """

    contract: EnvContract
    is_derived: bool


def is_started(source: str) -> bool:
    """Whether a source is an environment that is started, or woken, to be read."""
    return source.startswith(("docker://", "hf://", "git+")) or Path(source).is_dir()


def label(source: str) -> str:
    """What to call a source where all may read it: a URL without what may be secret in it."""
    return without_secrets(source) if is_url(source) else source


def read_contract(
    source: str,
    *,
    name: str | None = None,
    default_name: str | None = None,
    settings: SourceSettings | None = None,
) -> EnvContract:
    """The contract of ``read_source``."""
    return read_source(source, name=name, default_name=default_name, settings=settings).contract


def read_source(
    source: str,
    *,
    name: str | None = None,
    default_name: str | None = None,
    settings: SourceSettings | None = None,
    on_pull: Callable[[PullProgress], None] | None = None,
) -> ReadSource:
    """Read the contract that ``source`` publishes.

    Args:
        source: the path of a contract or an OpenAPI document, ``-`` for standard input, the URL of
            either or of a server, ``python:package.module:Action,Observation,State``, or an
            environment to start: ``docker://IMAGE``, a project's folder, ``git+URL``,
            ``hf://OWNER/NAME``.
        name: what to call the environment; by default its contract's ``name``, what the server's
            ``/metadata`` says, the title of the OpenAPI document, or the file's name.
        default_name: what to call it if nothing else names it.
        settings: how it is read; None for the defaults.
        on_pull: called with the progress of the pull of an image that has to be started.

    Raises:
        ContractError: it is not a contract.
        ConfigError: a setting can't be used.
        Unreachable: the server can't be reached.
    """
    settings = settings or SourceSettings()
    loaded = _load(source, settings, on_pull)
    shown, document, own_name = loaded.source, loaded.document, loaded.name
    findings: tuple[Finding, ...] = ()
    origins: dict[str, str] = {}
    origin = ""
    is_derived = loaded.is_derived
    names_itself = is_url(source) or is_started(source)
    if openapi.is_openapi(document):
        converted = openapi.convert(document, settings, source=shown)
        document, findings, origins = converted.document, converted.findings, converted.origins
        own_name = converted.name or own_name
        names_itself |= converted.name is not None
        is_derived = True
    if settings.state is not None:
        document, origin = _with_state(document, str(settings.state))
        is_derived = True
    unpublished = {"state"} if settings.state is not None else set[str]()
    published_name = (as_object(document) or {}).get("name") or (own_name if names_itself else None)
    name = name or published_name or own_name or default_name
    if not _is_called(published_name, name):
        unpublished.add("name")
    try:
        contract = parse_contract(document, source=shown, name=name, unpublished=unpublished)
    except ContractError as error:
        if settings.state is not None and _is_within(error.pointer, "/state"):
            error.source = str(settings.state)
            error.pointer = origin + error.pointer.removeprefix("/state")
        else:
            error.pointer = _origin(error.pointer, origins)
        raise
    own = (replace(item, pointer=_origin(item.pointer, origins)) for item in contract.findings)
    return ReadSource(replace(contract, findings=(*findings, *own)), is_derived)


@dataclass(frozen=True, slots=True)
class _Loaded:
    """What to call a source, the document in it, and the name that it suggests."""

    source: str
    document: Any
    name: str | None
    is_derived: bool


def _load(
    source: str, settings: SourceSettings, on_pull: Callable[[PullProgress], None] | None
) -> _Loaded:
    # The less common ones are imported for those who use them.
    if is_url(source):
        from . import server

        published = server.fetch(source, settings)
        return _Loaded(published.source, published.document, published.name, is_derived=True)
    if source.startswith(PYTHON):
        from . import python as python_class

        document, name = python_class.read(source)
        return _Loaded(source, document, name, is_derived=True)
    if is_started(source):
        from . import hosted

        published = hosted.fetch(source, settings, on_pull)
        return _Loaded(source, published.document, published.name, is_derived=True)
    document = file.read_stdin() if source == STDIN else file.read(source)
    if settings.bundle:
        if source == STDIN:
            raise ContractError("standard input has no folder to take files from", source=source)
        from .bundle import bundle

        if (bundled := bundle(document, source)) != document:
            return _Loaded(source, bundled, file.suggested_name(source), is_derived=True)
    suggested = None if source == STDIN else file.suggested_name(source)
    return _Loaded(source, document, suggested, is_derived=False)


def _with_state(document: Any, path: str) -> tuple[Any, str]:
    """``document`` with the state from a file, and where that stands in the file.

    The file holds a schema, or a contract that has one.
    """
    given = file.read(path)
    fields = as_object(given)
    if fields is None:
        raise ContractError("the schema of a state is a JSON object", source=path)
    whole = as_object(document)
    is_contract = {"action", "state"} <= fields.keys()
    state = fields["state"] if is_contract else fields
    overlaid = document if whole is None else {**whole, "state": state}
    return overlaid, "/state" if is_contract else ""


def _is_called(published: Any, name: Any) -> bool:
    """Whether a name is the one that the environment publishes."""
    if not isinstance(published, str) or not isinstance(name, str):
        return False
    return environment_name(UntrustedText(published)) == environment_name(UntrustedText(name))


def _is_within(pointer: str, place: str) -> bool:
    return pointer == place or pointer.startswith(f"{place}/")


def _origin(pointer: str, origins: dict[str, str]) -> str:
    """Where a place in a contract stands in the document that the contract was made of."""
    known = [place for place in origins if _is_within(pointer, place)]
    if not known:
        return pointer
    place = max(known, key=len)
    return origins[place] + pointer[len(place) :]
