"""The pipeline: contract -> plan -> render -> audit -> output."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from envgen_runtime.contract.parts import CONTRACT_FILE

from .contract.contract import EnvContract
from .errors import AuditError, ConfigError
from .findings import Finding
from .options import PackageOptions
from .output.apply import Mode, Package, apply
from .output.differences import Difference
from .output.lock import Lock, Origin
from .plan.plan import Plan
from .plan.planner import make_plan
from .render.adapters import render_adapters
from .render.audit import audit
from .render.client import render_client, render_init
from .render.models import render_models
from .render.templating import DOCS, Templates, default_templates
from .render.tools import render_tools, render_tools_client


@dataclass(frozen=True, slots=True)
class BuiltPackage:
    """A generated package, as it was written or would be.

    Attributes:
        name: the package's name, ``coding_env``.
        class_name: the client's class, ``CodingEnv``.
        changed: whether files were written; False where they were up to date.
        findings: what its user should know about it.
        differences: where it was only compared: what writing it would change.
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
    mode: Mode | None = None,
) -> BuiltPackage:
    """Generate the package for a contract as ``out``/``contract.name``.

    Args:
        contract: what to generate from.
        out: the folder of packages.
        options: the project's settings for the package.
        templates: what it is rendered with; None for envgen's own.
        source: where the contract came from, as the lock records it.
        lock: what was generated before; it is brought up to date. None to go without. Where the
            options name no adapters, the package keeps those that it had.
        mode: what the build is allowed to do; None to write without overwriting edits.

    Raises:
        ContractError: the contract can't be built from, or has warnings and the mode is strict.
        ConfigError: a name in the settings can't be used.
        TemplateError, AuditError: it can't be rendered, or the result is not what envgen emits.
        OutputError: the folder can't be written, or a file in it was edited by hand.
    """
    lock = Lock() if lock is None else lock
    options = options or PackageOptions()
    adapters = options.adapters
    if adapters is None and (locked := lock.packages.get(contract.name)) is not None:
        adapters = locked.origin.adapters
    options = replace(options, adapters=(*(adapters or ()), *options.added_adapters))
    if contract.wire is not None and options.transport == "websocket":
        raise ConfigError(
            f"{contract.name}: its server has routes of its own, and no WebSocket",
            hint='leave out transport = "websocket"',
        )
    templates = templates or default_templates()
    plan, plan_findings = make_plan(contract, options)
    findings = (*contract.findings, *plan_findings)
    origin = Origin.of(
        contract, source=source, client=plan.client, options=options, templates=templates.digest
    )
    render = partial(_render, contract, plan, templates, origin)
    package = Package(contract.name, origin, findings, render)
    folder = out / contract.name
    changed, differences = apply(package, folder, lock, mode or Mode())
    return BuiltPackage(
        contract.name, plan.client, folder, changed, findings, contract, differences
    )


def _render(
    contract: EnvContract, plan: Plan, templates: Templates, origin: Origin
) -> dict[str, str]:
    """The package's files by name, audited."""
    name, fingerprint = contract.name, contract.fingerprint
    try:
        modules = {
            "__init__.py": render_init(plan, templates, env_name=name),
            "client.py": render_client(
                plan, templates, env_name=name, fingerprint=fingerprint, wire=contract.wire
            )
            if contract.has_environment
            else render_tools_client(plan, templates, env_name=name, fingerprint=fingerprint),
            "models.py": render_models(plan, templates, env_name=name, fingerprint=fingerprint),
        }
        if plan.tools:
            modules["tools.py"] = render_tools(
                plan, templates, env_name=name, fingerprint=fingerprint
            )
        modules |= render_adapters(
            origin.adapters, contract, plan, templates, gymnasium=origin.gymnasium
        )
        for file, source in modules.items():
            audit(file, source, has_own_methods=templates.folder is not None)
    except AuditError as error:
        if templates.folder is None:
            raise
        hint = f"a block in {templates.folder} may have written it; {DOCS}"
        raise error.with_context(hint=hint) from error
    return {**modules, CONTRACT_FILE: contract.to_json(), "py.typed": ""}
