"""``envgen run``."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

import typer

from ..errors import EnvgenError, ServerEnded
from ..interrupts import raise_dropped
from ..schema.keywords import JsonSchema, as_object
from ..sources.address import label
from .output import INTERRUPTED, err, escape, out, reporting, split_option, status_line

_container = partial(typer.Option, rich_help_panel="Containers", show_default=False)
_MAX_FIELDS = 8


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
        typer.Option("--env", "-e", metavar="NAME=VALUE", help="Environment variable. Repeatable."),
    ] = None,
    docker: Annotated[
        bool, typer.Option("--docker", help="Run a Space's image, not its source.")
    ] = False,
    container_port: Annotated[
        int | None,
        _container(help="Port in the container.", show_default="the exposed one"),
    ] = None,
    memory: Annotated[str | None, _container(help="Memory limit, such as 2g.")] = None,
    cpus: Annotated[float | None, _container(help="Limit of processors.")] = None,
    gpus: Annotated[str | None, _container(help="Number of GPUs, or all.")] = None,
    timeout_s: Annotated[
        float, typer.Option("--timeout", metavar="SECONDS", help="Time limit for the start.")
    ] = 120.0,
) -> None:
    """Start an environment, print its log, and remove it at Ctrl-C.

    Prints its URL, which is on loopback, and a summary of its contract.
    """
    from ..sources.started import StartOptions, startable, started

    limits: dict[str, Any] = {
        "container_port": container_port,
        "memory": memory,
        "cpus": cpus,
        "gpus": int(gpus) if gpus is not None and gpus.isdigit() else gpus,
    }
    options = StartOptions(
        port=port,
        env_vars=dict(
            split_option(variable, "=", option="--env", form="NAME=VALUE") for variable in env or ()
        ),
        use_docker=docker,
        container={name: value for name, value in limits.items() if value is not None},
        timeout_s=timeout_s,
        on_pull=lambda pull: status.update(status_line(pull, starting)),
    )
    with reporting():
        source = startable(source)
    starting = f"starting {escape(label(source))}"
    status = err.status(starting)
    status.start()
    ready = False
    with reporting():
        try:
            with started(source, options) as server:
                status.stop()
                raise_dropped()
                ready = True
                out.print(f"[bold green]ready[/] {server.url}  [dim]Ctrl-C stops it[/]")
                _print_contract(server.url, source)
                for line in server.provider.follow_logs():
                    out.print(escape(line))
                raise ServerEnded(
                    server.provider.diagnosis() or "the environment ended",
                    source=label(source),
                    keeps_lines=True,
                )
        except KeyboardInterrupt:
            out.print("[dim]stopped and removed[/]")
            raise typer.Exit(0 if ready else INTERRUPTED) from None
        finally:
            status.stop()


def _print_contract(url: str, source: str) -> None:
    """Print the parts of the contract and their fields. Errors are printed as warnings."""
    from ..sources import read_contract

    try:
        contract = read_contract(url)
    except EnvgenError as error:
        err.print(f"[yellow]  warning[/] no contract: {escape(error.message)}")
        return
    for part, schema in contract.parts.items():
        out.print(f"[bold]{part:>17}[/] {escape(_fields(schema))}")
    out.print(f"[dim]to build a client: envgen build {escape(label(source))}[/]")


def _fields(schema: JsonSchema) -> str:
    properties = as_object(schema.get("properties")) or {}
    fields = [f"{name}: {_type(field)}" for name, field in properties.items()]
    more = [f"and {len(fields) - _MAX_FIELDS} more"] if len(fields) > _MAX_FIELDS else []
    return ", ".join([*fields[:_MAX_FIELDS], *more]) or "no fields of its own"


def _type(field: Any) -> str:
    name = (as_object(field) or {}).get("type")
    return name if isinstance(name, str) else "any"
