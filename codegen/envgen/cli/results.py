"""How what became of a build is told: to people, or to machines."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import typer

from ..errors import ContractError, EnvgenError
from .output import err, escape, out, print_error, reporting

if TYPE_CHECKING:
    from ..build import BuiltPackage
    from ..output.differences import Difference
    from ..project.build_all import Outcome


class Format(StrEnum):
    """How the outcome of a build is printed."""

    TEXT = "text"
    JSON = "json"


def print_outcome(outcome: Outcome, report: Format, *, compared: bool, exit_code: int) -> None:
    """Print what became of every source.

    Args:
        outcome: what became of them.
        report: for whom.
        compared: whether nothing was to be written.
        exit_code: what the command will exit with.
    """
    if report is Format.JSON:
        write_document(_document(outcome, compared=compared, exit_code=exit_code))
        return
    for source, result in outcome.results.items():
        print_result(source, result, compared=compared)
    for folder in outcome.removed:
        out.print(f"[yellow]{_removed(compared):>9}[/] {escape(str(folder))}")
    for difference in outcome.all_differences:
        _print_difference(difference)
    if len(outcome.results) > 1:
        _print_summary(list(outcome.results.values()), compared=compared)


@contextmanager
def reporting_as(report: StrEnum) -> Generator[None]:
    """Turn what keeps a build from beginning into a message, or a document, and an exit code."""
    try:
        with nullcontext() if report.value == "json" else reporting():
            yield
    except EnvgenError as error:
        write_document({"version": 1, "exit_code": error.exit_code, "error": error_document(error)})
        raise typer.Exit(error.exit_code) from None


def write_document(document: dict[str, Any]) -> None:
    """Print a document for machines."""
    sys.stdout.write(json.dumps(document, indent=2) + "\n")


def _document(outcome: Outcome, *, compared: bool, exit_code: int) -> dict[str, Any]:
    from ..sources import label

    sources = [
        {"source": label(source), **_result(result, compared)}
        for source, result in outcome.results.items()
    ]
    others = [
        {"status": _removed(compared), "folder": folder.as_posix()} for folder in outcome.removed
    ]
    return {
        "version": 1,
        "exit_code": exit_code,
        "sources": sources,
        "packages_of_none": others,
        "differences": [_difference(item) for item in outcome.differences],
    }


def _result(result: BuiltPackage | EnvgenError, compared: bool) -> dict[str, Any]:
    if isinstance(result, EnvgenError):
        return {"status": "failed", "error": error_document(result)}
    return {
        "status": _verb(result, compared),
        "name": result.name,
        "client": result.class_name,
        "folder": result.folder.as_posix(),
        "contract": result.contract.fingerprint,
        "findings": [asdict(finding) for finding in result.findings],
        "differences": [_difference(item) for item in result.differences],
    }


def error_document(error: EnvgenError) -> dict[str, Any]:
    """An error for machines."""
    return {
        "kind": type(error).__name__,
        "message": error.message,
        "place": error.place,
        "pointer": error.pointer if isinstance(error, ContractError) else "",
        "hint": error.hint,
        "exit_code": error.exit_code,
    }


def _difference(item: Difference) -> dict[str, str]:
    return {"path": item.path.as_posix(), "kind": item.kind, "diff": item.diff}


def _removed(compared: bool) -> str:
    return "extra" if compared else "removed"


def print_result(
    source: str, result: BuiltPackage | EnvgenError, *, compared: bool = False
) -> None:
    """Print what became of a source."""
    from ..sources import label

    if isinstance(result, EnvgenError):
        print_error(result)
        return
    shown = escape(label(source))
    out.print(
        f"[green]{_verb(result, compared):>9}[/] {escape(str(result.folder))}  "
        f"[dim]{result.class_name} from {shown}[/]"
    )
    for finding in result.findings:
        style = "yellow" if finding.severity == "warning" else "dim"
        hint = f" ({finding.hint})" if finding.hint else ""
        err.print(
            f"[{style}]{finding.severity:>9}[/] {shown}#"
            f"{escape(finding.pointer)}: {escape(finding.message)}[dim]{escape(hint)}[/]"
        )


def _verb(result: BuiltPackage, compared: bool) -> str:
    if compared:
        return "differs" if result.differences else "current"
    return "wrote" if result.changed else "unchanged"


def _print_difference(difference: Difference) -> None:
    out.print(f"[yellow]{difference.kind:>9}[/] {escape(str(difference.path))}")
    for line in difference.diff.splitlines():
        style = {"+": "green", "-": "red", "@": "cyan"}.get(line[:1], "dim")
        out.print(f"[{style}]{escape(line)}[/]")


def _print_summary(results: list[BuiltPackage | EnvgenError], *, compared: bool) -> None:
    counts = Counter(
        "failed" if isinstance(item, EnvgenError) else _SUMMARY[_verb(item, compared)]
        for item in results
    )
    shown = ", ".join(
        f"{counts[kind]} {kind}" for kind in (*_SUMMARY.values(), "failed") if counts[kind]
    )
    out.print(f"{len(results)} sources: {shown}")


_SUMMARY = {
    "wrote": "written",
    "unchanged": "unchanged",
    "current": "up to date",
    "differs": "differing",
}
