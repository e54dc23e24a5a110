"""What is committed in generated/ is what the generator writes, and golden packages don't drift."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from envgen.build import BuiltPackage, build_package
from envgen.options import ADAPTERS, PackageOptions
from envgen.sources import read_contract
from tests.support import ROOT

SCHEMAS = sorted((ROOT / "schemas").glob("*.json"))
GOLDEN = sorted((ROOT / "tests" / "golden").glob("*/*.json"))
"""A contract, or an OpenAPI document whose contract is among what is expected."""


def build_case(case: Path, out: Path) -> BuiltPackage:
    """Build a golden package, with the modules for the trainers that its folder is named after."""
    adapters = tuple(name for name in ADAPTERS if case.parent.name.startswith(name))
    return build_package(read_contract(str(case)), out, options=PackageOptions(adapters=adapters))


def tree(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir() if path.is_file()}


@pytest.mark.parametrize("schema", SCHEMAS, ids=lambda path: path.stem)
def test_generated_is_what_the_generator_writes(schema: Path, tmp_path: Path) -> None:
    package = build_package(read_contract(str(schema)), tmp_path)
    assert tree(package.folder) == tree(ROOT / "generated" / schema.stem)


def test_every_generated_package_has_its_schema() -> None:
    packages = {path.parent.name for path in (ROOT / "generated").glob("*/client.py")}
    assert packages == {path.stem for path in SCHEMAS}
    assert len(packages) >= 4


@pytest.mark.parametrize("case", GOLDEN, ids=lambda path: path.parent.name)
def test_golden(case: Path, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    package = build_case(case, tmp_path)
    written = tree(package.folder)
    if case.name == "contract.json":
        del written["contract.json"]
    findings = [
        f"{finding.severity} {finding.pointer}: {finding.message}" for finding in package.findings
    ]
    written["findings.txt"] = "".join(f"{finding}\n" for finding in findings)
    expected = case.parent / "expected"
    if request.config.getoption("--update-golden"):
        expected.mkdir(exist_ok=True)
        for name, content in written.items():
            (expected / name).write_text(content)
    assert written == tree(expected)


def test_importing_a_client_imports_neither_docker_nor_a_transport() -> None:
    program = "import sys; from generated.coding_env import CodingEnv; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    assert "pydantic" in loaded
    for module in ("docker", "httpx", "websockets", "envgen", "datamodel_code_generator"):
        assert module not in loaded


@pytest.mark.slow
@pytest.mark.parametrize("checker", ["mypy", "pyright"])
def test_golden_packages_type_check(checker: str, tmp_path: Path) -> None:
    for case in GOLDEN:
        build_case(case, tmp_path / "golden")
    check_types(checker, tmp_path)


def check_types(checker: str, folder: Path) -> None:
    """Run a strict type checker over all packages in ``folder``."""
    if checker == "mypy":
        command = ["mypy", "--strict", "--config-file", "", "--cache-dir", str(folder / ".mypy")]
        command += ["--explicit-package-bases", "--namespace-packages", "."]
    else:
        settings = {"typeCheckingMode": "strict", "pythonVersion": "3.11"}
        (folder / "pyrightconfig.json").write_text(json.dumps(settings))
        command = ["pyright", "--pythonpath", sys.executable, "."]
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
