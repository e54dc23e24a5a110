"""The pipeline: contract -> plan -> models, client -> audit -> publish."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from .audit import audit
from .client import render_client, render_init
from .contract import EnvContract
from .findings import Finding
from .models import render_models
from .planner import make_plan
from .publish import publish


@dataclass(frozen=True, slots=True)
class BuiltPackage:
    """A generated package, as it was published.

    Attributes:
        name: the package's name, ``coding_env``.
        class_name: the client's, ``CodingEnv``.
        folder: where it is.
        changed: whether its files were written, or were there already.
        findings: what should be known about it.
    """

    name: str
    class_name: str
    folder: Path
    changed: bool
    findings: tuple[Finding, ...]


def build_package(
    contract: EnvContract, out: Path, *, class_name: str | None = None
) -> BuiltPackage:
    """Generate the package for a contract as ``out``/``contract.name``.

    Args:
        contract: the contract.
        out: the folder for packages.
        class_name: the client's name; None to make it of the environment's.

    Raises:
        ContractError: the contract can't be built from.
        AuditError: what was rendered is not what envgen emits.
        OutputError: it can't be written.
    """
    plan = make_plan(contract, class_name=class_name)
    files = {
        "__init__.py": render_init(plan, env_name=contract.name),
        "client.py": render_client(plan, env_name=contract.name, fingerprint=contract.fingerprint),
        "models.py": render_models(plan, env_name=contract.name, fingerprint=contract.fingerprint),
    }
    for file, source in files.items():
        audit(file, source)
    folder = out / contract.name
    changed = publish({**files, "contract.json": contract.to_json(), "py.typed": ""}, folder)
    return BuiltPackage(
        name=contract.name,
        class_name=plan.client,
        folder=folder,
        changed=changed,
        findings=(*contract.findings, *plan.findings),
    )
