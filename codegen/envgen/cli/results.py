"""Print the results of a build, for people or for machines."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from rich.console import Console

from ..errors import EnvgenError
from .output import err, error_document, escape, out, print_error, write_document

if TYPE_CHECKING:
    from ..build import BuiltPackage
    from ..output.differences import Difference
    from ..project.build_all import Outcome

ResultFormat = Literal["text", "json"]

_SUMMARY = {
    "wrote": "written",
    "unchanged": "unchanged",
    "current": "up to date",
    "differs": "differing",
    "failed": "failed",
}


def print_outcome(outcome: Outcome, report: str, *, compared: bool, exit_code: int) -> None:
    """Print the result of every source; ``compared`` if the build wrote nothing."""
    others = [
        *((folder, "extra" if compared else "removed") for folder in outcome.removed),
        *((folder, "kept") for folder in outcome.kept),
    ]
    if report == "json":
        write_document(
            exit_code,
            sources=[
                {"source": _label(source), **_result_document(result, compared)}
                for source, result in outcome.results.items()
            ],
            packages_of_none=[
                {"status": status, "folder": folder.as_posix()} for folder, status in others
            ],
            differences=[_difference_document(item) for item in outcome.differences],
        )
        return
    for source, result in outcome.results.items():
        print_result(source, result, compared=compared)
    for folder, status in others:
        print_unused(folder, status)
    for difference in outcome.all_differences:
        _print_difference(difference)
    if len(outcome.results) > 1:
        counts = Counter(_status(item, compared) for item in outcome.results.values())
        summary = ", ".join(f"{counts[key]} {_SUMMARY[key]}" for key in _SUMMARY if counts[key])
        out.print(f"{len(outcome.results)} sources: {summary}")


def print_result(
    source: str, result: BuiltPackage | EnvgenError, *, compared: bool = False
) -> None:
    """Print the result of a source."""
    if isinstance(result, EnvgenError):
        print_error(result)
        return
    label = escape(_label(source))
    out.print(
        f"[green]{_status(result, compared):>9}[/] {escape(str(result.folder))}  "
        f"[dim]{result.class_name} from {label}[/]"
    )
    for finding in result.findings:
        style = "yellow" if finding.severity == "warning" else "dim"
        hint = f" ({finding.hint})" if finding.hint else ""
        err.print(
            f"[{style}]{finding.severity:>9}[/] {label}#"
            f"{escape(finding.pointer)}: {escape(finding.message)}[dim]{escape(hint)}[/]"
        )


def print_unused(folder: Path, status: str, console: Console = out) -> None:
    """Print a package that no source generates, and whether it was removed or stays."""
    hint = "  [dim]no source generates it; --remove-stale removes it[/]"
    console.print(f"[yellow]{status:>9}[/] {escape(str(folder))}{hint if status == 'kept' else ''}")


def _label(source: str) -> str:
    from ..sources import label

    return label(source)


def _status(result: BuiltPackage | EnvgenError, compared: bool) -> str:
    if isinstance(result, EnvgenError):
        return "failed"
    if compared:
        return "differs" if result.differences else "current"
    return "wrote" if result.changed else "unchanged"


def _result_document(result: BuiltPackage | EnvgenError, compared: bool) -> dict[str, Any]:
    status = _status(result, compared)
    if isinstance(result, EnvgenError):
        return {"status": status, "error": error_document(result)}
    return {
        "status": status,
        "name": result.name,
        "client": result.class_name,
        "folder": result.folder.as_posix(),
        "contract": result.contract.fingerprint,
        "findings": [asdict(finding) for finding in result.findings],
        "differences": [_difference_document(item) for item in result.differences],
    }


def _difference_document(item: Difference) -> dict[str, str]:
    return {"path": item.path.as_posix(), "kind": item.kind, "diff": item.diff}


def _print_difference(difference: Difference) -> None:
    out.print(f"[yellow]{difference.kind:>9}[/] {escape(str(difference.path))}")
    for line in difference.diff.splitlines():
        style = {"+": "green", "-": "red", "@": "cyan"}.get(line[:1], "dim")
        out.print(f"[{style}]{escape(line)}[/]")
