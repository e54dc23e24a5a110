"""The pipeline: contract -> plan -> models, client -> audit -> publish."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from .contract.contract import EnvContract
from .errors import AuditError, ContractError, OutputError
from .findings import Finding
from .interrupts import uninterrupted
from .options import PackageOptions
from .output.differences import Difference, differences
from .output.lock import Lock, LockedPackage, Origin
from .output.publish import publish
from .plan.plan import Plan
from .plan.planner import make_plan
from .render.audit import audit
from .render.client import render_client, render_init
from .render.models import render_models
from .render.templating import DOCS, Templates, default_templates


@dataclass(frozen=True, slots=True)
class BuiltPackage:
    """A generated package, as it was published or would be.

    Attributes:
        name: the package's name, ``coding_env``.
        class_name: the client's, ``CodingEnv``.
        folder: where it is.
        changed: whether its files were written, or were there already.
        findings: what should be known about it.
        contract: what it was generated from.
        differences: where it was only compared: what would be written or removed.
    """

    name: str
    class_name: str
    folder: Path
    changed: bool
    findings: tuple[Finding, ...]
    contract: EnvContract
    differences: tuple[Difference, ...] = ()


def build_package(
    contract: EnvContract,
    out: Path,
    *,
    options: PackageOptions | None = None,
    templates: Templates | None = None,
    source: str = "",
    lock: Lock | None = None,
    write: bool = True,
    force: bool = False,
    strict: bool = False,
) -> BuiltPackage:
    """Generate the package for a contract as ``out``/``contract.name``.

    Args:
        contract: what to generate from.
        out: the folder of packages.
        options: what settings choose for the package.
        templates: what it is rendered with; None for envgen's own.
        source: what the lock says that the contract came from.
        lock: what was generated before; it is brought up to date. None to go without.
        write: False to compare only.
        force: whether files that were edited by hand are overwritten.
        strict: whether a warning refuses the build.

    Raises:
        ContractError: the contract can't be built from, or there are warnings with ``strict``.
        ConfigError: a name that settings choose can't be had.
        TemplateError: a template of the project's own can't be used.
        AuditError: what was rendered is not what envgen emits.
        OutputError: it can't be written, or was edited by hand.
    """
    options = options or PackageOptions()
    templates = templates or default_templates()
    plan = make_plan(contract, options)
    findings = (*contract.findings, *plan.findings)
    if strict:
        _refuse_warnings(findings)
    folder = out / contract.name
    lock = Lock() if lock is None else lock
    found: tuple[Difference, ...] = ()
    changed = False
    origin = Origin.of(
        contract, source=source, client=plan.client, options=options, templates=templates.digest
    )
    if not lock.is_current(contract.name, origin, folder):
        files = render_package(contract, plan, templates)
        locked = lock.packages.get(contract.name)
        now = LockedPackage.of(origin, files)
        if not write:
            found = differences(files, folder, locked)
            lock.packages[contract.name] = now
        else:
            if not force:
                _refuse_edited(locked, files, folder)
            stale = locked.files.keys() - files.keys() if locked is not None else set[str]()
            with uninterrupted():  # else these files would be taken for edited ones
                changed = publish(files, folder, stale=stale, is_known=locked is not None)
                lock.packages[contract.name] = now
    elif not write:
        found = differences(None, folder, lock.packages[contract.name])
    return BuiltPackage(
        name=contract.name,
        class_name=plan.client,
        folder=folder,
        changed=changed,
        findings=findings,
        contract=contract,
        differences=found,
    )


def render_package(contract: EnvContract, plan: Plan, templates: Templates) -> Mapping[str, str]:
    """The files of a contract's package, by name.

    Raises:
        TemplateError: a template of the project's own can't be used.
        AuditError: what was rendered is not what envgen emits.
    """
    name, fingerprint = contract.name, contract.fingerprint
    try:
        modules = {
            "__init__.py": render_init(plan, templates, env_name=name),
            "client.py": render_client(plan, templates, env_name=name, fingerprint=fingerprint),
            "models.py": render_models(plan, templates, env_name=name, fingerprint=fingerprint),
        }
        for file, source in modules.items():
            audit(file, source, has_own_methods=templates.folder is not None)
    except AuditError as error:
        if templates.folder is not None:
            error.hint = f"a block in {templates.folder} may say so; {DOCS}"
        raise
    return {**modules, "contract.json": contract.to_json(), "py.typed": ""}


def _refuse_warnings(findings: Iterable[Finding]) -> None:
    warnings = [finding for finding in findings if finding.severity == "warning"]
    if warnings:
        more = f" (and {len(warnings) - 1} more)" if len(warnings) > 1 else ""
        raise ContractError(
            f"{warnings[0].message}{more}",
            pointer=warnings[0].pointer,
            hint="strict takes no warnings; without it, this is one",
        )


def _refuse_edited(locked: LockedPackage | None, files: Mapping[str, str], folder: Path) -> None:
    edited = locked.edited(folder, but_not=files) if locked is not None else []
    if edited:
        raise OutputError(
            f"edited by hand: {', '.join(edited)}",
            source=str(folder),
            hint="--diff shows what would be written, --force writes it; what a client needs "
            "beyond its contract belongs into a subclass",
        )
