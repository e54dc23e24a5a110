"""Where a contract comes from: a file, standard input, a live server."""

from __future__ import annotations

from ..contract import EnvContract, parse_contract
from ..schema import as_object
from . import file, server

STDIN = "-"


def is_url(source: str) -> bool:
    """Whether a source is a live server's address."""
    return source.startswith(("http://", "https://"))


def read_contract(source: str, *, name: str | None = None) -> EnvContract:
    """Read the contract that ``source`` publishes.

    Args:
        source: the path of a contract file, ``-`` for standard input, or a server's base URL.
        name: what to call the environment; by default its contract's ``name``, what the server's
            ``/metadata`` says, or the file's name.

    Raises:
        ContractError: it is not a contract.
        Unreachable: the server can't be reached.
    """
    if is_url(source):
        document, own_name = server.fetch(source)
    elif source == STDIN:
        document, own_name = file.read_stdin(), None
    else:
        document, own_name = file.read(source)
    if name is None and not (as_object(document) or {}).get("name"):
        name = own_name
    return parse_contract(document, source=source, name=name)
