"""``envgen run``."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from ..errors import EnvgenError, ServerEnded
from ..schema.keywords import JsonSchema, as_object
from .output import err, escape, out, reporting

_CONTAINER = "Containers"
_SHOWN_FIELDS = 8
_INTERRUPTED = 130  # as a shell says it of a program that SIGINT ended


def run(
    source: Annotated[
        str,
        typer.Argument(
            metavar="IMAGE|PATH|SPACE",
            help="An image (docker://NAME, or its bare name), a project's folder or git+URL, or a "
            "Hugging Face Space (hf://OWNER/NAME).",
            show_default=False,
        ),
    ],
    *,
    port: Annotated[
        int | None,
        typer.Option(help="Port on loopback.", show_default="a free one", min=1, max=65535),
    ] = None,
    env: Annotated[
        list[str] | None,
        typer.Option(
            "--env", "-e", metavar="NAME=VALUE", help="A variable of the server. Repeatable."
        ),
    ] = None,
    docker: Annotated[
        bool, typer.Option("--docker", help="Run a Space's image rather than its source.")
    ] = False,
    container_port: Annotated[
        int | None,
        typer.Option(
            help="The port inside.", rich_help_panel=_CONTAINER, show_default="what it exposes"
        ),
    ] = None,
    memory: Annotated[
        str | None,
        typer.Option(help="Limit, such as 2g.", rich_help_panel=_CONTAINER, show_default=False),
    ] = None,
    cpus: Annotated[
        float | None,
        typer.Option(help="Limit, in processors.", rich_help_panel=_CONTAINER, show_default=False),
    ] = None,
    gpus: Annotated[
        str | None,
        typer.Option(help="A number, or all.", rich_help_panel=_CONTAINER, show_default=False),
    ] = None,
    timeout_s: Annotated[
        float, typer.Option("--timeout", metavar="SECONDS", help="How long it may take to start.")
    ] = 120.0,
) -> None:
    """Start an environment, show its log, and remove it at Ctrl-C.

    Prints the address, which is on loopback, and a summary of the contract.
    """
    from ..sources import is_started
    from ..sources.started import StartOptions, started

    limits: dict[str, Any] = {
        "container_port": container_port,
        "memory": memory,
        "cpus": cpus,
        "gpus": int(gpus) if gpus is not None and gpus.isdigit() else gpus,
    }
    options = StartOptions(
        port=port,
        env_vars=dict(map(_variable, env or ())),
        use_docker=docker,
        container={name: value for name, value in limits.items() if value is not None},
        timeout_s=timeout_s,
    )
    if not is_started(source):
        source = f"docker://{source}"
    status = err.status(f"starting {escape(source)}")
    status.start()
    ready = False
    with reporting():
        try:
            with started(source, options) as server:
                status.stop()
                ready = True
                out.print(f"[bold green]ready[/] {server.url}  [dim]Ctrl-C ends it[/]")
                _print_contract(server.url, source)
                for line in server.provider.follow_logs():
                    out.print(_printable(line), markup=False)
                raise ServerEnded(server.provider.diagnosis() or "it ended", source=source)
        except KeyboardInterrupt:
            out.print("[dim]stopped and removed[/]")
            raise typer.Exit(0 if ready else _INTERRUPTED) from None
        finally:
            status.stop()


def _print_contract(url: str, source: str) -> None:
    """The contract's parts and their fields; what is wrong with it doesn't keep it from running."""
    from ..sources import read_contract

    try:
        contract = read_contract(url)
    except EnvgenError as error:
        err.print(f"[yellow]  warning[/] no contract: {escape(error.message)}")
        return
    for part, schema in contract.parts.items():
        out.print(f"[bold]{part:>17}[/] {escape(_fields(schema))}")
    out.print(f"[dim]a client: envgen build {escape(source)}[/]")


def _fields(schema: JsonSchema) -> str:
    properties = as_object(schema.get("properties")) or {}
    named = [f"{name}: {_type(field)}" for name, field in properties.items()]
    shown = ", ".join(named[:_SHOWN_FIELDS]) or "no fields of its own"
    more = f", and {len(named) - _SHOWN_FIELDS} more" if len(named) > _SHOWN_FIELDS else ""
    return _printable(shown + more)


def _type(field: Any) -> str:
    kind = (as_object(field) or {}).get("type")
    return kind if isinstance(kind, str) else "any"


def _printable(text: str) -> str:
    """A server's text without what a terminal would obey."""
    return "".join(
        char if char.isprintable() or char == "\t" else "\N{REPLACEMENT CHARACTER}" for char in text
    )


def _variable(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise typer.BadParameter("write it as NAME=VALUE", param_hint="--env")
    return name, value
