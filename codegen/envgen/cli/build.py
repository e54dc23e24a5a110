"""``envgen build``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from ..errors import EnvgenError
from .output import err, out, print_error, reporting


def build(
    sources: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="SOURCE",
            help="A contract file, - for standard input, or the URL of a live server. Default: "
            "what \\[tool.envgen] in pyproject.toml lists, else every contract in schemas/.",
            show_default=False,
        ),
    ] = None,
    out_folder: Annotated[
        Path | None,
        typer.Option("--out", help="Folder to write packages to.", show_default="generated"),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(help="The environment's name, for one source.", show_default="the contract's"),
    ] = None,
) -> None:
    """Generate typed clients.

    Writes one package per contract: [bold]generated/coding_env/[/] with CodingEnv, AsyncCodingEnv
    and their models. The contract of a live server is saved in schemas/ as well. The output is the
    same bytes on every run and machine.
    """
    if name is not None and len(sources or []) != 1:
        raise typer.BadParameter("--name goes with exactly one source", param_hint="--name")
    # Imported here, so that --help doesn't wait for it.
    from ..workflow import build_all

    with reporting():
        outcome = build_all(sources, out=out_folder, name=name)
        for source, result in outcome.items():
            if isinstance(result, EnvgenError):
                print_error(result)
                continue
            verb = "wrote" if result.changed else "unchanged"
            out.print(
                f"[green]{verb:>9}[/] {escape(str(result.folder))}  "
                f"[dim]{result.class_name} from {escape(source)}[/]"
            )
            for finding in result.findings:
                style = "yellow" if finding.severity == "warning" else "dim"
                hint = f" ({finding.hint})" if finding.hint else ""
                err.print(
                    f"[{style}]{finding.severity:>9}[/] {escape(source)}#"
                    f"{escape(finding.pointer)}: {escape(finding.message)}[dim]{escape(hint)}[/]"
                )
    codes = [result.exit_code for result in outcome.values() if isinstance(result, EnvgenError)]
    if codes:
        raise typer.Exit(min(codes))
